/**
 * The interface of a chunk scheduler: its passes, one by one, and the tick that runs them.
 * `spec.ts` defines what each does; all backends give the same results.
 *
 * Chunks are named by slot. Nothing keeps a reference to a given array.
 *
 * @module
 */
import { invariant } from "../../actors/base/errors.ts";
import { CANDIDATES, EDGES_MOST, ETA, ROUNDS_MOST } from "./spec.ts";

/** Largest number of slots: numbers of chunks are 32 bits wide. */
export const CHUNKS_MOST = 2 ** 32 - 1;
export const ETA_MOST = 1024;
export const ITERATIONS_MOST = 64;
/** 32-bit words of an edge in {@link Scheduler.setEdges}: cost, hash, capacity, alive. */
export const EDGE_WORDS = 4;

export interface SchedulerParams {
  /** 1..4096. */
  edges: number;
  /** Slots. */
  chunks: number;
  /** Number of the chunk in slot 0, for a shard of a larger scheduler. Default 0. */
  firstChunk?: number;
  /** Damping of prices in 1/256, 1..1024. Default {@link ETA}. */
  eta?: number;
}

export interface TickParams {
  /** Prices and full choose in every so many ticks; 0: never. */
  fullEvery: number;
  /** Iterations of prices, fold and full choose in such a tick, 0..64. */
  iterations: number;
  /** Rounds of admission, 1..8. */
  rounds: number;
  /** Chunks given out at most. */
  limit: number;
}

/** What happened to chunks: each slot at most once. */
export interface ChunkEvents {
  slots: Uint32Array;
  /** EVENT_DONE, EVENT_FAILED, EVENT_CANCELLED or EVENT_LOST. */
  kinds: Uint8Array;
}

/** Chunks given out: edge `edges[i]` is to serve the chunk of `slots[i]`. */
export interface Dispatch {
  slots: Uint32Array;
  edges: Uint16Array;
  stats: SchedulerStats;
}

/** Chunks, KiB and counts of one tick (WARP_STAT_* of warp_kernels.h, in that order). */
export interface SchedulerStats {
  /** Number of this tick. */
  tick: number;
  /** PENDING chunks, afterwards. */
  pending: number;
  /** DISPATCHED chunks, afterwards. */
  inFlight: number;
  /** Events that were not ignored. */
  events: number;
  failedOver: number;
  /** Chunks chosen because they were dirty. */
  dirty: number;
  iterations: number;
  /** Chunks that took part in admission. */
  window: number;
  /** PENDING chunks without usable edge, before admission. */
  unplaced: number;
  rounds: number;
  /** Chunks admitted; those above the limit are not given out. */
  admitted: number;
  admittedKib: number;
  dispatched: number;
  dispatchedKib: number;
  /** Over all edges, afterwards. */
  loadKib: number;
  /** Over usable edges. */
  capacityKib: number;
}

export const STAT_NAMES = [
  "tick",
  "pending",
  "inFlight",
  "events",
  "failedOver",
  "dirty",
  "iterations",
  "window",
  "unplaced",
  "rounds",
  "admitted",
  "admittedKib",
  "dispatched",
  "dispatchedKib",
  "loadKib",
  "capacityKib",
] as const satisfies readonly (keyof SchedulerStats)[];

export function emptyStats(): SchedulerStats {
  return Object.fromEntries(STAT_NAMES.map((name) => [name, 0])) as Record<
    typeof STAT_NAMES[number],
    number
  >;
}

export interface ChunkStates {
  assigned: Uint16Array;
  states: Uint8Array;
  tries: Uint8Array;
}

export interface EdgeStates {
  words: Uint32Array;
  prices: Int32Array;
  /** KiB; exact integers. */
  loads: Float64Array;
}

