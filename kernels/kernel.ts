/**
 * The interface of every hot loop. One public interface per kernel, several backends behind it;
 * all backends give the same bytes (`portable` defines the right answer).
 *
 * CPU kernels are synchronous and run in the caller's Worker. Inputs and outputs may be views of
 * SharedArrayBuffers. No backend keeps a reference to a buffer after it returns.
 *
 * @module
 */
import type { Bytes } from "../actors/base/bytes.ts";

/**
 * - `portable`: TypeScript and noble; the reference.
 * - `node`: what Deno carries or npm ships compiled (`node:crypto`, `node:zlib`, N-API packages).
 * - `system`: libraries of the operating system through `Deno.dlopen`.
 * - `native`: our own C, built by `deno task build:native`.
 */
export type BackendName = "portable" | "node" | "system" | "native" | "webgpu" | "cuda";

export type KernelName = "blake3" | "aead" | "boundary" | "zstd" | "lz4" | "entropy";

/** BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs): 32-byte digests of many inputs at once. */
export interface Blake3 {
  /** Digest of `input` into `out` (32 bytes); keyed mode when `key` (32 bytes) is given. */
  hash(input: Bytes, out: Bytes, key?: Bytes): void;
  /**
   * Digests of `offsets.length - 1` inputs; input i is `base[offsets[i] .. offsets[i + 1])`.
   * Writes digest i to `out[32 * i ..)`.
   */
  hashMany(base: Bytes, offsets: ArrayLike<number>, out: Bytes, key?: Bytes): void;
  /**
   * As `hashMany`, in a thread of its own; the buffers must stay as they are until it is done. Only
   * where that is possible without a Worker.
   */
  hashManyLater?(
    base: Bytes,
    offsets: ArrayLike<number>,
    out: Bytes,
    key?: Bytes,
  ): Promise<void>;
  /** Key derivation mode: `context` is a hard-coded, globally unique string. Any output length. */
  deriveKey(context: string, material: Bytes, length?: number): Uint8Array<ArrayBuffer>;
}

/** ChaCha20-Poly1305, RFC 8439. */
export interface Aead {
  /**
   * Encrypts `plaintext` to `output` (`plaintext.length + 16` bytes, the tag last). Key 32 bytes,
   * nonce 12. `output` must not overlap `plaintext` unless both start at the same byte.
   */
  seal(key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes, output: Bytes): void;
  /**
   * Opens `sealed` (ciphertext and tag) into `output` (`sealed.length - 16` bytes). On a wrong tag
   * returns false and leaves `output` zeroed; plaintext is never released unverified.
   */
  open(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes, output: Bytes): boolean;
}

/** Parameters of the Buzhash boundary scan: see kernels/boundary/spec.ts. Sizes in bytes. */
export interface BoundaryParams {
  /** log2 of the average chunk size; masks have `avgBits ± 2` one-bits (normalised chunking). */
  avgBits: number;
  min: number;
  max: number;
  /** 32 words: T[b] = table[b >> 4] ^ table[16 + (b & 15)]. */
  table: Uint32Array;
}

/** Content-defined chunk boundaries: Buzhash, window 48 bytes, two masks. */
export interface Boundary {
  /**
   * Cuts `input`, whose first byte starts a chunk. Returns the ascending end offsets of complete
   * chunks. Unless `isLast`, the bytes after the last cut are an unfinished chunk: present them
   * again, with what follows, in the next call. With `isLast` the last cut is `input.length`
   * (none for an empty input). Never yields a chunk above `max`; only the last may be below `min`.
   */
  cuts(params: BoundaryParams, input: Bytes, isLast: boolean): number[];
}

/**
 * A block codec with known output size. What `compress` gives depends on the library and its version
 * (the same one always gives the same bytes); what `decompress` gives does not.
 */
export interface BlockCodec {
  /** Worst-case compressed size of `length` bytes. */
  bound(length: number): number;
  /** Compresses into `output`; returns the length, or 0 when it does not fit. */
  compress(input: Bytes, output: Bytes, level: number): number;
  /** Fills `output` exactly. False for anything malformed, too short or too long. */
  decompress(input: Bytes, output: Bytes): boolean;
}

/** Shannon entropy estimate of a sample, in millibits per byte (integer, 0..8000). */
export interface Entropy {
  estimate(input: Bytes): number;
  /**
   * Estimates `out.length` items; item i is `base[offsets[i] .. offsets[i + 1])`, of which only the
   * middle `sampleBytes` bytes count (0: all), from `(length - sampleBytes) >> 1` on.
   */
  estimateMany(
    base: Bytes,
    offsets: ArrayLike<number>,
    sampleBytes: number,
    out: Uint16Array<ArrayBuffer>,
  ): void;
}

export interface KernelSet {
  readonly blake3: Blake3;
  readonly aead: Aead;
  readonly boundary: Boundary;
  readonly zstd: BlockCodec;
  readonly lz4: BlockCodec;
  readonly entropy: Entropy;
  /** Which backend serves which kernel. */
  readonly chosen: Readonly<Record<KernelName, BackendName>>;
  /** What serves it, with its version: `"libcrypto 3.0.22"`. */
  readonly descriptions: Readonly<Record<KernelName, string>>;
}

/** The kernel functions alone, by name. */
export type Kernels = Pick<KernelSet, KernelName>;

/** One implementation of one kernel, opened and ready. */
export interface Backend<K> {
  readonly kernel: K;
  /** What it is, with its version; a change of this text makes old measurements void. */
  readonly description: string;
}
