/**
 * Every kernel on every backend, next to what the machine can copy.
 *
 * @module
 */
import { toWireError, WarpError } from "../../actors/base/errors.ts";
import { calibrate } from "../calibrate.ts";
import { CudaContext } from "../cuda/context.ts";
import { type CudaLibrary, loadCudaAt, openCudaLibrary } from "../cuda/library.ts";
import { testDevice } from "../cuda/self_test.ts";
import type { CudaSymbols } from "../cuda/symbols.ts";
import type { BackendName, KernelName, Kernels } from "../kernel.ts";
import { openNativeLibrary } from "../native/library.ts";
import { libraryPath } from "../native/location.ts";
import { tryBackend } from "../probe.ts";
import { backendsOf, KERNEL_NAMES } from "../registry.ts";
import { abiRounds, type Run } from "./abi_rounds.ts";
import { BATCH_BYTES, itemOffsets, ITEMS, randomBytes } from "./samples.ts";
import { CHOOSE_BYTES, schedulerTimes } from "./scheduler_rounds.ts";
import { copySpeed, roundMs } from "./timing.ts";

export interface BenchRow {
  kernel: string;
  backend: BackendName;
  /** GB/s with one thread; null where that makes no sense or could not be measured. */
  one: number | null;
  /** GB/s with all threads. */
  all: number | null;
  /** Of the copy with as many threads; of `one` where there is no `all`. */
  ratio: number | null;
  /** Milliseconds, sizes, or why there is no figure. */
  note: string;
}

export interface BenchOptions {
  /** Only this one. */
  backend?: BackendName;
  /** Only kernels whose names begin with one of these. */
  kernels: readonly string[];
  /** For each figure. */
  seconds: number;
}

export interface Limits {
  one: number;
  all: number | null;
}

const CHUNKS = 10_000_000;

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the backend that was asked for cannot be had. */
export async function* benchKernels(
  options: BenchOptions,
): AsyncGenerator<{ limits: Limits } | { row: BenchRow }> {
  const limits = await copySpeed(options.seconds);
  yield { limits };
  const bench = new Bench(options, limits);
  const wanted = (name: BackendName) => (options.backend ?? name) === name;
  if (wanted("native")) { for await (const row of bench.native()) yield { row }; }
  for (const name of ["system", "node", "portable"] as const) {
    if (wanted(name)) { for await (const row of bench.plain(name)) yield { row }; }
  }
  if (wanted("cuda")) { for await (const row of bench.cuda()) yield { row }; }
  if (options.backend === "webgpu") { for await (const row of bench.webGpu()) yield { row }; }
}

class Bench {
  readonly #options: BenchOptions;
  readonly #limits: Limits;

  constructor(options: BenchOptions, limits: Limits) {
    this.#options = options;
    this.#limits = limits;
  }

