/**
 * BLAKE3 in TypeScript (`@noble/hashes`): the reference.
 *
 * @module
 */
import { blake3 } from "@noble/hashes/blake3.js";
import { type Bytes, utf8 } from "../../actors/base/bytes.ts";
import type { Backend, Blake3 } from "../kernel.ts";
import { checkBatch, checkHash, DIGEST_BYTES } from "./spec.ts";

export function open(): Backend<Blake3> {
  return { kernel: { hash, hashMany, deriveKey }, description: "@noble/hashes" };
}

function hash(input: Bytes, out: Bytes, key?: Bytes): void {
  checkHash(out, key);
  out.set(digest(input, key));
}

function hashMany(base: Bytes, offsets: ArrayLike<number>, out: Bytes, key?: Bytes): void {
  const count = checkBatch(base, offsets, out, key);
  for (let i = 0; i < count; i++) {
    out.set(digest(base.subarray(offsets[i], offsets[i + 1]), key), DIGEST_BYTES * i);
  }
}

function digest(input: Bytes, key: Bytes | undefined): Uint8Array {
  return key === undefined ? blake3(input) : blake3(input, { key });
}

/** Any output length: BLAKE3 is an extendable-output function. */
export function deriveKey(
  context: string,
  material: Bytes,
  length = DIGEST_BYTES,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(blake3(material, { context: utf8(context), dkLen: length }));
}
