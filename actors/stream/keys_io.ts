/**
 * The file key of a stream: made and wrapped for those who may read it, or found with what the user
 * gave.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { ARCHIVE_KEY_BYTES } from "../cipher/archive_keys.ts";
import { defaultKeyFile, publicKeysOf, readKeyFile } from "../cipher/key_file.ts";
import { buildKeySection, keySorts, openKeySection } from "../cipher/key_section.ts";
import { isPassphraseAtHand, readPassphrase } from "../cipher/passphrase.ts";
import { encodeStreamHeader, SALT_BYTES, STREAM_KEY_ID } from "./header.ts";
import type { OpenOptions, SealOptions } from "./options.ts";

/** A fresh header for everyone named, and the key that goes with it. */
export async function newStream(
  options: SealOptions,
  io: CommandIo,
): Promise<ReturnType<typeof encodeStreamHeader>> {
  const fileKey = crypto.getRandomValues(new Uint8Array(ARCHIVE_KEY_BYTES));
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const own = options.keyFiles.map((path) => readKeyFile(path).identities[0]!);
  const owners = await Promise.all(own.map(publicKeysOf));
  const recipients = [...options.recipients, ...owners.map(({ recipient }) => recipient)];
  const passphrase = options.isPassphraseWanted
    ? await readPassphrase(options, io, { isNew: true })
    : undefined;
  try {
    const keySection = await buildKeySection({
      archiveKey: fileKey,
      archiveId: STREAM_KEY_ID,
      passphrase,
      recipients,
    });
    return encodeStreamHeader({ frameBytes: options.frameBytes, salt, keySection }, fileKey);
  } finally {
    fileKey.fill(0);
    passphrase?.fill(0);
  }
}

/**
 * The file key of a stream. Without any key named: a passphrase from the environment, the user's own
 * key file, or a passphrase from the terminal, whichever the stream takes.
 * @throws {WarpError} E_KEY_NEEDED, E_KEY_WRONG, E_INTEGRITY
 */
export async function findFileKey(
  keySection: Bytes,
  options: OpenOptions,
  io: CommandIo,
): Promise<Uint8Array<ArrayBuffer>> {
  const sorts = keySorts(keySection);
  const isPassphraseNamed = options.passphraseFile !== undefined ||
    options.passphraseFd !== undefined;
  const identities = options.identityFiles.flatMap((path) => readKeyFile(path).identities);
  const isDefaultUsed = sorts.takesIdentity && identities.length === 0 && !isPassphraseNamed;
  if (isDefaultUsed) identities.push(...defaultIdentities());
  const wantsPassphrase = sorts.takesPassphrase &&
    (isPassphraseNamed || identities.length === 0 || (isDefaultUsed && isPassphraseAtHand({})));
  const passphrase = wantsPassphrase
    ? await readPassphrase(options, io, { isNew: false })
    : undefined;
  try {
    return await openKeySection(keySection, STREAM_KEY_ID, { passphrase, identities });
  } catch (error) {
    throw inOurWords(error);
  } finally {
    passphrase?.fill(0);
  }
}

/** Of the user's own key file, where there is one. */
function defaultIdentities(): readonly string[] {
  try {
    return readKeyFile(defaultKeyFile()).identities;
  } catch (error) {
    if (isWarpError(error, "E_NOT_FOUND") || isWarpError(error, "E_CONFIG")) return [];
    throw error;
  }
}

/** Key sections speak of archives. */
function inOurWords(error: unknown): unknown {
  if (isWarpError(error, "E_KEY_WRONG")) {
    return new WarpError("E_KEY_WRONG", "no key given opens this stream", {
      hint: "check the passphrase or the key file; a damaged stream looks the same",
      cause: error,
    });
  }
  if (isWarpError(error, "E_KEY_NEEDED")) {
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    return new WarpError("E_KEY_NEEDED", "a key is needed to read this stream", {
      ...hint,
      cause: error,
    });
  }
  return error;
}
