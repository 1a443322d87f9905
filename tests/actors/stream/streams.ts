/**
 * Streams in memory, for tests: sealed to their frames, and opened from pieces of any size.
 *
 * @module
 */
import { type Bytes, concat } from "../../../actors/base/bytes.ts";
import type { CompressionChoice } from "../../../actors/archive/options.ts";
import { FRAME_OVERHEAD_BYTES } from "../../../actors/stream/frame.ts";
import { FrameOpener } from "../../../actors/stream/opener.ts";
import { FrameSealer } from "../../../actors/stream/sealer.ts";
import { loadKernels } from "../../../kernels/load.ts";

export const kernels = await loadKernels();
export const FRAME_BYTES = 4096;
export const KEY = new Uint8Array(32).fill(7);

/** One frame for every piece (or several, where it is longer than a frame), and the last one. */
export function framesOf(
  pieces: readonly Bytes[],
  streamKey: Bytes = KEY,
  compression: CompressionChoice = { mode: "none" },
): Uint8Array[] {
  const sealer = new FrameSealer(kernels, { streamKey, frameBytes: FRAME_BYTES, compression });
  const frames: Uint8Array[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += FRAME_BYTES) {
      const part = piece.subarray(at, at + FRAME_BYTES);
      const output = new Uint8Array(FRAME_BYTES + FRAME_OVERHEAD_BYTES);
      frames.push(output.subarray(0, sealer.seal(part, output)));
    }
  }
  const last = new Uint8Array(FRAME_OVERHEAD_BYTES);
  sealer.finish(last);
  return [...frames, last];
}

export interface Opened {
  /** What was released, whatever happened then. */
  plaintext: Uint8Array;
  error: unknown;
}

/** Presents `stream` in pieces of `sizes`, again and again. */
export function openAll(stream: Bytes, sizes: readonly number[], streamKey: Bytes = KEY): Opened {
  const opener = new FrameOpener(kernels, { streamKey, frameBytes: FRAME_BYTES });
  const released: Uint8Array[] = [];
  const output = new Uint8Array(FRAME_BYTES);
  try {
    for (let at = 0, turn = 0; at < stream.length; turn++) {
      const piece = stream.subarray(at, at + sizes[turn % sizes.length]!);
      for (let taken = 0; taken < piece.length;) {
        taken += opener.push(piece.subarray(taken));
        for (let n = opener.open(output); n > 0; n = opener.open(output)) {
          released.push(output.slice(0, n));
        }
      }
      at += piece.length;
    }
    opener.end();
    return { plaintext: concat(...released), error: undefined };
  } catch (error) {
    return { plaintext: concat(...released), error };
  }
}
