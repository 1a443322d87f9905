/**
 * The state of the reference scheduler: one array for each column of the tables in `spec.ts`.
 *
 * @module
 */
import type { SchedulerParams } from "./scheduler.ts";
import {
  ABSENT,
  CANDIDATES,
  CHUNK_HASH,
  DISPATCHED,
  EVENT_CANCELLED,
  EVENT_DONE,
  EVENT_LOST,
  mix32,
  NONE,
  PENDING,
  WORD_NONE,
} from "./spec.ts";

export interface ChunkTable {
  readonly candidates: Uint16Array;
  readonly sizes: Uint16Array;
  readonly priorities: Uint8Array;
  readonly states: Uint8Array;
  readonly assigned: Uint16Array;
  readonly tries: Uint8Array;
  /** 1 for dirty slots. */
  readonly dirty: Uint8Array;
}

export interface EdgeTable {
  /** As given; they count from the next fold on. */
  readonly costs: Uint32Array;
  readonly hashes: Uint32Array;
  readonly capacities: Uint32Array;
  readonly alive: Uint8Array;
  readonly prices: Int32Array;
  readonly gains: Int32Array;
  readonly lasts: Int32Array;
  readonly words: Uint32Array;
  /** Capacities as the last fold saw them; 0 for edges that are not usable. */
  readonly limits: Uint32Array;
  /** KiB; exact integers. */
  readonly loads: Float64Array;
}

export interface State {
  readonly params: Required<SchedulerParams>;
  readonly chunks: ChunkTable;
  readonly edges: EdgeTable;
}

export function newState(params: Required<SchedulerParams>): State {
  const { chunks: n, edges, eta } = params;
  return {
    params,
    chunks: {
      candidates: new Uint16Array(CANDIDATES * n).fill(NONE),
      sizes: new Uint16Array(n),
      priorities: new Uint8Array(n),
      states: new Uint8Array(n),
      assigned: new Uint16Array(n).fill(NONE),
      tries: new Uint8Array(n),
      dirty: new Uint8Array(n),
    },
    edges: {
      costs: new Uint32Array(edges),
      hashes: new Uint32Array(edges),
      capacities: new Uint32Array(edges),
      alive: new Uint8Array(edges),
      prices: new Int32Array(edges),
      gains: new Int32Array(edges).fill(eta),
      lasts: new Int32Array(edges),
      words: new Uint32Array(edges).fill(WORD_NONE),
      limits: new Uint32Array(edges),
      loads: new Float64Array(edges),
    },
  };
}

/** Number of the chunk in `slot`. */
export function numberOf(state: State, slot: number): number {
  return (state.params.firstChunk + slot) >>> 0;
}

/** Assigns a chunk and moves its load. */
export function assign({ chunks, edges }: State, slot: number, edge: number): void {
  const before = chunks.assigned[slot]!, size = chunks.sizes[slot]!;
  if (before !== NONE) edges.loads[before]! -= size;
  if (edge !== NONE) edges.loads[edge]! += size;
  chunks.assigned[slot] = edge;
}

export function put(
  state: State,
  first: number,
  candidates: Uint16Array,
  sizes: Uint16Array,
  priorities: Uint8Array,
): void {
  const { chunks } = state;
  for (let slot = first; slot < first + sizes.length; slot++) assign(state, slot, NONE);
  const last = first + sizes.length;
  chunks.candidates.set(candidates, CANDIDATES * first);
  chunks.sizes.set(sizes, first);
  chunks.priorities.set(priorities, first);
  chunks.states.fill(PENDING, first, last);
  chunks.tries.fill(0, first, last);
  chunks.dirty.fill(1, first, last);
}

/** Returns whether the event fits the chunk's state; otherwise nothing happens. */
export function applyEvent(state: State, slot: number, kind: number): boolean {
  const { chunks } = state, was = chunks.states[slot]!;
  if (kind === EVENT_DONE || kind === EVENT_CANCELLED) {
    if (was === ABSENT) return false;
    clear(state, slot);
    return true;
  }
  if (was !== DISPATCHED) return false;
  if (kind === EVENT_LOST) removeCandidate(state, slot, chunks.assigned[slot]!);
  countFailure(state, slot);
  chunks.dirty[slot] = 1;
  return true;
}

/** A DISPATCHED chunk waits again. */
export function countFailure({ chunks }: State, slot: number): void {
  chunks.states[slot] = PENDING;
  chunks.tries[slot] = Math.min(chunks.tries[slot]! + 1, 255);
}

function clear(state: State, slot: number): void {
  assign(state, slot, NONE);
  const { chunks } = state;
  chunks.candidates.fill(NONE, CANDIDATES * slot, CANDIDATES * (slot + 1));
  chunks.sizes[slot] = 0;
  chunks.priorities[slot] = 0;
  chunks.states[slot] = ABSENT;
  chunks.tries[slot] = 0;
}

function removeCandidate({ chunks: { candidates } }: State, slot: number, edge: number): void {
  for (let i = CANDIDATES * slot; i < CANDIDATES * (slot + 1); i++) {
    if (candidates[i] === edge) candidates[i] = NONE;
  }
}

/** See `spec.ts`: XOR above, sum below. */
export function digest(state: State): bigint {
  const { states, assigned, tries } = state.chunks;
  let xor = 0, sum = 0;
  for (let slot = 0; slot < states.length; slot++) {
    const content = assigned[slot]! | states[slot]! << 16 | tries[slot]! << 24;
    const d = mix32(Math.imul(numberOf(state, slot), CHUNK_HASH) ^ content);
    xor ^= d;
    sum = (sum + d) >>> 0;
  }
  return BigInt(xor >>> 0) << 32n | BigInt(sum);
}
