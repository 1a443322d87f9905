/**
 * Every batch call of our C library against the portable kernels: at every instruction set, in the
 * calling thread, on the pool and as a job.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, isZero, utf8 } from "../../actors/base/bytes.ts";
import { tableFromBytes } from "../../kernels/boundary/spec.ts";
import {
  BLAKE3_DERIVE,
  BLAKE3_HASH,
  BLAKE3_KEYED,
  blake3Call,
  boundaryCall,
  type Call,
  CODEC_LZ4,
  CODEC_ZSTD,
  compressCall,
  decompressCall,
  entropyCall,
  merkleBytes,
  merkleCall,
  offsetsFrom,
  openCall,
  sealCall,
} from "../../kernels/cuda/calls.ts";
import type { BoundaryParams } from "../../kernels/kernel.ts";
import { ISA_NAMES } from "../../kernels/native/library.ts";
import { openPortable } from "./backends.ts";
import { EAUTH, EDATA, OK, openTestLibrary, runAlone, TestContext } from "./native_support.ts";
import { awkwardSizes, noise, randomWords, text, vectorJson } from "./samples.ts";

const symbols = (await openTestLibrary())?.symbols;
const blake3 = await openPortable("blake3");
const aead = await openPortable("aead");
const boundary = await openPortable("boundary");
const entropy = await openPortable("entropy");
const lz4 = await openPortable("lz4");
const zstd = await openPortable("zstd");

type Run = (call: Call) => number | Promise<number>;

/** Some empty, some short, some above a group of leaves or a tile of ChaCha20. */
const LENGTHS = [0, 1, 15, 16, 17, 5000, 64, 63, 65, 1024, 200_000, 0, 1025, 70_000, 2049, 3, 8192];
/** Around the widths of SIMD code. */
const EDGES = awkwardSizes([16, 64, 256, 512, 576, 1024, 2048, 8192, 16_384]);

function offsetsOf(lengths: readonly number[], start = 0): number[] {
  const offsets = [start];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  return offsets;
}

/** The levels above `leaves`, by hashing pairs. */
function merkle(key: Bytes, leaves: Bytes): Bytes {
  const out = new Uint8Array(merkleBytes(leaves.length / 32));
  let nodes = leaves, at = 0;
  while (nodes.length > 32) {
    const pairs = Math.floor(nodes.length / 64), level = Math.ceil(nodes.length / 64) * 32;
    const next = out.subarray(at, at + level);
    blake3.hashMany(nodes, Array.from({ length: pairs + 1 }, (_, i) => 64 * i), next, key);
    if (pairs * 64 < nodes.length) next.set(nodes.subarray(pairs * 64), pairs * 32);
    nodes = next;
    at += level;
  }
  return out;
}

/** Lengths, one key for all, additional data, bytes between outputs. */
const CASES: [readonly number[], boolean, boolean, number][] = [
  [LENGTHS, true, false, 0],
  [LENGTHS, false, true, 3],
  [EDGES, false, true, 0],
];

const ENOTSUP = -5;
const CODECS = [[CODEC_LZ4, "lz4", lz4], [CODEC_ZSTD, "zstd", zstd]] as const;

/** Where nothing matches, everything matches, and usual ones: large enough for several threads. */
function hardInputs(): [string, Bytes, BoundaryParams][] {
  const next = randomWords(9), size = 3_000_000;
  const table = tableFromBytes(noise(128, next()));
  const params = (avgBits: number, own = table) => {
    const avg = 2 ** avgBits;
    return { avgBits, min: Math.max(64, avg / 4), max: 4 * avg, table: own };
  };
  // T[b] is this for all b: the hash is all ones where a window is whole.
  const everywhere = new Uint32Array(32).fill(0x10001, 0, 16), nowhere = new Uint32Array(32);
  const mixed = noise(size, 5);
  mixed.fill(7, 900_000, 1_700_000);
  return [
    ["noise", noise(size, next()), params(14)],
    ["text", text(size, next()), params(12)],
    ["noise, small chunks", noise(size / 4, next()), params(9)],
    ["noise and a run", mixed, { ...params(16), min: 64 }],
    ["matches everywhere", mixed, params(13, everywhere)],
    ["matches nowhere", mixed, params(13, nowhere)],
    ["one byte less than a segment", noise(2 ** 20 + 46, next()), params(15)],
  ];
}

const CUTS = hardInputs().flatMap(([name, input, params]) =>
  [true, false].map((isLast) => {
    const want = boundary.cuts(params, input, isLast);
    return { name: `${name}, ${isLast ? "last" : "not last"}`, input, params, isLast, want };
  })
);

