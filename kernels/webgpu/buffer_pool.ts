/**
 * GPU buffers, kept for the next call: making one costs more than most dispatches.
 *
 * @module
 */

/** Every buffer has a power of two of bytes, this at least, so that few sizes serve all calls. */
const BYTES_LEAST = 256;

export class BufferPool {
  readonly #device: GPUDevice;
  /** Idle ones, by size and usage. */
  readonly #idle = new Map<string, GPUBuffer[]>();
  readonly #all = new Set<GPUBuffer>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** A buffer of at least `bytes`; what is in it is undefined. */
  take(bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = sizeClass(bytes);
    const idle = this.#idle.get(`${size} ${usage}`)?.pop();
    if (idle !== undefined) return idle;
    const buffer = this.#device.createBuffer({ size, usage });
    this.#all.add(buffer);
    return buffer;
  }

  /** Gives an unmapped buffer back once no command that is still running uses it. */
  give(buffer: GPUBuffer): void {
    if (!this.#all.has(buffer)) return;
    const key = `${buffer.size} ${buffer.usage}`;
    const idle = this.#idle.get(key);
    if (idle === undefined) this.#idle.set(key, [buffer]);
    else idle.push(buffer);
  }

  /** Destroys a buffer that is in an unknown state. */
  drop(buffer: GPUBuffer): void {
    if (this.#all.delete(buffer)) buffer.destroy();
  }

  /** Number of buffers that exist, lent or idle. */
  get count(): number {
    return this.#all.size;
  }

  destroy(): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all.clear();
    this.#idle.clear();
  }
}

/** The size a buffer for `bytes` really has. */
export function sizeClass(bytes: number): number {
  let size = BYTES_LEAST;
  while (size < bytes) size *= 2;
  return size;
}
