/**
 * BLAKE3 on WebGPU against the official vectors and the reference.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, toHex, utf8 } from "../../actors/base/bytes.ts";
import { planLevels } from "../../kernels/webgpu/blake3.ts";
import type { WebGpuKernels } from "../../kernels/webgpu/kernels.ts";
import { openPortable } from "./backends.ts";
import { awkwardSizes, noise, painted, placements, vectorJson } from "./samples.ts";
import { offsetsOf, TINY, webGpuTest } from "./webgpu_open.ts";

interface Blake3Vectors {
  key: string;
  context_string: string;
  cases: { input_len: number; hash: string; keyed_hash: string; derive_key: string }[];
}

const vectors = vectorJson<Blake3Vectors>("blake3/test_vectors.json");
const portable = await openPortable("blake3");
const key = utf8(vectors.key);

function digestsOf(bytes: Bytes): string[] {
  const count = bytes.length / 32;
  return Array.from({ length: count }, (_, i) => toHex(bytes.subarray(32 * i, 32 * (i + 1))));
}

function expected(base: Bytes, offsets: number[], hashKey?: Bytes): string[] {
  const out = new Uint8Array(32 * Math.max(0, offsets.length - 1));
  portable.hashMany(base, offsets, out, hashKey);
  return digestsOf(out);
}

async function givesVectors(kernels: WebGpuKernels): Promise<void> {
  const { cases, context_string } = vectors;
  assert.equal(cases.length, 35);
  const offsets = offsetsOf(cases.map((one) => one.input_len));
  const base = new Uint8Array(offsets.at(-1)!);
  cases.forEach((one, i) => base.set(painted(one.input_len), offsets[i]));
  const first = (name: "hash" | "keyed_hash" | "derive_key") =>
    cases.map((one) => one[name].slice(0, 64));
  assert.deepEqual(digestsOf(await kernels.blake3Many(base, offsets)), first("hash"));
  assert.deepEqual(digestsOf(await kernels.blake3Many(base, offsets, key)), first("keyed_hash"));
  const derived = await kernels.blake3DeriveMany(context_string, base, offsets);
  assert.deepEqual(digestsOf(derived), first("derive_key"));
}

webGpuTest("blake3 gives the official vectors", givesVectors);
webGpuTest("blake3 gives the official vectors in tiny tiles", givesVectors, TINY);

for (const options of [{}, TINY]) {
  const tiles = options === TINY ? "tiny tiles" : "whole tiles";
  webGpuTest(`blake3 hashes items of awkward sizes at any offset, ${tiles}`, async (kernels) => {
    const sizes = [...awkwardSizes([64, 128, 1024, 2048, 3072, 4096, 8192]), 65_537, 0, 0];
    // Around what fits a tiny tile beside its table entry.
    sizes.push(4031, 4032, 4033, 12_289, 1);
    for (const start of [0, 1, 2, 3]) {
      const offsets = offsetsOf(sizes, start), base = noise(offsets.at(-1)! + 5, start);
      assert.deepEqual(
        digestsOf(await kernels.blake3Many(base, offsets, key)),
        expected(base, offsets, key),
        `from ${start}`,
      );
    }
  }, options);
}

webGpuTest("blake3 hashes no items, 20,000 items, and shared memory", async (kernels) => {
  assert.deepEqual(await kernels.blake3Many(painted(5), []), new Uint8Array());
  assert.deepEqual(await kernels.blake3Many(painted(5), [3]), new Uint8Array());
  const offsets = offsetsOf(Array.from({ length: 20_000 }, (_, i) => i * 7 % 90));
  const base = noise(offsets.at(-1)!);
  const digests = digestsOf(await kernels.blake3Many(base, offsets));
  const sample = Array.from({ length: 100 }, (_, i) => 199 * i);
  for (const i of sample) {
    assert.equal(digests[i], expected(base, [offsets[i]!, offsets[i + 1]!])[0], `item ${i}`);
  }
  for (const { place, bytes } of placements(painted(3001))) {
    const batch = [0, 1027, 3001];
    assert.deepEqual(
      digestsOf(await kernels.blake3Many(bytes, batch)),
      expected(bytes, batch),
      place,
    );
  }
});

webGpuTest("blake3 equals portable on random batches", async (kernels) => {
  const sizes = fc.array(fc.oneof(fc.nat(200), fc.nat(20_000)), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer(), fc.nat(3), fc.boolean(), async (
      lengths,
      seed,
      start,
      isKeyed,
    ) => {
      const offsets = offsetsOf(lengths, start), base = noise(offsets.at(-1)!, seed);
      const hashKey = isKeyed ? noise(32, seed + 1) : undefined;
      const digests = await kernels.blake3Many(base, offsets, hashKey);
      assert.deepEqual(digestsOf(digests), expected(base, offsets, hashKey));
    }),
    { numRuns: 10 },
  );
}, TINY);

webGpuTest("blake3 takes overlapping calls", async (kernels) => {
  const calls = Array.from({ length: 12 }, (_, i) => {
    const base = noise(3000 * i + 1, i), offsets = [0, 1000 * i, 3000 * i + 1];
    return { base, offsets, digests: kernels.blake3Many(base, offsets) };
  });
  for (const { base, offsets, digests } of calls) {
    assert.deepEqual(digestsOf(await digests), expected(base, offsets));
  }
});

webGpuTest("blake3 refuses offsets outside the input, and short keys", async (kernels) => {
  for (const offsets of [[0, 11], [5, 4], [-1, 4], [0, 2.5], [0, NaN]]) {
    await assert.rejects(kernels.blake3Many(painted(10), offsets), /invariant/, `${offsets}`);
  }
  await assert.rejects(kernels.blake3Many(painted(10), [0, 1], key.subarray(1)), /invariant/);
});

Deno.test("planLevels() joins n leaves in n - 1 pairs, and an odd one waits", () => {
  const counts = Uint32Array.of(1, 2, 3, 7, 1, 8);
  const { levels, table } = planLevels(counts);
  assert.deepEqual(levels.map(({ pairs }) => pairs), [1 + 1 + 3 + 4, 1 + 2 + 2, 1 + 1]);
  assert.deepEqual([...table.subarray(0, 8)], [0, 1, 1, 2, 2, 3, 5, 5]);
  assert.deepEqual(planLevels(Uint32Array.of(1, 1)).levels, []);
});
