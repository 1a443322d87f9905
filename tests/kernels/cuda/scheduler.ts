/**
 * The scheduler made of the CUDA kernels' calls. Its state is a copy of the device's memory, which
 * every call takes and gives back changed.
 *
 * @module
 */
import type { Bytes } from "../../../actors/base/bytes.ts";
import {
  checkSchedulerParams,
  type ChunkEvents,
  type ChunkStates,
  type Dispatch,
  type EdgeStates,
  emptyStats,
  type Scheduler,
  type SchedulerParams,
  STAT_NAMES,
  type TickParams,
} from "../../../kernels/scheduler/scheduler.ts";
import { clamp, PRICE_LEAST, PRICE_MOST } from "../../../kernels/scheduler/spec.ts";
import type { Argument, Call, CpuKernels, LaunchName } from "./calls.ts";

/** Columns of `scheduler_columns`, in its order. */
const STATES = 3, ASSIGNED = 4, TRIES = 5, GIVEN = 7, PRICES = 8, WORDS = 9, LOADS = 11;

/** Opens a scheduler; every call goes through `outputsOf`. */
export function openCudaScheduler(
  kernels: CpuKernels,
  outputsOf: (call: Call) => Bytes[],
  params: SchedulerParams,
): Scheduler {
  return new CudaScheduler(kernels, outputsOf, checkSchedulerParams(params));
}

class CudaScheduler implements Scheduler {
  readonly params: Required<SchedulerParams>;
  readonly #outputsOf: (call: Call) => Bytes[];
  readonly #raw: Bytes;
  readonly #columns: number[];
  readonly #scratch: number;
  #state: Bytes;
  #tick = 0;

