/**
 * Key files. A warp key file is an age identity file, so `age -i` opens what was encrypted to it;
 * the Ed25519 signing key is derived from the same 32 secret bytes:
 *
 *     seed = HKDF-SHA256(ikm = secret, salt = empty, info = "warp/key/sign/v1", 32)
 *
 * @module
 */
import { bech32 } from "@scure/base";
import { dirname, join } from "node:path";
import { utf8 } from "../base/bytes.ts";
import { fromSystemError, WarpError } from "../base/errors.ts";
import { hkdfSha256 } from "./archive_keys.ts";
import { createSigner, formatSigner, type Signer, SIGNING_SEED_BYTES } from "./signature.ts";

/** An identity line has 74 characters; a megabyte holds every identity anyone has. */
const KEY_FILE_BYTES_MAX = 1024 * 1024;
const IDENTITIES_MAX = 1024;
const SECRET_BYTES = 32;
const SIGN_INFO = utf8("warp/key/sign/v1");

export interface KeyFile {
  /** `AGE-SECRET-KEY-1...` or `AGE-SECRET-KEY-PQ-1...`, in file order; at least one. */
  identities: readonly string[];
  /** True when other users of this machine may read it. */
  isExposed: boolean;
}

/** The public halves of one identity. */
export interface PublicKeys {
  /** `age1...`: what others encrypt to. */
  recipient: string;
  /** `warpsig1...`: what others check signatures with. */
  signer: string;
}

/** `$XDG_CONFIG_HOME/warp/key.txt`, `~/.config/warp/key.txt`, or `%APPDATA%\warp\key.txt`. */
export function defaultKeyFile(
  environment: (name: string) => string | undefined = Deno.env.get,
): string {
  const fallback = () => {
    const home = environment("HOME");
    if (Deno.build.os === "windows") return environment("APPDATA");
    return home === undefined || home === "" ? undefined : join(home, ".config");
  };
  const configured = environment("XDG_CONFIG_HOME");
  const base = configured === undefined || configured === "" ? fallback() : configured;
  if (base === undefined || base === "") {
    throw new WarpError("E_CONFIG", "no home directory is set", { hint: "name the key file" });
  }
  return join(base, "warp", "key.txt");
}

/**
 * Reads an age identity file: comments, empty lines, and one identity per line.
 * @throws {WarpError} E_NOT_FOUND, E_ACCESS, E_IO; E_CONFIG for anything that is not such a file.
 *   No message repeats its content.
 */
export function readKeyFile(path: string): KeyFile {
  let text: string;
  let mode: number | null;
  try {
    const stat = Deno.statSync(path);
    if (stat.isDirectory || stat.size > KEY_FILE_BYTES_MAX) throw notAKeyFile(path);
    mode = stat.mode;
    text = readText(path);
  } catch (error) {
    if (error instanceof WarpError) throw error;
    const known = fromSystemError(error);
    if (known === undefined) throw error;
    const hint = known.code === "E_NOT_FOUND" ? { hint: "`warp key new` makes one" } : {};
    throw new WarpError(known.code, `the key file cannot be read: ${path}`, {
      ...hint,
      cause: error,
    });
  }
  const isExposed = Deno.build.os !== "windows" && mode !== null && (mode & 0o077) !== 0;
  return { identities: parseIdentities(text, path), isExposed };
}

function readText(path: string): string {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(KEY_FILE_BYTES_MAX + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = file.readSync(buffer.subarray(length));
    if (count === null || count === 0) break;
    length += count;
  }
  // A pipe has no size beforehand.
  if (length > KEY_FILE_BYTES_MAX) throw notAKeyFile(path);
  const text = new TextDecoder().decode(buffer.subarray(0, length));
  buffer.fill(0, 0, length);
  return text;
}

function notAKeyFile(path: string, hint = "a key file holds lines like AGE-SECRET-KEY-1…") {
  return new WarpError("E_CONFIG", `not a key file: ${path}`, { hint });
}

