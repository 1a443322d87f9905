/**
 * Real GPUs, where this machine has them. What is missing is said aloud; named in
 * `WARP_REQUIRE_BACKENDS` (such as `cuda` or `cuda,webgpu`), it is a failure.
 *
 * @module
 */
import assert from "node:assert/strict";
import { toWireError } from "../../actors/base/errors.ts";
import { abiRounds } from "../../kernels/bench/abi_rounds.ts";
import { CudaContext } from "../../kernels/cuda/context.ts";
import { openCudaLibrary } from "../../kernels/cuda/library.ts";
import { testDevice } from "../../kernels/cuda/self_test.ts";
import type { KernelName, Kernels } from "../../kernels/kernel.ts";
import { WebGpuKernels } from "../../kernels/webgpu/kernels.ts";
import { openPortable } from "./backends.ts";
import { noise } from "./samples.ts";

const REQUIRED = (Deno.env.get("WARP_REQUIRE_BACKENDS") ?? "").split(",").map((name) =>
  name.trim()
);

/** What `open` gives, or undefined, said aloud, where there is no such GPU and none is required. */
async function orSkip<T>(backend: string, open: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    const { message } = toWireError(error);
    if (REQUIRED.includes(backend)) {
      throw new Error(`WARP_REQUIRE_BACKENDS names ${backend}, but: ${message}`);
    }
    console.log(`SKIP ${backend} on a GPU: ${message}`);
    return undefined;
  }
}

const names: KernelName[] = ["blake3", "aead", "boundary", "zstd", "lz4", "entropy"];
const portable = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await openPortable(name)])),
) as unknown as Kernels;

const cuda = await orSkip("cuda", openCudaLibrary);
Deno.test({
  name: "every CUDA device gives the answers of the reference",
  ignore: cuda === undefined,
  async fn() {
    for (const { index } of cuda!.devices) {
      const context = new CudaContext(cuda!, { device: index });
      try {
        testDevice(context);
        for (const round of abiRounds(portable, true)) {
          round.make(({ name, parameters }) => {
            const call = cuda!.symbols[name] as (...given: unknown[]) => number;
            return call(context.handle, ...parameters, null);
          })();
        }
      } finally {
        await context.close();
      }
    }
  },
});

const gpu = await orSkip("webgpu", () => WebGpuKernels.open());
Deno.test({
  name: "the WebGPU adapter gives the answers of the reference",
  ignore: gpu === undefined,
  async fn() {
    const base = noise(1_000_003, 1), offsets = [0, 1, 65_537, 65_537, 1_000_003];
    const expected = new Uint8Array(32 * 4);
    portable.blake3.hashMany(base, offsets, expected);
    assert.deepEqual(await gpu!.blake3Many(base, offsets), expected);
    gpu!.close();
  },
});