  constructor(
    kernels: CpuKernels,
    outputsOf: (call: Call) => Bytes[],
    params: Required<SchedulerParams>,
  ) {
    this.params = params;
    this.#outputsOf = outputsOf;
    const { edges, chunks, firstChunk, eta } = params;
    this.#raw = bytesOf(Uint32Array.of(20, edges, chunks, firstChunk, eta));
    this.#columns = kernels.schedulerColumns(this.#raw);
    this.#scratch = kernels.scratchBytes("scheduler_scratch_bytes", this.#raw);
    this.#state = new Uint8Array(kernels.scratchBytes("scheduler_state_bytes", this.#raw)).fill(
      0x77,
    );
    this.#change("scheduler_clear_launch");
  }

  put(first: number, candidates: Uint16Array, sizes: Uint16Array, priorities: Uint8Array): void {
    const columns = [bytesOf(candidates), bytesOf(sizes), priorities];
    this.#change("scheduler_put_launch", first, sizes.length, ...columns);
  }

  setEdges(first: number, edges: Uint32Array): void {
    this.#write(this.#columns[GIVEN]! + 16 * first, bytesOf(edges));
  }

  setPrices(first: number, prices: Int32Array): void {
    const clamped = prices.map((price) => clamp(price, PRICE_LEAST, PRICE_MOST));
    this.#write(this.#columns[PRICES]! + 4 * first, bytesOf(clamped));
  }

  resetPrices(): void {
    this.#change("scheduler_reset_prices_launch");
  }

  applyEvents({ slots, kinds }: ChunkEvents): number {
    return this.#count("scheduler_events_launch", slots.length, bytesOf(slots), kinds);
  }

  fold(): void {
    this.#change("scheduler_fold_launch");
  }

  choose(first = 0, count = this.params.chunks - first): void {
    this.#change("scheduler_choose_launch", first, count);
  }

  chooseDirty(): number {
    return this.#count("scheduler_choose_dirty_launch");
  }

  failover(): number {
    return this.#count("scheduler_failover_launch");
  }

  updatePrices(loads?: Float64Array): void {
    const given = loads && bytesOf(BigUint64Array.from(loads, BigInt));
    this.#change("scheduler_prices_launch", given ?? null);
  }

  dispatch(rounds: number, firstEdge: number, limit: number): Dispatch {
    const most = Math.min(limit, this.params.chunks);
    const [slots, edges, count, statBytes] = this.#change(
      "scheduler_dispatch_launch",
      ...[rounds, firstEdge, limit, { size: 4 * most }, { size: 2 * most }, { size: 4 }],
      { changed: new Uint8Array(8 * STAT_NAMES.length) },
    );
    const stats = emptyStats(), found = new BigUint64Array(statBytes!.slice().buffer);
    STAT_NAMES.forEach((name, i) => stats[name] = Number(found[i]));
    const given = new Uint32Array(count!.slice().buffer)[0]!;
    return {
      slots: new Uint32Array(slots!.slice().buffer, 0, given).slice(),
      edges: new Uint16Array(edges!.slice().buffer, 0, given).slice(),
      stats,
    };
  }

  tick({ fullEvery, iterations, rounds, limit }: TickParams, events?: ChunkEvents): Dispatch {
    const stats: Partial<Dispatch["stats"]> = { tick: this.#tick };
    if (events !== undefined) stats.events = this.applyEvents(events);
    this.fold();
    stats.failedOver = this.failover();
    stats.dirty = this.chooseDirty();
    const isFull = fullEvery > 0 && this.#tick % fullEvery === 0;
    stats.iterations = isFull ? iterations : 0;
    for (let i = 0; i < stats.iterations; i++) {
      this.updatePrices();
      this.fold();
      this.choose();
    }
    const dispatch = this.dispatch(rounds, this.#tick++ % this.params.edges, limit);
    return { ...dispatch, stats: { ...dispatch.stats, ...stats } };
  }

  best(slots: Uint32Array): Uint16Array {
    const args = [this.#raw, this.#state, slots.length, bytesOf(slots), { size: 6 * slots.length }];
    const [out] = this.#outputsOf({ name: "scheduler_best_launch", args });
    return new Uint16Array(out!.slice().buffer);
  }

  readChunks(first = 0, count = this.params.chunks - first): ChunkStates {
    return {
      assigned: new Uint16Array(this.#read(ASSIGNED, 2 * first, 2 * count).buffer),
      states: this.#read(STATES, first, count),
      tries: this.#read(TRIES, first, count),
    };
  }

  readEdges(): EdgeStates {
    const { edges } = this.params;
    const loads = new BigUint64Array(this.#read(LOADS, 0, 8 * edges).buffer);
    return {
      words: new Uint32Array(this.#read(WORDS, 0, 4 * edges).buffer),
      prices: new Int32Array(this.#read(PRICES, 0, 4 * edges).buffer),
      loads: Float64Array.from(loads, Number),
    };
  }

  digest(): bigint {
    const args = [this.#raw, this.#state, { changed: new Uint8Array(8) }];
    const [out] = this.#outputsOf({ name: "scheduler_digest_launch", args });
    return new BigUint64Array(out!.slice().buffer)[0]!;
  }

  close(): void {}

  #read(column: number, from: number, length: number): Uint8Array<ArrayBuffer> {
    const at = this.#columns[column]! + from;
    return this.#state.slice(at, at + length) as Uint8Array<ArrayBuffer>;
  }

  /** Into a copy: the state was an output of the last call, which is still remembered. */
  #write(at: number, bytes: Bytes): void {
    this.#state = this.#state.slice();
    this.#state.set(bytes, at);
  }

  #count(name: LaunchName, ...args: Argument[]): number {
    const [count] = this.#change(name, ...args, { changed: new Uint8Array(8) });
    return Number(new BigUint64Array(count!.slice().buffer)[0]);
  }

  /** Outputs other than the state. */
  #change(name: LaunchName, ...rest: Argument[]): Bytes[] {
    const args = [this.#raw, { changed: this.#state }, ...rest];
    const isDispatch = name === "scheduler_dispatch_launch";
    const call = { name, args, ...(isDispatch ? { scratch: this.#scratch } : {}) };
    const [state, ...others] = this.#outputsOf(call);
    this.#state = state!;
    return others;
  }
}

function bytesOf(view: ArrayBufferView): Bytes {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
