/**
 * Chunk boundaries on WebGPU against the reference.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat } from "../../actors/base/bytes.ts";
import { defaultTable, tableFromBytes } from "../../kernels/boundary/spec.ts";
import type { BoundaryParams } from "../../kernels/kernel.ts";
import type { WebGpuKernels } from "../../kernels/webgpu/kernels.ts";
import { openPortable } from "./backends.ts";
import { awkwardSizes, noise, painted, placements, text } from "./samples.ts";
import { TINY, webGpuTest } from "./webgpu_open.ts";

const portable = await openPortable("boundary");
const table = defaultTable();
const small: BoundaryParams = { avgBits: 8, min: 64, max: 1024, table };
const list: BoundaryParams[] = [
  small,
  { ...small, min: 256 },
  { ...small, max: 256 },
  { ...small, min: 256, max: 256 },
  { avgBits: 10, min: 64, max: 65_536, table: tableFromBytes(noise(128, 99)) },
  { avgBits: 13, min: 5000, max: 20_000, table },
];

async function equals(kernels: WebGpuKernels, params: BoundaryParams, input: Bytes, name = "") {
  for (const isLast of [true, false]) {
    const cuts = await kernels.boundaryCuts(params, input, isLast);
    assert.deepEqual(cuts, portable.cuts(params, input, isLast), name);
  }
}

for (const options of [{}, TINY]) {
  const tiles = options === TINY ? "tiny tiles" : "whole tiles";
  webGpuTest(`boundary cuts as portable does, ${tiles}`, async (kernels) => {
    const flat = new Uint8Array(30_000);
    for (const params of list) {
      for (const input of [noise(50_001), text(20_000), concat(text(9000), flat, noise(9000))]) {
        await equals(kernels, params, input);
      }
    }
    assert.ok(portable.cuts(small, noise(50_001), true).length > 100);
  }, options);
}

webGpuTest("boundary cuts where every position matches", async (kernels) => {
  // All words equal: T[b] is 0, no position matches; one word of ones: byte 255 alone does.
  const ones = new Uint32Array(32);
  ones[15] = 0xffff_ffff;
  for (const input of [new Uint8Array(9000).fill(255), painted(9000)]) {
    await equals(kernels, { ...small, table: new Uint32Array(32) }, input);
    await equals(kernels, { ...small, table: ones }, input);
  }
}, TINY);

webGpuTest("boundary takes every length around its limits, and any place", async (kernels) => {
  const input = noise(9000, 5);
  for (const size of awkwardSizes([48, 64, 128, 1024, 4096, 8192])) {
    await equals(kernels, small, input.subarray(3, 3 + size), `${size}`);
  }
  for (const { place, bytes } of placements(noise(9001, 8))) {
    await equals(kernels, small, bytes, place);
  }
}, TINY);

webGpuTest("boundary equals portable on random inputs", async (kernels) => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(30_000),
      fc.integer(),
      fc.nat(list.length - 1),
      (size, seed, which) => equals(kernels, list[which]!, noise(size, seed)),
    ),
    { numRuns: 10 },
  );
}, TINY);

webGpuTest("boundary refuses parameters outside the definition", async (kernels) => {
  for (const params of [{ ...small, min: 63 }, { ...small, max: 255 }, { ...small, avgBits: 7 }]) {
    await assert.rejects(kernels.boundaryCuts(params, painted(100), true), /invariant/);
  }
});