  #wants(kernel: string): boolean {
    const { kernels } = this.#options;
    return kernels.length === 0 || kernels.some((name) => kernel.startsWith(name));
  }

  #row(
    kernel: string,
    backend: BackendName,
    figures: { one?: number; all?: number; note?: string },
  ): BenchRow {
    const { one = null, all = null, note = "" } = figures;
    const { limits } = { limits: this.#limits };
    let ratio: number | null = null;
    if (all !== null && limits.all !== null) ratio = all / limits.all;
    else if (one !== null) ratio = one / limits.one;
    return { kernel, backend, one, all, ratio, note };
  }

  /** What a forced backend lacks is an error; any other is a row that says so. */
  #missing(backend: BackendName, error: unknown): BenchRow {
    const { message } = toWireError(error);
    if (this.#options.backend === backend) {
      throw new WarpError("E_BACKEND_UNAVAILABLE", `${backend}: ${message}`, { cause: error });
    }
    return this.#row("-", backend, { note: message });
  }

  async #gigabytes(bytes: number, round: () => unknown): Promise<number> {
    return bytes / await roundMs(round, this.#options.seconds) / 1e6;
  }

  async *native(): AsyncGenerator<BenchRow> {
    let symbols: CudaSymbols;
    let context: CudaContext;
    try {
      const { description } = openNativeLibrary();
      ({ symbols } = loadCudaAt(libraryPath()));
      const library: CudaLibrary = { symbols, devices: [], description };
      context = new CudaContext(library, { device: 0, slots: 1 });
    } catch (error) {
      yield this.#missing("native", error);
      return;
    }
    try {
      const hasLz4 = (await tryBackend("lz4", "native")).isUsable;
      for (const round of abiRounds(await portableKernels(), hasLz4)) {
        if (!this.#wants(round.kernel)) continue;
        const one = await this.#gigabytes(round.bytes, round.make(runner(symbols, 0n)));
        const all = await this.#gigabytes(
          round.bytes,
          round.make(runner(symbols, context.handle)),
        );
        yield this.#row(round.kernel, "native", { one, all });
      }
      const { open } = await import("../scheduler/native.ts");
      yield* this.#scheduler("native", () => open().kernel, CHUNKS);
      if (this.#wants("zstd")) yield* this.#calibrated("zstd", "native");
    } finally {
      await context.close();
    }
  }

  async *plain(backend: "system" | "node" | "portable"): AsyncGenerator<BenchRow> {
    for (const kernel of KERNEL_NAMES) {
      if (!backendsOf(kernel).includes(backend) || !this.#wants(kernel)) continue;
      yield* this.#calibrated(kernel, backend);
    }
    if (backend !== "portable") return;
    const { open } = await import("../scheduler/portable.ts");
    yield* this.#scheduler(backend, () => open().kernel, CHUNKS / 100);
  }

  async *#calibrated(kernel: KernelName, backend: BackendName): AsyncGenerator<BenchRow> {
    const trial = await tryBackend(kernel, backend);
    if (!trial.isUsable) {
      yield this.#missing(backend, new WarpError("E_BACKEND_UNAVAILABLE", trial.reason));
      return;
    }
    const one = calibrate(kernel, trial.backend.kernel, 1000 * this.#options.seconds);
    const note = kernel === "zstd" || kernel === "lz4" ? "there and back, level 3" : "";
    yield this.#row(kernel, backend, { one, note });
  }

  async *#scheduler(
    backend: BackendName,
    open: () => Parameters<typeof schedulerTimes>[0],
    chunksMost: number,
  ): AsyncGenerator<BenchRow> {
    if (!this.#wants("scheduler")) return;
    const { seconds } = this.#options;
    const chunks = seconds < 0.2 ? Math.min(chunksMost, 200_000) : chunksMost;
    const times = await schedulerTimes(open(), chunks, seconds);
    const { chooseMs, failoverMs, moved } = times;
    const of = `${chunks} chunks`;
    yield this.#row("scheduler choose", backend, {
      all: CHOOSE_BYTES * chunks / chooseMs / 1e6,
      note: `${chooseMs.toFixed(2)} ms for ${of}`,
    });
    yield this.#row("scheduler failover", backend, {
      note: `${failoverMs.toFixed(2)} ms for 1 % of edges, ${moved} of ${of} moved`,
    });
  }

  async *cuda(): AsyncGenerator<BenchRow> {
    let library: CudaLibrary;
    try {
      library = openCudaLibrary();
    } catch (error) {
      yield this.#missing("cuda", error);
      return;
    }
    for (const { index, name } of library.devices) {
      const context = new CudaContext(library, { device: index });
      try {
        testDevice(context);
        const run = runner(library.symbols, context.handle);
        for (const round of abiRounds(await portableKernels(), true)) {
          if (!this.#wants(round.kernel)) continue;
          const all = await this.#gigabytes(round.bytes, round.make(run));
          yield this.#row(round.kernel, "cuda", { all, note: `${name}, copies included` });
        }
      } catch (error) {
        yield this.#missing("cuda", error);
      } finally {
        await context.close();
      }
    }
  }

  async *webGpu(): AsyncGenerator<BenchRow> {
    const { WebGpuKernels } = await import("../webgpu/kernels.ts");
    let kernels: Awaited<ReturnType<typeof WebGpuKernels.open>>;
    try {
      kernels = await WebGpuKernels.open({ allowSoftware: true });
    } catch (error) {
      yield this.#missing("webgpu", error);
      return;
    }
    try {
      const note = kernels.describe().adapter;
      const base = randomBytes(BATCH_BYTES), offsets = itemOffsets(base);
      const digests = await kernels.blake3Many(base, offsets);
      const { blake3 } = await portableKernels(), expected = new Uint8Array(32);
      blake3.hash(base.subarray(0, offsets[1]), expected);
      if (digests.subarray(0, 32).join() !== expected.join()) {
        throw new WarpError("E_BACKEND_UNAVAILABLE", "webgpu gave a wrong digest");
      }
      if (this.#wants("blake3")) {
        const all = await this.#gigabytes(
          base.length,
          () => kernels.blake3Many(base, offsets),
        );
        yield this.#row("blake3", "webgpu", { all, note });
      }
      if (this.#wants("seal")) {
        const batch = {
          base,
          offsets,
          keys: new Uint8Array(32),
          nonces: new Uint8Array(12 * ITEMS),
        };
        const out = new Uint8Array(base.length + 16 * ITEMS);
        const outOffsets = offsets.slice(0, ITEMS).map((start, i) => start + 16 * i);
        const all = await this.#gigabytes(
          base.length,
          () => kernels.sealMany(batch, out, outOffsets),
        );
        yield this.#row("seal", "webgpu", { all, note });
      }
    } finally {
      kernels.close();
    }
  }
}

function runner(symbols: CudaSymbols, handle: bigint): Run {
  return ({ name, parameters }) => {
    const call = symbols[name] as (...given: unknown[]) => number;
    return call(handle, ...parameters, null);
  };
}

let portable: Promise<Kernels> | undefined;

/** The reference; made once. */
function portableKernels(): Promise<Kernels> {
  return portable ??= (async () => {
    const kernels: Partial<Record<KernelName, unknown>> = {};
    for (const name of KERNEL_NAMES) {
      const trial = await tryBackend(name, "portable");
      if (!trial.isUsable) throw new WarpError("E_INTERNAL", `portable ${name}: ${trial.reason}`);
      kernels[name] = trial.backend.kernel;
    }
    return kernels as unknown as Kernels;
  })();
}
