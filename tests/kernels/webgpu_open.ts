/**
 * The WebGPU device for tests: any adapter, a software one too.
 *
 * @module
 */
import { isWarpError } from "../../actors/base/errors.ts";
import { GpuDevice } from "../../kernels/webgpu/device.ts";
import { WebGpuKernels, type WebGpuOptions } from "../../kernels/webgpu/kernels.ts";

/** Tiles so small that everything is split. */
export const TINY: WebGpuOptions = { tileBytes: 4096 };

/**
 * Whether there is an adapter. Says aloud when there is none; with `WARP_REQUIRE=all` that fails.
 */
export const hasAdapter: boolean = await (async () => {
  try {
    const gpu = await GpuDevice.open({ allowSoftware: true });
    const { adapter } = gpu.describe();
    gpu.close();
    console.log(`webgpu: ${adapter}`);
    return true;
  } catch (error) {
    if (!isWarpError(error, "E_BACKEND_UNAVAILABLE")) throw error;
    console.log(`SKIP webgpu: ${error.message}`);
    if (Deno.env.get("WARP_REQUIRE") === "all") throw error;
    return false;
  }
})();

/** A test that gets open kernels and their device; ignored without an adapter. */
export function webGpuTest(
  name: string,
  run: (kernels: WebGpuKernels, gpu: GpuDevice) => Promise<void>,
  options: WebGpuOptions = {},
): void {
  Deno.test({
    name: `webgpu ${name}`,
    ignore: !hasAdapter,
    fn: async () => {
      const gpu = await GpuDevice.open({ allowSoftware: true, ...options });
      const kernels = new WebGpuKernels(gpu);
      try {
        await run(kernels, gpu);
      } finally {
        kernels.close();
      }
    },
  });
}

/** 0, then the running sums of `sizes`, all `start` more. */
export function offsetsOf(sizes: readonly number[], start = 0): number[] {
  const offsets = [start];
  for (const size of sizes) offsets.push(offsets.at(-1)! + size);
  return offsets;
}