/** Arguments that break what is documented here throw, and change nothing. */
export interface Scheduler {
  readonly params: Required<SchedulerParams>;
  /** Fills slots from `first`; `candidates` has 8 edges for each of `sizes` (KiB). */
  put(first: number, candidates: Uint16Array, sizes: Uint16Array, priorities: Uint8Array): void;
  /** Cost, hash, capacity (KiB), alive of edges from `first`; counts from the next fold on. */
  setEdges(first: number, edges: Uint32Array): void;
  setPrices(first: number, prices: Int32Array): void;
  resetPrices(): void;
  /** Returns how many were not ignored. */
  applyEvents(events: ChunkEvents): number;
  fold(): void;
  /** Default: all slots. */
  choose(first?: number, count?: number): void;
  chooseDirty(): number;
  failover(): number;
  /** With `loads` (KiB, one per edge) for those of all shards. */
  updatePrices(loads?: Float64Array): void;
  dispatch(rounds: number, firstEdge: number, limit: number): Dispatch;
  tick(params: TickParams, events?: ChunkEvents): Dispatch;
  /** Three edges for each slot, NONE where there are fewer. */
  best(slots: Uint32Array): Uint16Array;
  readChunks(first?: number, count?: number): ChunkStates;
  readEdges(): EdgeStates;
  digest(): bigint;
  /** Frees the state; no other call may follow. */
  close(): void;
}

/** What a backend offers: schedulers, each with its own state. */
export interface SchedulerKernel {
  /** @throws {WarpError} E_BACKEND_UNAVAILABLE when there is no memory for so many chunks. */
  open(params: SchedulerParams): Scheduler;
}

export function checkSchedulerParams(params: SchedulerParams): Required<SchedulerParams> {
  const { edges, chunks, firstChunk = 0, eta = ETA } = params;
  checkInteger("edges", edges, 1, EDGES_MOST);
  checkInteger("chunks", chunks, 1, CHUNKS_MOST);
  checkInteger("firstChunk", firstChunk, 0, 2 ** 32 - 1);
  checkInteger("eta", eta, 1, ETA_MOST);
  return { edges, chunks, firstChunk, eta };
}

export function checkTickParams(params: TickParams): void {
  checkInteger("fullEvery", params.fullEvery, 0, 2 ** 32 - 1);
  checkInteger("iterations", params.iterations, 0, ITERATIONS_MOST);
  checkInteger("rounds", params.rounds, 1, ROUNDS_MOST);
  checkInteger("limit", params.limit, 0, 2 ** 32 - 1);
}

export function checkPut(
  params: Required<SchedulerParams>,
  first: number,
  candidates: Uint16Array,
  sizes: Uint16Array,
  priorities: Uint8Array,
): void {
  invariant(
    candidates.length === CANDIDATES * sizes.length && priorities.length === sizes.length,
    "scheduler: candidates, sizes and priorities are not of as many chunks",
  );
  checkRange("slots", first, sizes.length, params.chunks);
}

/** `first .. first + count - 1` lies within 0 .. limit - 1. */
export function checkRange(what: string, first: number, count: number, limit: number): void {
  checkInteger(`first of ${what}`, first, 0, limit);
  checkInteger(`number of ${what}`, count, 0, limit - first);
}

/** Slots in range and different, kinds known. */
export function checkEvents({ slots, kinds }: ChunkEvents, chunks: number): void {
  invariant(slots.length === kinds.length, "scheduler: slots and kinds differ in number");
  invariant(kinds.every((kind) => kind >= 1 && kind <= 4), "scheduler: unknown kind of event");
  checkSlots(slots, chunks);
  const sorted = slots.toSorted();
  invariant(
    sorted.every((slot, i) => i === 0 || slot !== sorted[i - 1]),
    "scheduler: two events for one slot",
  );
}

export function checkSlots(slots: Uint32Array, chunks: number): void {
  invariant(slots.every((slot) => slot < chunks), "scheduler: no such slot");
}

/** The sum of all loads must be below 2^53. */
export function checkLoads(loads: Float64Array, edges: number): void {
  invariant(loads.length === edges, "scheduler: not one load for each edge");
  let sum = 0;
  for (const load of loads) {
    checkInteger("load", load, 0, 2 ** 53 - 1);
    sum += load;
    invariant(sum < 2 ** 53, "scheduler: loads are 2^53 KiB or more");
  }
}

export function checkInteger(what: string, value: number, least: number, most: number): void {
  invariant(
    Number.isSafeInteger(value) && value >= least && value <= most,
    `scheduler: ${what} is ${value}, not ${least}..${most}`,
  );
}
