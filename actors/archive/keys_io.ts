/**
 * Finds the key of an archive with what the user gave: files, descriptors, the environment, a prompt.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import type { CommandIo } from "../base/command.ts";
import { WarpError } from "../base/errors.ts";
import { readKeyFile } from "../cipher/key_file.ts";
import { keySorts, openKeySection } from "../cipher/key_section.ts";
import { readPassphrase } from "../cipher/passphrase.ts";
import { FileInput } from "./archive_io.ts";
import type { KeyOptions } from "./options.ts";
import { type Opening, readOpening } from "./reader.ts";

export function readIdentities(keys: KeyOptions): string[] {
  return keys.identityFiles.flatMap((path) => readKeyFile(path).identities);
}

/**
 * The archive key; null for a plain archive.
 * @throws {WarpError} E_KEY_NEEDED, E_KEY_WRONG, E_INTEGRITY
 */
export async function findArchiveKey(
  opening: Opening,
  keys: KeyOptions,
  io: CommandIo,
): Promise<Uint8Array | null> {
  const { header, keySection } = opening;
  if (!header.encrypted) return null;
  const identities = readIdentities(keys);
  const sorts = keySorts(keySection);
  const wantsPassphrase = sorts.takesPassphrase &&
    (identities.length === 0 || keys.passphraseFile !== undefined ||
      keys.passphraseFd !== undefined);
  const passphrase = wantsPassphrase ? await readPassphrase(keys, io, { isNew: false }) : undefined;
  try {
    return await openKeySection(keySection, header.archiveId, { passphrase, identities });
  } finally {
    passphrase?.fill(0);
  }
}

/** Opens the start of the archive at `path`. `-` must have been spooled before. */
export function readOpeningAt(path: string, kernels: KernelSet): Opening {
  const input = FileInput.open(path);
  try {
    return readOpening(input, kernels);
  } finally {
    input.close();
  }
}

/** Whether any key was offered on the command line or in the environment. */
export function isKeyOffered(keys: KeyOptions): boolean {
  return keys.passphraseFile !== undefined || keys.passphraseFd !== undefined ||
    keys.identityFiles.length > 0 || Deno.env.get("WARP_PASSPHRASE") !== undefined;
}

/** A path for an archive that comes from stdin: the spooled file, readable by every Worker. */
export function spoolStdin(): { path: string; close: () => void } {
  const path = Deno.makeTempFileSync({ prefix: "warp-stdin-" });
  const file = Deno.openSync(path, { write: true });
  const close = () => {
    try {
      Deno.removeSync(path);
    } catch {
      // Somebody tidied up before us.
    }
  };
  try {
    const buffer = new Uint8Array(1 << 20);
    for (let n = Deno.stdin.readSync(buffer); n !== null; n = Deno.stdin.readSync(buffer)) {
      for (let at = 0; at < n;) at += file.writeSync(buffer.subarray(at, n));
    }
    return { path, close };
  } catch (cause) {
    close();
    throw new WarpError("E_IO", "the archive on stdin could not be taken in", { cause });
  } finally {
    file.close();
  }
}
