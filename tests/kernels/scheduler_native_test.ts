/**
 * The scheduler of our C library, at every instruction set, against the reference; and its C
 * interface against wrong use. On a machine without AVX-512 that code is built for AVX2, so that its
 * logic runs.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isWarpError } from "../../actors/base/errors.ts";
import { buildNative } from "../../kernels/native/build.ts";
import { ISA_NAMES } from "../../kernels/native/library.ts";
import { openNativeScheduler } from "../../kernels/scheduler/native.ts";
import { openScheduler } from "../../kernels/scheduler/portable.ts";
import type { SchedulerParams } from "../../kernels/scheduler/scheduler.ts";
import { SCHEDULER_SYMBOLS } from "../../kernels/scheduler/symbols.ts";
import { play, randomScript, type Script } from "./scheduler_script.ts";
import { edgeTable, improve, makeSwarm, startCold } from "./scheduler_swarm.ts";

const SYMBOLS = {
  ...SCHEDULER_SYMBOLS,
  warp_isa_limit: { parameters: ["i32"], result: "i32" },
} as const;

const OK = 0, EINVAL = -2;
const SMALL = { edges: 2, chunks: 1, eta: 256 };

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const symbols = await build();

async function build(): Promise<Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined> {
  try {
    const path = await buildNative({ output: `${folder}/kernels.so`, isEmulated: !hasAvx512() });
    return Deno.dlopen(path, SYMBOLS).symbols;
  } catch (error) {
    if (
      !isWarpError(error, "E_BACKEND_UNAVAILABLE") || !error.message.startsWith("no C compiler")
    ) {
      throw error;
    }
    console.log(`SKIP native scheduler: ${error.message}`);
    if (Deno.env.get("WARP_REQUIRE") === "all") throw error;
    return undefined;
  }
}

function hasAvx512(): boolean {
  return Deno.build.os === "linux" && Deno.readTextFileSync("/proc/cpuinfo").includes("avx512bw");
}

Deno.test("warp_kernels.h and SCHEDULER_SYMBOLS list the same functions in the same order", () => {
  const path = new URL("../../cuda/warp_kernels.h", import.meta.url);
  const declared = [
    ...Deno.readTextFileSync(path).matchAll(
      /^WARP_EXPORT \w+ (warp_scheduler_\w+)\(([^;]*)\);/gms,
    ),
  ];
  assert.deepEqual(declared.map(([, name]) => name), Object.keys(SCHEDULER_SYMBOLS));
  for (const [, name, list] of declared) {
    const symbol = SCHEDULER_SYMBOLS[name as keyof typeof SCHEDULER_SYMBOLS];
    assert.equal(symbol.parameters.length, list!.split(",").length, name);
  }
});

if (symbols !== undefined) {
  /** Plays a script on both and compares everything after every step. */
  const compare = async ({ params, steps }: Script) => {
    const reference = openScheduler(params), subject = openNativeScheduler(symbols, params);
    try {
      const expected = await play(reference, steps), actual = await play(subject, steps);
      expected.forEach((outcome, i) => assert.deepEqual(actual[i], outcome, outcome.step));
    } finally {
      subject.close();
    }
  };

  ISA_NAMES.forEach((isa, level) => {
    const hasIsa = symbols.warp_isa_limit(level) === level;
    if (!hasIsa) console.log(`SKIP native scheduler ${isa}: this CPU does not have it`);

    Deno.test({
      name: `native ${isa} schedules as the reference does`,
      ignore: !hasIsa,
      async fn() {
        assert.equal(symbols.warp_isa_limit(level), level);
        const chunks = fc.oneof(
          fc.constantFrom(1, 15, 16, 17, 31, 32, 33, 63, 64, 65),
          fc.integer({ min: 1, max: 3000 }),
        );
        const params = fc.record({
          edges: fc.oneof(fc.constantFrom(1, 2, 4096), fc.integer({ min: 1, max: 300 })),
          chunks,
          firstChunk: fc.constantFrom(0, 1, 0xffffff00),
          eta: fc.constantFrom(1, 179, 1024),
        });
        await fc.assert(
          fc.asyncProperty(
            params,
            fc.integer(),
            (params: SchedulerParams, seed) => compare(randomScript(params, seed, 20)),
          ),
          { numRuns: 60 },
        );
      },
    });

    Deno.test({
      name: `native ${isa} schedules many parts as the reference does`,
      ignore: !hasIsa,
      async fn() {
        assert.equal(symbols.warp_isa_limit(level), level);
        // More than one share of 65,536 slots, and of 32,768 bids.
        await compare(randomScript({ edges: 50, chunks: 150_001 }, 77 + level, 12));
        const edges = 300, chunks = 140_003;
        const swarm = makeSwarm({ edges, chunks, skew: 0.5, costMost: 2000 });
        const digests = [
          openScheduler({ edges, chunks }),
          openNativeScheduler(symbols, { edges, chunks }),
        ]
          .map((scheduler) => {
            startCold(scheduler, swarm, edgeTable(swarm, 300));
            improve(scheduler, 3);
            const { stats } = scheduler.dispatch(8, 7, 90_000);
            assert.ok(stats.rounds > 1 && stats.dispatched > 65_536, JSON.stringify(stats));
            scheduler.choose(70_001, 65_600);
            const { loads, prices } = scheduler.readEdges();
            const digest = scheduler.digest();
            scheduler.close();
            return { digest, loads, prices, stats };
          });
        assert.deepEqual(digests[1], digests[0]);
      },
    });
  });

  Deno.test("native prices settle as the reference's do, down to the least gain", () => {
    const schedulers = [openScheduler(SMALL), openNativeScheduler(symbols, SMALL)];
    const prices = schedulers.map((scheduler) => {
      scheduler.setEdges(0, Uint32Array.of(0, 0, 1023, 1, 0, 0, 4095, 1));
      scheduler.fold();
      const seen: number[] = [];
      for (let turn = 0; turn < 24; turn++) {
        scheduler.updatePrices(
          turn % 2 === 0 ? Float64Array.of(2047, 9) : Float64Array.of(600, 1e9),
        );
        seen.push(...scheduler.readEdges().prices);
      }
      scheduler.close();
      return seen;
    });
    assert.ok(new Set(prices[0]).size > 20);
    assert.deepEqual(prices[1], prices[0]);
  });

  Deno.test("native noise is the reference's, entry by entry", () => {
    // Costs of 0 .. 3 between edges of every hash: single units of noise decide.
    const params = { edges: 4096, chunks: 120_000 };
    const edges = Uint32Array.from({ length: 4 * 4096 }, (_, i) => [i % 3, i >> 2, 1, 1][i % 4]!);
    const candidates = Uint16Array.from(
      { length: 8 * params.chunks },
      (_, i) => Math.imul(i, 0x9e3779b1) >>> 20,
    );
    const digests = [openScheduler(params), openNativeScheduler(symbols, params)].map(
      (scheduler) => {
        scheduler.setEdges(0, edges);
        scheduler.put(
          0,
          candidates,
          new Uint16Array(params.chunks).fill(1),
          new Uint8Array(params.chunks),
        );
        scheduler.fold();
        scheduler.choose();
        const digest = scheduler.digest();
        scheduler.close();
        return digest;
      },
    );
    assert.equal(digests[1], digests[0]);
  });

  const open = (edges: number, chunks: number, size = 20) => {
    const handle = new BigUint64Array(1);
    const params = new Uint32Array([size, edges, chunks, 0, 179]);
    return { status: symbols.warp_scheduler_open(0n, params, handle), handle: handle[0]! };
  };

  Deno.test("the C interface refuses wrong parameters and handles", () => {
    for (const [edges, chunks, size] of [[0, 1, 20], [4097, 1, 20], [1, 0, 20], [1, 1, 19]]) {
      assert.equal(open(edges!, chunks!, size!).status, EINVAL);
    }
    const { status, handle } = open(4, 100);
    assert.equal(status, OK);
    for (const wrong of [0n, 1n, handle + 1n, handle + (1n << 32n), 2n ** 64n - 1n]) {
      assert.equal(symbols.warp_scheduler_fold(wrong), EINVAL);
      assert.equal(symbols.warp_scheduler_close(wrong), EINVAL);
    }
    assert.equal(symbols.warp_scheduler_close(handle), OK);
    assert.equal(symbols.warp_scheduler_close(handle), EINVAL);
    assert.equal(symbols.warp_scheduler_fold(handle), EINVAL);
  });

  Deno.test("the C interface refuses wrong arguments and changes nothing", () => {
    const { handle } = open(4, 100);
    const bytes = new Uint8Array(8), halves = new Uint16Array(64), words = new Uint32Array(32);
    const wide = new BigUint64Array(16), count = new Uint32Array(1);
    const digest = () => {
      assert.equal(symbols.warp_scheduler_digest(handle, wide), OK);
      return wide[0];
    };
    const before = digest();
    const tick = (...values: number[]) => new Uint32Array(values);
    const s = symbols, most = 2 ** 32 - 1;
    const calls = [
      () => s.warp_scheduler_put(handle, 93, 8, halves, halves, bytes),
      () => s.warp_scheduler_put(handle, most, 2, halves, halves, bytes),
      () => s.warp_scheduler_put(handle, 0, 8, null, halves, bytes),
      () => s.warp_scheduler_edges(handle, 1, 4, words),
      () => s.warp_scheduler_set_prices(handle, 5, 0, words),
      () => s.warp_scheduler_events(handle, 1, tick(100), Uint8Array.of(1), null),
      () => s.warp_scheduler_events(handle, 2, tick(5, 5), Uint8Array.of(1, 1), null),
      () => s.warp_scheduler_events(handle, 1, tick(5), Uint8Array.of(0), null),
      () => s.warp_scheduler_events(handle, 1, tick(5), Uint8Array.of(5), null),
      () => s.warp_scheduler_choose(handle, 1, 100),
      () => s.warp_scheduler_prices(handle, BigUint64Array.of(1n << 52n, 1n << 52n, 0n, 0n)),
      () => s.warp_scheduler_prices(handle, BigUint64Array.of(2n ** 64n - 1n, 1n, 0n, 0n)),
      () => s.warp_scheduler_dispatch(handle, 0, 0, 0, null, null, count, null),
      () => s.warp_scheduler_dispatch(handle, 9, 0, 0, null, null, count, null),
      () => s.warp_scheduler_dispatch(handle, 1, 4, 0, null, null, count, null),
      () => s.warp_scheduler_dispatch(handle, 1, 0, 1, null, null, count, null),
      () => s.warp_scheduler_dispatch(handle, 1, 0, 0, null, null, null, null),
      () =>
        s.warp_scheduler_tick(handle, tick(12, 0, 0, 1), 0, null, null, 0, null, null, count, wide),
      () =>
        s.warp_scheduler_tick(
          handle,
          tick(16, 0, 65, 1),
          0,
          null,
          null,
          0,
          null,
          null,
          count,
          wide,
        ),
      () =>
        s.warp_scheduler_tick(handle, tick(16, 0, 0, 0), 0, null, null, 0, null, null, count, wide),
      () =>
        s.warp_scheduler_tick(handle, tick(16, 0, 0, 1), 1, null, null, 0, null, null, count, wide),
      () => s.warp_scheduler_best(handle, 1, tick(100), halves),
      () => s.warp_scheduler_read(handle, 100, 1, null, null, null),
      () => s.warp_scheduler_read_edges(handle, 0, 5, null, null, null),
    ];
    for (const call of calls) assert.equal(call(), EINVAL, `${call}`);
    assert.equal(digest(), before);
    // An event that was refused leaves no trace: the same slot is fine next time.
    assert.equal(s.warp_scheduler_events(handle, 1, tick(5), Uint8Array.of(1), wide), OK);
    assert.equal(wide[0], 0n);
    assert.equal(s.warp_scheduler_close(handle), OK);
  });

  Deno.test("64 schedulers at once, no more, and places are used again", () => {
    const handles = Array.from({ length: 64 }, () => open(1, 1));
    assert.ok(handles.every(({ status }) => status === OK));
    assert.equal(new Set(handles.map(({ handle }) => handle)).size, 64);
    assert.notEqual(open(1, 1).status, OK);
    assert.throws(
      () => openNativeScheduler(symbols, { edges: 1, chunks: 1 }),
      (error) => isWarpError(error, "E_BACKEND_UNAVAILABLE"),
    );
    assert.equal(symbols.warp_scheduler_close(handles[40]!.handle), OK);
    const again = open(1, 1);
    assert.equal(again.status, OK);
    assert.notEqual(again.handle, handles[40]!.handle);
    handles[40] = again;
    for (const { handle } of handles) assert.equal(symbols.warp_scheduler_close(handle), OK);
  });
}
