/**
 * Batch calls of the CUDA library: arguments checked against the buffers, since C trusts what it is
 * told. Whoever runs them decides whether the caller waits (context.ts).
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import { checkParams } from "../boundary/spec.ts";
import type { BoundaryParams } from "../kernel.ts";
import { boundaryStruct, fusedStruct } from "./structs.ts";

export const CODEC_STORED = 0;
export const CODEC_LZ4 = 1;
export const CODEC_ZSTD = 2;

export const BLAKE3_HASH = 0;
export const BLAKE3_KEYED = 1;
export const BLAKE3_DERIVE = 2;

const DIGEST_BYTES = 32;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export type CallName =
  | "warp_boundary"
  | "warp_blake3"
  | "warp_merkle"
  | "warp_seal"
  | "warp_open"
  | "warp_compress"
  | "warp_decompress"
  | "warp_entropy"
  | "warp_fused";

export type Parameter = number | bigint | ArrayBufferView | null;

/** One call without its first parameter, the context, and its last, the job. */
export interface Call {
  name: CallName;
  parameters: readonly Parameter[];
}

/** Item i is `base[offsets[i] .. offsets[i + 1])`: see {@link offsetsFrom}. */
export interface Batch {
  base: Bytes;
  offsets: BigUint64Array;
}

/** Offsets as C reads them. */
export function offsetsFrom(offsets: ArrayLike<number>): BigUint64Array<ArrayBuffer> {
  const out = new BigUint64Array(offsets.length), halves = new Uint32Array(out.buffer);
  for (let i = 0; i < offsets.length; i++) {
    halves[2 * i] = offsets[i]!;
    halves[2 * i + 1] = offsets[i]! / 2 ** 32;
  }
  return out;
}

/** Digest i to `out[32 * i ..)`. The key is for {@link BLAKE3_KEYED} and {@link BLAKE3_DERIVE}. */
export interface Blake3Request extends Batch {
  mode: number;
  key?: Bytes;
  out: Bytes;
}

export function blake3Call(request: Blake3Request): Call {
  const { mode, key, base, offsets, out } = request;
  const n = checkBatch(request);
  invariant(key === undefined || key.length === KEY_BYTES, "blake3: key must be 32 bytes");
  invariant(out.length >= DIGEST_BYTES * n, "blake3: out must have 32 bytes per item");
  return { name: "warp_blake3", parameters: [mode, key ?? null, base, offsets, BigInt(n), out] };
}

/** All levels above `leaves` (32 bytes each), lowest first, into `out`: see {@link merkleBytes}. */
export interface MerkleRequest {
  key: Bytes;
  leaves: Bytes;
  out: Bytes;
}

/** Bytes that the levels above `n` leaves take. */
export function merkleBytes(n: number): number {
  let bytes = 0;
  for (let level = n; level > 1; level = Math.ceil(level / 2)) {
    bytes += DIGEST_BYTES * Math.ceil(level / 2);
  }
  return bytes;
}

export function merkleCall({ key, leaves, out }: MerkleRequest): Call {
  const n = leaves.length / DIGEST_BYTES;
  invariant(Number.isInteger(n) && n > 0, "merkle: leaves must be 32 bytes each, at least one");
  invariant(key.length === KEY_BYTES, "merkle: key must be 32 bytes");
  invariant(out.length >= merkleBytes(n), "merkle: out is too small");
  return { name: "warp_merkle", parameters: [key, leaves, BigInt(n), out] };
}

/**
 * One key of 32 bytes, or one each; 12 bytes of nonce each. Item i goes to `out[outOffsets[i] ..)`.
 * The additional data of item i is item i of `aad`.
 */
export interface SealRequest extends Batch {
  keys: Bytes;
  nonces: Bytes;
  aad?: Batch;
  out: Bytes;
  outOffsets: BigUint64Array;
}

/** `statuses[i]` becomes 1 for a wrong tag, else 0. */
export interface OpenRequest extends SealRequest {
  statuses: Bytes;
}

export function sealCall(request: SealRequest): Call {
  const parameters = aeadParameters(request, (length) => length + TAG_BYTES);
  return { name: "warp_seal", parameters };
}

export function openCall(request: OpenRequest): Call {
  const parameters = aeadParameters(request, (length) => Math.max(0, length - TAG_BYTES));
  invariant(request.statuses.length >= request.offsets.length - 1, "open: statuses is too short");
  return { name: "warp_open", parameters: [...parameters, request.statuses] };
}

function aeadParameters(request: SealRequest, outBytes: (length: number) => number): Parameter[] {
  const { base, offsets, keys, nonces, aad, out, outOffsets } = request;
  const n = checkBatch(request);
  const isOneKey = keys.length === KEY_BYTES && n !== 1;
  invariant(isOneKey || keys.length >= KEY_BYTES * n, "aead: keys must be 32 bytes, once or each");
  invariant(nonces.length >= NONCE_BYTES * n, "aead: nonces must be 12 bytes each");
  invariant(aad === undefined || checkBatch(aad) === n, "aead: aad must have as many items");
  invariant(outOffsets.length >= n, "aead: outOffsets is too short");
  const from = halvesOf(offsets), to = halvesOf(outOffsets);
  for (let i = 0; i < n; i++) {
    const end = at(to, i) + outBytes(at(from, i + 1) - at(from, i));
    invariant(end <= out.length, "aead: an output lies beyond out");
  }
  const stride = isOneKey ? 0 : KEY_BYTES;
  const aadParameters = [aad?.base ?? null, aad?.offsets ?? null];
  return [base, offsets, BigInt(n), keys, stride, nonces, ...aadParameters, out, outOffsets];
}

