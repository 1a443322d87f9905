/**
 * What a cipher understands: hash chunks, compress and seal blocks, open them again. It keeps no
 * state between calls, so that any call may be repeated on another cipher.
 *
 * Slabs are SharedArrayBuffers lent for the length of a call; they are never copied.
 *
 * @module
 */
import type { ArchiveSecrets } from "./record.ts";

/** Codec and level of a block: 0 stored, 1 LZ4, 2 zstd; stored anyway when it does not shrink. */
export interface CodecChoice {
  codec: 0 | 1 | 2;
  level: number;
}

export interface HashRequest {
  slab: SharedArrayBuffer;
  /** Chunk i is `[cuts[i - 1] ?? 0, cuts[i])`. */
  cuts: Uint32Array;
  /** Key of the ids; null in a plain archive. */
  idKey: Uint8Array | null;
  /** Whether to sample each chunk's entropy. */
  wantsEntropy: boolean;
}

export interface HashReply {
  /** 32 bytes a chunk. */
  ids: Uint8Array;
  /** Millibits per byte (0..8000) a chunk; empty unless wanted. */
  entropy: Uint16Array;
}

export interface SealBlock {
  ordinal: number;
  /** Local chunk numbers, in the order in which the block holds them. */
  chunks: number[];
  choice: CodecChoice;
}

export interface SealRequest {
  input: SharedArrayBuffer;
  cuts: Uint32Array;
  ids: Uint8Array;
  blocks: SealBlock[];
  /** Receives the records, one after another. */
  output: SharedArrayBuffer;
  secrets: ArchiveSecrets;
}

export interface OpenRequest {
  /** Records, as they stand in the archive. */
  input: SharedArrayBuffer;
  /** Where each block's record starts in `input`, its length, its ordinal. */
  records: { offset: number; length: number; ordinal: number }[];
  /** Receives the raw bytes of the blocks, one after another. */
  output: SharedArrayBuffer;
  secrets: ArchiveSecrets;
}

export interface OpenReply {
  /** Where each block's raw bytes end in `output`; -1 for a block that did not open. */
  ends: Float64Array;
}

export type CipherProtocol = {
  calls: {
    hash: { request: HashRequest; reply: HashReply };
    seal: { request: SealRequest; reply: { lengths: Uint32Array } };
    open: { request: OpenRequest; reply: OpenReply };
    /**
     * Merkle leaves (docs/format.md §9) of `length` bytes at `offset` of `slab`, where a block begins;
     * 32 bytes each.
     */
    leaves: {
      request: { slab: SharedArrayBuffer; offset: number; length: number };
      reply: Uint8Array;
    };
  };
};
