/**
 * Finds the key of an archive with what the user gave: files, descriptors, the environment, a prompt.
 *
 * @module
 */
import type { CommandIo } from "../base/command.ts";
import { readKeyFile } from "../cipher/key_file.ts";
import { keySorts, openKeySection } from "../cipher/key_section.ts";
import { readPassphrase } from "../cipher/passphrase.ts";
import type { KeyOptions } from "./options.ts";
import type { Opening } from "./reader.ts";

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
