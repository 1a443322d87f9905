/**
 * warp_fused against chunking, hashing, compressing and sealing one after another.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../../actors/base/bytes.ts";
import { defaultTable, tableFromBytes } from "../../../kernels/boundary/spec.ts";
import { openPortable } from "../backends.ts";
import { noise, randomWords, text } from "../samples.ts";
import {
  type Abi,
  Context,
  ENOSPC,
  type FusedParams,
  fusedStruct,
  Guarded,
  LZ4,
  OK,
  STORED,
  u64s,
} from "./abi.ts";
import { hashMany, type Library, NONE } from "./abi_calls.ts";

const aead = await openPortable("aead");
const boundary = await openPortable("boundary");
const lz4 = await openPortable("lz4");

/** Last 8 bytes plus i, little-endian, modulo 2^64. */
function nonceAt(nonce: Uint8Array, i: number): Uint8Array {
  const out = nonce.slice(), view = new DataView(out.buffer);
  view.setBigUint64(4, BigInt.asUintN(64, view.getBigUint64(4, true) + BigInt(i)), true);
  return out;
}

/** The outputs of one call of warp_fused, each between guard bytes. */
class Fused {
  readonly out: Guarded;
  readonly raw: Guarded;
  readonly sealed: Guarded;
  readonly ids: Guarded;
  readonly codecs: Guarded;
  readonly count = new Uint32Array(1).fill(77);
  readonly status: number;

  constructor(
    abi: Abi,
    handle: bigint,
    params: FusedParams,
    input: Uint8Array<ArrayBuffer>,
    room: number,
  ) {
    const { capacity } = params;
    this.out = new Guarded(room);
    this.raw = new Guarded(8 * (capacity + 1));
    this.sealed = new Guarded(8 * (capacity + 1));
    this.ids = new Guarded(32 * capacity);
    this.codecs = new Guarded(capacity);
    this.status = abi.warp_fused(
      handle,
      fusedStruct(params),
      input,
      BigInt(input.length),
      this.out.bytes,
      BigInt(room),
      this.raw.u64,
      this.sealed.u64,
      this.ids.bytes,
      this.codecs.bytes,
      this.count,
      null,
    );
    for (const name of ["out", "raw", "sealed", "ids", "codecs"] as const) this[name].check(name);
  }
}

/** Compares with chunking, hashing and sealing one by one; returns how many chunks shrank. */
function expectFused(fused: Fused, params: FusedParams, input: Uint8Array, cuts: number[]): number {
  assert.equal(fused.status, OK);
  assert.equal(fused.count[0], cuts.length);
  const offsets = [0, ...cuts], n = cuts.length;
  assert.deepEqual(fused.raw.u64.slice(0, n + 1), u64s(offsets));
  const key = params.mode === 1 ? params.idKey : undefined;
  assert.deepEqual(fused.ids.bytes.slice(0, 32 * n), hashMany(input, offsets, key));
  const at = Array.from(fused.sealed.u64.subarray(0, n + 1), Number);
  assert.equal(at[0], 0);
  let shrunk = 0;
  for (let i = 0; i < n; i++) {
    const chunk = input.subarray(offsets[i], offsets[i + 1]);
    const sealed = fused.out.bytes.subarray(at[i], at[i + 1]);
    const payload = new Uint8Array(sealed.length - 16);
    assert.ok(aead.open(params.sealKey, nonceAt(params.nonce, i), NONE, sealed, payload), `${i}`);
    if (fused.codecs.bytes[i] === STORED) {
      assert.deepEqual(payload, chunk.slice());
      continue;
    }
    assert.equal(fused.codecs.bytes[i], LZ4);
    assert.equal(params.codec, LZ4);
    assert.ok(payload.length < chunk.length);
    const plain = new Uint8Array(chunk.length);
    assert.ok(lz4.decompress(payload, plain));
    assert.deepEqual(plain, chunk.slice());
    shrunk++;
  }
  return shrunk;
}

