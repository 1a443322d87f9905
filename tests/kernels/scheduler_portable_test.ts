/**
 * The reference scheduler: each pass on cases worked out by hand, and what must hold for any input.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { openScheduler } from "../../kernels/scheduler/portable.ts";
import type { Scheduler } from "../../kernels/scheduler/scheduler.ts";
import {
  ABSENT,
  COST_INFINITE,
  DISPATCHED,
  EVENT_CANCELLED,
  EVENT_DONE,
  EVENT_FAILED,
  EVENT_LOST,
  NONE,
  PENDING,
  PRICE_LEAST,
  PRICE_MOST,
  TAU,
} from "../../kernels/scheduler/spec.ts";
import { isWithin, play, randomScript } from "./scheduler_script.ts";
import { edgeTable, makeSwarm } from "./scheduler_swarm.ts";

const TICK = { fullEvery: 0, iterations: 0, rounds: 8, limit: 100 };

/** Edges of these capacities and costs; a cost difference of 10 TAU is above all noise. */
function table(...edges: { cost?: number; capacity?: number; alive?: number }[]): Uint32Array {
  return Uint32Array.from(
    edges.flatMap(({ cost = 0, capacity = 1000, alive = 1 }, e) => [cost, 77 * e, capacity, alive]),
  );
}

/** Slots from 0, each with its list of candidates, of size 10 and priority 0 unless given. */
function put(
  scheduler: Scheduler,
  lists: readonly (readonly number[])[],
  sizes = lists.map(() => 10),
  priorities = lists.map(() => 0),
): void {
  const candidates = lists.flatMap((list) => [...list, ...new Array(8 - list.length).fill(NONE)]);
  scheduler.put(
    0,
    Uint16Array.from(candidates),
    Uint16Array.from(sizes),
    Uint8Array.from(priorities),
  );
}

function assigned(scheduler: Scheduler): number[] {
  return [...scheduler.readChunks().assigned];
}

Deno.test("choose takes the cheapest usable candidate when noise cannot matter", () => {
  const scheduler = openScheduler({ edges: 6, chunks: 7 });
  const step = 10 * TAU;
  scheduler.setEdges(
    0,
    table(
      { cost: 3 * step },
      { cost: 2 * step },
      { cost: step },
      { alive: 0 },
      { capacity: 0 },
      { cost: COST_INFINITE },
    ),
  );
  put(scheduler, [[0, 1, 2], [0, 1], [1, 0], [0], [3, 4, 5], [], [5, 3, 0, 4, 6, 99, 0]]);
  assert.equal(scheduler.chooseDirty(), 7);
  // No fold yet: no edge is usable.
  assert.deepEqual(assigned(scheduler), [NONE, NONE, NONE, NONE, NONE, NONE, NONE]);
  scheduler.fold();
  scheduler.choose();
  assert.deepEqual(assigned(scheduler), [2, 1, 1, 0, NONE, NONE, 0]);
  assert.deepEqual([...scheduler.readEdges().loads], [20, 20, 10, 0, 0, 0]);
  assert.equal(scheduler.chooseDirty(), 0);
});

Deno.test("best gives three different usable candidates by price, without noise", () => {
  const scheduler = openScheduler({ edges: 6, chunks: 3 });
  scheduler.setEdges(
    0,
    table({ cost: 9 }, { cost: 8 }, { cost: 7 }, { cost: 7 }, { alive: 0 }, {}),
  );
  scheduler.fold();
  put(scheduler, [[0, 1, 2, 3, 4, 2, 3, 1], [4, 0, 0, 9], []]);
  assert.deepEqual(
    [...scheduler.best(Uint32Array.of(0, 1, 2, 0))],
    [2, 3, 1, 0, NONE, NONE, NONE, NONE, NONE, 2, 3, 1],
  );
});

