/**
 * The WebGPU device: opening it, compiled pipelines, and calls that survive its loss with an error.
 *
 * Standard: https://www.w3.org/TR/webgpu/ . In Deno `navigator.gpu` is wgpu: Vulkan, Metal or D3D12.
 *
 * @module
 */
import { invariant } from "../../actors/base/errors.ts";
import { BufferPool } from "./buffer_pool.ts";
import { Commands, type Part } from "./recorder.ts";
import { DeviceLostError, noAdapter } from "./errors.ts";
import { TILE_BYTES_LEAST, TILE_BYTES_MOST } from "./tiles.ts";

export interface WebGpuOptions {
  /** Take an adapter that computes on the CPU, too: right, but slower than any CPU backend. */
  allowSoftware?: boolean;
  /** Most bytes of input per dispatch: a power of two, 4 KiB .. 32 MiB. Larger inputs are split. */
  tileBytes?: number;
}

export interface WebGpuDescription {
  /** The adapter's name as the driver gives it. */
  adapter: string;
  /** It computes on the CPU. */
  isSoftware: boolean;
  tileBytes: number;
  limits: {
    maxBufferSize: number;
    maxStorageBufferBindingSize: number;
    maxComputeWorkgroupStorageSize: number;
    maxComputeInvocationsPerWorkgroup: number;
    maxComputeWorkgroupsPerDimension: number;
  };
}

/** So many calls are under way at once: one uploads, one computes, one is read back. */
const CALLS_MOST = 3;

/** No binding of a tile is above four times its bytes: padding, and tables of small items. */
const BYTES_PER_TILE_BYTE = 4;

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render/i;

export class GpuDevice {
  readonly #device: GPUDevice;
  readonly #description: WebGpuDescription;
  readonly #pool: BufferPool;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #waiting: (() => void)[] = [];
  #calls = 0;
  #lost: string | undefined;

