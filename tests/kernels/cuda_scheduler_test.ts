/**
 * The scheduler of the CUDA library, compiled for the CPU, against the reference.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CudaContext } from "../../kernels/cuda/context.ts";
import { EINVAL, OK } from "../../kernels/cuda/status.ts";
import { openNativeScheduler } from "../../kernels/scheduler/native.ts";
import { openScheduler } from "../../kernels/scheduler/portable.ts";
import type { SchedulerParams } from "../../kernels/scheduler/scheduler.ts";
import { openShim, withContext, withSettings } from "./cuda_support.ts";
import { play, randomScript } from "./scheduler_script.ts";

const library = await openShim();

const SIZES: readonly SchedulerParams[] = [
  { edges: 1, chunks: 1 },
  { edges: 3, chunks: 300, firstChunk: 2 ** 32 - 100 },
  { edges: 40, chunks: 9000, eta: 1024 },
  { edges: 4096, chunks: 2500, firstChunk: 7 },
];

if (library !== undefined) {
  const { symbols } = library;

  for (const params of SIZES) {
    Deno.test(`cuda scheduler of ${params.edges} edges, ${params.chunks} chunks equals portable`, () =>
      withContext(library, {}, async (context) => {
        for (let seed = 1; seed <= 3; seed++) {
          const { steps } = randomScript(params, seed, 40);
          const portable = openScheduler(params);
          const cuda = openNativeScheduler(symbols, params, context.handle);
          const got = await play(cuda, steps), want = await play(portable, steps);
          for (const [i, outcome] of got.entries()) {
            assert.deepEqual(outcome, want[i], `seed ${seed}, step ${outcome.step}`);
          }
          cuda.close();
        }
      }));
  }

  Deno.test("cuda schedulers end with their context, and handles get stale", async () => {
    const context = new CudaContext(library), handle = new BigUint64Array(1);
    const open = (edges: number, chunks: number, eta: number) =>
      symbols.warp_scheduler_open(
        context.handle,
        new Uint32Array([20, edges, chunks, 0, eta]),
        handle,
      );
    assert.equal(open(0, 1, 179), EINVAL);
    assert.equal(open(4097, 1, 179), EINVAL);
    assert.equal(open(1, 0, 179), EINVAL);
    assert.equal(open(1, 1, 0), EINVAL);
    assert.equal(open(2, 10, 179), OK);
    const closed = handle[0]!;
    assert.equal(symbols.warp_scheduler_close(closed), OK);
    assert.equal(symbols.warp_scheduler_close(closed), EINVAL);
    assert.equal(symbols.warp_scheduler_fold(closed), EINVAL);
    assert.equal(open(2, 10, 179), OK);
    const left = handle[0]!;
    assert.notEqual(left, closed);
    assert.equal(symbols.warp_scheduler_choose(left, 0, 11), EINVAL);
    assert.equal(symbols.warp_scheduler_choose(left, 11, 0), EINVAL);
    assert.equal(symbols.warp_scheduler_choose(left, 2, 8), OK);
    const twice = new Uint32Array([3, 3]), kinds = new Uint8Array([1, 1]);
    assert.equal(symbols.warp_scheduler_events(left, 2, twice, kinds, null), EINVAL);
    assert.equal(symbols.warp_scheduler_events(left, 1, twice, new Uint8Array([5]), null), EINVAL);
    assert.equal(symbols.warp_scheduler_events(left, 1, twice, kinds, null), OK);
    await context.close();
    assert.equal(symbols.warp_scheduler_fold(left), EINVAL);
  });

  Deno.test("cuda scheduler on a lost device says so, from then on", async () => {
    const settings = { WARP_CUDA_SHIM_FAIL: 3 };
    const context = withSettings(settings, () => new CudaContext(library));
    const scheduler = openNativeScheduler(symbols, { edges: 2, chunks: 10 }, context.handle);
    scheduler.fold();
    assert.throws(() => scheduler.choose(), /warp_scheduler_choose/);
    assert.throws(() => scheduler.fold(), /warp_scheduler_fold/);
    assert.equal(context.lastError(), "scheduling: the device was lost");
    scheduler.close();
    await context.close();
  });
}
