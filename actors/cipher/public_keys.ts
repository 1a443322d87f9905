/**
 * Public keys as text: `age1...` recipients (https://c2sp.org/age) and `warpsig1...` signers, both
 * bech32. Loaded to parse command lines, so it imports no cryptography.
 *
 * @module
 */
import { bech32 } from "@scure/base";
import { type Bytes, toHex } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";

export const SIGNER_BYTES = 32;

const SIGNER_PREFIX = "warpsig";

/**
 * The y coordinates of the points of order 1, 2, 4 and 8, and the ways to write them above the
 * field prime. OpenSSL accepts such keys, and "signatures" under them can be made by anyone.
 */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

const RECIPIENT_PREFIXES = new Set(["age", "age1pq", "age1tag", "age1tagpq"]);
/** A hybrid post-quantum recipient has about 1,960 characters. */
const RECIPIENT_CHARACTERS_MAX = 4096;

/** Whether `text` is an intact `age1...` string (its checksum is right) of a kind known here. */
export function isAgeRecipient(text: string): boolean {
  if (text.length > RECIPIENT_CHARACTERS_MAX) return false;
  const decoded = bech32.decodeUnsafe(text, false);
  return decoded !== undefined && RECIPIENT_PREFIXES.has(decoded.prefix);
}

/** True for an Ed25519 key (32 bytes) under which anyone can sign. */
export function isSmallOrder(publicKey: Bytes): boolean {
  const y = new Uint8Array(publicKey);
  y[31]! &= 0x7f;
  return SMALL_ORDER.has(toHex(y));
}

/** 32 bytes → `warpsig1...`. */
export function formatSigner(publicKey: Bytes): string {
  invariant(publicKey.length === SIGNER_BYTES, "a public signing key is 32 bytes");
  return bech32.encodeFromBytes(SIGNER_PREFIX, new Uint8Array(publicKey));
}

/** `warpsig1...` → 32 bytes. @throws {WarpError} E_USAGE */
export function parseSigner(text: string): Uint8Array<ArrayBuffer> {
  const decoded = text.length > 128 ? undefined : bech32.decodeUnsafe(text);
  const bytes = decoded === undefined ? undefined : bech32.fromWordsUnsafe(decoded.words);
  if (
    decoded?.prefix !== SIGNER_PREFIX || !(bytes instanceof Uint8Array) ||
    bytes.length !== SIGNER_BYTES || isSmallOrder(bytes)
  ) {
    throw new WarpError("E_USAGE", `"${text.slice(0, 80)}" is not a public signing key`, {
      hint: "it looks like warpsig1…; the signer's `warp key show` prints it",
    });
  }
  return new Uint8Array(bytes);
}
