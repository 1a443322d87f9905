/**
 * The scheduler's choose on WebGPU against the reference.
 *
 * @module
 */
import assert from "node:assert/strict";
import { openScheduler } from "../../kernels/scheduler/portable.ts";
import { EVENT_DONE, EVENT_FAILED, NONE, WORD_NONE } from "../../kernels/scheduler/spec.ts";
import { EDGE_WORDS, type Scheduler } from "../../kernels/scheduler/scheduler.ts";
import type { ShardState, WebGpuKernels } from "../../kernels/webgpu/kernels.ts";
import { randomWords } from "./samples.ts";
import { TINY, webGpuTest } from "./webgpu_open.ts";

interface Sample {
  scheduler: Scheduler;
  candidates: Uint16Array;
  sizes: Uint16Array;
}

/** A scheduler whose slots are in all states, and its candidates and sizes. */
function sampleOf(edges: number, chunks: number, firstChunk: number, seed: number): Sample {
  const next = randomWords(seed), scheduler = openScheduler({ edges, chunks, firstChunk });
  const candidates = Uint16Array.from({ length: 8 * chunks }, () => {
    const draw = next();
    return draw % 5 === 0 ? NONE : draw % 97 === 1 ? edges : (draw >>> 8) % edges;
  });
  const sizes = Uint16Array.from({ length: chunks }, () => next());
  scheduler.put(0, candidates, sizes, Uint8Array.from({ length: chunks }, () => next() % 9));
  const table = Uint32Array.from({ length: EDGE_WORDS * edges }, (_, i) => {
    const draw = next();
    if (i % EDGE_WORDS === 0) return draw % 20 === 0 ? 2 ** 18 : draw % 5000;
    if (i % EDGE_WORDS === 2) return draw % 1_000_000;
    return i % EDGE_WORDS === 3 ? Number(draw % 11 > 0) : draw;
  });
  scheduler.setEdges(0, table);
  const limit = Math.ceil(chunks / 4);
  const { slots } = scheduler.tick({ fullEvery: 1, iterations: 2, rounds: 2, limit });
  const some = slots.filter((_, i) => i % 3 !== 0);
  const kinds = Uint8Array.from(some, (_, i) => i % 2 === 0 ? EVENT_FAILED : EVENT_DONE);
  scheduler.applyEvents({ slots: some, kinds });
  some.forEach((slot, i) => {
    if (kinds[i] !== EVENT_DONE) return;
    candidates.fill(NONE, 8 * slot, 8 * slot + 8);
    sizes[slot] = 0;
  });
  scheduler.updatePrices();
  scheduler.fold();
  return { scheduler, candidates, sizes };
}

async function equalsPortable(kernels: WebGpuKernels, sample: Sample): Promise<void> {
  const { scheduler, candidates, sizes } = sample, { firstChunk } = scheduler.params;
  const { assigned, states, tries } = scheduler.readChunks();
  const { words } = scheduler.readEdges();
  const shard: ShardState = { firstChunk, words, candidates, sizes, assigned, states, tries };
  const choice = await kernels.schedulerChoose(shard);
  scheduler.choose();
  assert.deepEqual(choice.assigned, scheduler.readChunks().assigned);
  assert.deepEqual(choice.loads, scheduler.readEdges().loads);
  assert.equal(choice.digest, scheduler.digest());
}

for (const options of [{}, TINY]) {
  const tiles = options === TINY ? "tiny tiles" : "whole tiles";
  webGpuTest(`scheduler chooses as portable does, ${tiles}`, async (kernels) => {
    const samples: [number, number, number][] = [
      ...[[1, 1, 0], [2, 3, 5], [3, 255, 2 ** 32 - 100], [40, 257, 1], [4096, 5001, 77]] as const,
    ].map(([edges, chunks, first]) => [edges, chunks, first]);
    for (const [edges, chunks, firstChunk] of samples) {
      const sample = sampleOf(edges, chunks, firstChunk, edges + chunks);
      await equalsPortable(kernels, sample);
    }
  }, options);
}

Deno.test("scheduler samples have chunks in all states, and usable and other edges", () => {
  const { scheduler } = sampleOf(40, 3000, 1, 3);
  const { states, tries, assigned } = scheduler.readChunks(), { words } = scheduler.readEdges();
  for (const state of [0, 1, 2]) assert.ok(states.filter((one) => one === state).length > 50);
  assert.ok(tries.some((count) => count > 0) && assigned.includes(NONE));
  assert.ok(words.includes(WORD_NONE) && words.some((word) => word !== WORD_NONE));
});

webGpuTest("scheduler sums up loads of 2^33 KiB", async (kernels) => {
  const count = 140_000, full = new Uint16Array(count).fill(NONE);
  const candidates = new Uint16Array(8 * count).fill(NONE);
  for (let slot = 0; slot < count; slot++) candidates[8 * slot + slot % 8] = 0;
  const choice = await kernels.schedulerChoose({
    firstChunk: 9,
    words: Uint32Array.of(5 << 13 | 77),
    candidates,
    sizes: full,
    assigned: full,
    states: new Uint8Array(count).fill(1),
    tries: new Uint8Array(count),
  });
  assert.deepEqual([...choice.loads], [65_535 * count]);
  assert.ok(choice.loads[0]! > 2 ** 33 && choice.assigned.every((edge) => edge === 0));
});

webGpuTest("scheduler takes no slots, and refuses arrays that do not match", async (kernels) => {
  const shard: ShardState = {
    firstChunk: 0,
    words: Uint32Array.of(1),
    candidates: new Uint16Array(),
    sizes: new Uint16Array(),
    assigned: new Uint16Array(),
    states: new Uint8Array(),
    tries: new Uint8Array(),
  };
  assert.equal((await kernels.schedulerChoose(shard)).digest, 0n);
  const wrong = [
    { words: new Uint32Array() },
    { words: new Uint32Array(4097) },
    { sizes: new Uint16Array(1) },
    { states: new Uint8Array(2) },
    { firstChunk: 2 ** 32 },
  ];
  for (const change of wrong) {
    await assert.rejects(kernels.schedulerChoose({ ...shard, ...change }), /invariant/);
  }
});
