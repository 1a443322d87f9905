/**
 * Contract suite of the chunk boundary kernel, run by every backend; the oracle is the definition in
 * kernels/boundary/spec.ts written down a second time, without rolling.
 *
 * @module
 */
import { blake3 } from "@noble/hashes/blake3.js";
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, toHex, utf8 } from "../../actors/base/bytes.ts";
import { defaultTable, tableFromBytes, tableToBytes } from "../../kernels/boundary/spec.ts";
import type { Boundary, BoundaryParams } from "../../kernels/kernel.ts";
import { openBackends, openPortable } from "./backends.ts";
import { awkwardSizes, noise, painted, placements, randomWords, text } from "./samples.ts";

const backends = await openBackends("boundary");
const portable = await openPortable("boundary");
const table = defaultTable();
const small: BoundaryParams = { avgBits: 8, min: 64, max: 1024, table };

/** spec.ts, to the letter. */
function define(params: BoundaryParams, input: Bytes, isLast: boolean): number[] {
  const { avgBits, min, max } = params;
  const rotl = (x: number, k: number) => (x << (k & 31) | x >>> 1 >>> (31 - (k & 31))) >>> 0;
  const word = (byte: number) => (params.table[byte >> 4]! ^ params.table[16 + (byte & 15)]!) >>> 0;
  const hashAt = (i: number) => {
    let hash = 0;
    for (let k = 0; k < 48; k++) hash = (hash ^ rotl(word(input[i - k]!), k)) >>> 0;
    return hash;
  };
  const cuts: number[] = [];
  let start = 0;
  for (let end = 1; end <= input.length; end++) {
    const length = end - start;
    if (length < min) continue;
    const mask = length < 2 ** avgBits ? 2 ** (avgBits + 2) - 1 : 2 ** (avgBits - 2) - 1;
    if (length === max || ((hashAt(end - 1) & mask) >>> 0) === mask) {
      cuts.push(end);
      start = end;
    }
  }
  if (isLast && start < input.length) cuts.push(input.length);
  return cuts;
}

/** Cuts found when the input comes in pieces: unfinished chunks are presented again. */
function cutsInPieces(kernel: Boundary, params: BoundaryParams, input: Bytes, ends: number[]) {
  const cuts: number[] = [];
  let start = 0;
  for (const end of [...ends, input.length]) {
    const isLast = end === input.length;
    for (const cut of kernel.cuts(params, input.subarray(start, end), isLast)) {
      cuts.push(start + cut);
    }
    start = cuts.at(-1) ?? 0;
    if (isLast) break;
  }
  return cuts;
}

Deno.test("defaultTable() is BLAKE3 of the text that the definition names", () => {
  const material = blake3(utf8("warp/boundary/v1 default table"), { dkLen: 128 });
  assert.equal(toHex(tableToBytes(defaultTable())), toHex(material));
  assert.deepEqual(tableFromBytes(material), defaultTable());
  assert.throws(() => tableFromBytes(material.subarray(1)), /invariant/);
});

