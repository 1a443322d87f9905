/**
 * BLAKE3 as Warp uses it: 32-byte digests, plain or keyed, and key derivation.
 *
 * Standard: https://github.com/BLAKE3-team/BLAKE3-specs/blob/master/blake3.pdf
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";

export const DIGEST_BYTES = 32;
export const KEY_BYTES = 32;

export function checkHash(out: Bytes, key: Bytes | undefined): void {
  invariant(out.length >= DIGEST_BYTES, "blake3: out must have 32 bytes");
  invariant(key === undefined || key.length === KEY_BYTES, "blake3: key must be 32 bytes");
}

/**
 * Number of inputs of a batch. Offsets must ascend and lie within `base`; the caller's list must not
 * change meanwhile.
 */
export function checkBatch(
  base: Bytes,
  offsets: ArrayLike<number>,
  out: Bytes,
  key: Bytes | undefined,
): number {
  const count = Math.max(0, offsets.length - 1);
  invariant(out.length >= DIGEST_BYTES * count, "blake3: out must have 32 bytes per input");
  invariant(key === undefined || key.length === KEY_BYTES, "blake3: key must be 32 bytes");
  let previous = 0;
  for (let i = 0; i < offsets.length; i++) {
    const offset = offsets[i]!;
    invariant(offset >= previous && Number.isInteger(offset), "blake3: offsets must ascend");
    previous = offset;
  }
  invariant(previous <= base.length, "blake3: an offset lies beyond the input");
  return count;
}
