/**
 * From bytes to frames: the sending half of a stream, wherever its frames go.
 *
 * @module
 */
import type { Kernels } from "../../kernels/kernel.ts";
import type { CompressionChoice } from "../archive/options.ts";
import type { Bytes } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";
import {
  CODEC,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  FRAME_OVERHEAD_BYTES,
  FRAME_TAG_BYTES,
  type FrameCodec,
  isFrameSize,
  PLAIN_LENGTH_BYTES,
  writeNonce,
  writePlainLength,
} from "./frame.ts";

/** `auto` stores what looks random, in millibits per byte; as archives do. */
const RANDOM_ENTROPY = 7850;
const SAMPLE_BYTES = 4096;
const AUTO_CODEC = { codec: CODEC.lz4, level: 1 } as const;

export type SealKernels = Pick<Kernels, "aead" | "lz4" | "zstd" | "entropy">;

export interface SealerOptions {
  /** 32 bytes that seal this stream and nothing else. */
  streamKey: Bytes;
  frameBytes: number;
  compression: CompressionChoice;
}

export class FrameSealer {
  readonly #kernels: SealKernels;
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #frameBytes: number;
  readonly #compression: CompressionChoice;
  readonly #nonce = new Uint8Array(12);
  readonly #scratch: Uint8Array<ArrayBuffer>;
  #sequence = 0;
  #isFinished = false;

  constructor(kernels: SealKernels, options: SealerOptions) {
    invariant(isFrameSize(options.frameBytes), "a frame size of the format");
    this.#kernels = kernels;
    this.#key = new Uint8Array(options.streamKey);
    this.#frameBytes = options.frameBytes;
    this.#compression = options.compression;
    const needsScratch = options.compression.mode !== "none";
    this.#scratch = new Uint8Array(needsScratch ? options.frameBytes : 0);
  }

  /** Frames so far. */
  get frames(): number {
    return this.#sequence;
  }

  /** Room that the frames of `length` bytes may need. */
  static roomFor(length: number, frameBytes: number): number {
    return length + Math.ceil(length / frameBytes) * FRAME_OVERHEAD_BYTES;
  }

  /** Seals all of `plaintext`, the last frame as long as it happens to be; the bytes written. */
  seal(plaintext: Bytes, output: Bytes): number {
    let at = 0;
    for (let from = 0; from < plaintext.length; from += this.#frameBytes) {
      const piece = plaintext.subarray(from, from + this.#frameBytes);
      const { codec, payload } = this.#encode(piece);
      at += this.#frame(payload, codec, false, output.subarray(at));
    }
    return at;
  }

  /** The last frame, which is empty: without it the stream counts as cut off. */
  finish(output: Bytes): number {
    const length = this.#frame(new Uint8Array(0), CODEC.stored, true, output);
    this.#isFinished = true;
    return length;
  }

  #frame(payload: Bytes, codec: FrameCodec, isFinal: boolean, output: Bytes): number {
    invariant(!this.#isFinished, "the stream is finished");
    const length = payload.length;
    const sequence = this.#sequence++;
    const header = output.subarray(0, FRAME_HEADER_BYTES);
    encodeFrameHeader({ sequence, length, isFinal, codec }, header);
    writeNonce(sequence, this.#nonce);
    const end = FRAME_HEADER_BYTES + length + FRAME_TAG_BYTES;
    const sealed = output.subarray(FRAME_HEADER_BYTES, end);
    this.#kernels.aead.seal(this.#key, this.#nonce, header, payload, sealed);
    return end;
  }

  /** Compressed where it shrinks. */
  #encode(piece: Bytes): { codec: FrameCodec; payload: Bytes } {
    const { codec, level } = this.#choose(piece);
    const stored = { codec: CODEC.stored, payload: piece };
    // One byte less room than storing takes: the codec gives up on what does not shrink.
    const room = piece.length - PLAIN_LENGTH_BYTES - 1;
    if (codec === CODEC.stored || room <= 0) return stored;
    const kernel = codec === CODEC.lz4 ? this.#kernels.lz4 : this.#kernels.zstd;
    const target = this.#scratch.subarray(PLAIN_LENGTH_BYTES, PLAIN_LENGTH_BYTES + room);
    const size = kernel.compress(piece, target, level);
    if (size === 0) return stored;
    writePlainLength(piece.length, this.#scratch);
    return { codec, payload: this.#scratch.subarray(0, PLAIN_LENGTH_BYTES + size) };
  }

  #choose(piece: Bytes): { codec: FrameCodec; level: number } {
    const choice = this.#compression;
    switch (choice.mode) {
      case "none":
        return { codec: CODEC.stored, level: 0 };
      case "lz4":
        return { codec: CODEC.lz4, level: 1 };
      case "zstd":
        return { codec: CODEC.zstd, level: choice.level };
      case "auto": {
        const from = Math.max(0, piece.length - SAMPLE_BYTES >> 1);
        const sample = piece.subarray(from, from + SAMPLE_BYTES);
        const isRandom = this.#kernels.entropy.estimate(sample) > RANDOM_ENTROPY;
        return isRandom ? { codec: CODEC.stored, level: 0 } : AUTO_CODEC;
      }
    }
  }
}