const MERKLE_KEY = noise(32, 4);
const TREES = [1, 2, 3, 5, 64, 65, 1000, 4097, 20_001].map((n) => {
  const leaves = noise(32 * n, n);
  return { leaves, want: merkle(MERKLE_KEY, leaves) };
});

if (symbols !== undefined) {
  const ways: Record<string, (body: (run: Run) => void | Promise<void>) => Promise<void>> = {
    "in the calling thread": async (body) => {
      await body((call) => runAlone(symbols, call));
    },
    "on the pool": async (body) => {
      const context = new TestContext(symbols, { threads: 4 });
      await body((call) => context.run(call));
      context.close();
    },
    "as a job": async (body) => {
      const context = new TestContext(symbols, { threads: 3 });
      await body((call) => context.job(call));
      context.close();
    },
  };

  ISA_NAMES.forEach((isa, level) => {
    const hasIsa = symbols.warp_isa_limit(level) === level;
    if (!hasIsa) console.log(`SKIP native ${isa}: this CPU does not have it`);
    for (const [way, start] of Object.entries(ways)) {
      const suite = (name: string, body: (run: Run) => void | Promise<void>) =>
        Deno.test({
          name: `native ${name}, ${isa}, ${way}`,
          ignore: !hasIsa,
          fn: () => {
            assert.equal(symbols.warp_isa_limit(level), level);
            return start(body);
          },
        });

      suite("blake3 equals portable", async (run) => {
        const key = noise(32, 9), context = new Uint8Array(32);
        symbols.warp_blake3_xof(3, null, utf8("native"), 6n, context, 32n);
        const pairs = Array.from({ length: 3000 }, (_, i) => i % 7 === 0 ? 64 : i % 90);
        for (const lengths of [[0], LENGTHS, EDGES, pairs, [1_300_000, 5]]) {
          const offsets = offsetsOf(lengths, 5), base = noise(offsets.at(-1)!, 3);
          const out = new Uint8Array(32 * lengths.length), want = new Uint8Array(out.length);
          const batch = { base, offsets: offsetsFrom(offsets), out };
          assert.equal(await run(blake3Call({ mode: BLAKE3_HASH, ...batch })), OK);
          blake3.hashMany(base, offsets, want);
          assert.deepEqual(out, want);
          assert.equal(await run(blake3Call({ mode: BLAKE3_KEYED, key, ...batch })), OK);
          blake3.hashMany(base, offsets, want, key);
          assert.deepEqual(out, want);
          assert.equal(await run(blake3Call({ mode: BLAKE3_DERIVE, key: context, ...batch })), OK);
          const last = base.subarray(offsets.at(-2), offsets.at(-1));
          assert.deepEqual(out.slice(-32), blake3.deriveKey("native", last));
        }
      });

      suite("merkle equals hashing pairs", async (run) => {
        for (const { leaves, want } of TREES) {
          const out = new Uint8Array(want.length);
          assert.equal(await run(merkleCall({ key: MERKLE_KEY, leaves, out })), OK);
          assert.deepEqual(out, want, `${leaves.length / 32} leaves`);
        }
      });

      suite("seal and open equal portable", async (run) => {
        for (const [lengths, isOneKey, hasAad, gap] of CASES) {
          await checkSealing(run, lengths, isOneKey, hasAad, gap);
        }
      });

      suite("open tells forged items from right ones", checkForgeries);

      suite("seal and open work in place", async (run) => {
        for (const size of [0, 1, 64, 511, 70_000]) {
          const plaintext = noise(size, 3), slab = new Uint8Array(size + 16);
          const keys = noise(32, 4), nonces = noise(12, 5), want = new Uint8Array(size + 16);
          slab.set(plaintext);
          aead.seal(keys, nonces, new Uint8Array(), plaintext, want);
          const place = { base: slab, keys, nonces, out: slab, outOffsets: offsetsFrom([0]) };
          assert.equal(await run(sealCall({ ...place, offsets: offsetsFrom([0, size]) })), OK);
          assert.deepEqual(slab, want);
          const statuses = new Uint8Array(1), offsets = offsetsFrom([0, size + 16]);
          assert.equal(await run(openCall({ ...place, offsets, statuses })), OK);
          assert.deepEqual(slab.subarray(0, size), plaintext);
        }
      });

      suite("entropy equals portable", async (run) => {
        const offsets = offsetsOf(LENGTHS, 3), base = text(offsets.at(-1)!, 6);
        for (const sample of [0, 1, 100, 4096, 100_000]) {
          const out = new Uint16Array(LENGTHS.length), want = new Uint16Array(LENGTHS.length);
          const call = entropyCall({ base, offsets: offsetsFrom(offsets), sample, out });
          assert.equal(await run(call), OK);
          entropy.estimateMany(base, offsets, sample, want);
          assert.deepEqual(out, want, `sample ${sample}`);
        }
      });

      suite("cuts equal portable", async (run) => {
        for (const { name, input, params, isLast, want } of CUTS) {
          const cuts = new Uint32Array(input.length / params.min + 1);
          const count = new Uint32Array(1);
          assert.equal(await run(boundaryCall({ params, input, isLast, cuts, count })), OK);
          assert.deepEqual(Array.from(cuts.subarray(0, count[0])), want, name);
        }
      });

      for (const [codec, name, portable] of CODECS) {
        suite(`${name} there and back`, async (run) => {
          const offsets = offsetsOf(LENGTHS, 2), base = text(offsets.at(-1)!, 8);
          const slots = offsetsOf(LENGTHS.map((length) => portable.bound(length)));
          const packed = new Uint8Array(slots.at(-1)!), lengths = new Uint32Array(LENGTHS.length);
          const common = { codec, base, offsets: offsetsFrom(offsets), lengths };
          const status = await run(
            compressCall({ ...common, level: 1, out: packed, outOffsets: offsetsFrom(slots) }),
          );
          if (status === ENOTSUP) return console.log(`SKIP ${name}: the library is not there`);
          assert.equal(status, OK);
          const items = LENGTHS.map((_, i) => packed.slice(slots[i]!, slots[i]! + lengths[i]!));
          LENGTHS.forEach((length, i) => {
            const back = new Uint8Array(length);
            assert.ok(portable.decompress(items[i]!, back), `item ${i}`);
            assert.deepEqual(back, base.slice(offsets[i]!, offsets[i + 1]!));
          });
          await checkUnpacking(run, codec, items, base.slice(2), [3, 5]);
        });
      }
    }
  });

  Deno.test("native ChaCha20-Poly1305 passes Wycheproof at every instruction set", () => {
    for (let level = 0; level < ISA_NAMES.length; level++) {
      if (symbols.warp_isa_limit(level) !== level) continue;
      for (const { ivSize, testGroupTests } of wycheproof()) {
        if (ivSize !== 96) continue;
        for (const test of testGroupTests) {
          const base = concatHex(test.ct, test.tag), out = new Uint8Array(base.length - 16);
          const statuses = new Uint8Array(1);
          const status = runAlone(
            symbols,
            openCall({
              base,
              offsets: offsetsFrom([0, base.length]),
              keys: concatHex(test.key),
              nonces: concatHex(test.iv),
              aad: { base: concatHex(test.aad), offsets: offsetsFrom([0, test.aad.length / 2]) },
              out,
              outOffsets: offsetsFrom([0]),
              statuses,
            }),
          );
          const isValid = test.result === "valid";
          assert.equal(status, isValid ? OK : EAUTH, `tcId ${test.tcId} ${test.comment}`);
          assert.deepEqual(out, isValid ? concatHex(test.msg) : new Uint8Array(out.length));
        }
      }
    }
  });

  Deno.test("native extendable output equals key derivation of any length", () => {
    const key = new Uint8Array(32), context = utf8("any length");
    symbols.warp_blake3_xof(3, null, context, BigInt(context.length), key, 32n);
    for (const size of [0, 1, 1024, 1025, 600_000]) {
      const input = noise(size, 2);
      for (const length of [0, 1, 63, 64, 65, 1000]) {
        const out = new Uint8Array(length);
        const sizes = [BigInt(size), BigInt(length)] as const;
        assert.equal(symbols.warp_blake3_xof(2, key, input, sizes[0], out, sizes[1]), OK);
        assert.deepEqual(out, blake3.deriveKey("any length", input, length));
      }
    }
  });
}