Deno.test("failover moves what is on dead edges and nothing else", () => {
  const scheduler = openScheduler({ edges: 3, chunks: 4 });
  const step = 10 * TAU, edges = table({}, { cost: step }, { cost: 2 * step });
  scheduler.setEdges(0, edges);
  put(scheduler, [[0, 1], [0], [1, 2], [0, 2]]);
  const { slots } = scheduler.tick({ ...TICK, limit: 2 });
  assert.deepEqual([...slots].length, 2);
  assert.deepEqual(assigned(scheduler), [0, 0, 1, 0]);
  edges[3] = 0;
  scheduler.setEdges(0, edges);
  assert.equal(scheduler.failover(), 0);
  scheduler.fold();
  assert.equal(scheduler.failover(), 3);
  assert.equal(scheduler.failover(), 0);
  assert.deepEqual(assigned(scheduler), [1, NONE, 1, 2]);
  const { states, tries } = scheduler.readChunks();
  assert.deepEqual([...states], [PENDING, PENDING, PENDING, PENDING]);
  for (const slot of [0, 1, 2, 3]) assert.equal(tries[slot], slots.includes(slot) ? 1 : 0);
});

Deno.test("prices rise on full edges, sink on idle ones, and stay within bounds", () => {
  const scheduler = openScheduler({ edges: 3, chunks: 100, eta: 256 });
  scheduler.setEdges(0, table({ capacity: 99 }, { capacity: 9999 }, { alive: 0 }));
  scheduler.fold();
  scheduler.updatePrices();
  assert.deepEqual([...scheduler.readEdges().prices], [0, 0, 0], "without load nothing happens");
  put(scheduler, Array.from({ length: 100 }, () => [0]));
  scheduler.chooseDirty();
  scheduler.updatePrices();
  // log2fix: 1001 -> 2548, 100 -> 1680; 10,000 -> 3384. An idle edge sinks by an octave at most.
  assert.deepEqual([...scheduler.readEdges().prices], [2548 - 1680, -256, 0]);
  for (let more = 0; more < 10; more++) scheduler.updatePrices();
  assert.equal(scheduler.readEdges().prices[1], PRICE_LEAST);
  scheduler.setPrices(1, Int32Array.of(2 ** 30, -(2 ** 30)));
  assert.deepEqual([...scheduler.readEdges().prices].slice(1), [PRICE_MOST, PRICE_LEAST]);
  scheduler.resetPrices();
  assert.deepEqual([...scheduler.readEdges().prices], [(3384 - 1680) * 177 >> 8, 0, 0]);
});

Deno.test("the gain of a price that turns is halved", () => {
  const scheduler = openScheduler({ edges: 2, chunks: 1, eta: 128 });
  scheduler.setEdges(0, table({ capacity: 1023 }, { capacity: 2 ** 32 - 1 }));
  scheduler.fold();
  const price = () => scheduler.readEdges().prices[0]!;
  const update = (load: number) => {
    const before = price();
    scheduler.updatePrices(Float64Array.of(load, 1));
    return price() - before;
  };
  // Steps of +256 and -256 in log2fix.
  assert.equal(update(2047), 128);
  assert.equal(update(511), -64);
  assert.equal(update(2047), 32);
  assert.equal(update(2047), 32 + 4 + 1);
  assert.equal(update(2047), 37 + 4 + 1);
  assert.equal(update(511), -21);
});

Deno.test("dispatch gives urgent chunks first and no edge more than its capacity", () => {
  const scheduler = openScheduler({ edges: 2, chunks: 40 });
  scheduler.setEdges(0, table({ capacity: 55 }, { capacity: 30 }));
  scheduler.fold();
  const lists = Array.from({ length: 40 }, (_, slot) => [slot % 2]);
  put(scheduler, lists, lists.map(() => 10), lists.map((_, slot) => slot < 36 ? 3 : 1));
  scheduler.chooseDirty();
  const { slots, edges, stats } = scheduler.dispatch(8, 0, 100);
  assert.deepEqual([...edges], [0, 0, 0, 0, 0, 1, 1, 1]);
  assert.deepEqual([...slots].slice(0, 2).sort(), [36, 38]);
  assert.deepEqual([...slots].slice(5, 7).sort(), [37, 39]);
  assert.equal(stats.admittedKib, 80);
  assert.equal(stats.pending, 32);
  assert.equal(stats.inFlight, 8);
});

