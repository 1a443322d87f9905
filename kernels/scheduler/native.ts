/**
 * The scheduler by a library with our C interface: libwarp_kernels, or libwarp_cuda.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import type { Backend } from "../kernel.ts";
import { openNativeLibrary } from "../native/library.ts";
import { libraryPath } from "../native/location.ts";
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
  STAT_NAMES,
  type TickParams,
} from "./scheduler.ts";
import { ROUNDS_MOST } from "./spec.ts";
import { SCHEDULER_SYMBOLS, type SchedulerSymbols } from "./symbols.ts";

const NO_EVENTS: ChunkEvents = { slots: new Uint32Array(0), kinds: new Uint8Array(0) };

let opened: Backend<SchedulerKernel> | undefined;

/**
 * The scheduler of `WARP_NATIVE_LIB`, or else of the library built in this tree. Once per Worker.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when the library is not there.
 */
export function open(): Backend<SchedulerKernel> {
  if (opened !== undefined) return opened;
  // Says why a library cannot be used, and that it has our interface.
  const { description } = openNativeLibrary();
  const { symbols } = Deno.dlopen(libraryPath(), SCHEDULER_SYMBOLS);
  return opened = {
    kernel: { open: (params) => openNativeScheduler(symbols, params) },
    description,
  };
}

/**
 * Opens a scheduler in a library; `context` is of CUDA's library, 0 for the CPU's.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when the library has no memory for it.
 */
export function openNativeScheduler(
  symbols: SchedulerSymbols,
  params: SchedulerParams,
  context = 0n,
): Scheduler {
  const checked = checkSchedulerParams(params);
  const { edges, chunks, firstChunk, eta } = checked;
  const handle = new BigUint64Array(1);
  const status = symbols.warp_scheduler_open(
    context,
    new Uint32Array([20, edges, chunks, firstChunk, eta]),
    handle,
  );
  if (status !== 0) throw failure("warp_scheduler_open", status);
  return new NativeScheduler(symbols, handle[0]!, checked);
}

class NativeScheduler implements Scheduler {
  readonly params: Required<SchedulerParams>;
  readonly #symbols: SchedulerSymbols;
  readonly #handle: bigint;
  readonly #count = new Uint32Array(1);
  readonly #wide = new BigUint64Array(1);
  readonly #stats = new BigUint64Array(STAT_NAMES.length);

  constructor(symbols: SchedulerSymbols, handle: bigint, params: Required<SchedulerParams>) {
    this.#symbols = symbols;
    this.#handle = handle;
    this.params = params;
  }

