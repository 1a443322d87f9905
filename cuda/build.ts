/**
 * Builds the CUDA library by `build.sh`: `deno task build:cuda [--output FILE] [--shim] [--arch sm_90]`.
 *
 * Without `--arch` it is a fat library for all GPUs from compute capability 7.5 on.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { WarpError } from "../actors/base/errors.ts";
import { builtCudaLibraryUrl } from "../kernels/cuda/location.ts";

export interface CudaBuild {
  /** Path of the library. Default: dist/native in this tree. */
  output?: string | URL;
  /** The kernels for the CPU, by g++: slow, for tests on machines without a GPU. */
  isShim?: boolean;
  /** One architecture, as nvcc's `-arch`: `sm_90`, or `native`. */
  arch?: string;
  /** More flags of the C++ compiler and linker, e.g. `-fsanitize=address`. */
  flags?: readonly string[];
}

/** Where the library for tests goes. */
export function builtShimUrl(): URL {
  return new URL("../dist/objects/libwarp_cuda_shim.so", import.meta.url);
}

/**
 * Compiles and links; returns the path of the library.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE without a compiler, or when it fails.
 */
export async function buildCuda(build: CudaBuild = {}): Promise<string> {
  const output = fileName(build.output ?? (build.isShim ? builtShimUrl() : builtCudaLibraryUrl()));
  const args = [fileName(new URL("build.sh", import.meta.url)), output];
  if (build.isShim) args.push("--shim");
  else if (build.arch !== undefined) args.push("--arch", build.arch);
  const env = { WARP_BUILD_FLAGS: (build.flags ?? []).join(" ") };
  const command = new Deno.Command("bash", { args, env, stdout: "piped", stderr: "piped" });
  const result = await command.output();
  if (result.success) return output;
  const decoder = new TextDecoder();
  const text = (decoder.decode(result.stdout) + decoder.decode(result.stderr)).trim();
  throw new WarpError("E_BACKEND_UNAVAILABLE", text === "" ? "cuda/build.sh failed" : text, {
    hint: "see cuda/README.md for what is needed",
  });
}

function fileName(path: string | URL): string {
  return typeof path === "string" ? path : decodeURIComponent(path.pathname);
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      output: { type: "string" },
      shim: { type: "boolean", default: false },
      arch: { type: "string" },
    },
  });
  const build: CudaBuild = { isShim: values.shim };
  if (values.output !== undefined) build.output = values.output;
  if (values.arch !== undefined) build.arch = values.arch;
  try {
    console.log(await buildCuda(build));
  } catch (error) {
    if (!(error instanceof WarpError)) throw error;
    console.error(`${error.message}\n${error.hint}`);
    Deno.exitCode = error.exitCode;
  }
}
