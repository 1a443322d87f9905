/**
 * Every function of the CPU library called as warp_kernels.h declares it, with contexts and jobs,
 * against the portable kernels.
 *
 * @module
 */
import assert from "node:assert/strict";
import { blake3 as nobleBlake3 } from "@noble/hashes/blake3.js";
import fc from "fast-check";
import { type Bytes, concat, utf8 } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { MerkleHash } from "../../actors/base/merkle_hash.ts";
import { defaultTable, tableFromBytes } from "../../kernels/boundary/spec.ts";
import type { BoundaryParams } from "../../kernels/kernel.ts";
import { bound as lz4Bound } from "../../kernels/lz4/spec.ts";
import { buildNative } from "../../kernels/native/build.ts";
import { bound as zstdBound } from "../../kernels/zstd/spec.ts";
import {
  type Abi,
  boundaryStruct,
  Context,
  EAGAIN,
  EAUTH,
  ECANCELED,
  EDATA,
  EINVAL,
  EIO,
  ENODEV,
  ENOMEM,
  ENOSPC,
  type FusedParams,
  fusedStruct,
  Guarded,
  LZ4,
  OK,
  openAbi,
  STORED,
  sums,
  u64s,
  ZSTD,
} from "./native/abi.ts";
import { openPortable } from "./backends.ts";
import { awkwardSizes, noise, randomWords, text } from "./samples.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const blake3 = await openPortable("blake3");
const aead = await openPortable("aead");
const boundary = await openPortable("boundary");
const lz4 = await openPortable("lz4");
const entropy = await openPortable("entropy");
const path = await build();

async function build(): Promise<string | undefined> {
  try {
    return await buildNative({ output: `${folder}/abi.so` });
  } catch (error) {
    const isMissing = isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
      error.message.startsWith("no C compiler");
    if (!isMissing || Deno.env.get("WARP_REQUIRE") === "all") throw error;
    console.log(`SKIP the C interface of the CPU library: ${error.message}`);
    return undefined;
  }
}

const NONE = new Uint8Array();
const KIB = 1024;

/** Calls without a context and in one with three threads: both must give the same. */
function everyContext(abi: Abi, body: (handle: bigint, place: string) => void): void {
  body(0n, "no context");
  using context = new Context(abi);
  body(context.handle, "context");
}

/** Every one of these matches everywhere, for 8 <= avgBits <= 20: T[b] is the same for all b. */
function constantTable(word: number): Uint32Array {
  return Uint32Array.from({ length: 32 }, (_, i) => i < 16 ? word : 0);
}

const EVERYWHERE = constantTable(0x00010001);
/** Hash 0x0000ffff everywhere: the loose mask matches up to avgBits 18, the strict one up to 14. */
const MOSTLY_LOOSE = constantTable(0x00010000);

function hashMany(base: Bytes, offsets: number[], key?: Bytes): Uint8Array {
  const out = new Uint8Array(32 * (offsets.length - 1));
  blake3.hashMany(base, offsets, out, key);
  return out;
}

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

/** Compresses items into slots of the given sizes; those between guard bytes. */
function compress(
  abi: Abi,
  handle: bigint,
  codec: number,
  level: number,
  items: Uint8Array[],
  slots: number[],
  dictionary: Uint8Array<ArrayBuffer> | null = null,
): Uint8Array<ArrayBuffer>[] {
  const at = sums(slots), out = new Guarded(at.at(-1)!), lengths = new Guarded(4 * items.length);
  const status = abi.warp_compress(
    handle,
    codec,
    level,
    dictionary,
    BigInt(dictionary?.length ?? 0),
    concat(...items),
    u64s(sums(items.map((item) => item.length))),
    BigInt(items.length),
    out.bytes,
    u64s(at),
    lengths.u32,
    null,
  );
  assert.equal(status, OK);
  out.check("out");
  lengths.check("lengths");
  return Array.from(lengths.u32, (length, i) => {
    assert.ok(length <= slots[i]!);
    return out.bytes.slice(at[i], at[i]! + length);
  });
}

