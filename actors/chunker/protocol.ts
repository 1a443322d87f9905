/**
 * What the chunker understands: it walks source trees, reads files into slabs and cuts them.
 *
 * @module
 */
import type { Entry } from "../base/entry.ts";
import type { WireError } from "../base/errors.ts";

/** Sizes in bytes; `avg` is a power of two. */
export interface ChunkSizes {
  min: number;
  avg: number;
  max: number;
}

/** Where an earlier run stopped: entries up to `path` are done. */
export interface ResumePoint {
  path: Uint8Array;
  /** Set when `path` is a file that is stored up to `offset`, if it still is what it was. */
  within?: { offset: number; size: number; mtimeS: number; mtimeNs: number };
}

export interface OpenRequest {
  sources: string[];
  excludes: string[];
  chunk: ChunkSizes;
  /** 128 bytes: the boundary table of an encrypted archive; null for the public one. */
  table: Uint8Array | null;
  resume: ResumePoint | null;
  /** The file being written, in case it lies inside a source: it is left out. */
  own: { dev: number; ino: number } | null;
}

export interface Problem {
  path: Uint8Array;
  error: WireError;
  /** The entry is stored all the same (a file that changed while it was read). */
  isStored: boolean;
}

/**
 * One filled slab. Chunk i is `[cuts[i - 1] ?? 0, cuts[i])` of the slab; extents of the entries name
 * these local chunk numbers.
 */
export interface Batch {
  cuts: Uint32Array;
  entries: Entry[];
  problems: Problem[];
  isLast: boolean;
}

export type ChunkerProtocol = {
  calls: {
    /** Starts over. `isResumed` false: the file at the resume point is gone or has changed. */
    open: { request: OpenRequest; reply: { isResumed: boolean } };
    /** Fills the slab with what comes next; the slab is lent until the reply. */
    next: { request: { slab: SharedArrayBuffer }; reply: Batch };
    close: { request: null; reply: null };
  };
};
