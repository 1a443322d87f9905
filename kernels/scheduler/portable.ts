/**
 * The scheduler in TypeScript: the reference, and what runs without our C library.
 *
 * @module
 */
import type { Backend } from "../kernel.ts";
import { admit, type Bid } from "./admission.ts";
import { bestThree, choose, chooseDirty, failover } from "./choose.ts";
import { fold, resetPrices, updatePrices } from "./edges.ts";
import {
  checkEvents,
  checkInteger,
  checkLoads,
  checkPut,
  checkRange,
  checkSchedulerParams,
  checkSlots,
  checkTickParams,
  type ChunkEvents,
  type ChunkStates,
  type Dispatch,
  EDGE_WORDS,
  type EdgeStates,
  emptyStats,
  type Scheduler,
  type SchedulerKernel,
  type SchedulerParams,
  type SchedulerStats,
  type TickParams,
} from "./scheduler.ts";
import { applyEvent, assign, digest, newState, put, type State } from "./state.ts";
import {
  clamp,
  digitOf,
  DISPATCHED,
  PENDING,
  PRICE_LEAST,
  PRICE_MOST,
  ROUNDS_MOST,
} from "./spec.ts";

export function open(): Backend<SchedulerKernel> {
  return { kernel: { open: openScheduler }, description: "TypeScript" };
}

export function openScheduler(params: SchedulerParams): Scheduler {
  return new PortableScheduler(checkSchedulerParams(params));
}

class PortableScheduler implements Scheduler {
  readonly params: Required<SchedulerParams>;
  readonly #state: State;
  #tick = 0;

  constructor(params: Required<SchedulerParams>) {
    this.params = params;
    this.#state = newState(params);
  }

  put(first: number, candidates: Uint16Array, sizes: Uint16Array, priorities: Uint8Array): void {
    checkPut(this.params, first, candidates, sizes, priorities);
    put(this.#state, first, candidates, sizes, priorities);
  }

  setEdges(first: number, edges: Uint32Array): void {
    checkRange("edges", first, edges.length / EDGE_WORDS, this.params.edges);
    const { costs, hashes, capacities, alive } = this.#state.edges;
    for (let i = 0; i < edges.length / EDGE_WORDS; i++) {
      costs[first + i] = edges[EDGE_WORDS * i]!;
      hashes[first + i] = edges[EDGE_WORDS * i + 1]!;
      capacities[first + i] = edges[EDGE_WORDS * i + 2]!;
      alive[first + i] = edges[EDGE_WORDS * i + 3] === 0 ? 0 : 1;
    }
  }

  setPrices(first: number, prices: Int32Array): void {
    checkRange("prices", first, prices.length, this.params.edges);
    this.#state.edges.prices.set(prices.map((p) => clamp(p, PRICE_LEAST, PRICE_MOST)), first);
  }

  resetPrices(): void {
    resetPrices(this.#state.edges, this.params.eta);
  }

  applyEvents(events: ChunkEvents): number {
    checkEvents(events, this.params.chunks);
    let applied = 0;
    events.slots.forEach((slot, i) => {
      if (applyEvent(this.#state, slot, events.kinds[i]!)) applied++;
    });
    return applied;
  }

  fold(): void {
    fold(this.#state.edges);
  }

  choose(first = 0, count = this.params.chunks - first): void {
    checkRange("slots", first, count, this.params.chunks);
    choose(this.#state, first, count);
  }

  chooseDirty(): number {
    return chooseDirty(this.#state);
  }

  failover(): number {
    return failover(this.#state);
  }

  updatePrices(loads?: Float64Array): void {
    if (loads !== undefined) checkLoads(loads, this.params.edges);
    const { edges } = this.#state;
    updatePrices(edges, loads ?? edges.loads, this.params.eta);
  }

  dispatch(rounds: number, firstEdge: number, limit: number): Dispatch {
    checkInteger("rounds", rounds, 1, ROUNDS_MOST);
    checkInteger("first edge", firstEdge, 0, this.params.edges - 1);
    checkInteger("limit", limit, 0, 2 ** 32 - 1);
    return this.#dispatch(rounds, firstEdge, limit, emptyStats());
  }

  tick(params: TickParams, events?: ChunkEvents): Dispatch {
    checkTickParams(params);
    const stats = { ...emptyStats(), tick: this.#tick };
    if (events !== undefined) stats.events = this.applyEvents(events);
    this.fold();
    stats.failedOver = this.failover();
    stats.dirty = this.chooseDirty();
    if (params.fullEvery > 0 && this.#tick % params.fullEvery === 0) {
      stats.iterations = params.iterations;
      for (let i = 0; i < params.iterations; i++) {
        this.updatePrices();
        this.fold();
        this.choose();
      }
    }
    const firstEdge = this.#tick % this.params.edges;
    this.#tick++;
    return this.#dispatch(params.rounds, firstEdge, params.limit, stats);
  }

  best(slots: Uint32Array): Uint16Array {
    checkSlots(slots, this.params.chunks);
    const out = new Uint16Array(3 * slots.length);
    slots.forEach((slot, i) => out.set(bestThree(this.#state, slot), 3 * i));
    return out;
  }

  readChunks(first = 0, count = this.params.chunks - first): ChunkStates {
    checkRange("slots", first, count, this.params.chunks);
    const { assigned, states, tries } = this.#state.chunks, end = first + count;
    return {
      assigned: assigned.slice(first, end),
      states: states.slice(first, end),
      tries: tries.slice(first, end),
    };
  }

  readEdges(): EdgeStates {
    const { words, prices, loads } = this.#state.edges;
    return { words: words.slice(), prices: prices.slice(), loads: loads.slice() };
  }

  digest(): bigint {
    return digest(this.#state);
  }

  close(): void {}

  #dispatch(rounds: number, firstEdge: number, limit: number, stats: SchedulerStats): Dispatch {
    const { edges } = this.params;
    const admission = admit(this.#state, rounds);
    const order = ({ edge, rank }: Bid) =>
      ((edge + edges - firstEdge) % edges) << 6 | digitOf(rank, 0);
    // Stable: slots stay in ascending order.
    const queue = admission.admitted.toSorted((a, b) => order(a) - order(b)).slice(0, limit);
    for (const { slot, edge } of queue) {
      assign(this.#state, slot, edge);
      this.#state.chunks.states[slot] = DISPATCHED;
    }
    stats.window = admission.window;
    stats.unplaced = admission.unplaced;
    stats.rounds = admission.rounds;
    stats.admitted = admission.admitted.length;
    stats.admittedKib = sizeOf(admission.admitted);
    stats.dispatched = queue.length;
    stats.dispatchedKib = sizeOf(queue);
    this.#countState(stats);
    return {
      slots: Uint32Array.from(queue, ({ slot }) => slot),
      edges: Uint16Array.from(queue, ({ edge }) => edge),
      stats,
    };
  }

  #countState(stats: SchedulerStats): void {
    const { chunks: { states }, edges: { loads, limits } } = this.#state;
    for (const state of states) {
      if (state === PENDING) stats.pending++;
      else if (state === DISPATCHED) stats.inFlight++;
    }
    for (const load of loads) stats.loadKib += load;
    for (const limit of limits) stats.capacityKib += limit;
  }
}

function sizeOf(bids: readonly Bid[]): number {
  return bids.reduce((sum, { size }) => sum + size, 0);
}