function decompress(
  abi: Abi,
  handle: bigint,
  codec: number,
  items: Uint8Array[],
  slots: number[],
  dictionary: Uint8Array<ArrayBuffer> | null = null,
): { status: number; statuses: number[]; items: Uint8Array[] } {
  const at = sums(slots), out = new Guarded(at.at(-1)!), statuses = new Guarded(items.length);
  const status = abi.warp_decompress(
    handle,
    codec,
    dictionary,
    BigInt(dictionary?.length ?? 0),
    concat(...items),
    u64s(sums(items.map((item) => item.length))),
    BigInt(items.length),
    out.bytes,
    u64s(at),
    statuses.bytes,
    null,
  );
  out.check("out");
  statuses.check("statuses");
  return {
    status,
    statuses: [...statuses.bytes],
    items: slots.map((size, i) => out.bytes.slice(at[i], at[i]! + size)),
  };
}

/** One seal or open of a batch. */
interface Sealing {
  items: Uint8Array[];
  keys: Uint8Array<ArrayBuffer>;
  stride: number;
  nonces: Uint8Array<ArrayBuffer>;
  aad: Uint8Array[] | null;
}

function sealingArguments({ items, keys, stride, nonces, aad }: Sealing) {
  return [
    concat(...items),
    u64s(sums(items.map((item) => item.length))),
    BigInt(items.length),
    keys,
    stride,
    nonces,
    aad === null ? null : concat(...aad),
    aad === null ? null : u64s(sums(aad.map((part) => part.length))),
  ] as const;
}

/** A job that keeps one thread busy for about a second. */
function slowJob(abi: Abi, handle: bigint): { job: bigint; keep: unknown } {
  const input = text(1_500_000, 9), out = new Uint8Array(zstdBound(input.length));
  const lengths = new Uint32Array(1), job = new BigUint64Array(1);
  const offsets = u64s([0, input.length]), places = u64s([0, out.length]);
  const status = abi.warp_compress(
    handle,
    ZSTD,
    19,
    null,
    0n,
    input,
    offsets,
    1n,
    out,
    places,
    lengths,
    job,
  );
  assert.equal(status, OK);
  return { job: job[0]!, keep: [input, out, lengths, offsets, places] };
}

/** Begins to hash one item. */
function hashJob(abi: Abi, handle: bigint, base: Uint8Array<ArrayBuffer>) {
  const out = new Uint8Array(32), job = new BigUint64Array(1), offsets = u64s([0, base.length]);
  const status = abi.warp_blake3(handle, 0, null, base, offsets, 1n, out, job);
  return { status, job: job[0]!, out, base, offsets };
}

