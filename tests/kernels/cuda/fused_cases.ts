/**
 * The fused pipeline against its steps made one by one by the reference.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat } from "../../../actors/base/bytes.ts";
import { defaultTable } from "../../../kernels/boundary/spec.ts";
import type { Aead, Blake3, BlockCodec, Boundary } from "../../../kernels/kernel.ts";
import { noise } from "../samples.ts";
import { boundaryBytes, type Call, type CpuKernels, sameBytes } from "./calls.ts";

export interface Reference {
  hash: Blake3;
  aead: Aead;
  boundary: Boundary;
  lz4: BlockCodec;
}

export interface FusedRun {
  input: Bytes;
  codec: number;
  isLast: boolean;
  isKeyed: boolean;
  /** Default: enough. */
  capacity?: number;
}

const boundaryParams = { avgBits: 12, min: 1024, max: 16_384, table: defaultTable() };
const idKey = noise(32, 21), sealKey = noise(32, 22);
/** Its counter wraps at chunk 2. */
const nonce = concat(noise(4, 23), Uint8Array.of(254, 255, 255, 255, 255, 255, 255, 255));

function nonceOf(chunk: number): Bytes {
  const own = nonce.slice(), view = new DataView(own.buffer);
  view.setBigUint64(4, view.getBigUint64(4, true) + BigInt(chunk), true);
  return own;
}

function call(kernels: CpuKernels, run: FusedRun, capacity: number): Call {
  const { input, codec, isLast, isKeyed } = run;
  const head = Uint32Array.from([0, isLast ? 1 : 0, codec, isKeyed ? 1 : 0]);
  const params = concat(
    new Uint8Array(head.buffer),
    idKey,
    sealKey,
    nonce,
    new Uint8Array(Uint32Array.of(capacity).buffer),
    boundaryBytes(boundaryParams),
  );
  new DataView(params.buffer).setUint32(0, params.length, true);
  const room = Math.min(capacity, Math.floor(input.length / boundaryParams.min) + 1);
  const args = [
    params,
    input,
    input.length,
    { size: input.length + 16 * room },
    { size: 8 * (capacity + 1) },
    { size: 8 * (capacity + 1) },
    { size: 32 * capacity },
    { size: capacity },
    { size: 4 },
  ];
  const scratch = kernels.scratchBytes("fused_scratch_bytes", params, input.length);
  return { name: "fused_launch", args, scratch };
}

function numbers(bytes: Bytes): number[] {
  return Array.from(new BigUint64Array(bytes.slice().buffer), Number);
}

export function checkFused(
  kernels: CpuKernels,
  outputsOf: (call: Call) => Bytes[],
  { hash, aead, boundary, lz4 }: Reference,
  run: FusedRun,
): void {
  const cuts = boundary.cuts(boundaryParams, run.input, run.isLast);
  const capacity = run.capacity ?? cuts.length + 3, n = Math.min(cuts.length, capacity);
  const [out, raw, sealedAt, ids, codecs, count] = outputsOf(call(kernels, run, capacity));
  assert.equal(new DataView(count!.buffer).getUint32(count!.byteOffset, true), cuts.length);
  const rawOffsets = numbers(raw!), outOffsets = numbers(sealedAt!);
  assert.deepEqual(rawOffsets.slice(0, n + 1), [0, ...cuts.slice(0, n)]);
  assert.equal(outOffsets[0], 0);
  let compressed = 0;
  for (let i = 0; i < n; i++) {
    const chunk = run.input.subarray(rawOffsets[i]!, rawOffsets[i + 1]!);
    const id = new Uint8Array(32);
    hash.hash(chunk, id, run.isKeyed ? idKey : undefined);
    sameBytes(ids!.subarray(32 * i, 32 * i + 32), id);

    const sealed = out!.subarray(outOffsets[i]!, outOffsets[i + 1]!);
    const stored = new Uint8Array(sealed.length - 16);
    assert.ok(aead.open(sealKey, nonceOf(i), new Uint8Array(), sealed, stored), `chunk ${i}`);
    assert.ok(codecs![i] === 0 || codecs![i] === run.codec);
    if (codecs![i] === 0) {
      sameBytes(stored, chunk);
      continue;
    }
    compressed++;
    const plain = new Uint8Array(chunk.length);
    assert.ok(stored.length < chunk.length && lz4.decompress(stored, plain));
    sameBytes(plain, chunk);
  }
  if (run.codec === 1 && run.input.length > 1000) assert.ok(compressed > 5);
}
