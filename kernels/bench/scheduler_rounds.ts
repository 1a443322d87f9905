/**
 * The scheduler's passes over many chunks.
 *
 * @module
 */
import type { Scheduler, SchedulerKernel } from "../scheduler/scheduler.ts";
import { EDGE_WORDS } from "../scheduler/scheduler.ts";
import { CANDIDATES, NONE } from "../scheduler/spec.ts";
import { roundMs } from "./timing.ts";

const EDGES = 1024;
const SLICE = 1 << 18;

export interface SchedulerTimes {
  chunks: number;
  chooseMs: number;
  failoverMs: number;
  /** Chunks that the failover moved. */
  moved: number;
}

/** Bytes that choose reads and writes for each chunk. */
export const CHOOSE_BYTES = 21;

/** Choose over all of `chunks` chunks with 3 to 8 candidates of 1024 edges; then 1 % of edges die. */
export async function schedulerTimes(
  kernel: SchedulerKernel,
  chunks: number,
  seconds: number,
): Promise<SchedulerTimes> {
  const scheduler = kernel.open({ edges: EDGES, chunks });
  try {
    fill(scheduler, chunks);
    const alive = edgeWords(), dead = alive.slice();
    for (let e = 0; e < EDGES; e += Math.ceil(EDGES / 10)) dead[EDGE_WORDS * e + 3] = 0;
    const set = (words: Uint32Array) => {
      scheduler.setEdges(0, words);
      scheduler.fold();
    };
    set(alive);
    const chooseMs = await roundMs(() => scheduler.choose(), seconds);
    const times: number[] = [];
    let moved = 0;
    for (let i = 0; i < 5; i++) {
      set(alive);
      scheduler.choose();
      set(dead);
      const before = performance.now();
      moved = scheduler.failover();
      times.push(performance.now() - before);
    }
    return { chunks, chooseMs, failoverMs: times.sort((a, b) => a - b)[2]!, moved };
  } finally {
    scheduler.close();
  }
}

/** Cost, hash, capacity, alive. */
function edgeWords(): Uint32Array {
  const words = new Uint32Array(EDGES * EDGE_WORDS);
  for (let e = 0, x = 5; e < EDGES; e++) {
    x = Math.imul(x, 1664525) + 1013904223 | 0;
    words.set([x >>> 21, x >>> 20, 1 << 24, 1], EDGE_WORDS * e);
  }
  return words;
}

function fill(scheduler: Scheduler, chunks: number): void {
  const candidates = new Uint16Array(CANDIDATES * SLICE);
  const sizes = new Uint16Array(SLICE), priorities = new Uint8Array(SLICE);
  let x = 9;
  for (let first = 0; first < chunks; first += SLICE) {
    const count = Math.min(SLICE, chunks - first);
    for (let i = 0; i < count; i++) {
      x = Math.imul(x, 1664525) + 1013904223 | 0;
      const known = 3 + (x >>> 16) % 6;
      sizes[i] = 16 + (x >>> 8) % 113;
      for (let k = 0; k < CANDIDATES; k++) {
        x = Math.imul(x, 1664525) + 1013904223 | 0;
        candidates[CANDIDATES * i + k] = k < known ? (x >>> 12) % EDGES : NONE;
      }
    }
    scheduler.put(
      first,
      candidates.subarray(0, CANDIDATES * count),
      sizes.subarray(0, count),
      priorities.subarray(0, count),
    );
  }
}