Deno.test("what an edge cannot take bids elsewhere, and goes there", () => {
  const scheduler = openScheduler({ edges: 3, chunks: 10 });
  const step = 10 * TAU;
  scheduler.setEdges(
    0,
    table({ capacity: 50 }, { capacity: 30, cost: step }, { capacity: 20, cost: 2 * step }),
  );
  scheduler.fold();
  put(scheduler, Array.from({ length: 10 }, () => [2, 0, 1]));
  scheduler.chooseDirty();
  assert.deepEqual(assigned(scheduler), new Array(10).fill(0));
  const { edges, stats } = scheduler.dispatch(8, 0, 100);
  assert.deepEqual([...edges], [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]);
  assert.equal(stats.rounds, 3);
  assert.deepEqual([...scheduler.readEdges().loads], [50, 30, 20]);
});

Deno.test("a limit holds, leaves the rest as it was, and starts at the given edge", () => {
  const scheduler = openScheduler({ edges: 3, chunks: 9 });
  scheduler.setEdges(0, table({}, {}, {}));
  scheduler.fold();
  put(scheduler, Array.from({ length: 9 }, (_, slot) => [slot % 3]));
  scheduler.chooseDirty();
  const before = assigned(scheduler);
  const { edges, stats } = scheduler.dispatch(1, 2, 4);
  assert.deepEqual([...edges], [2, 2, 2, 0]);
  assert.equal(stats.admitted, 9);
  assert.equal(stats.dispatched, 4);
  assert.deepEqual(assigned(scheduler), before);
  assert.equal(scheduler.readChunks().states.filter((state) => state === DISPATCHED).length, 4);
});

Deno.test("events change what they fit and ignore the rest", () => {
  const scheduler = openScheduler({ edges: 2, chunks: 6 });
  scheduler.setEdges(0, table({}, { cost: 10 * TAU }));
  put(scheduler, [[0, 1], [0, 1], [0, 1], [0, 1], [0]]);
  scheduler.tick({ ...TICK, limit: 4 });
  const states = () => [...scheduler.readChunks().states];
  const waiting = states().indexOf(PENDING), sent = [0, 1, 2, 3, 4].filter((s) => s !== waiting);
  const [a, b, c, d] = sent as [number, number, number, number];
  const applied = scheduler.applyEvents({
    slots: Uint32Array.of(a, b, c, waiting, 5),
    kinds: Uint8Array.of(EVENT_DONE, EVENT_FAILED, EVENT_LOST, EVENT_FAILED, EVENT_CANCELLED),
  });
  assert.equal(applied, 3);
  const after = states();
  assert.deepEqual([a, b, c, d, waiting, 5].map((slot) => after[slot]), [
    ABSENT,
    PENDING,
    PENDING,
    DISPATCHED,
    PENDING,
    ABSENT,
  ]);
  assert.equal(scheduler.readEdges().loads[0], 40);
  assert.equal(scheduler.chooseDirty(), 2);
  const { tries, assigned: edges } = scheduler.readChunks();
  assert.deepEqual([tries[b], tries[c]], [1, 1]);
  // LOST took edge 0 from the candidates of c; slot 4 has no other.
  assert.equal(edges[b], 0);
  assert.equal(edges[c], c === 4 ? NONE : 1);
  assert.equal(scheduler.applyEvents({ slots: Uint32Array.of(a), kinds: Uint8Array.of(1) }), 0);
});

