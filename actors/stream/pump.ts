/**
 * Moves a stream through a sealer or an opener: while one output is being written, the next is filled.
 *
 * Reading needs no buffer of its own: the pipe that the input comes from is one, made as large as the
 * system allows.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import type { Bytes } from "../base/bytes.ts";
import { KiB } from "../base/units.ts";
import { FRAME_OVERHEAD_BYTES } from "./frame.ts";
import { FrameOpener } from "./opener.ts";
import type { PipeInput, PipeOutput } from "./pipe.ts";
import type { OpenRequest, SealRequest, StreamProgress, StreamSlabs } from "./protocol.ts";
import { FrameSealer } from "./sealer.ts";

/** Input and both outputs stay in a core's second-level cache: bench/RESULTS.md. */
const BATCH_BYTES = 256 * KiB;

/** Memory for one stream. */
export function streamSlabs(frameBytes: number): StreamSlabs {
  const batch = Math.max(BATCH_BYTES, frameBytes);
  const sealed = FrameSealer.roomFor(batch, frameBytes) + FRAME_OVERHEAD_BYTES;
  return {
    input: new SharedArrayBuffer(sealed),
    outputs: [new SharedArrayBuffer(sealed), new SharedArrayBuffer(sealed)],
  };
}

/** Two buffers that take turns: one may be written to while the other is on its way. */
class DoubleBuffer {
  readonly #output: PipeOutput;
  readonly #buffers: readonly [Bytes, Bytes];
  #turn = 0;
  #written: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | undefined;
  #onFailure: (error: unknown) => void = () => {};

  constructor(output: PipeOutput, slabs: StreamSlabs) {
    this.#output = output;
    const [first, second] = slabs.outputs;
    this.#buffers = [new Uint8Array(first), new Uint8Array(second)];
  }

  get free(): Bytes {
    return this.#buffers[this.#turn]!;
  }

  /** Starts to write the first `length` bytes of {@link free} once the other buffer is through. */
  async send(length: number): Promise<void> {
    if (length === 0) return;
    const bytes = this.free.subarray(0, length);
    await this.#written;
    this.#written = this.#output.write(bytes);
    this.#written.catch((error) => {
      this.#failure = { error };
      this.#onFailure(error);
    });
    this.#turn = 1 - this.#turn;
  }

  /** Waits for `work`, unless a write fails first: an input may stay silent for ever. */
  unlessFailed<T>(work: Promise<T>): Promise<T> {
    // Promise.race with one lasting promise would keep something of every round.
    return new Promise((resolve, reject) => {
      this.#onFailure = reject;
      work.then(resolve, reject);
      if (this.#failure !== undefined) reject(this.#failure.error);
    });
  }

  /** Everything is with the system. */
  async flush(): Promise<void> {
    await this.#written;
  }
}

export interface PumpParts {
  kernels: KernelSet;
  input: PipeInput;
  output: PipeOutput;
  progress: StreamProgress;
}

export async function pumpSealed(request: SealRequest, parts: PumpParts): Promise<void> {
  const { kernels, input, output, progress } = parts;
  const { slabs, header, intervalMs, frameBytes } = request;
  const sealer = new FrameSealer(kernels, request);
  const buffers = new DoubleBuffer(output, slabs);
  const plaintext = new Uint8Array(slabs.input, 0, Math.max(BATCH_BYTES, frameBytes));
  const send = async (length: number) => {
    progress.bytesOut += length;
    progress.frames = sealer.frames;
    await buffers.send(length);
  };
  // At once: a reader at the other end can look for its key while it waits for data.
  await output.write(header);
  progress.bytesOut += header.length;
  for (;;) {
    const count = await buffers.unlessFailed(input.fill(plaintext, intervalMs));
    if (count === 0) break;
    progress.bytesIn += count;
    await send(sealer.seal(plaintext.subarray(0, count), buffers.free));
  }
  await send(sealer.finish(buffers.free));
  await buffers.flush();
}

export async function pumpOpened(request: OpenRequest, parts: PumpParts): Promise<void> {
  const { kernels, input, output, progress } = parts;
  const { slabs, streamKey, frameBytes } = request;
  const buffer = new Uint8Array(slabs.input);
  const opener = new FrameOpener(kernels, { streamKey, frameBytes, buffer });
  const buffers = new DoubleBuffer(output, slabs);
  try {
    for (;;) {
      const count = await buffers.unlessFailed(input.fill(opener.room(), null));
      if (count === 0) break;
      opener.arrived(count);
      progress.bytesIn += count;
      for (;;) {
        const length = opener.open(buffers.free);
        progress.frames = opener.frames;
        if (length === 0) break;
        progress.bytesOut += length;
        await buffers.send(length);
      }
    }
    opener.end();
  } finally {
    // What was opened before an error is good, and goes out.
    await buffers.flush();
  }
}