for (const { name, kernel, description } of backends) {
  Deno.test(`boundary ${name} (${description}) cuts where the definition says`, () => {
    const other = tableFromBytes(noise(128, 99));
    const list: BoundaryParams[] = [
      small,
      { ...small, min: 256 },
      { ...small, min: 100, max: 300 },
      { ...small, max: 256 },
      { ...small, table: other },
      { avgBits: 10, min: 64, max: 65_536, table },
      { avgBits: 9, min: 128, max: 2048, table: other },
    ];
    const flat = new Uint8Array(6000);
    const mixed = text(7000, 3);
    mixed.fill(0, 2000, 3500);
    for (const params of list) {
      for (const input of [noise(12_000), text(9000), painted(5000), flat, flat.fill(255), mixed]) {
        for (const isLast of [true, false]) {
          assert.deepEqual(kernel.cuts(params, input, isLast), define(params, input, isLast));
        }
      }
    }
  });

  Deno.test(`boundary ${name} handles every length around its limits`, () => {
    const input = noise(5000, 5);
    for (
      const size of awkwardSizes([16, 32, 48, 64, 112, 128, 192, 256, 320, 512, 1024, 1088, 4096])
    ) {
      const part = input.subarray(3, 3 + size);
      assert.deepEqual(kernel.cuts(small, part, true), define(small, part, true), `${size}`);
      assert.deepEqual(kernel.cuts(small, part, false), define(small, part, false), `${size}`);
    }
    assert.deepEqual(kernel.cuts(small, new Uint8Array(), true), []);
    assert.deepEqual(kernel.cuts(small, new Uint8Array(1), true), [1]);
    assert.deepEqual(kernel.cuts(small, new Uint8Array(1), false), []);
    assert.deepEqual(kernel.cuts(small, new Uint8Array(2048), false), [1024, 2048]);
    assert.deepEqual(kernel.cuts(small, new Uint8Array(2049), true), [1024, 2048, 2049]);
  });

  Deno.test(`boundary ${name} does not care where bytes lie`, () => {
    const expected = define(small, noise(9000, 8), true);
    for (const { place, bytes } of placements(noise(9000, 8))) {
      assert.deepEqual(kernel.cuts(small, bytes, true), expected, place);
    }
  });

  Deno.test(`boundary ${name} cuts at the same places for any split of the input`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000), { maxLength: 12 }), fc.integer(), (points, seed) => {
        const input = noise(20_000, seed);
        const ends = points.toSorted((a, b) => a - b);
        assert.deepEqual(
          cutsInPieces(kernel, small, input, ends),
          kernel.cuts(small, input, true),
        );
      }),
      { numRuns: 40 },
    );
  });

  Deno.test(`boundary ${name} resynchronises after an edit`, () => {
    const before = noise(400_000, 12), params = { avgBits: 12, min: 1024, max: 16_384, table };
    const edit = 100_001;
    const after = new Uint8Array(before.length + 17);
    after.set(before.subarray(0, edit));
    after.set(noise(17, 77), edit);
    after.set(before.subarray(edit), edit + 17);
    const old = kernel.cuts(params, before, true), now = kernel.cuts(params, after, true);
    const kept = new Set(now.map((cut) => cut < edit ? cut : cut - 17));
    const lost = old.filter((cut) => !kept.has(cut));
    assert.ok(old.length > 50);
    assert.ok(lost.length <= 8, `${lost.length} of ${old.length} cuts were lost`);
  });

  Deno.test(`boundary ${name} chunks random data near the average, within min and max`, () => {
    const params = { avgBits: 12, min: 1024, max: 16_384, table };
    const cuts = kernel.cuts(params, noise(2_000_000, 4), true);
    const lengths = cuts.map((cut, i) => cut - (cuts[i - 1] ?? 0));
    assert.equal(lengths.reduce((sum, length) => sum + length, 0), 2_000_000);
    assert.ok(lengths.every((length) => length <= 16_384));
    assert.ok(lengths.slice(0, -1).every((length) => length >= 1024));
    const mean = 2_000_000 / lengths.length;
    assert.ok(mean > 3800 && mean < 5200, `mean ${mean}`);
  });

  Deno.test(`boundary ${name} refuses parameters outside the definition`, () => {
    const wrong: Partial<BoundaryParams>[] = [
      { avgBits: 7 },
      { avgBits: 25, max: 2 ** 26 },
      { avgBits: 8.5 },
      { min: 63 },
      { min: 257 },
      { max: 255 },
      { max: 2 ** 26 + 1 },
      { min: NaN },
      { table: table.subarray(1) },
    ];
    for (const change of wrong) {
      assert.throws(() => kernel.cuts({ ...small, ...change }, painted(2000), true), /invariant/);
    }
  });

  Deno.test(`boundary ${name} follows a change of the table`, () => {
    const input = noise(5000, 2), other = tableFromBytes(noise(128, 3));
    const first = kernel.cuts(small, input, true);
    const second = kernel.cuts({ ...small, table: other }, input, true);
    assert.notDeepEqual(first, second);
    assert.deepEqual(kernel.cuts(small, input, true), first);
    const changing = other.slice();
    kernel.cuts({ ...small, table: changing }, input, true);
    changing.set(table);
    assert.deepEqual(kernel.cuts({ ...small, table: changing }, input, true), first);
  });

  if (name === "portable") continue;
  Deno.test(`boundary ${name} equals portable on random inputs and parameters`, () => {
    const next = randomWords(2026);
    for (let run = 0; run < 60; run++) {
      const avgBits = 8 + next() % 8;
      const avg = 2 ** avgBits, min = 64 + next() % (avg - 63), max = avg + next() % (4 * avg);
      const params = { avgBits, min, max, table: tableFromBytes(noise(128, next())) };
      const input = (run % 3 === 0 ? text : noise)(next() % 300_000, next());
      if (run % 5 === 0) input.fill(next(), next() % (input.length + 1));
      const part = input.subarray(next() % 64);
      assert.deepEqual(kernel.cuts(params, part, true), portable.cuts(params, part, true));
      assert.deepEqual(kernel.cuts(params, part, false), portable.cuts(params, part, false));
    }
  });
}