Deno.test("a tick runs its passes in order and counts itself", () => {
  const scheduler = openScheduler({ edges: 2, chunks: 20 });
  scheduler.setEdges(0, table({ capacity: 60 }, { capacity: 60 }));
  put(scheduler, Array.from({ length: 20 }, () => [0, 1]));
  const first = scheduler.tick({ ...TICK, fullEvery: 2, iterations: 3 });
  assert.equal(first.stats.tick, 0);
  assert.equal(first.stats.iterations, 3);
  assert.equal(first.stats.dirty, 20);
  assert.equal(first.stats.dispatched, 12);
  const second = scheduler.tick({ ...TICK, fullEvery: 2, iterations: 3 }, {
    slots: first.slots,
    kinds: new Uint8Array(12).fill(EVENT_DONE),
  });
  assert.equal(second.stats.tick, 1);
  assert.equal(second.stats.iterations, 0);
  assert.equal(second.stats.events, 12);
  assert.equal(second.stats.dispatched, 8);
  assert.equal(second.stats.pending, 0);
});

Deno.test("shards that share loads choose as the whole does, and their digests combine", () => {
  const chunks = 600, edges = 20, whole = openScheduler({ edges, chunks, firstChunk: 5 });
  const shards = [0, 250].map((first) =>
    openScheduler({ edges, chunks: first === 0 ? 250 : 350, firstChunk: 5 + first })
  );
  const swarm = makeSwarm({ edges, chunks, skew: 0.5, costMost: 900 });
  const { candidates, sizes, priorities } = swarm, words = edgeTable(swarm, 10);
  whole.put(0, candidates, sizes, priorities);
  shards[0]!.put(0, candidates.slice(0, 2000), sizes.slice(0, 250), priorities.slice(0, 250));
  shards[1]!.put(0, candidates.slice(2000), sizes.slice(250), priorities.slice(250));
  for (const scheduler of [whole, ...shards]) {
    scheduler.setEdges(0, words);
    scheduler.fold();
    scheduler.chooseDirty();
  }
  for (let pass = 0; pass < 4; pass++) {
    const loads = shards.map((shard) => shard.readEdges().loads);
    whole.updatePrices();
    for (const shard of shards) {
      shard.updatePrices(loads[0]!.map((load, e) => load + loads[1]![e]!));
    }
    for (const scheduler of [whole, ...shards]) {
      scheduler.fold();
      scheduler.choose();
    }
  }
  assert.ok(new Set(assigned(whole)).size > 3);
  assert.deepEqual(shards.flatMap(assigned), assigned(whole));
  const [a, b] = shards.map((shard) => shard.digest()) as [bigint, bigint];
  const low = (1n << 32n) - 1n;
  assert.equal(whole.digest(), ((a ^ b) >> 32n) << 32n | ((a & low) + (b & low)) & low);
});

Deno.test("whatever is called, loads are sums and capacities hold", async () => {
  const sizesOf = fc.record({
    edges: fc.integer({ min: 1, max: 12 }),
    chunks: fc.integer({ min: 1, max: 60 }),
    seed: fc.integer(),
  });
  await fc.assert(
    fc.asyncProperty(sizesOf, async ({ edges, chunks, seed }) => {
      const { steps } = randomScript({ edges, chunks }, seed, 20);
      const scheduler = openScheduler({ edges, chunks });
      const sizes = new Uint16Array(chunks), capacities = new Uint32Array(edges);
      for (const step of steps) {
        if (step.name === "put") sizes.set(step.args[2] as Uint16Array, step.args[0] as number);
        if (step.name === "setEdges") {
          const [first, words] = step.args as [number, Uint32Array];
          for (let i = 0; i < words.length / 4; i++) capacities[first + i] = words[4 * i + 2]!;
        }
        const [outcome] = await play(scheduler, [step]);
        if (step.name === "tick") {
          const dispatch = outcome!.result as ReturnType<Scheduler["tick"]>;
          assert.ok(isWithin(dispatch, sizes, capacities));
        }
        checkState(scheduler, sizes);
      }
    }),
    { numRuns: 150 },
  );
});