async function checkSealing(
  run: Run,
  lengths: readonly number[],
  isOneKey: boolean,
  hasAad: boolean,
  gap: number,
): Promise<void> {
  const n = lengths.length, offsets = offsetsOf(lengths, 7), base = noise(offsets.at(-1)!, 2);
  const keys = noise(isOneKey ? 32 : 32 * n, 3), nonces = noise(12 * n, 4);
  const aadOffsets = offsetsOf(lengths.map((_, i) => i * 5 % 37));
  const aad = { base: noise(aadOffsets.at(-1)!, 5), offsets: offsetsFrom(aadOffsets) };
  // Gaps between outputs must stay as they are.
  const slots = offsetsOf(lengths.map((length) => length + 16 + gap));
  const sealed = new Uint8Array(slots.at(-1)!).fill(0xee), want = sealed.slice();
  lengths.forEach((length, i) =>
    aead.seal(
      isOneKey ? keys : keys.subarray(32 * i, 32 * i + 32),
      nonces.subarray(12 * i, 12 * i + 12),
      hasAad ? aad.base.subarray(aadOffsets[i], aadOffsets[i + 1]) : new Uint8Array(),
      base.subarray(offsets[i], offsets[i + 1]),
      want.subarray(slots[i]!, slots[i]! + length + 16),
    )
  );
  const common = { keys, nonces, ...(hasAad ? { aad } : {}) };
  const outOffsets = offsetsFrom(slots);
  const call = sealCall({
    ...common,
    base,
    offsets: offsetsFrom(offsets),
    out: sealed,
    outOffsets,
  });
  assert.equal(await run(call), OK);
  assert.deepEqual(sealed, want);
  if (gap !== 0) return;
  const opened = new Uint8Array(base.length - 7), statuses = new Uint8Array(n).fill(9);
  const starts = offsetsFrom(offsetsOf(lengths));
  const opening = { base: sealed, offsets: outOffsets, out: opened, outOffsets: starts, statuses };
  assert.equal(await run(openCall({ ...common, ...opening })), OK);
  assert.deepEqual(opened, base.subarray(7));
  assert.ok(isZero(statuses));
}

