/**
 * The scheduler's largest pass on the GPU: choose, over all slots of a shard.
 *
 * @module
 */
import { invariant } from "../../actors/base/errors.ts";
import {
  BIAS,
  CANDIDATES,
  CHUNK_HASH,
  EDGES_MOST,
  KEY_NONE,
  NOISE,
  NONE,
  PENDING,
} from "../scheduler/spec.ts";
import type { Commands } from "./recorder.ts";
import type { GpuDevice } from "./device.ts";
import choiceCode from "./scheduler.wgsl" with { type: "text" };
import { groupsFor } from "./tiles.ts";

const CONSTANTS = Object.entries({ BIAS, CHUNK_HASH, KEY_NONE, NONE, PENDING })
  .map(([name, value]) => `const ${name} = ${value}u;\n`);
const CODE = CONSTANTS.join("") + choiceCode;

const GROUP = 256, SLOTS_PER_THREAD = 4;
/** More groups than any GPU runs at once; beyond, threads take several turns. */
const GROUPS_MOST = 512;
/** A slot's candidates, the largest of its arrays. */
const BYTES_PER_SLOT = 2 * CANDIDATES;

/** State of a shard, as kernels/scheduler/spec.ts has it: one entry per slot. */
export interface ShardState {
  /** Number of the chunk in slot 0. */
  firstChunk: number;
  /** What fold made of the edges, 1..4096. */
  words: Uint32Array;
  /** 8 per slot. */
  candidates: Uint16Array;
  /** KiB. */
  sizes: Uint16Array;
  assigned: Uint16Array;
  states: Uint8Array;
  tries: Uint8Array;
}

export interface Choice {
  /** Edges of all slots; those of slots that are not PENDING are as they were. */
  assigned: Uint16Array<ArrayBuffer>;
  /** KiB assigned to each edge. */
  loads: Float64Array<ArrayBuffer>;
  /** Of the shard with these assignments. */
  digest: bigint;
}

export class GpuScheduler {
  readonly #gpu: GpuDevice;

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  /** Chooses edges for all PENDING slots. The given arrays stay as they are. */
  async choose(shard: ShardState): Promise<Choice> {
    const count = checkShard(shard);
    const pipeline = await this.#gpu.pipeline(CODE, "choose");
    const assigned = new Uint16Array(count);
    const loads = new Float64Array(shard.words.length);
    let xor = 0, sum = 0;
    const takeTotals = (totals: Uint32Array) => {
      xor ^= totals[0]!;
      sum = sum + totals[1]! >>> 0;
      for (let e = 0; e < loads.length; e++) {
        loads[e]! += totals[2 + 2 * e]! + totals[3 + 2 * e]! * 2 ** 32;
      }
    };
    const slotsMost = this.#gpu.tileBytes / BYTES_PER_SLOT, runs: Promise<void>[] = [];
    for (let first = 0; first < count; first += slotsMost) {
      const end = Math.min(count, first + slotsMost);
      runs.push(this.#run(pipeline, shard, first, end, assigned, takeTotals));
    }
    for (const run of await Promise.allSettled(runs)) {
      if (run.status === "rejected") throw run.reason;
    }
    return { assigned, loads, digest: BigInt(xor >>> 0) << 32n | BigInt(sum) };
  }

  #run(
    pipeline: GPUComputePipeline,
    shard: ShardState,
    first: number,
    end: number,
    assigned: Uint16Array<ArrayBuffer>,
    takeTotals: (totals: Uint32Array) => void,
  ): Promise<void> {
    const count = end - first, edges = shard.words.length;
    return this.#gpu.run((commands) => {
      const groups = Math.min(GROUPS_MOST, groupsFor(count, SLOTS_PER_THREAD * GROUP));
      const firstChunk = (shard.firstChunk + first) % 2 ** 32;
      const chosen = commands.storage(8 * Math.ceil(count / 4));
      const totals = commands.words(new Uint32Array(2 + 2 * edges));
      commands.dispatch(pipeline, groups, [
        commands.uniform(count, firstChunk, edges, groups * GROUP),
        commands.words(Uint32Array.of(...NOISE, ...shard.words)),
        bytesOf(commands, shard.candidates.subarray(CANDIDATES * first, CANDIDATES * end)),
        bytesOf(commands, shard.sizes.subarray(first, end)),
        bytesOf(commands, shard.assigned.subarray(first, end)),
        bytesOf(commands, shard.states.subarray(first, end)),
        bytesOf(commands, shard.tries.subarray(first, end)),
        chosen,
        totals,
      ]);
      return [
        { buffer: totals, bytes: 8 + 8 * edges },
        { buffer: chosen, bytes: 4 * Math.ceil(count / 2) },
      ];
    }, ([totals, chosen]) => {
      takeTotals(new Uint32Array(totals!.buffer, totals!.byteOffset, 2 + 2 * edges));
      assigned.set(new Uint16Array(chosen!.buffer, chosen!.byteOffset, count), first);
    });
  }
}

function bytesOf(commands: Commands, view: Uint16Array | Uint8Array): GPUBuffer {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return commands.bytes(bytes, 0, bytes.length);
}

/** Number of slots. */
function checkShard(shard: ShardState): number {
  const { firstChunk, words, candidates, sizes, assigned, states, tries } = shard;
  const count = states.length;
  invariant(
    Number.isInteger(firstChunk) && firstChunk >= 0 && firstChunk < 2 ** 32,
    "scheduler: the first chunk's number must be 32 bits",
  );
  invariant(words.length >= 1 && words.length <= EDGES_MOST, "scheduler: edges must be 1..4096");
  invariant(
    candidates.length === CANDIDATES * count && sizes.length === count &&
      assigned.length === count && tries.length === count,
    "scheduler: arrays must have an entry per slot, candidates 8",
  );
  return count;
}