function checkState(scheduler: Scheduler, sizes: Uint16Array): void {
  const { assigned: edges, states } = scheduler.readChunks();
  const { loads } = scheduler.readEdges(), sums = new Float64Array(loads.length);
  states.forEach((state, slot) => {
    const edge = edges[slot]!;
    if (edge !== NONE) sums[edge]! += sizes[slot]!;
    if (state === ABSENT) assert.equal(edge, NONE);
    if (state === DISPATCHED) assert.ok(edge < loads.length);
  });
  assert.deepEqual(sums, loads);
}

Deno.test("the same calls give the same digest everywhere, for ever", async () => {
  const digests = [];
  for (const [edges, chunks] of [[9, 333], [40, 3000], [4096, 2000], [100, 1]] as const) {
    let all = 0n;
    for (let seed = 0; seed < 8; seed++) {
      const { steps } = randomScript({ edges, chunks }, seed, 30);
      for (
        const { digest, edges: { prices } } of await play(openScheduler({ edges, chunks }), steps)
      ) {
        // All digests and prices on the way count.
        for (const part of [digest, ...prices]) all = BigInt.asUintN(64, 31n * all + BigInt(part));
      }
    }
    digests.push(all.toString(16));
  }
  assert.deepEqual(digests, [
    "3915cc3470694198",
    "ee03d747b6d0aadd",
    "de9cc957aaf764ad",
    "e8f1cb0506c66b9",
  ]);
});

Deno.test("wrong arguments throw and change nothing", () => {
  const scheduler = openScheduler({ edges: 4, chunks: 8 });
  const before = scheduler.digest();
  const bytes = new Uint8Array(2), wide = new Uint16Array(16);
  const calls: (() => unknown)[] = [
    () => openScheduler({ edges: 0, chunks: 1 }),
    () => openScheduler({ edges: 4097, chunks: 1 }),
    () => openScheduler({ edges: 1, chunks: 0 }),
    () => openScheduler({ edges: 1, chunks: 2 ** 32 }),
    () => openScheduler({ edges: 1, chunks: 1, eta: 0 }),
    () => openScheduler({ edges: 1, chunks: 1, firstChunk: -1 }),
    () => scheduler.put(7, wide, new Uint16Array(2), bytes),
    () => scheduler.put(0, wide.subarray(1), new Uint16Array(2), bytes),
    () => scheduler.put(0, wide, new Uint16Array(2), bytes.subarray(1)),
    () => scheduler.setEdges(4, new Uint32Array(4)),
    () => scheduler.setEdges(0, new Uint32Array(3)),
    () => scheduler.setPrices(-1, new Int32Array(1)),
    () => scheduler.choose(0, 9),
    () => scheduler.choose(0.5, 1),
    () => scheduler.applyEvents({ slots: Uint32Array.of(8), kinds: Uint8Array.of(1) }),
    () => scheduler.applyEvents({ slots: Uint32Array.of(1), kinds: Uint8Array.of(5) }),
    () => scheduler.applyEvents({ slots: Uint32Array.of(1), kinds: Uint8Array.of(0) }),
    () => scheduler.applyEvents({ slots: Uint32Array.of(1, 1), kinds: Uint8Array.of(1, 1) }),
    () => scheduler.updatePrices(new Float64Array(3)),
    () => scheduler.updatePrices(Float64Array.of(0, 0, 0.5, 0)),
    () => scheduler.updatePrices(Float64Array.of(2 ** 52, 2 ** 52, 0, 0)),
    () => scheduler.dispatch(0, 0, 1),
    () => scheduler.dispatch(9, 0, 1),
    () => scheduler.dispatch(1, 4, 1),
    () => scheduler.tick({ ...TICK, iterations: 65 }),
    () => scheduler.best(Uint32Array.of(8)),
    () => scheduler.readChunks(9, 0),
  ];
  for (const call of calls) assert.throws(call, /^Error: invariant: scheduler: /, `${call}`);
  assert.equal(scheduler.digest(), before);
});
