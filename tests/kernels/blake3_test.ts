/**
 * Contract suite of the BLAKE3 kernel, run by every backend.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex, utf8 } from "../../actors/base/bytes.ts";
import { openBackends, openPortable } from "./backends.ts";
import { awkwardSizes, noise, painted, placements, vectorJson } from "./samples.ts";

interface Blake3Vectors {
  key: string;
  context_string: string;
  cases: { input_len: number; hash: string; keyed_hash: string; derive_key: string }[];
}

const vectors = vectorJson<Blake3Vectors>("blake3/test_vectors.json");
const backends = await openBackends("blake3");
const portable = await openPortable("blake3");
const key = utf8(vectors.key);

for (const { name, kernel, description } of backends) {
  const hashOf = (bytes: Uint8Array, hashKey?: Uint8Array) => {
    const out = new Uint8Array(32);
    kernel.hash(bytes, out, hashKey);
    return toHex(out);
  };
  const hashManyOf = (base: Uint8Array, offsets: ArrayLike<number>, hashKey?: Uint8Array) => {
    const out = new Uint8Array(32 * Math.max(0, offsets.length - 1));
    kernel.hashMany(base, offsets, out, hashKey);
    return Array.from(
      { length: out.length / 32 },
      (_, i) => toHex(out.subarray(32 * i, 32 * i + 32)),
    );
  };

  Deno.test(`blake3 ${name} (${description}) gives the official vectors`, () => {
    assert.equal(vectors.cases.length, 35);
    for (const { input_len, hash, keyed_hash, derive_key } of vectors.cases) {
      const input = painted(input_len);
      assert.equal(hashOf(input), hash.slice(0, 64), `hash of ${input_len}`);
      assert.equal(hashOf(input, key), keyed_hash.slice(0, 64), `keyed hash of ${input_len}`);
      const derived = kernel.deriveKey(vectors.context_string, input);
      assert.equal(toHex(derived), derive_key.slice(0, 64), `derived from ${input_len}`);
      assert.deepEqual(hashManyOf(input, [0, input_len]), [hash.slice(0, 64)]);
      assert.deepEqual(hashManyOf(input, [0, input_len], key), [keyed_hash.slice(0, 64)]);
    }
  });

  Deno.test(`blake3 ${name} deriveKey() gives any length`, () => {
    const { derive_key } = vectors.cases.find((one) => one.input_len === 1025)!;
    for (const length of [0, 1, 31, 32, 33, 64, 65, 131]) {
      const derived = kernel.deriveKey(vectors.context_string, painted(1025), length);
      assert.equal(toHex(derived), derive_key.slice(0, 2 * length));
    }
  });

  Deno.test(`blake3 ${name} does not care where bytes lie`, () => {
    for (const size of [0, 1, 65, 1025, 70_001]) {
      const expected = hashOf(painted(size)), keyed = hashOf(painted(size), key);
      for (const { place, bytes } of placements(painted(size))) {
        for (const { bytes: placedKey } of placements(key)) {
          assert.equal(hashOf(bytes), expected, `${size} bytes, ${place}`);
          assert.equal(hashOf(bytes, placedKey), keyed, `${size} bytes, ${place}`);
        }
        assert.deepEqual(hashManyOf(bytes, [0, size], key), [keyed], `${size} bytes, ${place}`);
      }
    }
    for (const { place, bytes: out } of placements(new Uint8Array(64))) {
      kernel.hashMany(painted(10), [0, 4, 10], out);
      assert.equal(toHex(out.subarray(0, 32)), hashOf(painted(4)), place);
    }
  });

  Deno.test(`blake3 ${name} hashMany() equals one hash per input`, () => {
    const sizes = awkwardSizes([64, 128, 1024, 2048, 3072, 4096, 8192, 16384, 31 * 1024]);
    const base = painted(sizes.reduce((sum, size) => sum + size, 7));
    const offsets = [7];
    for (const size of sizes) offsets.push(offsets.at(-1)! + size);
    const batch = hashManyOf(base, offsets), keyedBatch = hashManyOf(base, offsets, key);
    sizes.forEach((size, i) => {
      const input = base.subarray(offsets[i], offsets[i + 1]);
      assert.equal(batch[i], hashOf(input), `input of ${size}`);
      assert.equal(keyedBatch[i], hashOf(input, key), `input of ${size}, keyed`);
    });
    assert.deepEqual(hashManyOf(base, Float64Array.from(offsets)), batch);
  });

  Deno.test(`blake3 ${name} hashMany() takes no input and 10,000 inputs`, () => {
    assert.deepEqual(hashManyOf(painted(5), []), []);
    assert.deepEqual(hashManyOf(painted(5), [3]), []);
    const base = noise(10_000 * 40);
    const offsets = Array.from({ length: 10_001 }, (_, i) => i * 40 - (i % 7 === 0 ? 0 : i % 5));
    const batch = hashManyOf(base, offsets, key);
    assert.equal(new Set(batch).size, 10_000);
    for (let i = 0; i < 10_000; i += 499) {
      assert.equal(batch[i], hashOf(base.subarray(offsets[i], offsets[i + 1]), key));
    }
  });

  Deno.test(`blake3 ${name} keeps no state between keys`, () => {
    const input = painted(100);
    const keys = Array.from({ length: 20 }, (_, i) => new Uint8Array(32).fill(i));
    const first = keys.map((one) => hashOf(input, one));
    assert.equal(new Set(first).size, 20);
    assert.deepEqual(keys.toReversed().map((one) => hashOf(input, one)).toReversed(), first);
    const changing = new Uint8Array(32);
    for (let i = 0; i < 20; i++) assert.equal(hashOf(input, changing.fill(i)), first[i]);
  });

  Deno.test(`blake3 ${name} writes nothing beyond its digests`, () => {
    const out = new Uint8Array(200).fill(0xee);
    kernel.hashMany(painted(300), [0, 100, 100, 300], out.subarray(50, 50 + 96));
    assert.ok(out.subarray(0, 50).every((byte) => byte === 0xee));
    assert.ok(out.subarray(146).every((byte) => byte === 0xee));
  });

  Deno.test(`blake3 ${name} refuses offsets outside the input, and short keys and outputs`, () => {
    const out = new Uint8Array(64);
    const wrong = [[0, 11], [5, 4], [-1, 4], [0, 2.5], [0, NaN], [0, Infinity], [2 ** 53, 2 ** 53]];
    for (const offsets of wrong) {
      assert.throws(() => kernel.hashMany(painted(10), offsets, out), /invariant/, `${offsets}`);
    }
    assert.throws(() => kernel.hashMany(painted(10), [0, 1, 2, 3], out), /invariant/);
    assert.throws(() => kernel.hashMany(painted(10), [0, 1], out, key.subarray(1)), /invariant/);
    assert.throws(() => kernel.hash(painted(10), out, key.subarray(1)), /invariant/);
    assert.throws(() => kernel.hash(painted(10), out.subarray(0, 31)), /invariant/);
  });

  if (name === "portable") continue;
  Deno.test(`blake3 ${name} equals portable on random batches`, () => {
    const sizes = fc.array(fc.oneof(fc.nat(200), fc.nat(9000)), { maxLength: 20 });
    fc.assert(
      fc.property(sizes, fc.integer(), fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })), (
        lengths,
        seed,
        hashKey,
      ) => {
        const offsets = [0];
        for (const length of lengths) offsets.push(offsets.at(-1)! + length);
        const base = noise(offsets.at(-1)!, seed), keyOrNone = hashKey ?? undefined;
        const out = new Uint8Array(32 * lengths.length), expected = new Uint8Array(out.length);
        kernel.hashMany(base, offsets, out, keyOrNone);
        portable.hashMany(base, offsets, expected, keyOrNone);
        assert.equal(toHex(out), toHex(expected));
      }),
      { numRuns: 25 },
    );
  });
}
