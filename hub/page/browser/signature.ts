/**
 * Ed25519 for browsers, also where WebCrypto is missing (plain http): stands in for
 * actors/cipher/signature.ts when the pages are built.
 *
 * @module
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import type { Bytes } from "../../../actors/base/bytes.ts";
import { invariant } from "../../../actors/base/errors.ts";
import { isSmallOrder, SIGNER_BYTES } from "../../../actors/cipher/public_keys.ts";

export const SIGNING_SEED_BYTES = 32;
export const SIGNATURE_BYTES = 64;

export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** 64 bytes; the same for the same message. */
  sign(message: Bytes): Uint8Array<ArrayBuffer>;
}

/** @param seed 32 secret bytes; the caller may wipe them afterwards */
export function createSigner(seed: Bytes): Signer {
  invariant(seed.length === SIGNING_SEED_BYTES, "a signing seed is 32 bytes");
  const own = new Uint8Array(seed);
  return {
    publicKey: new Uint8Array(ed25519.getPublicKey(own)),
    sign: (message: Bytes) => new Uint8Array(ed25519.sign(new Uint8Array(message), own)),
  };
}

/** False for a wrong signature, a wrong length, and a public key that protects nothing. */
export function verifySignature(publicKey: Bytes, message: Bytes, signature: Bytes): boolean {
  if (publicKey.length !== SIGNER_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  if (isSmallOrder(publicKey)) return false;
  try {
    const [key, text, by] = [publicKey, message, signature].map((one) => new Uint8Array(one));
    // RFC 8032 as OpenSSL has it: ZIP 215 would take encodings that others refuse.
    return ed25519.verify(by!, text!, key!, { zip215: false });
  } catch {
    return false;
  }
}
