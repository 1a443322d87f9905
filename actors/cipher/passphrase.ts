/**
 * Where a passphrase comes from: a file, a descriptor, the environment, or the terminal. Never the
 * command line, which every user of the machine can read.
 *
 * @module
 */
import { utf8 } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import { fromSystemError, WarpError } from "../base/errors.ts";

export const PASSPHRASE_VARIABLE = "WARP_PASSPHRASE";

/** Argon2 takes any length; more than this is a mistake, such as the wrong file. */
export const PASSPHRASE_BYTES_MAX = 64 * 1024;

export interface PassphraseSource {
  passphraseFile?: string | undefined;
  /** An open, readable file descriptor. */
  passphraseFd?: number | undefined;
}

export interface PassphraseOptions {
  /** Ask twice: a slip would lock the archive for ever. */
  isNew: boolean;
  prompt?: string;
  /** Default: the process environment. */
  environment?: (name: string) => string | undefined;
}

/** True when {@link readPassphrase} will find one without asking. */
export function isPassphraseAtHand(
  source: PassphraseSource,
  environment: (name: string) => string | undefined = Deno.env.get,
): boolean {
  return source.passphraseFile !== undefined || source.passphraseFd !== undefined ||
    environment(PASSPHRASE_VARIABLE) !== undefined;
}

/**
 * The passphrase as UTF-8 in NFC, without one trailing newline: from the file, else the descriptor,
 * else `WARP_PASSPHRASE`, else the terminal. Undefined when there is none of these. The caller
 * wipes it.
 * @throws {WarpError} E_USAGE when it is empty, too long or not UTF-8, when both file and
 *   descriptor are given, or when the two typed ones differ; E_NOT_FOUND, E_ACCESS, E_IO; E_CANCELLED
 */
export async function readPassphrase(
  source: PassphraseSource,
  io: Pick<CommandIo, "readSecret">,
  options: PassphraseOptions,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (source.passphraseFile !== undefined && source.passphraseFd !== undefined) {
    throw new WarpError("E_USAGE", "--passphrase-file and --passphrase-fd exclude each other");
  }
  if (source.passphraseFile !== undefined) {
    return normalizePassphrase(readBounded(source.passphraseFile, "the passphrase file"));
  }
  if (source.passphraseFd !== undefined) {
    return normalizePassphrase(readDescriptor(source.passphraseFd));
  }
  const variable = (options.environment ?? Deno.env.get)(PASSPHRASE_VARIABLE);
  if (variable !== undefined) return normalizePassphrase(utf8(variable));
  return await askPassphrase(io, options);
}

async function askPassphrase(
  io: Pick<CommandIo, "readSecret">,
  options: PassphraseOptions,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const typed = await io.readSecret(options.prompt ?? "passphrase: ");
  if (typed === undefined) return undefined;
  const passphrase = normalizePassphrase(typed);
  if (!options.isNew) return passphrase;
  const repeated = await io.readSecret("repeat it: ");
  const isSame = repeated !== undefined && equalSecrets(passphrase, repeated);
  if (isSame) return passphrase;
  passphrase.fill(0);
  throw new WarpError("E_USAGE", "the two passphrases differ", { hint: "try again" });
}

function equalSecrets(passphrase: Uint8Array, typed: Uint8Array): boolean {
  const other = normalizePassphrase(typed);
  let difference = passphrase.length ^ other.length;
  for (let i = 0; i < passphrase.length; i++) difference |= passphrase[i]! ^ (other[i] ?? 0);
  other.fill(0);
  return difference === 0;
}

/**
 * Drops one trailing newline (LF or CR LF) and normalises to NFC, so that the same words typed on
 * different systems are the same key. Wipes `raw`.
 */
export function normalizePassphrase(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  let end = raw.length;
  if (end > 0 && raw[end - 1] === 0x0a) end -= end > 1 && raw[end - 2] === 0x0d ? 2 : 1;
  let text: string;
  try {
    if (end > PASSPHRASE_BYTES_MAX) {
      throw new WarpError("E_USAGE", `the passphrase is longer than ${PASSPHRASE_BYTES_MAX} bytes`);
    }
    if (end === 0) throw new WarpError("E_USAGE", "the passphrase is empty");
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw.subarray(0, end));
  } catch (error) {
    if (error instanceof WarpError) throw error;
    throw new WarpError("E_USAGE", "the passphrase is not UTF-8 text", {
      hint: "use text, for example from `openssl rand -base64 24`",
    });
  } finally {
    raw.fill(0);
  }
  // The string itself cannot be wiped: JavaScript strings are immutable. It is short-lived.
  return utf8(text.normalize("NFC"));
}

/** Descriptors other than 0 are opened by name: Deno has no call that takes a number. */
function readDescriptor(descriptor: number): Uint8Array {
  if (!Number.isInteger(descriptor) || descriptor < 0 || descriptor > 1 << 20) {
    throw new WarpError("E_USAGE", `${descriptor} is not a file descriptor`);
  }
  if (descriptor === 0) return readAllBounded(Deno.stdin, "descriptor 0");
  if (Deno.build.os === "windows") {
    throw new WarpError("E_USAGE", "--passphrase-fd takes only 0 on Windows");
  }
  try {
    return readBounded(`/dev/fd/${descriptor}`, `descriptor ${descriptor}`);
  } catch (error) {
    if (error instanceof WarpError && error.code === "E_NOT_FOUND") {
      throw new WarpError("E_USAGE", `descriptor ${descriptor} is not open`, { cause: error });
    }
    throw error;
  }
}

function readBounded(path: string, what: string): Uint8Array {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    const known = fromSystemError(error);
    if (known === undefined) throw error;
    const hint = known.hint === undefined ? {} : { hint: known.hint };
    throw new WarpError(known.code, `${what} cannot be read: ${path}`, { ...hint, cause: error });
  }
  try {
    return readAllBounded(file, what);
  } finally {
    file.close();
  }
}

function readAllBounded(
  reader: { readSync(buffer: Uint8Array): number | null },
  what: string,
): Uint8Array {
  // One byte more than a passphrase with CR LF may have: a longer file is seen to be longer.
  const buffer = new Uint8Array(PASSPHRASE_BYTES_MAX + 3);
  let length = 0;
  while (length < buffer.length) {
    const count = readChunk(reader, buffer.subarray(length), what);
    if (count === null || count === 0) break;
    length += count;
  }
  const content = buffer.slice(0, length);
  buffer.fill(0);
  return content;
}

function readChunk(
  reader: { readSync(buffer: Uint8Array): number | null },
  buffer: Uint8Array,
  what: string,
): number | null {
  try {
    return reader.readSync(buffer);
  } catch (cause) {
    // A directory, a device that fails: the reader's own text may repeat content, so it is left out.
    throw new WarpError("E_IO", `${what} cannot be read`, { cause });
  }
}
