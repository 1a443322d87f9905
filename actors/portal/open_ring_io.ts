/**
 * Opening the key ring of this machine, asking for its passphrase where one is needed.
 *
 * @module
 */
import type { CommandIo } from "../base/command.ts";
import { printableText } from "../base/terminal.ts";
import { type PassphraseSource, readPassphrase } from "../cipher/passphrase.ts";
import { type KeyRing, openKeyRing } from "./key_ring.ts";
import { defaultRingFile, readRing, type StoredRing } from "./key_ring_io.ts";

export const RING_PROMPT = "passphrase of the key ring: ";

/**
 * Opens a ring, asking for its passphrase where one is needed; the caller wipes the ring's keys.
 *
 * @throws {WarpError} E_KEY_NEEDED, E_KEY_WRONG, E_INTEGRITY, E_CANCELLED
 */
export async function openRing(
  source: PassphraseSource,
  io: CommandIo,
  path: string = defaultRingFile(),
): Promise<KeyRing> {
  const ring = readRing(path);
  warnExposed(ring, io);
  const passphrase = ring.isSealed
    ? await readPassphrase(source, io, { isNew: false, prompt: RING_PROMPT })
    : undefined;
  try {
    return await openKeyRing(ring, passphrase);
  } finally {
    passphrase?.fill(0);
  }
}

export function warnExposed({ path, isExposed }: StoredRing, io: CommandIo): void {
  if (!isExposed) return;
  io.warn(`other users can read the key ring: chmod 600 ${printableText(path)}`);
}
