/**
 * ChaCha20-Poly1305 with 96-bit nonces and 128-bit tags, RFC 8439 §2.8.
 *
 * A (key, nonce) pair must never seal two different plaintexts: nonces are the caller's, no backend
 * makes one up.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** OpenSSL counts bytes in an `int`; slabs are a few MiB. */
const PAYLOAD_BYTES_MAX = 2 ** 30;

export function checkSeal(key: Bytes, nonce: Bytes, plaintext: Bytes, output: Bytes): void {
  checkKey(key, nonce, plaintext.length);
  invariant(
    output.length === plaintext.length + TAG_BYTES,
    "aead: output must be 16 bytes longer than the plaintext",
  );
}

/** False for an input too short to hold a tag; `output` is then zeroed. */
export function checkOpen(key: Bytes, nonce: Bytes, sealed: Bytes, output: Bytes): boolean {
  checkKey(key, nonce, sealed.length);
  if (sealed.length < TAG_BYTES) {
    output.fill(0);
    return false;
  }
  invariant(
    output.length === sealed.length - TAG_BYTES,
    "aead: output must be 16 bytes shorter than the sealed input",
  );
  return true;
}

function checkKey(key: Bytes, nonce: Bytes, length: number): void {
  invariant(key.length === KEY_BYTES, "aead: key must be 32 bytes");
  invariant(nonce.length === NONCE_BYTES, "aead: nonce must be 12 bytes");
  invariant(length <= PAYLOAD_BYTES_MAX, "aead: payload is above 1 GiB");
}
