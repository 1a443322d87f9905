/**
 * Many chunks at once (docs/crypto.md §2): digest, id, key, sealed bytes. open_reference.ts says the
 * same one chunk at a time.
 *
 * @module
 */
import type { KernelSet } from "../../../kernels/kernel.ts";
import { type Bytes, utf8 } from "../../base/bytes.ts";
import { invariant } from "../../base/errors.ts";
import { SECRET_BYTES } from "./content_keys.ts";

export const DIGEST_BYTES = 32;
export const CHUNK_KEY_BYTES = 32;
export const CHUNK_TAG_BYTES = 16;
export const CODEC_STORED = 0;
export const CODEC_ZSTD = 1;

export type SealKernels = Pick<KernelSet, "blake3" | "aead" | "zstd" | "entropy">;
export type OpenKernels = Pick<KernelSet, "blake3" | "aead" | "zstd">;

/** What looks random (millibits per byte) is not worth a try: archive/plan.ts. */
const ENTROPY_MAX = 7850;
const SAMPLE_BYTES = 4096;
const ZSTD_LEVEL = 1;
const KEY_LABEL = utf8("portal/chunk/key/v1");
const FRAME_LABEL = utf8("portal/chunk/zstd/v1");
const NONCE = new Uint8Array(12);
const CODEC_AAD = [Uint8Array.of(CODEC_STORED), Uint8Array.of(CODEC_ZSTD)] as const;

/** Sealed chunks, one after another. */
export interface SealedChunks {
  /** Valid until the next call. */
  bytes: Uint8Array;
  /** Sealed chunk k is `bytes[offsets[k] .. offsets[k + 1])`. */
  offsets: Float64Array;
  codecs: Uint8Array;
  /** 32 bytes a chunk. Secret. */
  keys: Uint8Array;
}

export class ChunkSealer {
  readonly #kernels: SealKernels;
  readonly #secret: Uint8Array;
  #frames = new Uint8Array();
  #sealed = new Uint8Array();

  /** @param domainSecret 32 bytes; it is copied */
  constructor(kernels: SealKernels, domainSecret: Bytes) {
    invariant(domainSecret.length === SECRET_BYTES, "a domain secret is 32 bytes");
    this.#kernels = kernels;
    this.#secret = new Uint8Array(domainSecret);
  }

