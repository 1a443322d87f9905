/**
 * How good the scheduler's assignments are, against a lower bound on the makespan of any. All
 * backends give the same assignments, so the reference stands for them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { openScheduler } from "../../kernels/scheduler/portable.ts";
import { EDGE_WORDS } from "../../kernels/scheduler/scheduler.ts";
import { NONE } from "../../kernels/scheduler/spec.ts";
import {
  edgeTable,
  improve,
  lowerBound,
  makespan,
  makeSwarm,
  startCold,
} from "./scheduler_swarm.ts";

const EDGES = 128, CHUNKS = 200_000;

const CASES = [
  { title: "uniform", skew: 0, costMost: 0 },
  { title: "popularity skewed by 0.5, with costs", skew: 0.5, costMost: 2000 },
  { title: "popularity skewed by 1.0", skew: 1, costMost: 0 },
];

for (const { title, skew, costMost } of CASES) {
  const swarm = makeSwarm({ edges: EDGES, chunks: CHUNKS, skew, costMost });
  const bound = lowerBound(swarm, 200, 50_000);
  const scheduler = openScheduler({ edges: EDGES, chunks: CHUNKS });
  const table = edgeTable(swarm, bound);

  Deno.test(`${title}: a cold start is within 1.25 of the bound after 12 passes, and stays`, () => {
    startCold(scheduler, swarm, table);
    improve(scheduler, 12);
    const ratios = [makespan(scheduler, swarm.bandwidths) / bound];
    for (let more = 0; more < 4; more++) {
      improve(scheduler, 1);
      ratios.push(makespan(scheduler, swarm.bandwidths) / bound);
    }
    for (const ratio of ratios) assert.ok(ratio >= 1 && ratio <= 1.25, `${ratios}`);
  });

  Deno.test(`${title}: when edges die, the first warm pass moves their chunks alone`, () => {
    const before = scheduler.readChunks().assigned;
    const dead = new Set([3, 40, 99]), edges = table.slice();
    for (const e of dead) edges[EDGE_WORDS * e + 3] = 0;
    const { stats } = scheduler.tick({ fullEvery: 0, iterations: 0, rounds: 1, limit: 0 });
    assert.equal(stats.failedOver, 0);
    scheduler.setEdges(0, edges);
    const failed = scheduler.tick({ fullEvery: 0, iterations: 0, rounds: 1, limit: 0 });
    const after = scheduler.readChunks().assigned;
    const moved = after.reduce((count, edge, slot) => count + Number(edge !== before[slot]), 0);
    const share = before.reduce((count, edge) => count + Number(dead.has(edge)), 0);
    assert.equal(failed.stats.failedOver, share);
    assert.ok(share > 0 && moved <= 1.1 * share, `${moved} moved, ${share} had to`);
    assert.ok(after.every((edge) => edge !== NONE && !dead.has(edge)));

    improve(scheduler, 5);
    const living = swarm.bandwidths.map((bandwidth, e) => dead.has(e) ? Infinity : bandwidth);
    const without = { ...swarm, bandwidths: living.map((b) => b === Infinity ? 1e-6 : b) };
    const ratio = makespan(scheduler, living) / lowerBound(without, 200, 50_000);
    assert.ok(ratio <= 1.25, `${ratio} of the bound after 5 more passes`);
    scheduler.setEdges(0, table);
    scheduler.fold();
    improve(scheduler, 8);
  });

  Deno.test(`${title}: with a tenth to spare, all is placed and no edge is above capacity`, () => {
    const edges = edgeTable(swarm, 1.1 * bound);
    scheduler.setEdges(0, edges);
    scheduler.fold();
    const { slots, edges: given, stats } = scheduler.dispatch(8, 0, CHUNKS);
    const loads = new Float64Array(EDGES);
    slots.forEach((slot, i) => loads[given[i]!]! += swarm.sizes[slot]!);
    loads.forEach((load, e) => assert.ok(load <= edges[EDGE_WORDS * e + 2]!));
    assert.equal(stats.dispatched, slots.length);
    assert.ok(slots.length >= 0.999 * CHUNKS, JSON.stringify(stats));
  });
}

Deno.test("a backlog of a hundred ticks fills every edge, and never overfills one", () => {
  const swarm = makeSwarm({ edges: EDGES, chunks: CHUNKS, skew: 0.5, costMost: 2000, seed: 5 });
  const table = edgeTable(swarm, lowerBound(swarm, 100, 50_000) / 100);
  const scheduler = openScheduler({ edges: EDGES, chunks: CHUNKS });
  startCold(scheduler, swarm, table);
  improve(scheduler, 6);
  const tick = { fullEvery: 0, iterations: 0, rounds: 8, limit: CHUNKS };
  for (let round = 0; round < 3; round++) {
    const { slots, edges, stats } = scheduler.tick(tick);
    const loads = new Float64Array(EDGES);
    slots.forEach((slot, i) => loads[edges[i]!]! += swarm.sizes[slot]!);
    loads.forEach((load, e) => assert.ok(load <= table[EDGE_WORDS * e + 2]!));
    assert.ok(stats.admittedKib >= 0.95 * stats.capacityKib, JSON.stringify(stats));
    scheduler.applyEvents({ slots, kinds: new Uint8Array(slots.length).fill(1) });
  }
});