export function testFused({ abi, hasLz4 }: Library): void {
  Deno.test({
    name: "warp_fused is the composition of the portable kernels",
    ignore: !hasLz4,
    fn() {
      using context = new Context(abi);
      let shrunk = 0, chunks = 0;
      const run = fc.record({
        seed: fc.integer(),
        length: fc.oneof(
          fc.integer({ min: 0, max: 5000 }),
          fc.integer({ min: 0, max: 300_000 }),
          fc.integer({ min: 1 << 20, max: 3 << 20 }),
        ),
        kind: fc.constantFrom("noise", "text", "zeros", "mixed"),
        avgBits: fc.integer({ min: 8, max: 20 }),
        isLast: fc.boolean(),
        codec: fc.constantFrom(STORED, LZ4),
        mode: fc.constantFrom(0, 1),
        wraps: fc.boolean(),
      });
      const inputOf = (kind: string, length: number, seed: number) =>
        kind === "zeros"
          ? new Uint8Array(length)
          : kind === "mixed"
          ? concat(text(length >> 1, seed), noise(length - (length >> 1), seed))
          : (kind === "text" ? text : noise)(length, seed);
      fc.assert(
        fc.property(run, ({ seed, length, kind, avgBits, isLast, codec, mode, wraps }) => {
          const next = randomWords(seed), avg = 2 ** avgBits;
          const table = seed % 2 === 0 ? defaultTable() : tableFromBytes(noise(128, seed));
          const min = 64 + next() % (avg - 63), max = avg + next() % (4 * avg);
          const input = inputOf(kind, length, seed), nonce = noise(12, seed);
          if (wraps) nonce.fill(255, 4);
          const params: FusedParams = {
            isLast,
            codec,
            mode,
            idKey: noise(32, seed + 1),
            sealKey: noise(32, seed + 2),
            nonce,
            capacity: Math.floor(length / min) + 1,
            boundary: { avgBits, min, max, table },
          };
          const cuts = boundary.cuts(params.boundary, input, isLast), n = cuts.length;
          const room = length + 16 * params.capacity;
          const serial = new Fused(abi, 0n, params, input, room);
          const now = expectFused(serial, params, input, cuts);
          shrunk += now;
          chunks += n;
          const parallel = new Fused(abi, context.handle, params, input, room);
          assert.equal(parallel.status, OK);
          assert.deepEqual(parallel.count, serial.count);
          const end = Number(serial.sealed.u64[n]);
          assert.deepEqual(parallel.sealed.u64.slice(0, n + 1), serial.sealed.u64.slice(0, n + 1));
          assert.deepEqual(parallel.raw.u64.slice(0, n + 1), serial.raw.u64.slice(0, n + 1));
          assert.deepEqual(parallel.ids.bytes, serial.ids.bytes);
          assert.deepEqual(parallel.codecs.bytes, serial.codecs.bytes);
          assert.deepEqual(parallel.out.bytes.slice(0, end), serial.out.bytes.slice(0, end));
          if (n === 0) return;
          // Exactly enough, and one too few of either.
          const exact = { ...params, capacity: n }, bytes = cuts.at(-1)! + 16 * n;
          for (const handle of [0n, context.handle]) {
            assert.equal(new Fused(abi, handle, exact, input, bytes).status, OK);
            const little = new Fused(abi, handle, exact, input, bytes - 1);
            assert.deepEqual([little.status, little.count[0]], [ENOSPC, 0]);
            const few = new Fused(abi, handle, { ...exact, capacity: n - 1 }, input, bytes);
            assert.deepEqual([few.status, few.count[0]], [ENOSPC, 0]);
          }
        }),
        {
          numRuns: 24,
          examples: [[{
            seed: 5,
            length: 300_000,
            kind: "text",
            avgBits: 11,
            isLast: true,
            codec: LZ4,
            mode: 1,
            wraps: true,
          }]],
        },
      );
      assert.ok(chunks > 100 && shrunk > 10, `${chunks} chunks, ${shrunk} shrank`);
    },
  });
}