  put(first: number, candidates: Uint16Array, sizes: Uint16Array, priorities: Uint8Array): void {
    checkPut(this.params, first, candidates, sizes, priorities);
    this.#call(
      "warp_scheduler_put",
      first,
      sizes.length,
      buffer(candidates),
      buffer(sizes),
      buffer(priorities),
    );
  }

  setEdges(first: number, edges: Uint32Array): void {
    checkRange("edges", first, edges.length / EDGE_WORDS, this.params.edges);
    this.#call("warp_scheduler_edges", first, edges.length / EDGE_WORDS, buffer(edges));
  }

  setPrices(first: number, prices: Int32Array): void {
    checkRange("prices", first, prices.length, this.params.edges);
    this.#call("warp_scheduler_set_prices", first, prices.length, buffer(prices));
  }

  resetPrices(): void {
    this.#call("warp_scheduler_reset_prices");
  }

  applyEvents(events: ChunkEvents): number {
    checkEvents(events, this.params.chunks);
    const { slots, kinds } = events;
    this.#call("warp_scheduler_events", slots.length, buffer(slots), buffer(kinds), this.#wide);
    return Number(this.#wide[0]);
  }

  fold(): void {
    this.#call("warp_scheduler_fold");
  }

  choose(first = 0, count = this.params.chunks - first): void {
    checkRange("slots", first, count, this.params.chunks);
    this.#call("warp_scheduler_choose", first, count);
  }

  chooseDirty(): number {
    this.#call("warp_scheduler_choose_dirty", this.#wide);
    return Number(this.#wide[0]);
  }

  failover(): number {
    this.#call("warp_scheduler_failover", this.#wide);
    return Number(this.#wide[0]);
  }

  updatePrices(loads?: Float64Array): void {
    if (loads !== undefined) checkLoads(loads, this.params.edges);
    this.#call("warp_scheduler_prices", loads === undefined ? null : toWide(loads));
  }

  dispatch(rounds: number, firstEdge: number, limit: number): Dispatch {
    checkInteger("rounds", rounds, 1, ROUNDS_MOST);
    checkInteger("first edge", firstEdge, 0, this.params.edges - 1);
    checkInteger("limit", limit, 0, 2 ** 32 - 1);
    const { slots, edges } = this.#queue(limit);
    this.#stats.fill(0n);
    this.#call(
      "warp_scheduler_dispatch",
      rounds,
      firstEdge,
      slots.length,
      slots,
      edges,
      this.#count,
      this.#stats,
    );
    return this.#dispatched(slots, edges);
  }

  tick(params: TickParams, events: ChunkEvents = NO_EVENTS): Dispatch {
    checkTickParams(params);
    checkEvents(events, this.params.chunks);
    const { slots, edges } = this.#queue(params.limit);
    this.#call(
      "warp_scheduler_tick",
      new Uint32Array([16, params.fullEvery, params.iterations, params.rounds]),
      events.slots.length,
      buffer(events.slots),
      buffer(events.kinds),
      slots.length,
      slots,
      edges,
      this.#count,
      this.#stats,
    );
    return this.#dispatched(slots, edges);
  }

  best(slots: Uint32Array): Uint16Array {
    checkSlots(slots, this.params.chunks);
    const out = new Uint16Array(3 * slots.length);
    this.#call("warp_scheduler_best", slots.length, buffer(slots), out);
    return out;
  }

  readChunks(first = 0, count = this.params.chunks - first): ChunkStates {
    checkRange("slots", first, count, this.params.chunks);
    const assigned = new Uint16Array(count);
    const states = new Uint8Array(count), tries = new Uint8Array(count);
    this.#call("warp_scheduler_read", first, count, assigned, states, tries);
    return { assigned, states, tries };
  }

  readEdges(): EdgeStates {
    const count = this.params.edges;
    const words = new Uint32Array(count), prices = new Int32Array(count);
    const loads = new BigUint64Array(count);
    this.#call("warp_scheduler_read_edges", 0, count, words, prices, loads);
    return { words, prices, loads: Float64Array.from(loads, Number) };
  }

  digest(): bigint {
    this.#call("warp_scheduler_digest", this.#wide);
    return this.#wide[0]!;
  }

  close(): void {
    this.#call("warp_scheduler_close");
  }

  #queue(limit: number): { slots: Uint32Array<ArrayBuffer>; edges: Uint16Array<ArrayBuffer> } {
    const length = Math.min(limit, this.params.chunks);
    return { slots: new Uint32Array(length), edges: new Uint16Array(length) };
  }

  #dispatched(slots: Uint32Array, edges: Uint16Array): Dispatch {
    const count = this.#count[0]!;
    const stats: SchedulerStats = emptyStats();
    STAT_NAMES.forEach((name, i) => stats[name] = Number(this.#stats[i]));
    return { slots: slots.slice(0, count), edges: edges.slice(0, count), stats };
  }

  #call(name: keyof SchedulerSymbols, ...rest: (number | BufferSource | null)[]): void {
    const run = this.#symbols[name] as (handle: bigint, ...rest: unknown[]) => number;
    const status = run(this.#handle, ...rest);
    if (status !== 0) throw failure(name, status);
  }
}

/** Views of shared memory are fine for calls that return before anyone else runs. */
function buffer<T extends ArrayBufferView>(view: T): T & ArrayBufferView<ArrayBuffer> {
  return view as T & ArrayBufferView<ArrayBuffer>;
}

function toWide(loads: Float64Array): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.from(loads, BigInt);
}

/** Wrong arguments have been caught before: what is left is the machine's trouble, or a bug. */
function failure(name: string, status: number): Error {
  const text = `${name} gave ${status}`;
  const isMachine = status === -3 || status === -4 || status === -5 || status === -8;
  return isMachine ? new WarpError("E_BACKEND_UNAVAILABLE", text) : new Error(`invariant: ${text}`);
}
