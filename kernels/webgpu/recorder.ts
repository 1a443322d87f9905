/**
 * What one call sends to the GPU: uploads, dispatches and what is to be read back.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import type { BufferPool } from "./buffer_pool.ts";

/** Some bytes of a buffer that are wanted; offset and number are multiples of 4. */
export interface Part {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  readonly bytes: number;
}

/**
 * Records synchronously. All buffers are lent for this call and given back after it; their contents
 * are undefined at first, so kernels read only what was uploaded or written before.
 */
export class Commands {
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #encoder: GPUCommandEncoder;
  #pass: GPUComputePassEncoder | undefined;
  readonly #lent: GPUBuffer[] = [];
  readonly #secrets: GPUBuffer[] = [];

  constructor(device: GPUDevice, pool: BufferPool) {
    this.#device = device;
    this.#pool = pool;
    this.#encoder = device.createCommandEncoder();
  }

  /** A storage buffer of at least `bytes`. */
  storage(bytes: number): GPUBuffer {
    return this.#take(bytes, GPUBufferUsage.STORAGE);
  }

  /** A storage buffer that holds 32-bit words. */
  words(words: Uint32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.storage(words.byteLength);
    this.#device.queue.writeBuffer(buffer, 0, words);
    return buffer;
  }

  /** A storage buffer whose bytes from 0 are `base[from .. to)`. */
  bytes(base: Bytes, from: number, to: number): GPUBuffer {
    const buffer = this.storage(to - from);
    const whole = (to - from) & ~3;
    const queue = this.#device.queue;
    // Types ask for private memory; shared memory is taken just as well.
    const source = base as Uint8Array<ArrayBuffer>;
    if (whole > 0) queue.writeBuffer(buffer, 0, source, from, whole);
    if (whole < to - from) {
      const tail = new Uint8Array(4);
      tail.set(base.subarray(from + whole, to));
      queue.writeBuffer(buffer, whole, tail);
    }
    return buffer;
  }

  /** As {@link bytes}, for keys: zeroed on the device when the commands have run. */
  secret(bytes: Bytes): GPUBuffer {
    return this.wipe(this.bytes(bytes, 0, bytes.length));
  }

  /** Has a buffer zeroed when the commands have run. */
  wipe(buffer: GPUBuffer): GPUBuffer {
    this.#secrets.push(buffer);
    return buffer;
  }

  /** A uniform buffer of up to 64 words. */
  uniform(...words: number[]): GPUBuffer {
    const buffer = this.#take(256, GPUBufferUsage.UNIFORM);
    this.#device.queue.writeBuffer(buffer, 0, Uint32Array.from(words));
    return buffer;
  }

  /** Runs a kernel in `groups` workgroups; buffer i is binding i, undefined where it has none. */
  dispatch(
    pipeline: GPUComputePipeline,
    groups: number,
    buffers: readonly (GPUBuffer | undefined)[],
  ): void {
    if (groups === 0) return;
    const entries = buffers.flatMap((buffer, binding) =>
      buffer === undefined ? [] : [{ binding, resource: { buffer } }]
    );
    const layout = pipeline.getBindGroupLayout(0);
    this.#pass ??= this.#encoder.beginComputePass();
    this.#pass.setPipeline(pipeline);
    this.#pass.setBindGroup(0, this.#device.createBindGroup({ layout, entries }));
    this.#pass.dispatchWorkgroups(groups);
  }

  /** Ends recording, with copies of `parts` one after the other to `staging`, and starts it all. */
  submit(parts: readonly Part[], staging: GPUBuffer): void {
    this.#pass?.end();
    let at = 0;
    for (const { buffer, offset = 0, bytes } of parts) {
      if (bytes > 0) this.#encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
      at += bytes;
    }
    for (const buffer of this.#secrets) this.#encoder.clearBuffer(buffer);
    this.#device.queue.submit([this.#encoder.finish()]);
  }

  /** Gives all buffers back: to be used again, or destroyed when `isBroken`. */
  release(isBroken: boolean): void {
    for (const buffer of this.#lent) isBroken ? this.#pool.drop(buffer) : this.#pool.give(buffer);
    this.#lent.length = 0;
  }

  #take(bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.#pool.take(
      bytes,
      usage | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    );
    this.#lent.push(buffer);
    return buffer;
  }
}