  private constructor(device: GPUDevice, description: WebGpuDescription) {
    this.#device = device;
    this.#description = description;
    this.#pool = new BufferPool(device);
    device.lost.then(({ reason, message }) => this.#lost ??= message || reason);
    // Errors are caught where they arise; what comes too late for that makes the device useless.
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#lost ??= (event as GPUUncapturedErrorEvent).error.message;
    });
  }

  /**
   * @throws {WarpError} E_BACKEND_UNAVAILABLE without an adapter, or with one that is not allowed.
   */
  static async open(options: WebGpuOptions = {}): Promise<GpuDevice> {
    const { allowSoftware = false, tileBytes } = options;
    const adapter = await findAdapter(allowSoftware);
    const { limits } = adapter;
    const most = floorPowerOfTwo(Math.min(
      TILE_BYTES_MOST,
      limits.maxStorageBufferBindingSize / BYTES_PER_TILE_BYTE,
      limits.maxBufferSize / BYTES_PER_TILE_BYTE,
    ));
    invariant(
      tileBytes === undefined ||
        tileBytes === floorPowerOfTwo(tileBytes) && tileBytes >= TILE_BYTES_LEAST &&
          tileBytes <= TILE_BYTES_MOST,
      "webgpu: tileBytes must be a power of two, 4 KiB .. 32 MiB",
    );
    const device = await adapter.requestDevice({ label: "warp" }).catch((cause: unknown) => {
      throw noAdapter(`the adapter gave no device: ${cause}`);
    });
    return new GpuDevice(device, {
      adapter: nameOf(adapter),
      isSoftware: isSoftware(adapter),
      tileBytes: Math.min(tileBytes ?? most, most),
      limits: {
        maxBufferSize: device.limits.maxBufferSize,
        maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
        maxComputeWorkgroupStorageSize: device.limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: device.limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
      },
    });
  }

  describe(): WebGpuDescription {
    return structuredClone(this.#description);
  }

  get tileBytes(): number {
    return this.#description.tileBytes;
  }

  /** Buffers that exist, in use or kept for the next call. */
  get bufferCount(): number {
    return this.#pool.count;
  }

  /** Compiles an entry point of `code`, once. */
  pipeline(code: string, entryPoint: string): Promise<GPUComputePipeline> {
    const key = `${entryPoint}\n${code}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.#compile(code, entryPoint);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /**
   * One call to the GPU. `build` records it, synchronously, and says which parts to read back; `use`
   * gets them as views that are gone when it returns.
   *
   * @throws {DeviceLostError} when the device does not carry it out.
   */
  async run<T>(
    build: (commands: Commands) => Part[],
    use: (views: Uint8Array<ArrayBuffer>[]) => T,
  ): Promise<T> {
    await this.#enter();
    try {
      return await this.#call(build, use);
    } finally {
      this.#leave();
    }
  }

  /** Destroys the device and everything on it. Calls that are under way fail. */
  close(): void {
    this.#lost ??= "it was closed";
    this.#pipelines.clear();
    this.#pool.destroy();
    this.#device.destroy();
  }

  /** Makes the device fail as a driver reset would: for tests of what callers do then. */
  lose(): void {
    this.#device.destroy();
  }

  async #call<T>(
    build: (commands: Commands) => Part[],
    use: (views: Uint8Array<ArrayBuffer>[]) => T,
  ): Promise<T> {
    if (this.#lost !== undefined) throw new DeviceLostError(this.#lost);
    // Between push and pop nothing awaits: scopes are a stack of the device, not of this call.
    this.#device.pushErrorScope("out-of-memory");
    this.#device.pushErrorScope("validation");
    const commands = new Commands(this.#device, this.#pool);
    let staging: GPUBuffer | undefined, parts: Part[] = [], isWhole = false;
    try {
      let scopes;
      try {
        parts = build(commands);
        const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
        staging = this.#pool.take(bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
        commands.submit(parts, staging);
      } finally {
        scopes = [this.#device.popErrorScope(), this.#device.popErrorScope()];
      }
      await this.#settle(staging, scopes);
      const result = use(viewsOf(parts, staging));
      staging.unmap();
      isWhole = true;
      return result;
    } finally {
      commands.release(!isWhole);
      if (staging !== undefined) isWhole ? this.#pool.give(staging) : this.#pool.drop(staging);
    }
  }

  /** Waits until `staging` can be read. */
  async #settle(staging: GPUBuffer, scopes: Promise<GPUError | null>[]): Promise<void> {
    const mapped = staging.mapAsync(GPUMapMode.READ).then(() => undefined, (error) => error);
    const [validation, memory] = await Promise.all(scopes);
    const failure = await mapped;
    if (memory) throw new DeviceLostError(memory.message);
    if (this.#lost !== undefined) throw new DeviceLostError(this.#lost, failure);
    invariant(!validation, `webgpu: ${validation?.message}`);
    // The promise of the loss may resolve after that of the map.
    if (failure !== undefined) throw new DeviceLostError("it does not answer", failure);
  }

  async #compile(code: string, entryPoint: string): Promise<GPUComputePipeline> {
    if (this.#lost !== undefined) throw new DeviceLostError(this.#lost);
    this.#device.pushErrorScope("validation");
    const module = this.#device.createShaderModule({ code, label: entryPoint });
    const compute = { module, entryPoint };
    const pipeline = this.#device.createComputePipeline({ layout: "auto", compute });
    const error = await this.#device.popErrorScope();
    invariant(!error, `webgpu: ${entryPoint}: ${error?.message}`);
    return pipeline;
  }

  async #enter(): Promise<void> {
    if (this.#calls < CALLS_MOST) this.#calls++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#calls--;
    else next();
  }
}

function viewsOf(parts: readonly Part[], staging: GPUBuffer): Uint8Array<ArrayBuffer>[] {
  const mapped = staging.getMappedRange();
  let at = 0;
  return parts.map(({ bytes }) => new Uint8Array(mapped, at, (at += bytes, bytes)));
}

async function findAdapter(allowSoftware: boolean): Promise<GPUAdapter> {
  const { gpu } = navigator;
  if (gpu === undefined) throw noAdapter("this runtime has no navigator.gpu");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }) ??
    (allowSoftware ? await gpu.requestAdapter({ forceFallbackAdapter: true }) : null);
  if (adapter === null) throw noAdapter("there is no adapter");
  if (isSoftware(adapter) && !allowSoftware) {
    throw noAdapter(`${nameOf(adapter)} computes on the CPU`);
  }
  return adapter;
}

function isSoftware(adapter: GPUAdapter): boolean {
  return adapter.info.isFallbackAdapter || SOFTWARE.test(nameOf(adapter));
}

function nameOf({ info }: GPUAdapter): string {
  return info.description || info.device || info.vendor || "an adapter without a name";
}

function floorPowerOfTwo(x: number): number {
  return 2 ** Math.floor(Math.log2(x));
}