/** @param path for messages only */
export function parseIdentities(text: string, path: string): string[] {
  if (text.startsWith("age-encryption.org/v1") || text.startsWith("-----BEGIN AGE ENCRYPTED")) {
    throw notAKeyFile(path, "it is encrypted: decrypt it with `age -d` first");
  }
  const identities: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    if (trimmed.startsWith("AGE-PLUGIN-")) {
      throw notAKeyFile(path, `line ${index + 1} needs an age plugin, which warp does not run`);
    }
    if (trimmed.startsWith("-----BEGIN")) {
      throw notAKeyFile(path, "SSH keys are not supported: make a key with `warp key new`");
    }
    if (secretOf(trimmed) === undefined) {
      throw notAKeyFile(path, `line ${index + 1} is not an age identity`);
    }
    identities.push(trimmed);
    if (identities.length > IDENTITIES_MAX) throw notAKeyFile(path);
  }
  if (identities.length === 0) throw notAKeyFile(path);
  return identities;
}

/** The 32 secret bytes of an identity, or undefined when it is not one. */
function secretOf(identity: string): Uint8Array | undefined {
  if (!/^AGE-SECRET-KEY-(?:PQ-)?1/.test(identity)) return undefined;
  const decoded = bech32.decodeUnsafe(identity);
  if (decoded === undefined) return undefined;
  const prefix = decoded.prefix.toUpperCase();
  const isKnown = prefix === "AGE-SECRET-KEY-" || prefix === "AGE-SECRET-KEY-PQ-";
  const secret = bech32.fromWordsUnsafe(decoded.words);
  return isKnown && secret instanceof Uint8Array && secret.length === SECRET_BYTES
    ? secret
    : undefined;
}

/** The signing key that belongs to an identity. */
export function signerOfIdentity(identity: string): Signer {
  const seed = signingSeedOfIdentity(identity);
  const signer = createSigner(seed);
  seed.fill(0);
  return signer;
}

/** The 32 secret bytes of the signing key, which is also the device key; the caller wipes them. */
export function signingSeedOfIdentity(identity: string): Uint8Array<ArrayBuffer> {
  const secret = secretOf(identity);
  if (secret === undefined) throw new WarpError("E_CONFIG", "not an age identity");
  const seed = hkdfSha256(secret, new Uint8Array(0), SIGN_INFO, SIGNING_SEED_BYTES);
  secret.fill(0);
  return new Uint8Array(seed);
}

/**
 * The signer of the first identity in a key file.
 * @throws {WarpError} as {@link readKeyFile}
 */
export function readSigner(path: string): Signer {
  return signerOfIdentity(readKeyFile(path).identities[0]!);
}

export async function publicKeysOf(identity: string): Promise<PublicKeys> {
  const { identityToRecipient } = await import("age-encryption");
  return {
    recipient: await identityToRecipient(identity),
    signer: formatSigner(signerOfIdentity(identity).publicKey),
  };
}

/** A fresh X25519 identity, as the text of a key file. */
export async function newKeyFile(
  createdAt: Date,
): Promise<{ text: string; keys: PublicKeys }> {
  const { generateX25519Identity } = await import("age-encryption");
  const identity = await generateX25519Identity();
  const keys = await publicKeysOf(identity);
  const text = [
    `# created: ${createdAt.toISOString().replace(/\.\d+Z$/, "Z")}`,
    `# public key: ${keys.recipient}`,
    `# signing key: ${keys.signer}`,
    identity,
    "",
  ].join("\n");
  return { text, keys };
}

/**
 * Writes a key file, readable by its owner alone, and makes its folder (0700) where needed.
 * @throws {WarpError} E_EXISTS when something is there already: a key is never overwritten
 */
export function writeKeyFile(path: string, text: string): void {
  let isOurs = false;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
    isOurs = true;
    const content = utf8(text);
    for (let at = 0; at < content.length;) at += file.writeSync(content.subarray(at));
    file.syncSync();
    content.fill(0);
  } catch (error) {
    // Half a key is worse than none. It holds nothing yet that anyone encrypted to.
    if (isOurs) Deno.removeSync(path);
    const known = fromSystemError(error);
    if (known === undefined) throw error;
    if (known.code === "E_EXISTS") {
      throw new WarpError("E_EXISTS", `a key file is already there: ${path}`, {
        hint: "choose another name with -o; losing a key loses what was encrypted to it",
      });
    }
    throw new WarpError(known.code, `the key file cannot be written: ${path}`, { cause: error });
  }
}