if (path !== undefined) {
  const abi = openAbi(path);
  const info = new Uint8Array(168);
  new DataView(info.buffer).setUint32(0, 168, true);
  assert.equal(abi.warp_probe(0, info), OK);
  const capabilities = new DataView(info.buffer).getUint32(8, true);
  const hasLz4 = (capabilities & 8) !== 0, hasZstd = (capabilities & 16) !== 0;
  for (const [name, has] of [["liblz4", hasLz4], ["libzstd", hasZstd]] as const) {
    if (has) continue;
    console.log(`SKIP what needs ${name}: it is not installed`);
    if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error(`${name} is missing`);
  }

  const cut = (
    handle: bigint,
    params: BoundaryParams,
    input: Uint8Array<ArrayBuffer>,
    isLast: boolean,
    capacity = Math.floor(input.length / params.min) + 1,
  ) => {
    const cuts = new Guarded(4 * capacity), count = new Uint32Array(1);
    const status = abi.warp_boundary(
      handle,
      boundaryStruct(params),
      input,
      BigInt(input.length),
      Number(isLast),
      cuts.u32,
      capacity,
      count,
      null,
    );
    cuts.check("cuts");
    return { status, cuts: cuts.u32.slice(0, count[0]) };
  };

  Deno.test("warp_probe describes the CPU, cut to the caller's struct", () => {
    assert.equal(abi.warp_abi_version() >>> 16, 2);
    assert.equal(capabilities & ~0x18, 0b11100111);
    assert.ok(info.subarray(40, 104).includes(0) && info.subarray(104).includes(0));
    const short = new Guarded(40);
    short.u32[0] = 40;
    assert.equal(abi.warp_probe(0, short.bytes), OK);
    short.check("short info");
    assert.deepEqual(short.bytes.slice(4), info.slice(4, 40));
    assert.equal(short.u32[0], 40);
    assert.equal(abi.warp_probe(1, info), ENODEV);
  });

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
        { numRuns: 24 },
      );
      assert.ok(chunks > 100 && shrunk > 10, `${chunks} chunks, ${shrunk} shrank`);
    },
  });

  Deno.test("warp_boundary cuts segments side by side as it cuts serially", () => {
    using context = new Context(abi);
    const mark = 512 * KIB, most = 4 * mark + 48;
    const lengths = [2 * mark - 1, 2 * mark, 2 * mark + 1, 2 * mark + 46, 2 * mark + 47]
      .concat([2 * mark + 48, 3 * mark, 3 * mark + 47, 4 * mark - 1, most]);
    const period = (bytes: number, seed: number) => {
      const pattern = noise(bytes, seed), out = new Uint8Array(most);
      for (let at = 0; at < most; at += bytes) out.set(pattern.subarray(0, most - at), at);
      return out;
    };
    // A pattern of 97 bytes in which a position matches: one every 97 bytes, more than segments hold.
    const scarce = { avgBits: 12, min: 64, max: 2 ** 20, table: defaultTable() };
    let seed = 1;
    while (cut(0n, scarce, period(97, seed).slice(0, 9000), false).cuts.length === 0) seed++;
    const inputs = {
      noise: { input: noise(most, 3), table: defaultTable() },
      zeros: { input: new Uint8Array(most), table: defaultTable() },
      text: { input: text(most, 4), table: defaultTable() },
      dense: { input: period(97, seed), table: defaultTable() },
      everywhere: { input: period(1009, 5), table: EVERYWHERE },
      loose: { input: period(31, 6), table: MOSTLY_LOOSE },
    };
    for (const [name, { input, table }] of Object.entries(inputs)) {
      for (let avgBits = 8; avgBits <= 20; avgBits++) {
        const avg = 2 ** avgBits;
        const params = { avgBits, min: Math.max(64, avg >> 2), max: 4 * avg, table };
        lengths.forEach((length, i) => {
          const part = input.subarray(0, length), isLast = (i + avgBits) % 2 === 0;
          const serial = cut(0n, params, part, isLast);
          assert.equal(serial.status, OK);
          assert.deepEqual(
            cut(context.handle, params, part, isLast),
            serial,
            `${name} ${avgBits} ${length}`,
          );
          if (i === avgBits % lengths.length && avgBits % 2 === 0) {
            assert.deepEqual([...serial.cuts], boundary.cuts(params, part, isLast));
          }
        });
      }
    }
    // A segment holds a fixed number of matches: these are all within, the last ones without.
    const few = { ...scarce, min: 64, max: 64 * KIB, avgBits: 13 };
    for (const bytes of [241, 257, 509, 1009, 2039]) {
      for (let i = 0; i < 20; i++) {
        const input = period(bytes, 100 * i + bytes);
        const serial = cut(0n, few, input, true);
        assert.deepEqual(cut(context.handle, few, input, true), serial, `${bytes} ${i}`);
      }
    }
    // What everything matches has chunks of the least length, where the strict mask matches too.
    const least = { avgBits: 14, min: 100, max: 2 ** 16, table: EVERYWHERE };
    const found = cut(context.handle, least, inputs.everywhere.input, true).cuts;
    assert.ok(found.subarray(0, -1).every((end, i) => end === 100 * (i + 1)));
    // Too few places: as many as there are, and no more.
    for (const handle of [0n, context.handle]) {
      const needed = found.length;
      assert.equal(cut(handle, least, inputs.everywhere.input, true, needed).status, OK);
      assert.equal(cut(handle, least, inputs.everywhere.input, true, needed - 1).status, ENOSPC);
      assert.equal(cut(handle, least, inputs.everywhere.input, true, 0).status, ENOSPC);
    }
  });

  Deno.test("warp_blake3 gives portable's digests in every mode, in parallel too", () => {
    const next = randomWords(7), key = noise(32, 8);
    const lengths = [...awkwardSizes([64, 1024, 2048, 65_536]), 700_000, 0, 0];
    for (let i = 0; i < 300; i++) lengths.push(next() % (i % 10 === 0 ? 30_000 : 2000));
    const at = [5, ...sums(lengths).slice(1).map((end) => end + 5)];
    const base = noise(at.at(-1)!, 9), n = lengths.length;
    const item = (i: number) => base.subarray(at[i], at[i + 1]);
    const context = "tests/kernels/native_abi_test.ts";
    const contextKey = nobleBlake3(utf8(context), { context: utf8("x") }).slice();
    assert.equal(
      abi.warp_blake3_xof(3, null, utf8(context), BigInt(context.length), contextKey, 32n),
      OK,
    );
    const wants = [
      hashMany(base, at),
      hashMany(base, at, key),
      concat(...lengths.map((_, i) => blake3.deriveKey(context, item(i)))),
    ];
    everyContext(abi, (handle, place) => {
      wants.forEach((want, mode) => {
        const out = new Guarded(32 * n), modeKey = [null, key, contextKey][mode]!;
        assert.equal(
          abi.warp_blake3(handle, mode, modeKey, base, u64s(at), BigInt(n), out.bytes, null),
          OK,
        );
        out.check("digests");
        assert.deepEqual(out.bytes.slice(), want, `${place}, mode ${mode}`);
      });
      const one = new Uint8Array(32);
      const offsets = u64s([0, context.length]);
      assert.equal(
        abi.warp_blake3(handle, 3, null, utf8(context), offsets, 1n, one, null),
        OK,
      );
      assert.deepEqual(one, contextKey);
      assert.equal(abi.warp_blake3(handle, 0, null, null, null, 0n, null, null), OK);
    });
  });

  Deno.test("warp_blake3_xof gives any length of output", () => {
    const key = noise(32, 1), context = "warp test";
    const contextKey = new Uint8Array(32);
    abi.warp_blake3_xof(3, null, utf8(context), BigInt(context.length), contextKey, 32n);
    for (const length of [0, 1, 64, 1023, 1024, 1025, 5000, 524_289, 1_100_000]) {
      const input = noise(length, length);
      for (const dkLen of [1, 31, 32, 63, 64, 65, 1000]) {
        [
          [null, nobleBlake3(input, { dkLen })],
          [key, nobleBlake3(input, { key, dkLen })],
          [contextKey, blake3.deriveKey(context, input, dkLen)],
        ].forEach(([modeKey, want], mode) => {
          if (length > 5000 && (dkLen !== 65 || mode !== 1)) return; // the reference is slow
          const out = new Guarded(dkLen);
          const status = abi.warp_blake3_xof(
            mode,
            modeKey as Uint8Array<ArrayBuffer>,
            input,
            BigInt(length),
            out.bytes,
            BigInt(dkLen),
          );
          assert.equal(status, OK);
          out.check("output");
          assert.deepEqual(out.bytes.slice(), want!.slice(), `${length} ${dkLen} ${mode}`);
        });
      }
    }
    assert.equal(abi.warp_blake3_xof(0, null, null, 0n, null, 0n), OK);
  });

  Deno.test("warp_merkle gives the levels of MerkleHash", () => {
    const tree = new MerkleHash(blake3);
    const nodeKey = blake3.deriveKey("warp/archive/v1 merkle node", NONE);
    const counts = Array.from({ length: 70 }, (_, i) => i + 1).concat([4095, 4096, 4097, 10_001]);
    using context = new Context(abi);
    for (const n of counts) {
      const leaves = noise(32 * n, n), levels: Uint8Array[] = [];
      for (let nodes: Uint8Array = leaves; nodes.length > 32; levels.push(nodes)) {
        nodes = tree.parents(nodes);
      }
      const want = concat(...levels);
      for (const handle of [0n, context.handle]) {
        const out = new Guarded(want.length);
        assert.equal(abi.warp_merkle(handle, nodeKey, leaves, BigInt(n), out.bytes, null), OK);
        out.check("levels");
        assert.deepEqual(out.bytes.slice(), want, `${n}`);
      }
    }
    assert.equal(abi.warp_merkle(0n, nodeKey, noise(32), 1n, null, null), OK);
  });
}
