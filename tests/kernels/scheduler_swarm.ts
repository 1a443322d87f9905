/**
 * Swarms for judging a scheduler: edges of very different bandwidth, chunks on some of them, edges
 * that everybody has chunks on, and how good an assignment could be at best.
 *
 * @module
 */
import { EDGE_WORDS, type Scheduler } from "../../kernels/scheduler/scheduler.ts";
import { CANDIDATES, NONE } from "../../kernels/scheduler/spec.ts";
import { randomWords } from "./samples.ts";

export interface Swarm {
  candidates: Uint16Array;
  sizes: Uint16Array;
  priorities: Uint8Array;
  /** KiB in a unit of time. */
  bandwidths: Float64Array;
  costs: Uint32Array;
}

export interface SwarmParams {
  edges: number;
  chunks: number;
  /** Popularity of edge e is (e + 1) ** -skew; it has nothing to do with bandwidth. */
  skew: number;
  /** Costs are 0 .. costMost - 1. */
  costMost: number;
  seed?: number;
}

/** Bandwidths are lognormal with sigma 1; 3 to 8 candidates; sizes of 16 to 128 KiB. */
export function makeSwarm({ edges, chunks, skew, costMost, seed = 42 }: SwarmParams): Swarm {
  const next = randomWords(seed), uniform = () => (next() + 0.5) / 2 ** 32;
  const bandwidths = Float64Array.from({ length: edges }, () => {
    const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return 100 * Math.exp(normal);
  });
  const costs = Uint32Array.from({ length: edges }, () => costMost === 0 ? 0 : next() % costMost);
  const popular = popularEdges(edges, skew);
  const candidates = new Uint16Array(CANDIDATES * chunks).fill(NONE);
  const sizes = new Uint16Array(chunks);
  for (let slot = 0; slot < chunks; slot++) {
    const first = CANDIDATES * slot, count = 3 + next() % 6;
    for (let i = first; i < first + count; i++) {
      let edge = popular[next() & 0xffff]!;
      for (let again = 0; again < 20 && isAmong(candidates, first, i, edge); again++) {
        edge = popular[next() & 0xffff]!;
      }
      candidates[i] = edge;
    }
    sizes[slot] = 16 + next() % 113;
  }
  return { candidates, sizes, priorities: new Uint8Array(chunks), bandwidths, costs };
}

/** Every edge as often as it is popular, 65536 in all. */
function popularEdges(edges: number, skew: number): Uint16Array {
  const weights = Array.from({ length: edges }, (_, e) => (e + 1) ** -skew);
  const total = weights.reduce((a, b) => a + b);
  let edge = 0, below = weights[0]! / total;
  return Uint16Array.from({ length: 65_536 }, (_, i) => {
    while (edge < edges - 1 && below < (i + 0.5) / 65_536) below += weights[++edge]! / total;
    return edge;
  });
}

function isAmong(list: Uint16Array, from: number, to: number, value: number): boolean {
  for (let i = from; i < to; i++) if (list[i] === value) return true;
  return false;
}

/**
 * No assignment finishes sooner than this. For any weights y of edges with sum 1, makespan is at
 * least the sum over chunks of size * min y / bandwidth (LP duality); multiplicative weights make
 * it large. From a sample of chunks when there are many.
 */
export function lowerBound(swarm: Swarm, iterations = 400, sample = 200_000): number {
  const { candidates, sizes, bandwidths } = swarm, edges = bandwidths.length;
  const stride = Math.max(1, Math.floor(sizes.length / sample));
  let sampled = 0, total = 0;
  for (let slot = 0; slot < sizes.length; slot++) {
    total += sizes[slot]!;
    if (slot % stride === 0) sampled += sizes[slot]!;
  }
  const bandwidth = bandwidths.reduce((a, b) => a + b);
  const weights = bandwidths.map((b) => b / bandwidth);
  let bound = total / bandwidth;
  const rates = new Float64Array(edges), loads = new Float64Array(edges);
  for (let round = 0; round < iterations; round++) {
    for (let e = 0; e < edges; e++) rates[e] = weights[e]! / bandwidths[e]!;
    loads.fill(0);
    let value = 0;
    for (let slot = 0; slot < sizes.length; slot += stride) {
      let best = NONE, rate = Infinity;
      for (let i = CANDIDATES * slot; i < CANDIDATES * (slot + 1); i++) {
        const edge = candidates[i]!;
        if (edge < edges && rates[edge]! < rate) rate = rates[best = edge]!;
      }
      value += sizes[slot]! * rate;
      loads[best]! += sizes[slot]!;
    }
    bound = Math.max(bound, value * total / sampled);
    const most = loads.reduce((a, load, e) => Math.max(a, load / bandwidths[e]!), 0);
    const eta = 3 / Math.sqrt(round + 4);
    let sum = 0;
    for (let e = 0; e < edges; e++) {
      sum += weights[e]! *= Math.exp(eta * loads[e]! / bandwidths[e]! / most);
    }
    for (let e = 0; e < edges; e++) weights[e]! /= sum;
  }
  return bound;
}

/** Edges whose capacity is what they carry in `time`. */
export function edgeTable(swarm: Swarm, time: number): Uint32Array {
  const words = new Uint32Array(EDGE_WORDS * swarm.bandwidths.length), next = randomWords(7);
  swarm.bandwidths.forEach((bandwidth, e) => {
    words.set([swarm.costs[e]!, next(), Math.floor(bandwidth * time), 1], EDGE_WORDS * e);
  });
  return words;
}

/** Puts all chunks, and chooses edges by price without looking at loads. */
export function startCold(scheduler: Scheduler, swarm: Swarm, edges: Uint32Array): void {
  scheduler.setEdges(0, edges);
  scheduler.put(0, swarm.candidates, swarm.sizes, swarm.priorities);
  scheduler.fold();
  scheduler.resetPrices();
  scheduler.fold();
  scheduler.chooseDirty();
}

/** Prices, fold and a full choose, `passes` times. */
export function improve(scheduler: Scheduler, passes: number): void {
  for (let pass = 0; pass < passes; pass++) {
    scheduler.updatePrices();
    scheduler.fold();
    scheduler.choose();
  }
}

/** When the slowest edge is done. */
export function makespan(scheduler: Scheduler, bandwidths: Float64Array): number {
  const { loads } = scheduler.readEdges();
  return loads.reduce((most, load, e) => Math.max(most, load / bandwidths[e]!), 0);
}
