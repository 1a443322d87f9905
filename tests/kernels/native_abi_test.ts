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

  Deno.test("warp_seal and warp_open take a key and additional data for each item", () => {
    const sizes = [...awkwardSizes([16, 64, 256, 1024]), 70_000, 200_000], n = sizes.length;
    const items = sizes.map((size, i) => noise(size, i));
    const aads = sizes.map((_, i) => noise(i % 3 === 0 ? 0 : 7 * i, 100 + i));
    const keys = noise(32 * n, 1), nonces = noise(12 * n, 2);
    for (const stride of [0, 32]) {
      for (const aad of [null, aads]) {
        const want = items.map((item, i) => {
          const out = new Uint8Array(item.length + 16), at = i * stride;
          const nonce = nonces.subarray(12 * i, 12 * i + 12);
          aead.seal(keys.subarray(at, at + 32), nonce, aad?.[i] ?? NONE, item, out);
          return out;
        });
        const places = sums(want.map((item) => item.length)), total = places.at(-1)!;
        const common = { keys, stride, nonces, aad };
        everyContext(abi, (handle, place) => {
          const sealed = new Guarded(total);
          const given = sealingArguments({ items, ...common });
          assert.equal(abi.warp_seal(handle, ...given, sealed.bytes, u64s(places), null), OK);
          sealed.check("sealed");
          assert.deepEqual(sealed.bytes.slice(), concat(...want), place);

          // In place: item i begins where its sealed bytes do.
          const gaps = u64s(places), room = new Guarded(total);
          const starts = new Array<number>();
          items.forEach((item, i) => {
            room.bytes.set(item, places[i]);
            starts.push(places[i]!);
          });
          for (const [i, item] of items.entries()) {
            const offsets = u64s([starts[i]!, starts[i]! + item.length]);
            const own = aad === null ? null : aad[i]!.slice();
            const status = abi.warp_seal(
              handle,
              room.bytes,
              offsets,
              1n,
              keys.slice(i * stride),
              0,
              nonces.slice(12 * i),
              own,
              own === null ? null : u64s([0, own.length]),
              room.bytes,
              gaps.slice(i),
              null,
            );
            assert.equal(status, OK);
          }
          room.check("in place");
          assert.deepEqual(room.bytes.slice(), concat(...want), `${place}, in place`);

          for (const bad of [-1, 0, n >> 1, n - 1]) {
            const all = want.map((item) => item.slice());
            if (bad >= 0) all[bad]![all[bad]!.length >> 1]! ^= 4;
            const out = new Guarded(sums(sizes).at(-1)!), statuses = new Guarded(n);
            const status = abi.warp_open(
              handle,
              ...sealingArguments({ items: all, ...common }),
              out.bytes,
              u64s(sums(sizes)),
              statuses.bytes,
              null,
            );
            out.check("opened");
            statuses.check("statuses");
            assert.equal(status, bad < 0 ? OK : EAUTH);
            assert.deepEqual([...statuses.bytes], sizes.map((_, i) => Number(i === bad)));
            const plain = items.map((item, i) => i === bad ? new Uint8Array(item.length) : item);
            assert.deepEqual(out.bytes.slice(), concat(...plain), `${place}, ${bad}`);
          }
        });
      }
    }
  });

  Deno.test("warp_open counts an item without room for a tag as wrong", () => {
    const key = noise(32), nonces = noise(36), out = new Guarded(16), statuses = new Uint8Array(3);
    const sealed = new Uint8Array(32);
    aead.seal(key, nonces.subarray(24), NONE, noise(16, 3), sealed);
    const items = [noise(15), NONE, sealed];
    const given = sealingArguments({ items, keys: key, stride: 0, nonces, aad: null });
    assert.equal(abi.warp_open(0n, ...given, out.bytes, u64s([0, 0, 0]), statuses, null), EAUTH);
    out.check("opened");
    assert.deepEqual([...statuses], [1, 1, 0]);
    assert.deepEqual(out.bytes.slice(), noise(16, 3));
  });

  for (const [name, codec, has] of [["LZ4", LZ4, hasLz4], ["zstd", ZSTD, hasZstd]] as const) {
    Deno.test({
      name: `warp_compress and warp_decompress: batches of ${name}`,
      ignore: !has,
      fn() {
        const sizes = [0, 1, 5, 12, 13, 64, 1000, 65_536, 65_537, 300_000];
        const items = sizes.flatMap((
          size,
        ) => [text(size, size), noise(size, size), new Uint8Array(size)]);
        const bound = codec === LZ4 ? lz4Bound : zstdBound;
        const wide = items.map((item) => bound(item.length));
        const plain = items.map((item) => item.length);
        const packed = compress(abi, 0n, codec, 1, items, wide);
        everyContext(abi, (handle, place) => {
          assert.deepEqual(compress(abi, handle, codec, 1, items, wide), packed, place);
          assert.ok(packed.every((item) => item.length > 0), "every item fits its bound");
          const back = decompress(abi, handle, codec, packed, plain);
          assert.equal(back.status, OK);
          assert.deepEqual(back.items, items);

          // Exactly enough room, one byte too little, none at all.
          const exact = packed.map((item) => item.length);
          const tight = codec === LZ4 ? exact.map((size) => size - 1) : exact.map(() => 2);
          assert.ok(compress(abi, handle, codec, 1, items, tight).every((out) => out.length === 0));
          const empty = items.map(() => 0);
          assert.ok(compress(abi, handle, codec, 1, items, empty).every((out) => out.length === 0));

          // Items 3k are cut short, items 3k + 1 have slots that are too long or too short.
          const bad = packed.map((item, i) => i % 3 === 0 ? item.subarray(0, -1) : item);
          const slots = plain.map((size, i) =>
            i % 3 !== 1 ? size : size < 10 ? size + 1 : size - 1
          );
          const broken = decompress(abi, handle, codec, bad, slots);
          assert.equal(broken.status, EDATA);
          assert.deepEqual(broken.statuses, items.map((_, i) => Number(i % 3 !== 2)));
          items.forEach((item, i) => i % 3 !== 2 || assert.deepEqual(broken.items[i], item));

          const junk = Array.from({ length: 50 }, (_, i) => noise(i, i));
          const refused = decompress(abi, handle, codec, junk, junk.map((_, i) => 20 * i));
          assert.deepEqual(refused, { ...refused, status: EDATA, statuses: junk.map(() => 1) });
        });
      },
    });
  }

  Deno.test({
    name: "warp_compress and warp_decompress: zstd dictionaries, by turns",
    ignore: !hasZstd,
    fn() {
      const dictionaries = [text(20_000, 1), noise(9000, 2)];
      // Each is like one dictionary and unlike the other.
      const items = [text(20_000, 1).slice(5000, 9000), noise(9000, 2).slice(1000, 8000)];
      const slots = items.map((item) => zstdBound(item.length));
      const plain = items.map((item) => item.length);
      everyContext(abi, (handle, place) => {
        for (let turn = 0; turn < 12; turn++) {
          const which = turn % 2, dictionary = dictionaries[which]!, level = 1 + turn % 3;
          const packed = compress(abi, handle, ZSTD, level, items, slots, dictionary);
          assert.ok(packed[which]!.length < 200, `${place}: ${packed[which]!.length}`);
          const back = decompress(abi, handle, ZSTD, packed, plain, dictionary);
          assert.equal(back.status, OK);
          assert.deepEqual(back.items, items);
          const other = decompress(abi, handle, ZSTD, packed, plain, dictionaries[1 - which]);
          assert.ok(
            other.status === EDATA || !other.items.every((item, i) => equals(item, items[i]!)),
          );
          const none = decompress(abi, handle, ZSTD, packed, plain);
          assert.equal(none.status, EDATA);
          assert.equal(none.statuses[which], 1);
        }
      });
      // The same memory with other bytes in it is another dictionary.
      const memory = dictionaries[0]!.slice();
      const first = compress(abi, 0n, ZSTD, 3, items, slots, memory);
      memory.set(dictionaries[1]!);
      const second = compress(abi, 0n, ZSTD, 3, items, slots, memory);
      assert.ok(first[0]!.length < 200 && second[0]!.length > 200 && second[1]!.length < 200);
    },
  });

  Deno.test("warp_entropy gives portable's estimates", () => {
    const items = [0, 1, 2, 4095, 4096, 4097, 100_000].flatMap((size) => [noise(size), text(size)]);
    const base = concat(...items), offsets = sums(items.map((item) => item.length));
    everyContext(abi, (handle) => {
      for (const sample of [0, 1, 4096]) {
        const out = new Guarded(2 * items.length), want = new Uint16Array(items.length);
        entropy.estimateMany(base, offsets, sample, want);
        const n = BigInt(items.length);
        assert.equal(abi.warp_entropy(handle, base, u64s(offsets), n, sample, out.u16, null), OK);
        out.check("estimates");
        assert.deepEqual(out.u16.slice(), want);
      }
    });
  });

  Deno.test({
    name: "jobs: slots run out, results come by polling, queued ones can be canceled",
    ignore: !hasZstd,
    async fn() {
      using context = new Context(abi, 1, 4);
      const { handle } = context;
      assert.equal(await abi.warp_wait(handle, 1000), EAGAIN, "nothing is under way");
      // One thread: whatever comes after the first job waits in the queue.
      const slow = slowJob(abi, handle);
      assert.equal(await abi.warp_wait(handle, 1000), EAGAIN, "the job takes longer");
      const jobs = [1, 2, 3].map((seed) => hashJob(abi, handle, noise(100_000, seed)));
      assert.deepEqual(jobs.map(({ status }) => status), [OK, OK, OK]);
      const refused = hashJob(abi, handle, noise(10));
      assert.deepEqual([refused.status, refused.job], [EAGAIN, 0n]);
      assert.equal(new Set([slow.job, ...jobs.map(({ job }) => job)]).size, 4);
      assert.deepEqual(context.poll(), []);
      // A call without a job needs no slot.
      const now = new Uint8Array(32);
      assert.equal(
        abi.warp_blake3(handle, 0, null, noise(9), u64s([0, 9]), 1n, now, null),
        OK,
      );
      assert.deepEqual(now, hashMany(noise(9), [0, 9]));

      assert.equal(abi.warp_cancel(handle, jobs[1]!.job), OK);
      assert.equal(abi.warp_cancel(handle, jobs[1]!.job), OK, "again");
      assert.equal(abi.warp_cancel(handle, slow.job), OK, "under way: it runs on");
      assert.equal(abi.warp_cancel(handle, 0n), EINVAL);
      assert.equal(abi.warp_cancel(handle, jobs[0]!.job + (1n << 32n)), EINVAL);
      assert.equal(abi.warp_cancel(handle, (jobs[0]!.job >> 32n << 32n) + 63n), EINVAL);
      assert.equal(await abi.warp_wait(handle, 0), OK, "a canceled job can be polled at once");
      assert.deepEqual(context.poll(0), []);
      assert.deepEqual(context.poll(1), [[jobs[1]!.job, ECANCELED]]);
      assert.deepEqual(jobs[1]!.out, new Uint8Array(32), "it did nothing");
      assert.equal(abi.warp_cancel(handle, jobs[1]!.job), EINVAL, "polled: the handle is stale");

      const statuses = await context.finish(3);
      const expected = [slow.job, jobs[0]!.job, jobs[2]!.job].map((job) => [job, OK] as const);
      assert.deepEqual(statuses, new Map(expected));
      for (const i of [0, 2]) {
        assert.deepEqual(jobs[i]!.out, hashMany(jobs[i]!.base, [0, 100_000]));
      }
      const again = hashJob(abi, handle, noise(10));
      assert.ok(again.job !== 0n && !jobs.some(({ job }) => job === again.job));
      assert.deepEqual(await context.finish(1), new Map([[again.job, OK]]));
    },
  });

  Deno.test("jobs of every kind end as calls do, several at once", async () => {
    using context = new Context(abi, 4, 64);
    const { handle } = context, input = noise(300_000, 4), job = () => new BigUint64Array(1);
    const params = { avgBits: 12, min: 1024, max: 16_384, table: defaultTable() };
    const begun: { status: number; job: BigUint64Array; want: number; check?: () => void }[] = [];
    const keep: unknown[] = [];
    for (let round = 0; round < 8; round++) {
      const cuts = new Uint32Array(300), count = new Uint32Array(1), cutting = job();
      // Arguments are copied: the caller may use their memory again at once.
      const struct = boundaryStruct(params);
      begun.push({
        status: abi.warp_boundary(handle, struct, input, 300_000n, 1, cuts, 300, count, cutting),
        job: cutting,
        want: OK,
        check: () =>
          assert.deepEqual([...cuts.subarray(0, count[0])], boundary.cuts(params, input, true)),
      });
      struct.fill(0);
      const few = job(), fewCuts = new Uint32Array(1), fewCount = new Uint32Array(1);
      begun.push({
        status: abi.warp_boundary(
          handle,
          boundaryStruct(params),
          input,
          300_000n,
          1,
          fewCuts,
          1,
          fewCount,
          few,
        ),
        job: few,
        want: ENOSPC,
      });
      const leaves = input.subarray(0, 32 * 1000), levels = new Uint8Array(32 * 1100);
      const key = noise(32, 1), merkle = job();
      begun.push({
        status: abi.warp_merkle(handle, key, leaves, 1000n, levels, merkle),
        job: merkle,
        want: OK,
        check: () => {
          const first = new Array(501).fill(0).map((_, i) => 64 * i);
          assert.deepEqual(levels.slice(0, 32 * 500), hashMany(leaves, first, noise(32, 1)));
        },
      });
      key.fill(0);
      const opening = job(), statuses = new Uint8Array(1), plain = new Uint8Array(984);
      const given = sealingArguments({
        items: [input.subarray(0, 1000)],
        keys: noise(32),
        stride: 0,
        nonces: noise(12),
        aad: null,
      });
      const places = u64s([0]);
      begun.push({
        status: abi.warp_open(handle, ...given, plain, places, statuses, opening),
        job: opening,
        want: EAUTH,
        check: () => assert.deepEqual([statuses[0], plain], [1, new Uint8Array(984)]),
      });
      keep.push(given, places, cuts, count, fewCuts, fewCount);
    }
    assert.ok(begun.every(({ status }) => status === OK));
    const statuses = await context.finish(begun.length);
    for (const one of begun) {
      assert.equal(statuses.get(one.job[0]!), one.want);
      one.check?.();
    }
    assert.ok(keep.length > 0 && context.lastError().length > 0);
  });

  Deno.test({
    name: "closing waits for what runs, drops what is queued, and makes handles stale",
    ignore: !hasZstd,
    async fn() {
      const context = new Context(abi, 1, 4), { handle } = context;
      const slow = slowJob(abi, handle), hash = hashJob(abi, handle, noise(100_000, 1));
      const memory = new BigUint64Array(1);
      assert.equal(abi.warp_buffer_alloc(handle, 1000n, memory), OK);
      const waiting = abi.warp_wait(handle, 60_000_000);
      assert.equal(await abi.warp_context_close_later(handle), OK);
      assert.equal(await waiting, EINVAL);
      assert.deepEqual(hash.out, new Uint8Array(32), "the queued one never ran");
      const stale = (status: number) => assert.equal(status, EINVAL);
      const word = new Uint32Array(1);
      stale(abi.warp_context_close(handle));
      stale(hashJob(abi, handle, noise(5)).status);
      stale(abi.warp_blake3(handle, 0, null, noise(5), u64s([0, 5]), 1n, new Uint8Array(32), null));
      stale(abi.warp_poll(handle, new BigUint64Array(1), new Int32Array(1), 1, word));
      stale(await abi.warp_wait(handle, 0));
      stale(abi.warp_cancel(handle, slow.job));
      stale(abi.warp_buffer_alloc(handle, 1n, memory));
      stale(abi.warp_last_error(handle, new Uint8Array(8), 8));
      // The place is taken again, by another generation.
      using next = new Context(abi);
      assert.equal(next.handle & 0xffffffffn, handle & 0xffffffffn);
      stale(abi.warp_context_close(handle));
      stale(abi.warp_cancel(next.handle, slow.job));
    },
  });

  Deno.test("64 contexts are open at once, and no more", () => {
    const open: Context[] = [], handle = new BigUint64Array(1);
    for (let i = 0; i < 64; i++) open.push(new Context(abi, 1, 1));
    assert.equal(abi.warp_context_open(0, 1, 1, handle), ENOMEM);
    assert.equal(handle[0], 0n);
    for (const context of open) context.close();
    for (const context of open) assert.equal(abi.warp_context_close(context.handle), EINVAL);
    new Context(abi, 1, 1).close();
  });

  Deno.test({
    name: "buffers are page-aligned, zeroed, and not freed while a job uses them",
    ignore: !hasZstd,
    async fn() {
      using context = new Context(abi, 1, 4);
      const { handle } = context, address = new BigUint64Array(1), bytes = 3_000_001;
      assert.equal(abi.warp_buffer_alloc(handle, BigInt(bytes), address), OK);
      assert.equal(address[0]! % 4096n, 0n);
      const memory = Deno.UnsafePointer.create(address[0]!)!;
      const view = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(memory, bytes));
      assert.ok(view.every((byte) => byte === 0));
      const input = noise(bytes, 2);
      view.set(input);
      const slow = slowJob(abi, handle);
      const queued = hashJob(abi, handle, view);
      // Not at its start: any address within counts.
      const within = hashJob(abi, handle, view.subarray(2_000_000));
      assert.equal(abi.warp_buffer_free(handle, memory), EAGAIN);
      const statuses = await context.finish(3);
      assert.deepEqual(
        statuses,
        new Map([[slow.job, OK], [queued.job, OK], [within.job, OK]]),
      );
      assert.deepEqual(queued.out, hashMany(input, [0, bytes]));
      assert.deepEqual(within.out, hashMany(input, [2_000_000, bytes]));
      const last = Deno.UnsafePointer.create(address[0]! + 4096n);
      assert.equal(abi.warp_buffer_free(handle, last), EINVAL, "not what was given");
      assert.equal(abi.warp_buffer_free(handle, null), EINVAL);
      assert.equal(abi.warp_buffer_free(handle, memory), OK);
      assert.equal(abi.warp_buffer_free(handle, memory), EINVAL, "twice");
      assert.equal(abi.warp_buffer_alloc(handle, 0n, address), EINVAL);
      assert.equal(abi.warp_buffer_alloc(handle, 1n << 60n, address), ENOMEM);
      assert.equal(address[0], 0n);
      // What is left is freed with the context.
      assert.equal(abi.warp_buffer_alloc(handle, 10n, address), OK);
    },
  });

  Deno.test({
    name: "warp_read reads at offsets, stops at the end, and says what failed",
    ignore: Deno.build.os !== "linux",
    async fn() {
      using context = new Context(abi);
      const { handle } = context, content = noise(100_000, 3), file = `${folder}/file`;
      Deno.writeFileSync(file, content);
      using opened = Deno.openSync(file);
      const fd = descriptorOf(file);
      const read = (at: bigint, length: number, descriptor = fd, from = handle) => {
        const out = new Guarded(length), count = new BigUint64Array(1).fill(99n);
        const size = BigInt(length);
        const status = abi.warp_read(from, descriptor, at, out.bytes, size, count, null);
        out.check("read", Number(count[0]));
        return { status, bytes: out.bytes.slice(0, Number(count[0])) };
      };
      for (const from of [handle, 0n]) {
        for (
          const [at, length] of [[0, 100_000], [1, 999], [99_990, 50], [0, 0], [70_000, 30_000]]
        ) {
          const want = { status: OK, bytes: content.slice(at, at! + length!) };
          assert.deepEqual(read(BigInt(at!), length!, fd, from), want);
        }
        assert.deepEqual(read(100_000n, 10, fd, from), { status: OK, bytes: NONE });
        assert.deepEqual(read(1n << 40n, 10, fd, from), { status: OK, bytes: NONE });
        assert.deepEqual(read(1n << 63n, 10, fd, from), {
          status: EINVAL,
          bytes: new Uint8Array(10).fill(0xa5),
        });
      }
      assert.deepEqual(read(0n, 10, 1_000_000), { status: EIO, bytes: NONE });
      assert.match(context.lastError(), /errno 9$/);
      const cut = new Guarded(6);
      assert.equal(abi.warp_last_error(handle, cut.bytes, 6), OK);
      cut.check("text");
      assert.deepEqual(cut.bytes.slice(), utf8("pread\0"));

      const out = new Uint8Array(5000), count = new BigUint64Array(1), job = new BigUint64Array(1);
      assert.equal(abi.warp_read(handle, fd, 95_001n, out, 5000n, count, job), OK);
      assert.deepEqual(await context.finish(1), new Map([[job[0]!, OK]]));
      assert.equal(count[0], 4999n);
      assert.deepEqual(out.subarray(0, 4999), content.subarray(95_001));
      assert.equal(abi.warp_read(handle, 1_000_000, 0n, out, 1n, count, job), OK);
      assert.deepEqual(await context.finish(1), new Map([[job[0]!, EIO]]));
      assert.ok(opened.isTerminal() === false);
    },
  });

  Deno.test("Workers open contexts and run jobs at the same time", async () => {
    const url = new URL("./native/abi_worker.ts", import.meta.url);
    const workers = Array.from({ length: 4 }, () => new Worker(url, { type: "module" }));
    try {
      const answers = workers.map((worker, seed) =>
        new Promise<string>((give, fail) => {
          worker.onmessage = ({ data }) => give(data);
          worker.onerror = (event) => {
            event.preventDefault();
            fail(new Error(event.message));
          };
          worker.postMessage({ path, seed });
        })
      );
      assert.deepEqual(await Promise.all(answers), ["OK", "OK", "OK", "OK"]);
    } finally {
      for (const worker of workers) worker.terminate();
    }
  });

  Deno.test("wrong arguments give WARP_EINVAL and never crash", async () => {
    const script = new URL("./native/abi_arguments.ts", import.meta.url).pathname;
    const { success, stdout, stderr, signal } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", script, path],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    const told = `${signal ?? ""} after ${lines.at(-1)}: ${new TextDecoder().decode(stderr)}`;
    assert.ok(success, told);
    assert.equal(lines.at(-1), "all done", told);
    assert.deepEqual(lines.filter((line) => line.startsWith("WRONG")), []);
    assert.ok(lines.length > 80, `${lines.length} cases`);
  });
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Number of this process's open file `path`. */
function descriptorOf(path: string): number {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === path) return Number(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`${path} is not open`);
}