async function checkForgeries(run: Run): Promise<void> {
  const n = 40, size = 3000, keys = noise(32, 1), nonces = noise(12 * n, 2);
  const plaintext = text(size, 5), sealedSize = size + 16, base = new Uint8Array(n * sealedSize);
  for (let i = 0; i < n; i++) {
    const nonce = nonces.subarray(12 * i, 12 * i + 12);
    const place = base.subarray(i * sealedSize, (i + 1) * sealedSize);
    aead.seal(keys, nonce, new Uint8Array(), plaintext, place);
    // One bit, at another place in each: text, padding, tag.
    if (i % 3 === 0) place[i * 77 % sealedSize]! ^= 1 << (i % 8);
  }
  const lengths = Array<number>(n).fill(sealedSize);
  // The last one is too short to have a tag.
  const offsets = [...offsetsOf(lengths), n * sealedSize + 15];
  const out = new Uint8Array(n * size).fill(0xee), statuses = new Uint8Array(n + 1).fill(9);
  const status = await run(openCall({
    base: new Uint8Array([...base, ...noise(15)]),
    offsets: offsetsFrom(offsets),
    keys,
    nonces: new Uint8Array([...nonces, ...noise(12)]),
    out,
    outOffsets: offsetsFrom([...offsetsOf(Array<number>(n).fill(size))]),
    statuses,
  }));
  assert.equal(status, EAUTH);
  for (let i = 0; i < n; i++) {
    assert.equal(statuses[i], i % 3 === 0 ? 1 : 0, `item ${i}`);
    const opened = out.subarray(i * size, (i + 1) * size);
    assert.deepEqual(opened, i % 3 === 0 ? new Uint8Array(size) : plaintext);
  }
  assert.equal(statuses[n], 1);
}

/** Decompresses `items`, those at `cut` without their last byte. */
async function checkUnpacking(
  run: Run,
  codec: number,
  items: readonly Bytes[],
  want: Bytes,
  cut: readonly number[],
): Promise<void> {
  const given = items.map((item, i) => cut.includes(i) ? item.subarray(0, -1) : item);
  const offsets = offsetsOf(given.map(({ length }) => length)), slots = offsetsOf(LENGTHS);
  const base = new Uint8Array(offsets.at(-1)!);
  given.forEach((item, i) => base.set(item, offsets[i]));
  const out = new Uint8Array(slots.at(-1)!), statuses = new Uint8Array(items.length).fill(9);
  const outOffsets = offsetsFrom(slots);
  const call = decompressCall({
    codec,
    base,
    offsets: offsetsFrom(offsets),
    out,
    outOffsets,
    statuses,
  });
  assert.equal(await run(call), EDATA);
  items.forEach((_, i) => {
    assert.equal(statuses[i], cut.includes(i) ? 1 : 0, `item ${i}`);
    if (cut.includes(i)) return;
    assert.deepEqual(out.slice(slots[i], slots[i + 1]), want.slice(slots[i]!, slots[i + 1]!));
  });
}

interface WycheproofTest {
  tcId: number;
  comment: string;
  key: string;
  iv: string;
  aad: string;
  msg: string;
  ct: string;
  tag: string;
  result: string;
}

function wycheproof(): { ivSize: number; testGroupTests: WycheproofTest[] }[] {
  const { testGroups } = vectorJson<{ testGroups: { ivSize: number; tests: WycheproofTest[] }[] }>(
    "wycheproof/chacha20_poly1305_test.json",
  );
  return testGroups.map(({ ivSize, tests }) => ({ ivSize, testGroupTests: tests }));
}

function concatHex(...parts: string[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.join("").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
