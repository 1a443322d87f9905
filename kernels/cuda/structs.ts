/**
 * Structs of warp_kernels.h in memory, little-endian.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import type { BoundaryParams } from "../kernel.ts";

const BOUNDARY_BYTES = 16 + 4 * 32;
const FUSED_BYTES = 16 + 32 + 32 + 12 + 4 + BOUNDARY_BYTES;

/** warp_boundary_params. */
export function boundaryStruct(params: BoundaryParams): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(BOUNDARY_BYTES / 4);
  words.set([BOUNDARY_BYTES, params.avgBits, params.min, params.max]);
  words.set(params.table, 4);
  return new Uint8Array(words.buffer);
}

/** warp_fused_params. */
export function fusedStruct(
  request: {
    params: BoundaryParams;
    codec: number;
    idKey?: Bytes;
    sealKey: Bytes;
    nonce: Bytes;
    isLast: boolean;
  },
  capacity: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(FUSED_BYTES), view = new DataView(out.buffer);
  const isKeyed = request.idKey !== undefined;
  [FUSED_BYTES, request.isLast ? 1 : 0, request.codec, isKeyed ? 1 : 0]
    .forEach((word, i) => view.setUint32(4 * i, word, true));
  if (request.idKey !== undefined) out.set(request.idKey, 16);
  out.set(request.sealKey, 48);
  out.set(request.nonce, 80);
  view.setUint32(92, capacity, true);
  out.set(boundaryStruct(request.params), 96);
  return out;
}
