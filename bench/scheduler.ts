/**
 * `deno run -A bench/scheduler.ts [CHUNKS] [EDGES]`: times each pass of the scheduler in our C
 * library (default: 10 M chunks, 1024 edges), next to a plain read of as many bytes in the same run.
 *
 * A read is libc's memchr for a byte that is not there, by one thread; passes use all threads.
 * Medians of 7; CPU is that of all threads, which says more on a machine that others use, too. `WARP_ISA`
 * (0 scalar .. 3 AVX-512) limits the instruction set, `WARP_NATIVE_LIB` names a library.
 *
 * @module
 */
import process from "node:process";
import { ISA_NAMES } from "../kernels/native/library.ts";
import { libraryPath } from "../kernels/native/location.ts";
import { openNativeScheduler } from "../kernels/scheduler/native.ts";
import type { Scheduler } from "../kernels/scheduler/scheduler.ts";
import { EDGE_WORDS } from "../kernels/scheduler/scheduler.ts";
import { SCHEDULER_SYMBOLS } from "../kernels/scheduler/symbols.ts";
import {
  edgeTable,
  improve,
  lowerBound,
  makespan,
  makeSwarm,
  startCold,
} from "../tests/kernels/scheduler_swarm.ts";
import { machine, median } from "./measure.ts";

const RUNS = 7;
/** Bytes per chunk that a pass reads or writes at least. */
const CHOOSE_BYTES = 16 + 2 + 2 + 1, SCAN_BYTES = 2, WINDOW_BYTES = 2 * (2 + 2 + 1);
const STATE_BYTES = 16 + 2 + 2 + 1 + 1 + 2 / 8;

const chunks = Number(Deno.args[0] ?? 10_000_000), edges = Number(Deno.args[1] ?? 1024);
const { symbols } = Deno.dlopen(libraryPath(), {
  ...SCHEDULER_SYMBOLS,
  warp_isa_limit: { parameters: ["i32"], result: "i32" },
});
const libc = Deno.dlopen("libc.so.6", {
  memchr: { parameters: ["buffer", "i32", "usize"], result: "pointer" },
});
const isa = symbols.warp_isa_limit(Number(Deno.env.get("WARP_ISA") ?? 3));

interface Timed {
  wallMs: number;
  cpuMs: number;
}

/** Medians of RUNS. `before` is not timed. */
function time(body: () => void, before: () => void = () => {}): Timed {
  const runs = Array.from({ length: RUNS }, () => {
    before();
    const start = performance.now(), used = process.cpuUsage();
    body();
    const wallMs = performance.now() - start, { user, system } = process.cpuUsage(used);
    return { wallMs, cpuMs: (user + system) / 1000 };
  });
  return {
    wallMs: median(runs.map(({ wallMs }) => wallMs)),
    cpuMs: median(runs.map(({ cpuMs }) => cpuMs)),
  };
}

/** Longer reads are made up of several. */
const memory = new Uint8Array(32 * chunks).fill(1);

function readMs(bytes: number): number {
  const length = BigInt(Math.min(bytes, memory.length));
  return time(() => libc.symbols.memchr(memory, 0, length)).wallMs * bytes / Number(length);
}

function report(name: string, { wallMs, cpuMs }: Timed, bytesPerChunk: number): void {
  const read = readMs(bytesPerChunk * chunks);
  console.log(
    `${name.padEnd(44)} ${wallMs.toFixed(2).padStart(8)} ms  ${
      cpuMs.toFixed(2).padStart(8)
    } ms CPU  ${bytesPerChunk.toFixed(2).padStart(6)} B/chunk  ${
      (wallMs / read).toFixed(2).padStart(6)
    } x read`,
  );
}

console.log(`${machine()}\n${chunks} chunks, ${edges} edges, ${ISA_NAMES[isa]}`);
console.log(`state: ${STATE_BYTES.toFixed(2)} B/chunk`);
const swarm = makeSwarm({ edges, chunks, skew: 0.5, costMost: 2000 });
const bound = lowerBound(swarm, 200, 100_000);
const table = edgeTable(swarm, bound);
const scheduler = openNativeScheduler(symbols, { edges, chunks });

startCold(scheduler, swarm, table);
improve(scheduler, 12);
console.log(`makespan / lower bound after 12 passes: ${ratio(scheduler)}`);

report("choose, all", time(() => scheduler.choose()), CHOOSE_BYTES);
report("prices, fold, choose all", time(() => improve(scheduler, 1)), CHOOSE_BYTES);
report("fold and prices alone", time(() => (scheduler.updatePrices(), scheduler.fold())), 0.0001);
report("digest", time(() => scheduler.digest()), 4);

const dead = table.slice();
for (let e = 0; e < edges; e += Math.ceil(edges / 10)) dead[EDGE_WORDS * e + 3] = 0;
let moved = 0;
const failover = time(() => moved = scheduler.failover(), () => {
  scheduler.setEdges(0, table);
  scheduler.fold();
  scheduler.choose();
  scheduler.setEdges(0, dead);
  scheduler.fold();
});
report(`failover, 10 edges dead, ${moved} chunks moved`, failover, SCAN_BYTES);

scheduler.setEdges(0, table);
scheduler.fold();
scheduler.choose();
const tick = { fullEvery: 0, iterations: 1, rounds: 8, limit: 65_536 };
// Every edge can take what it does in 1/200 of the time that all takes.
scheduler.setEdges(0, edgeTable(swarm, bound / 200));
scheduler.fold();
let last = scheduler.tick({ ...tick, limit: 0 });
const back = () => {
  const kinds = new Uint8Array(last.slots.length).fill(2);
  scheduler.applyEvents({ slots: last.slots, kinds });
};
report("tick without full pass", time(() => last = scheduler.tick(tick), back), WINDOW_BYTES);
console.log("  ", JSON.stringify(last.stats));
const full = { ...tick, fullEvery: 1 };
report(
  "tick with full pass",
  time(() => last = scheduler.tick(full), back),
  WINDOW_BYTES + CHOOSE_BYTES,
);

function ratio(of: Scheduler): string {
  return (makespan(of, swarm.bandwidths) / bound).toFixed(3);
}
