/**
 * Boundaries, BLAKE3, Merkle levels and entropy through the C interface.
 *
 * @module
 */
import assert from "node:assert/strict";
import { blake3 as nobleBlake3 } from "@noble/hashes/blake3.js";
import { concat, utf8 } from "../../../actors/base/bytes.ts";
import { MerkleHash } from "../../../actors/base/merkle_hash.ts";
import { defaultTable } from "../../../kernels/boundary/spec.ts";
import type { BoundaryParams } from "../../../kernels/kernel.ts";
import { openPortable } from "../backends.ts";
import { awkwardSizes, noise, randomWords, text } from "../samples.ts";
import { boundaryStruct, Context, ENOSPC, Guarded, OK, sums, u64s } from "./abi.ts";
import { everyContext, hashMany, type Library, NONE } from "./abi_calls.ts";

const blake3 = await openPortable("blake3");
const boundary = await openPortable("boundary");
const entropy = await openPortable("entropy");

const KIB = 1024;

/** Every one of these matches everywhere, for 8 <= avgBits <= 20: T[b] is the same for all b. */
function constantTable(word: number): Uint32Array {
  return Uint32Array.from({ length: 32 }, (_, i) => i < 16 ? word : 0);
}

const EVERYWHERE = constantTable(0x00010001);
/** Hash 0x0000ffff everywhere: the loose mask matches up to avgBits 18, the strict one up to 14. */
const MOSTLY_LOOSE = constantTable(0x00010000);

export function testHashes({ abi }: Library): void {
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
    // Matches at a fixed distance, from scarce to dense; chunks that no segment is a multiple of.
    const few = { ...scarce, min: 101, max: 65_537, avgBits: 13 };
    for (const bytes of [97, 257, 509, 1009, 2039]) {
      for (let i = 0; i < 20; i++) {
        const input = period(bytes, 100 * i + bytes), of = { ...few, min: few.min + i };
        const serial = cut(0n, of, input, true);
        assert.deepEqual(cut(context.handle, of, input, true), serial, `${bytes} ${i}`);
      }
    }
    // Longer chunks may make longer segments.
    const long = { noise: noise(9 << 20, 5), text: text(9 << 20, 6) };
    for (const [name, input] of Object.entries(long)) {
      for (const table of [defaultTable(), EVERYWHERE, MOSTLY_LOOSE]) {
        for (let avgBits = 12; avgBits <= 17; avgBits++) {
          const avg = 2 ** avgBits, min = avgBits % 2 === 0 ? avg >> 2 : 1237;
          const params = { avgBits, min, max: avgBits % 3 === 0 ? 4 * avg : 3 * avg + 17, table };
          for (const length of [128 * avg - 1, 128 * avg, 132 * avg + 47, 9 << 20]) {
            const part = input.subarray(0, length), isLast = length % 2 === 0;
            const serial = cut(0n, params, part, isLast);
            assert.deepEqual(
              cut(context.handle, params, part, isLast),
              serial,
              `${name} ${avgBits}`,
            );
          }
        }
      }
    }
    // What everything matches has chunks of the least length, where the strict mask matches too.
    const least = { avgBits: 14, min: 100, max: 2 ** 16, table: EVERYWHERE };
    const found = cut(context.handle, least, inputs.everywhere.input, true).cuts;
    assert.ok(found.subarray(0, -1).every((end, i) => end === 100 * (i + 1)));
    // Too few places: as many as there are, and no more.
    for (const handle of [0n, context.handle]) {
      const needed = found.length;
      const all = cut(handle, least, inputs.everywhere.input, true, needed);
      assert.deepEqual(all, { status: OK, cuts: found });
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
}
