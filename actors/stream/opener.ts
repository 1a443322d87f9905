/**
 * From frames to bytes: the receiving half of a stream. Takes pieces of any length, as pipes and
 * networks give them, and releases plaintext only after its tag was checked and in its place, so that
 * what it gave is a prefix of what was sealed, whatever comes later.
 *
 * @module
 */
import type { Kernels } from "../../kernels/kernel.ts";
import type { Bytes } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import {
  CODEC,
  damaged,
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  FRAME_OVERHEAD_BYTES,
  FRAME_TAG_BYTES,
  type FrameHeader,
  isFrameSize,
  PLAIN_LENGTH_BYTES,
  readPlainLength,
  writeNonce,
} from "./frame.ts";

export type OpenKernels = Pick<Kernels, "aead" | "lz4" | "zstd">;

export interface OpenerOptions {
  /** 32 bytes, from the stream's header. */
  streamKey: Bytes;
  frameBytes: number;
  /** Holds what has come and is not opened yet: at least one frame, as {@link FrameOpener.bufferFor}. */
  buffer?: Bytes;
}

/**
 * ```
 * while (piece of input) {
 *   for (let at = 0; at < piece.length;) {
 *     at += opener.push(piece.subarray(at));      // or read straight into opener.room()
 *     while ((n = opener.open(output)) > 0) use(output.subarray(0, n));
 *   }
 * }
 * opener.end();
 * ```
 */
export class FrameOpener {
  readonly #kernels: OpenKernels;
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #frameBytes: number;
  readonly #buffer: Bytes;
  readonly #nonce = new Uint8Array(12);
  #scratch: Uint8Array<ArrayBuffer> | undefined;
  #start = 0;
  #end = 0;
  #sequence = 0;
  #isFinal = false;
  #failure: unknown;

  constructor(kernels: OpenKernels, options: OpenerOptions) {
    const { streamKey, frameBytes } = options;
    invariant(isFrameSize(frameBytes), "a frame size of the format");
    this.#kernels = kernels;
    this.#key = new Uint8Array(streamKey);
    this.#frameBytes = frameBytes;
    this.#buffer = options.buffer ?? new Uint8Array(FrameOpener.bufferFor(frameBytes));
    invariant(this.#buffer.length >= FrameOpener.bufferFor(frameBytes), "room for a frame");
  }

  static bufferFor(frameBytes: number): number {
    return frameBytes + FRAME_OVERHEAD_BYTES;
  }

  /** Frames opened so far. */
  get frames(): number {
    return this.#sequence;
  }

  /** Whether the last frame was opened. */
  get isFinal(): boolean {
    return this.#isFinal;
  }

  /** Where the next bytes of input go. Not empty once {@link open} has given 0. */
  room(): Bytes {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  /** So many bytes were put into {@link room}. */
  arrived(count: number): void {
    this.#end += count;
    invariant(this.#end <= this.#buffer.length, "no more than there was room");
  }

  /** Takes what there is room for; how much that was. */
  push(piece: Bytes): number {
    const room = this.room();
    const taken = piece.subarray(0, room.length);
    room.set(taken);
    this.arrived(taken.length);
    return taken.length;
  }

  /**
   * Opens the whole frames that are there, as many as fit into `output`, which holds at least
   * `frameBytes`. Returns the bytes released; 0 asks for more input. What was opened before a bad frame
   * is released first: the next call throws.
   * @throws {WarpError} E_INTEGRITY, now and at every later call
   */
  open(output: Bytes): number {
    invariant(output.length >= this.#frameBytes, "output holds a frame");
    let produced = 0;
    if (this.#failure !== undefined) throw this.#failure;
    try {
      // An empty last frame releases nothing, and bytes behind it are an error.
      for (;;) {
        const header = this.#wholeFrame();
        if (header === undefined) break;
        if (this.#lengthMax(header) > output.length - produced) break;
        produced += this.#openFrame(header, output.subarray(produced));
      }
    } catch (error) {
      this.#failure = error;
      if (produced === 0) throw error;
    }
    return produced;
  }

  /**
   * The input has ended.
   * @throws {WarpError} E_TRUNCATED unless the last frame was opened
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isFinal) return;
    const where = this.#end > this.#start ? "within" : "before";
    throw new WarpError("E_TRUNCATED", `the stream ends ${where} frame ${this.#sequence}`, {
      hint: "its last frame is missing: was the sender interrupted?",
      details: { frame: this.#sequence },
    });
  }

  /** The header of the next frame, once all of the frame is there. */
  #wholeFrame(): FrameHeader | undefined {
    const there = this.#end - this.#start;
    if (this.#isFinal && there > 0) {
      throw damaged(this.#sequence, "bytes follow the last frame of the stream");
    }
    if (there < FRAME_HEADER_BYTES) return undefined;
    const bytes = this.#buffer.subarray(this.#start, this.#start + FRAME_HEADER_BYTES);
    const header = decodeFrameHeader(bytes, this.#sequence, this.#frameBytes);
    return there < header.length + FRAME_OVERHEAD_BYTES ? undefined : header;
  }

  #lengthMax({ codec, length }: FrameHeader): number {
    return codec === CODEC.stored ? length : this.#frameBytes;
  }

  #openFrame({ codec, length, isFinal }: FrameHeader, output: Bytes): number {
    const at = this.#start, body = at + FRAME_HEADER_BYTES;
    const end = body + length + FRAME_TAG_BYTES;
    const isStored = codec === CODEC.stored;
    const target = isStored ? output : this.#scratch ??= new Uint8Array(this.#frameBytes);
    const payload = target.subarray(0, length);
    writeNonce(this.#sequence, this.#nonce);
    const aad = this.#buffer.subarray(at, body), sealed = this.#buffer.subarray(body, end);
    if (!this.#kernels.aead.open(this.#key, this.#nonce, aad, sealed, payload)) {
      throw damaged(
        this.#sequence,
        `frame ${this.#sequence} was changed, or belongs to another stream`,
      );
    }
    const released = isStored ? length : this.#decompress(codec, payload, output);
    this.#sequence++;
    this.#start = end;
    this.#isFinal = isFinal;
    return released;
  }

  #decompress(codec: number, payload: Bytes, output: Bytes): number {
    const length = readPlainLength(payload);
    const kernel = codec === CODEC.lz4 ? this.#kernels.lz4 : this.#kernels.zstd;
    const isWhole = length > 0 && length <= this.#frameBytes &&
      kernel.decompress(payload.subarray(PLAIN_LENGTH_BYTES), output.subarray(0, length));
    if (!isWhole) {
      throw damaged(this.#sequence, `frame ${this.#sequence} does not decompress`);
    }
    return length;
  }
}