  /**
   * Seals the `chosen` chunks of a slab; chunk i is `slab[offsets[i] .. offsets[i + 1])` and has the
   * BLAKE3 digest `digests[32 * i ..)`.
   */
  seal(
    slab: Bytes,
    offsets: ArrayLike<number>,
    digests: Bytes,
    chosen: readonly number[],
  ): SealedChunks {
    const count = chosen.length;
    const ids = this.#keyed(count, 0, DIGEST_BYTES, (row, k) => {
      row.set(digests.subarray(DIGEST_BYTES * chosen[k]!, DIGEST_BYTES * (chosen[k]! + 1)));
    });
    const keys = this.#keyed(count, KEY_LABEL.length, DIGEST_BYTES, (row, k) => {
      row.set(KEY_LABEL);
      row.set(ids.subarray(DIGEST_BYTES * k, DIGEST_BYTES * (k + 1)), KEY_LABEL.length);
    });
    const frames = this.#compress(slab, offsets, chosen);
    this.#rekey(frames, ids, keys);
    return this.#encrypt(slab, offsets, chosen, frames, keys);
  }

  wipe(): void {
    this.#secret.fill(0);
    this.#frames.fill(0);
  }

  /** Keyed hashes of `count` rows of equal length. */
  #keyed(
    count: number,
    labelBytes: number,
    restBytes: number,
    fill: (row: Uint8Array, k: number) => void,
  ): Uint8Array {
    const length = labelBytes + restBytes;
    const rows = new Uint8Array(count * length);
    const ends = new Float64Array(count + 1);
    for (let k = 0; k < count; k++) {
      fill(rows.subarray(k * length, (k + 1) * length), k);
      ends[k + 1] = (k + 1) * length;
    }
    const out = new Uint8Array(DIGEST_BYTES * count);
    this.#kernels.blake3.hashMany(rows, ends, out, this.#secret);
    return out;
  }

  /** Frames of those chunks that shrink by a sixteenth or more; the others stay as they are. */
  #compress(slab: Bytes, offsets: ArrayLike<number>, chosen: readonly number[]): Frames {
    const { entropy, zstd } = this.#kernels;
    const estimates = new Uint16Array(offsets.length - 1);
    entropy.estimateMany(slab, offsets, SAMPLE_BYTES, estimates);
    const room = chosen.reduce((sum, i) => sum + offsets[i + 1]! - offsets[i]!, 0);
    if (this.#frames.length < room) this.#frames = new Uint8Array(room);
    const ends = new Float64Array(chosen.length + 1);
    const isFrame = new Uint8Array(chosen.length);
    let at = 0;
    for (const [k, i] of chosen.entries()) {
      const chunk = slab.subarray(offsets[i], offsets[i + 1]);
      const most = chunk.length - Math.ceil(chunk.length / 16);
      if (estimates[i]! <= ENTROPY_MAX && most > 0) {
        const size = zstd.compress(chunk, this.#frames.subarray(at, at + most), ZSTD_LEVEL);
        if (size > 0) isFrame[k] = 1;
        at += size;
      }
      ends[k + 1] = at;
    }
    return { bytes: this.#frames, ends, isFrame };
  }

  /** The key of a frame depends on the frame: another compressor's never meets the same key. */
  #rekey({ bytes, ends, isFrame }: Frames, ids: Uint8Array, keys: Uint8Array): void {
    const count = isFrame.length;
    if (!isFrame.includes(1)) return;
    const digests = new Uint8Array(DIGEST_BYTES * count);
    this.#kernels.blake3.hashMany(bytes, ends, digests);
    const framed = this.#keyed(count, FRAME_LABEL.length, 2 * DIGEST_BYTES, (row, k) => {
      const from = DIGEST_BYTES * k, to = from + DIGEST_BYTES;
      row.set(FRAME_LABEL);
      row.set(ids.subarray(from, to), FRAME_LABEL.length);
      row.set(digests.subarray(from, to), FRAME_LABEL.length + DIGEST_BYTES);
    });
    for (let k = 0; k < count; k++) {
      const from = CHUNK_KEY_BYTES * k, to = from + CHUNK_KEY_BYTES;
      if (isFrame[k] === 1) keys.set(framed.subarray(from, to), from);
    }
    framed.fill(0);
  }

  #encrypt(
    slab: Bytes,
    offsets: ArrayLike<number>,
    chosen: readonly number[],
    frames: Frames,
    keys: Uint8Array,
  ): SealedChunks {
    const forms = chosen.map((i, k) =>
      frames.isFrame[k] === 1
        ? frames.bytes.subarray(frames.ends[k], frames.ends[k + 1])
        : slab.subarray(offsets[i], offsets[i + 1])
    );
    const room = forms.reduce((sum, form) => sum + form.length + CHUNK_TAG_BYTES, 0);
    if (this.#sealed.length < room) this.#sealed = new Uint8Array(room);
    const ends = new Float64Array(chosen.length + 1);
    for (const [k, form] of forms.entries()) {
      const from = ends[k]!, to = from + form.length + CHUNK_TAG_BYTES;
      const key = keys.subarray(CHUNK_KEY_BYTES * k, CHUNK_KEY_BYTES * (k + 1));
      const aad = CODEC_AAD[frames.isFrame[k]!]!;
      this.#kernels.aead.seal(key, NONCE, aad, form, this.#sealed.subarray(from, to));
      ends[k + 1] = to;
    }
    return { bytes: this.#sealed, offsets: ends, codecs: frames.isFrame, keys };
  }
}

interface Frames {
  bytes: Uint8Array;
  /** Frame k is `bytes[ends[k] .. ends[k + 1])`; empty where there is none. */
  ends: Float64Array;
  isFrame: Uint8Array;
}

/** Opens chunks; their digests are checked by who has many of them. */
export class ChunkOpener {
  readonly #kernels: OpenKernels;
  #frame = new Uint8Array();

  constructor(kernels: OpenKernels) {
    this.#kernels = kernels;
  }

  /** Fills `chunk`. False for anything but what was sealed with this key and codec. */
  open(key: Bytes, codec: number, sealed: Bytes, chunk: Bytes): boolean {
    const aad = CODEC_AAD[codec];
    const size = sealed.length - CHUNK_TAG_BYTES;
    if (aad === undefined || size < 0) return false;
    const { aead, zstd } = this.#kernels;
    if (codec === CODEC_STORED) {
      return size === chunk.length && aead.open(key, NONCE, aad, sealed, chunk);
    }
    if (this.#frame.length < size) this.#frame = new Uint8Array(size);
    const frame = this.#frame.subarray(0, size);
    return aead.open(key, NONCE, aad, sealed, frame) && zstd.decompress(frame, chunk);
  }
}