/** Output slot i is `out[outOffsets[i] .. outOffsets[i + 1])`; `lengths[i]` is what was used, or 0. */
export interface CompressRequest extends Batch {
  codec: number;
  level: number;
  out: Bytes;
  outOffsets: BigUint64Array;
  lengths: Uint32Array;
}

export function compressCall(request: CompressRequest): Call {
  const { codec, level, base, offsets, out, outOffsets, lengths } = request;
  const n = checkBatch(request);
  invariant(checkBatch({ base: out, offsets: outOffsets }) === n, "compress: one slot per item");
  invariant(lengths.length >= n, "compress: lengths is too short");
  return {
    name: "warp_compress",
    parameters: [codec, level, null, 0n, base, offsets, BigInt(n), out, outOffsets, lengths],
  };
}

/** Fills every slot exactly; `statuses[i]` becomes 1 where that cannot be done, else 0. */
export interface DecompressRequest extends Batch {
  codec: number;
  out: Bytes;
  outOffsets: BigUint64Array;
  statuses: Bytes;
}

export function decompressCall(request: DecompressRequest): Call {
  const { codec, base, offsets, out, outOffsets, statuses } = request;
  const n = checkBatch(request);
  invariant(checkBatch({ base: out, offsets: outOffsets }) === n, "decompress: one slot per item");
  invariant(statuses.length >= n, "decompress: statuses is too short");
  return {
    name: "warp_decompress",
    parameters: [codec, null, 0n, base, offsets, BigInt(n), out, outOffsets, statuses],
  };
}

/** Millibits per byte of each item; of longer ones than `sample` bytes (0: none) the middle counts. */
export interface EntropyRequest extends Batch {
  sample: number;
  out: Uint16Array;
}

export function entropyCall(request: EntropyRequest): Call {
  const { base, offsets, sample, out } = request;
  const n = checkBatch(request);
  invariant(out.length >= n, "entropy: out is too short");
  return { name: "warp_entropy", parameters: [base, offsets, BigInt(n), sample, out] };
}

/** `cuts[0 .. count[0])` become the ends of chunks: kernels/boundary/spec.ts. */
export interface BoundaryRequest {
  params: BoundaryParams;
  input: Bytes;
  isLast: boolean;
  cuts: Uint32Array;
  count: Uint32Array;
}

export function boundaryCall({ params, input, isLast, cuts, count }: BoundaryRequest): Call {
  checkParams(params);
  invariant(input.length < 2 ** 32, "boundary: input is above 4 GiB");
  invariant(count.length >= 1, "boundary: count must have one element");
  const struct = boundaryStruct(params);
  const length = BigInt(input.length);
  return {
    name: "warp_boundary",
    parameters: [struct, input, length, isLast ? 1 : 0, cuts, cuts.length, count],
  };
}

/**
 * Chunk i is `input[rawOffsets[i] .. rawOffsets[i + 1])`, its id `ids[32 * i ..)`, its sealed bytes
 * `out[outOffsets[i] .. outOffsets[i + 1])`, of codec `codecs[i]`. `codecs` says for how many chunks
 * there is room.
 */
export interface FusedRequest {
  params: BoundaryParams;
  codec: number;
  /** Ids are keyed where this is given. */
  idKey?: Bytes;
  sealKey: Bytes;
  /** Of chunk 0; chunk i adds i to its last 8 bytes, little-endian. */
  nonce: Bytes;
  input: Bytes;
  isLast: boolean;
  out: Bytes;
  rawOffsets: BigUint64Array;
  outOffsets: BigUint64Array;
  ids: Bytes;
  codecs: Bytes;
  count: Uint32Array;
}

export function fusedCall(request: FusedRequest): Call {
  const { input, out, rawOffsets, outOffsets, ids, codecs, count } = request;
  checkParams(request.params);
  const capacity = codecs.length;
  invariant(request.sealKey.length === KEY_BYTES, "fused: sealKey must be 32 bytes");
  invariant((request.idKey?.length ?? KEY_BYTES) === KEY_BYTES, "fused: idKey must be 32 bytes");
  invariant(request.nonce.length === NONCE_BYTES, "fused: nonce must be 12 bytes");
  invariant(ids.length >= DIGEST_BYTES * capacity, "fused: ids is too short");
  invariant(rawOffsets.length > capacity, "fused: rawOffsets is too short");
  invariant(outOffsets.length > capacity, "fused: outOffsets is too short");
  invariant(count.length >= 1, "fused: count must have one element");
  const lengths = [BigInt(input.length), BigInt(out.length)] as const;
  return {
    name: "warp_fused",
    parameters: [
      fusedStruct(request, capacity),
      input,
      lengths[0],
      out,
      lengths[1],
      rawOffsets,
      outOffsets,
      ids,
      codecs,
      count,
    ],
  };
}

/** Number of items. Offsets must ascend and lie within `base`. */
function checkBatch({ base, offsets }: Batch): number {
  const halves = halvesOf(offsets);
  let previous = 0;
  for (let i = 0; i < offsets.length; i++) {
    const offset = at(halves, i);
    invariant(offset >= previous, "batch: offsets must ascend");
    previous = offset;
  }
  invariant(previous <= base.length, "batch: an offset lies beyond the input");
  return Math.max(0, offsets.length - 1);
}

/** The same memory as pairs of 32-bit numbers: no BigInt per offset. */
function halvesOf(offsets: BigUint64Array): Uint32Array {
  return new Uint32Array(offsets.buffer, offsets.byteOffset, 2 * offsets.length);
}

function at(halves: Uint32Array, i: number): number {
  return halves[2 * i]! + halves[2 * i + 1]! * 2 ** 32;
}
