/**
 * The kernels on a GPU, by WebGPU: batches in, promises out. Results equal those of every other
 * backend, byte for byte.
 *
 * Inputs may be views of shared memory and must not change before a call is over. Calls may overlap.
 * All of them throw {@link DeviceLostError} when the device goes away; what they had to write is then
 * undefined, but never unverified plaintext.
 *
 * @module
 */
import { type Bytes, utf8 } from "../../actors/base/bytes.ts";
import type { BoundaryParams } from "../kernel.ts";
import { GpuAead } from "./aead.ts";
import type { AeadBatch } from "./aead_batch.ts";
import { GpuBlake3 } from "./blake3.ts";
import { GpuBoundary } from "./boundary.ts";
import { GpuDevice, type WebGpuDescription, type WebGpuOptions } from "./device.ts";
import { type Choice, GpuScheduler, type ShardState } from "./scheduler.ts";

export { DeviceLostError } from "./errors.ts";
export type { AeadBatch, Choice, ShardState, WebGpuDescription, WebGpuOptions };

export class WebGpuKernels {
  readonly #gpu: GpuDevice;
  readonly #blake3: GpuBlake3;
  readonly #aead: GpuAead;
  readonly #boundary: GpuBoundary;
  readonly #scheduler: GpuScheduler;

  /** Takes over a device. */
  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
    this.#blake3 = new GpuBlake3(gpu);
    this.#aead = new GpuAead(gpu);
    this.#boundary = new GpuBoundary(gpu);
    this.#scheduler = new GpuScheduler(gpu);
  }

  /**
   * Opens the fastest adapter. Close it when done.
   *
   * @throws {WarpError} E_BACKEND_UNAVAILABLE when there is none, or one that computes on the CPU and
   * `allowSoftware` is not set.
   */
  static async open(options: WebGpuOptions = {}): Promise<WebGpuKernels> {
    return new WebGpuKernels(await GpuDevice.open(options));
  }

  /** The adapter, whether it is software, and limits. */
  describe(): WebGpuDescription {
    return this.#gpu.describe();
  }

  /**
   * BLAKE3 digests of the items `base[offsets[i] .. offsets[i + 1])`, 32 bytes each, one after the
   * other; in keyed mode with `key` (32 bytes).
   */
  blake3Many(
    base: Bytes,
    offsets: ArrayLike<number>,
    key?: Bytes,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#blake3.many(base, offsets, key);
  }

  /**
   * BLAKE3 keys of 32 bytes, derived from every item of key material. `context` is a hard-coded,
   * globally unique string.
   */
  async blake3DeriveMany(
    context: string,
    base: Bytes,
    offsets: ArrayLike<number>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const text = utf8(context);
    const contextKey = await this.#blake3.many(text, [0, text.length], undefined, "context");
    return await this.#blake3.many(base, offsets, contextKey, "derive");
  }

  /**
   * Seals items with ChaCha20-Poly1305 (RFC 8439). Item i's ciphertext and tag, 16 bytes more than the
   * item, go to `out[outOffsets[i] ..)`: apart from all items, or where item i itself begins.
   *
   * @throws {WarpError} E_LIMIT when additional data is above the size of a tile.
   */
  sealMany(batch: AeadBatch, out: Bytes, outOffsets: ArrayLike<number>): Promise<void> {
    return this.#aead.sealMany(batch, out, outOffsets);
  }

  /**
   * Opens items into `out[outOffsets[i] ..)`, 16 bytes less than the item; places as for sealMany.
   * Gives a status for each: 0, or 1 for a wrong tag, whose output is zeroed.
   *
   * @throws {WarpError} E_LIMIT when additional data is above the size of a tile.
   */
  openMany(
    batch: AeadBatch,
    out: Bytes,
    outOffsets: ArrayLike<number>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#aead.openMany(batch, out, outOffsets);
  }

  /** Chunk ends: as `Boundary.cuts` of kernels/kernel.ts. */
  boundaryCuts(params: BoundaryParams, input: Bytes, isLast: boolean): Promise<number[]> {
    return this.#boundary.cuts(params, input, isLast);
  }

  /** The pass `choose` of kernels/scheduler/spec.ts over all slots of a shard. */
  schedulerChoose(shard: ShardState): Promise<Choice> {
    return this.#scheduler.choose(shard);
  }

  /** Destroys the device and all buffers. Calls that are under way fail. */
  close(): void {
    this.#gpu.close();
  }
}
