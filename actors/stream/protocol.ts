/**
 * What the stream actor understands: seal or open what comes on stdin, and write the result to
 * stdout. One request per actor; it ends when the input ends.
 *
 * @module
 */
import type { CompressionChoice } from "../archive/options.ts";

/** Lent for the length of a request by the main thread, which outlives a write that nobody awaits. */
export interface StreamSlabs {
  /** What was read. */
  input: SharedArrayBuffer;
  /** What is written: one is filled while the other is on its way. */
  outputs: [SharedArrayBuffer, SharedArrayBuffer];
}

export interface OpenRequest {
  slabs: StreamSlabs;
  /** 32 bytes, from the opened header. */
  streamKey: Uint8Array;
  /** Payload bytes a frame holds at most. */
  frameBytes: number;
}

export interface SealRequest extends OpenRequest {
  /** The encoded stream header, written before the first frame. */
  header: Uint8Array;
  compression: CompressionChoice;
  /** How long a frame that is not full waits for more; null: not longer than it takes to look. */
  intervalMs: number | null;
}

export interface StreamProgress {
  bytesIn: number;
  bytesOut: number;
  frames: number;
}

export type StreamProtocol = {
  streams: {
    seal: { request: SealRequest; item: StreamProgress; result: StreamProgress };
    open: { request: OpenRequest; item: StreamProgress; result: StreamProgress };
  };
};
