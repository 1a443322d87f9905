/**
 * The CUDA library compiled for the CPU, for tests: built when its sources have changed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import type { Bytes } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { buildCuda, builtShimUrl } from "../../cuda/build.ts";
import { BLAKE3_HASH, type Blake3Request, offsetsFrom } from "../../kernels/cuda/calls.ts";
import { CudaContext, type CudaContextOptions } from "../../kernels/cuda/context.ts";
import { type CudaLibrary, openCudaAt } from "../../kernels/cuda/library.ts";
import { OK } from "../../kernels/cuda/status.ts";
import type { CudaSymbols } from "../../kernels/cuda/symbols.ts";
import { openPortable } from "./backends.ts";
import { noise } from "./samples.ts";

const blake3 = await openPortable("blake3");

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

/**
 * A copy for each test file, which run side by side in one process: a device that one of them loses is
 * lost to nobody else. Undefined, said aloud, without a C++ compiler; fails with `WARP_REQUIRE=all`.
 */
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
  const copy = Deno.makeTempFileSync({ prefix: "warp-shim-", suffix: ".so" });
  try {
    Deno.copyFileSync(shim, copy);
    return openCudaAt(pathToFileURL(copy));
  } finally {
    Deno.removeSync(copy); // what is loaded stays
  }
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

const TURN = new URL("../../dist/objects/environment.lock", import.meta.url);

/**
 * Runs `body` with settings in the environment, which the library reads when a context is opened. Test
 * files run side by side in one process and share its environment, so that they take turns.
 */
export function withSettings<T>(settings: Settings, body: () => T): T {
  using turn = Deno.openSync(TURN, { write: true, create: true });
  turn.lockSync(true);
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

/** Hashing that takes a while, in many pieces. */
export function longRequest(): Blake3Request & { want: Bytes } {
  const n = 160, bytes = 25_000;
  const base = noise(n * bytes, 1);
  const offsets = Array.from({ length: n + 1 }, (_, i) => bytes * i);
  const want = new Uint8Array(32 * n);
  blake3.hashMany(base, offsets, want);
  return {
    mode: BLAKE3_HASH,
    base,
    offsets: offsetsFrom(offsets),
    out: new Uint8Array(32 * n),
    want,
  };
}

export const SLOW = { WARP_CUDA_SLOT_BYTES: 65536 };

/** The C functions with plain arguments, for what the class does not let one do. */
export class Raw {
  constructor(readonly symbols: CudaSymbols, readonly handle: bigint) {}

  /** Begins to hash; the job, or a status below 0. */
  hash(request: Blake3Request): bigint {
    const job = new BigUint64Array(1), n = BigInt(request.offsets.length - 1);
    const { base, offsets, out } = request;
    const status = this.symbols.warp_blake3(
      this.handle,
      BLAKE3_HASH,
      null,
      base as Uint8Array<ArrayBuffer>,
      offsets as BigUint64Array<ArrayBuffer>,
      n,
      out as Uint8Array<ArrayBuffer>,
      job,
    );
    return status === OK ? job[0]! : BigInt(status);
  }

  /** Statuses by job of what is finished now. */
  poll(): Map<bigint, number> {
    const jobs = new BigUint64Array(64), statuses = new Int32Array(64), count = new Uint32Array(1);
    assert.equal(this.symbols.warp_poll(this.handle, jobs, statuses, 64, count), OK);
    return new Map(Array.from({ length: count[0]! }, (_, i) => [jobs[i]!, statuses[i]!]));
  }

  /** Waits until `count` jobs are finished and takes them. */
  async finish(count: number): Promise<Map<bigint, number>> {
    const all = new Map<bigint, number>();
    while (all.size < count) {
      assert.equal(await this.symbols.warp_wait(this.handle, 20_000_000), OK);
      for (const [job, status] of this.poll()) all.set(job, status);
    }
    return all;
  }
}
