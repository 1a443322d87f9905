/**
 * Random sequences of scheduler calls, as data: any backend plays them and must give what the
 * reference gives. They lean towards what is awkward: empty lists of candidates, equal candidates,
 * edges that are no edges, dead edges, no capacity, sizes of 0, numbers that wrap.
 *
 * @module
 */
import type {
  ChunkEvents,
  ChunkStates,
  Dispatch,
  EdgeStates,
  Scheduler,
  SchedulerParams,
} from "../../kernels/scheduler/scheduler.ts";
import { randomWords } from "./samples.ts";

/** A method of {@link Scheduler} and its arguments. */
export interface Step {
  name: Exclude<keyof Scheduler, "params" | "close">;
  args: unknown[];
}

export interface Script {
  params: SchedulerParams;
  steps: Step[];
}

/** What a step gave, and the whole state after it. */
export interface Outcome {
  step: string;
  result: unknown;
  chunks: ChunkStates;
  edges: EdgeStates;
  digest: bigint;
}

type Next = () => number;
type Method = (...args: unknown[]) => unknown;

/** Works for backends whose methods give promises, too. */
export async function play(scheduler: Scheduler, steps: readonly Step[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [index, { name, args }] of steps.entries()) {
    const result = await (scheduler[name] as Method)(...args);
    outcomes.push({
      step: `${index} ${name}`,
      result,
      chunks: await scheduler.readChunks(),
      edges: await scheduler.readEdges(),
      digest: await scheduler.digest(),
    });
  }
  return outcomes;
}

/** `chunks` and `edges` of any size; `length` steps after the first fill. */
export function randomScript(params: SchedulerParams, seed: number, length: number): Script {
  const next = randomWords(seed);
  const steps: Step[] = [
    { name: "setEdges", args: [0, randomEdges(next, params.edges)] },
    randomPut(next, params, 0, params.chunks),
    { name: "fold", args: [] },
    ...next() % 2 === 0 ? [] : [{ name: "resetPrices" as const, args: [] }],
    { name: "chooseDirty", args: [] },
  ];
  while (steps.length < length + 4) steps.push(randomStep(next, params));
  return { params, steps };
}

function randomStep(next: Next, params: SchedulerParams): Step {
  const { edges, chunks } = params;
  const first = next() % chunks, count = next() % (chunks - first + 1);
  switch (next() % 16) {
    case 0:
      return randomPut(next, params, first, Math.min(count, 50));
    case 1: {
      const from = next() % edges;
      return { name: "setEdges", args: [from, randomEdges(next, 1 + next() % (edges - from))] };
    }
    case 2:
      return { name: "setPrices", args: [next() % edges, Int32Array.of(next() >> next() % 32)] };
    case 3:
      return { name: "resetPrices", args: [] };
    case 4:
      return { name: "applyEvents", args: [randomEvents(next, chunks)] };
    case 5:
    case 6:
      return { name: "fold", args: [] };
    case 7:
      return { name: "choose", args: [] };
    case 8:
      return { name: "choose", args: [first, count] };
    case 9:
      return { name: "chooseDirty", args: [] };
    case 10:
      return { name: "failover", args: [] };
    case 11: {
      const loads = Float64Array.from({ length: edges }, () => next() * 2 ** (next() % 8));
      return { name: "updatePrices", args: next() % 2 === 0 ? [] : [loads] };
    }
    case 12:
      return {
        name: "dispatch",
        args: [1 + next() % 8, next() % edges, next() % (2 * chunks)],
      };
    case 13:
      return { name: "best", args: [Uint32Array.from({ length: 9 }, () => next() % chunks)] };
    default: {
      const tick = {
        fullEvery: next() % 3,
        iterations: next() % 4,
        rounds: 1 + next() % 8,
        limit: next() % (2 * chunks),
      };
      return { name: "tick", args: next() % 3 === 0 ? [tick] : [tick, randomEvents(next, chunks)] };
    }
  }
}

function randomPut(next: Next, params: SchedulerParams, first: number, count: number): Step {
  const { edges } = params;
  const listLength = next() % 9;
  const sizeRange = [1, 2, 200, 65_536][next() % 4]!, priorities = [1, 3, 8, 256][next() % 4]!;
  const candidates = Uint16Array.from({ length: 8 * count }, (_, i) => {
    if (i % 8 >= listLength || next() % 16 === 0) return next() % 2 === 0 ? 0xffff : edges;
    return next() % edges;
  });
  return {
    name: "put",
    args: [
      first,
      candidates,
      Uint16Array.from({ length: count }, () => next() % sizeRange),
      Uint8Array.from({ length: count }, () => next() % priorities),
    ],
  };
}

function randomEdges(next: Next, count: number): Uint32Array {
  const words = new Uint32Array(4 * count);
  const deadOneIn = [1, 2, 10, 2 ** 31][next() % 4]!, capacityBits = next() % 33;
  const costBits = next() % 20;
  for (let e = 0; e < count; e++) {
    words[4 * e] = next() % 50 === 0 ? next() : next() % 2 ** costBits;
    words[4 * e + 1] = next();
    words[4 * e + 2] = next() % 12 === 0 ? 0 : next() % 2 ** capacityBits;
    words[4 * e + 3] = next() % deadOneIn === 0 ? 0 : next();
  }
  return words;
}

/** Different slots. */
function randomEvents(next: Next, chunks: number): ChunkEvents {
  const slots = [...new Set(Array.from({ length: next() % 40 }, () => next() % chunks))];
  return {
    slots: Uint32Array.from(slots),
    kinds: Uint8Array.from(slots, () => 1 + next() % 4),
  };
}

/** Whether a dispatch kept to all capacities. */
export function isWithin(dispatch: Dispatch, sizes: Uint16Array, capacities: Uint32Array): boolean {
  const given = new Float64Array(capacities.length);
  dispatch.slots.forEach((slot, i) => given[dispatch.edges[i]!]! += sizes[slot]!);
  return given.every((kib, e) => kib <= capacities[e]!);
}
