/**
 * The CUDA library compiled for the CPU, for tests: built when its sources have changed.
 *
 * @module
 */
import { isWarpError } from "../../actors/base/errors.ts";
import { buildCuda, builtShimUrl } from "../../cuda/build.ts";
import { CudaContext, type CudaContextOptions } from "../../kernels/cuda/context.ts";
import { type CudaLibrary, openCudaAt } from "../../kernels/cuda/library.ts";

/** Settings of the library (cuda/README.md), by environment variable. */
export type Settings = Readonly<
  Partial<
    Record<
      | "WARP_CUDA_SLOT_BYTES"
      | "WARP_CUDA_MEMORY_BYTES"
      | "WARP_CUDA_SHIM_DEVICES"
      | "WARP_CUDA_SHIM_MEMORY"
      | "WARP_CUDA_SHIM_FAIL",
      number
    >
  >
>;

/** Undefined, said aloud, without a C++ compiler; fails with `WARP_REQUIRE=all`. */
export async function openShim(): Promise<CudaLibrary | undefined> {
  const shim = builtShimUrl();
  try {
    if (await isOlder(shim)) await buildCuda({ isShim: true });
  } catch (error) {
    const isMissing = isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
      error.message.startsWith("no C++ compiler");
    if (!isMissing || Deno.env.get("WARP_REQUIRE") === "all") throw error;
    console.log(`SKIP the CUDA library compiled for the CPU: ${error.message}`);
    return undefined;
  }
  return openCudaAt(shim);
}

async function isOlder(library: URL): Promise<boolean> {
  const built = await modified(library);
  const cuda = new URL("../../cuda/", import.meta.url);
  for (const folder of [cuda, new URL("runtime/", cuda)]) {
    for await (const entry of Deno.readDir(folder)) {
      if (!/\.(h|cuh|cu|cpp|sh)$/.test(entry.name)) continue;
      if (await modified(new URL(entry.name, folder)) >= built) return true;
    }
  }
  return false;
}

async function modified(path: URL): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Runs `body` with settings in the environment, which the library reads when a context is opened. */
export function withSettings<T>(settings: Settings, body: () => T): T {
  for (const [name, value] of Object.entries(settings)) Deno.env.set(name, String(value));
  try {
    return body();
  } finally {
    for (const name of Object.keys(settings)) Deno.env.delete(name);
  }
}

/** A context that is closed when `body` ends, however it ends. */
export async function withContext(
  library: CudaLibrary,
  options: CudaContextOptions & { settings?: Settings },
  body: (context: CudaContext) => void | Promise<void>,
): Promise<void> {
  const context = withSettings(options.settings ?? {}, () => new CudaContext(library, options));
  try {
    await body(context);
  } finally {
    await context.close();
  }
}
