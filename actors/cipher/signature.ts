/**
 * Ed25519 signatures (RFC 8032) over an archive's trailer (docs/format.md §10).
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { type Bytes, concat, fromHex, toHex } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";
import { asBuffer, nodeCrypto } from "../base/node_crypto.ts";
import { isSmallOrder, SIGNER_BYTES } from "./public_keys.ts";

export { formatSigner, parseSigner } from "./public_keys.ts";

export const SIGNING_SEED_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** DER of an Ed25519 PrivateKeyInfo and SubjectPublicKeyInfo (RFC 8410) up to the key itself. */
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420");
const SPKI_PREFIX = fromHex("302a300506032b6570032100");

export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** 64 bytes; the same for the same message. */
  sign(message: Bytes): Uint8Array<ArrayBuffer>;
}

/** @param seed 32 secret bytes; the caller may wipe them afterwards */
export function createSigner(seed: Bytes): Signer {
  invariant(seed.length === SIGNING_SEED_BYTES, "a signing seed is 32 bytes");
  const { createPrivateKey, createPublicKey, sign } = nodeCrypto();
  const der = concat(PKCS8_PREFIX, seed);
  const key = createPrivateKey({ key: asBuffer(der), format: "der", type: "pkcs8" });
  der.fill(0);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(spki.subarray(spki.length - SIGNER_BYTES));
  return {
    publicKey,
    sign: (message: Bytes) => new Uint8Array(sign(null, message, key)),
  };
}

/** False for a wrong signature, a wrong length, and a public key that protects nothing. */
export function verifySignature(publicKey: Bytes, message: Bytes, signature: Bytes): boolean {
  if (publicKey.length !== SIGNER_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  if (isSmallOrder(publicKey)) return false;
  try {
    return nodeCrypto().verify(null, message, verifierOf(publicKey), signature);
  } catch {
    // Not a point of the curve.
    return false;
  }
}

/** Reading a key costs a third of what verifying does, and a hub hears from the same ones all the time. */
const verifiers = new Map<string, KeyObject>();
const VERIFIERS_MAX = 4096;

/** Public keys alone; the one used longest ago goes first. */
function verifierOf(publicKey: Bytes): KeyObject {
  const name = toHex(publicKey);
  let key = verifiers.get(name);
  if (key === undefined) {
    const der = concat(SPKI_PREFIX, publicKey);
    key = nodeCrypto().createPublicKey({ key: asBuffer(der), format: "der", type: "spki" });
    if (verifiers.size >= VERIFIERS_MAX) verifiers.delete(verifiers.keys().next().value!);
  } else {
    verifiers.delete(name);
  }
  verifiers.set(name, key);
  return key;
}
