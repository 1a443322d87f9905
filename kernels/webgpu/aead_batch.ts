/**
 * Batches of ChaCha20-Poly1305: what callers give, checked.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import { KEY_BYTES, NONCE_BYTES } from "../aead/spec.ts";

const EMPTY = new Uint8Array();

/** Items of a call. Their bytes must not change before it is over. */
export interface AeadBatch {
  /** Item i is `base[offsets[i] .. offsets[i + 1])`: plaintext, or ciphertext and tag. */
  base: Bytes;
  offsets: ArrayLike<number>;
  /** One key of 32 bytes for all items, or one for each. */
  keys: Bytes;
  /** 12 bytes for each. A pair of key and nonce must never seal two plaintexts. */
  nonces: Bytes;
  /** Item i's is `aad[aadOffsets[i] .. aadOffsets[i + 1])`; without these there is none. */
  aad?: Bytes;
  aadOffsets?: ArrayLike<number>;
}

export interface CheckedBatch extends AeadBatch {
  count: number;
  /** Keys are 32 bytes apart, or there is one. */
  hasManyKeys: boolean;
  aad: Bytes;
  aadOffsets: ArrayLike<number>;
}

/** An item may have 1 GiB, as for every backend. */
const PAYLOAD_BYTES_MOST = 2 ** 30;

/**
 * Checks a batch, and that every item's result (as much longer as `growth` says, with a floor of 0)
 * has room in `out` from `outOffsets[i]` on.
 */
export function checkAeadBatch(
  batch: AeadBatch,
  out: Bytes,
  outOffsets: ArrayLike<number>,
  growth: number,
): CheckedBatch {
  const { base, offsets, keys, nonces, aad = EMPTY, aadOffsets } = batch;
  const count = Math.max(0, offsets.length - 1);
  const hasManyKeys = keys.length !== KEY_BYTES;
  invariant(
    !hasManyKeys || keys.length === KEY_BYTES * count,
    "aead: keys must be 32 bytes, or 32 per item",
  );
  invariant(nonces.length === NONCE_BYTES * count, "aead: nonces must be 12 bytes per item");
  checkOffsets(offsets, base.length, "offsets");
  invariant((aadOffsets === undefined) === (batch.aad === undefined), "aead: aad needs aadOffsets");
  invariant(
    aadOffsets === undefined || Math.max(0, aadOffsets.length - 1) === count,
    "aead: aadOffsets must go with offsets",
  );
  checkOffsets(aadOffsets ?? [], aad.length, "aadOffsets");
  invariant(outOffsets.length >= count, "aead: outOffsets must have one entry per item");
  for (let i = 0; i < count; i++) {
    const length = offsets[i + 1]! - offsets[i]!, at = outOffsets[i]!;
    invariant(length <= PAYLOAD_BYTES_MOST, "aead: payload is above 1 GiB");
    invariant(
      Number.isInteger(at) && at >= 0 && at + Math.max(0, length + growth) <= out.length,
      "aead: an item does not fit the output",
    );
  }
  return {
    ...batch,
    count,
    hasManyKeys,
    aad,
    aadOffsets: aadOffsets ?? new Uint8Array(count + 1),
  };
}

function checkOffsets(offsets: ArrayLike<number>, length: number, name: string): void {
  let previous = 0;
  for (let i = 0; i < offsets.length; i++) {
    const offset = offsets[i]!;
    invariant(offset >= previous && Number.isInteger(offset), `aead: ${name} must ascend`);
    previous = offset;
  }
  invariant(previous <= length, `aead: ${name} lie beyond the input`);
}
