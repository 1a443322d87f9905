/**
 * Our C library with all its functions, for tests: the 512-bit code compiled for AVX2, and our own
 * ChaCha20-Poly1305 instead of libcrypto's. Built when its sources have changed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isWarpError } from "../../actors/base/errors.ts";
import type { Call } from "../../kernels/cuda/calls.ts";
import { CUDA_SYMBOLS, type CudaSymbols } from "../../kernels/cuda/symbols.ts";
import { buildNative } from "../../kernels/native/build.ts";

export const OK = 0;
export const EAGAIN = -1;
export const EINVAL = -2;
export const ENOMEM = -3;
export const ENODEV = -4;
export const EAUTH = -6;
export const ENOSPC = -7;
export const EIO = -9;
export const ECANCELED = -10;
export const EDATA = -11;

const FOLDER = new URL("../../dist/objects/", import.meta.url);
const LIBRARY = new URL("libwarp_kernels_test.so", FOLDER);

export interface TestLibrary {
  path: string;
  symbols: CudaSymbols;
}

/**
 * A copy of its own, since the limit of instruction sets is the library's and test files may share a
 * process. Undefined, said aloud, without a C compiler; fails with `WARP_REQUIRE=all`.
 */
export async function openTestLibrary(): Promise<TestLibrary | undefined> {
  try {
    if (await isOlder(LIBRARY)) {
      await buildNative({ output: LIBRARY, isEmulated: true, flags: ["-DWARP_OWN_AEAD"] });
    }
  } catch (error) {
    const isMissing = isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
      error.message.startsWith("no C compiler");
    if (!isMissing || Deno.env.get("WARP_REQUIRE") === "all") throw error;
    console.log(`SKIP the C library: ${error.message}`);
    return undefined;
  }
  const folder = await Deno.makeTempDir(), path = `${folder}/library.so`;
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await Deno.copyFile(LIBRARY, path);
  return { path, symbols: Deno.dlopen(path, CUDA_SYMBOLS).symbols };
}

async function isOlder(library: URL): Promise<boolean> {
  const built = await modified(library);
  const sources = new URL("../../kernels/native/", import.meta.url);
  for await (const { name } of Deno.readDir(sources)) {
    if (/\.[ch]$|^build\.ts$/.test(name) && await modified(new URL(name, sources)) >= built) {
      return true;
    }
  }
  return await modified(new URL("../../cuda/warp_kernels.h", import.meta.url)) >= built;
}

async function modified(path: URL): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** A context, with calls by their requests (kernels/cuda/calls.ts). */
export class TestContext {
  readonly handle: bigint;

  constructor(
    readonly symbols: CudaSymbols,
    { threads = 0, slots = 8 }: { threads?: number; slots?: number } = {},
  ) {
    const handle = new BigUint64Array(1);
    assert.equal(symbols.warp_context_open(0, threads, slots, handle), OK);
    this.handle = handle[0]!;
  }

  /** Blocks until it is done. */
  run(call: Call): number {
    return runIn(this.symbols, this.handle, call, null);
  }

  /** Begins; the job, or a status below 0. */
  begin(call: Call): bigint {
    const job = new BigUint64Array(1);
    const status = runIn(this.symbols, this.handle, call, job);
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
      assert.equal(await this.symbols.warp_wait(this.handle, 60_000_000), OK);
      for (const [job, status] of this.poll()) all.set(job, status);
    }
    return all;
  }

  /** Runs it as a job and gives its status. */
  async job(call: Call): Promise<number> {
    const job = this.begin(call);
    if (job < 0n) return Number(job);
    return (await this.finish(1)).get(job)!;
  }

  lastError(): string {
    const text = new Uint8Array(200);
    assert.equal(this.symbols.warp_last_error(this.handle, text, 200), OK);
    return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
  }

  /** Page-aligned memory, which ends with the context at the latest. */
  allocate(bytes: number): { memory: Uint8Array<ArrayBuffer>; pointer: Deno.PointerObject } {
    const out = new BigUint64Array(1);
    assert.equal(this.symbols.warp_buffer_alloc(this.handle, BigInt(bytes), out), OK);
    const pointer = Deno.UnsafePointer.create(out[0]!)!;
    return {
      pointer,
      memory: new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, bytes)),
    };
  }

  close(): void {
    assert.equal(this.symbols.warp_context_close(this.handle), OK);
  }
}

/** In the calling thread, without a context. */
export function runAlone(symbols: CudaSymbols, call: Call): number {
  return runIn(symbols, 0n, call, null);
}

function runIn(
  symbols: CudaSymbols,
  context: bigint,
  { name, parameters }: Call,
  job: BigUint64Array<ArrayBuffer> | null,
): number {
  const run = symbols[name] as (...parameters: unknown[]) => number;
  return run(context, ...parameters, job);
}
