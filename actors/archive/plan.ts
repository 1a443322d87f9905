/**
 * What to do with a batch: which chunks are new, in which order and blocks they are stored, and what
 * the entries refer to. Pure and deterministic: the same input gives the same archive bytes.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import type { Entry, Extent } from "../base/entry.ts";
import { BLOCK_RAW_BYTES_MAX } from "../base/limits.ts";
import { KiB } from "../base/units.ts";
import type { CodecChoice, SealBlock } from "../cipher/protocol.ts";
import type { ChunkMap, ChunkRef } from "./chunk_map.ts";

/**
 * Chunks are deduplicated one by one but compressed and sealed in blocks of about this many raw
 * bytes: small chunks compress better together, and one block read is still quick.
 */
export const BLOCK_TARGET_BYTES = 512 * KiB;

export type CompressionMode = { mode: "auto" | "none" | "lz4" } | { mode: "zstd"; level: number };

/**
 * Codec for a chunk of the given entropy (millibits per byte). `auto`: what looks random is stored;
 * the rest is worth zstd, whose fast level costs little more than LZ4 and shrinks far better
 * (measured: bench/RESULTS.md).
 */
export function chooseCodec(compression: CompressionMode, entropy: number): CodecChoice {
  switch (compression.mode) {
    case "none":
      return { codec: 0, level: 0 };
    case "lz4":
      return { codec: 1, level: 1 };
    case "zstd":
      return { codec: 2, level: compression.level };
    case "auto":
      if (entropy > 7850) return { codec: 0, level: 0 };
      return { codec: 2, level: 1 };
  }
}

export interface BatchPlan {
  /** Ordinal of the first new chunk. */
  firstChunk: number;
  /** Local numbers of the new chunks, in ordinal order. */
  order: number[];
  blocks: SealBlock[];
  /** Where each local chunk is, new or old. */
  refs: ChunkRef[];
}

export interface PlanInput {
  cuts: Uint32Array;
  ids: Bytes;
  entropy: Uint16Array;
  compression: CompressionMode;
  nextChunk: number;
  nextBlock: number;
}

/** Plans one batch and enters its new chunks in `known`. */
export function planBatch(input: PlanInput, known: ChunkMap): BatchPlan {
  const { cuts, ids, nextChunk } = input;
  const refs: (ChunkRef | undefined)[] = new Array(cuts.length);
  const first = new FirstSeen(ids, cuts.length);
  const groups = new Map<string, { choice: CodecChoice; chunks: number[] }>();
  for (let i = 0; i < cuts.length; i++) {
    refs[i] = known.get(ids.subarray(32 * i, 32 * i + 32));
    if (refs[i] !== undefined || first.of(i) !== i) continue;
    const choice = chooseCodec(input.compression, input.entropy[i] ?? 0);
    const group = `${choice.codec}:${choice.level}`;
    if (!groups.has(group)) groups.set(group, { choice, chunks: [] });
    groups.get(group)!.chunks.push(i);
  }
  const order: number[] = [];
  const blocks: SealBlock[] = [];
  for (const { choice, chunks } of groups.values()) {
    for (const block of intoBlocks(chunks, cuts)) {
      blocks.push({ ordinal: input.nextBlock + blocks.length, chunks: block, choice });
      order.push(...block);
    }
  }
  order.forEach((local, i) => {
    refs[local] = { source: 0, ordinal: nextChunk + i };
    known.set(ids.subarray(32 * local, 32 * local + 32), refs[local]);
  });
  for (let i = 0; i < cuts.length; i++) refs[i] ??= refs[first.of(i)];
  return { firstChunk: nextChunk, order, blocks, refs: refs as ChunkRef[] };
}

/** Finds equal ids within a batch: a hash table over their first words. */
class FirstSeen {
  readonly #words: Uint32Array;
  /** One more than the number of an id; 0 is free. */
  readonly #slots: Uint32Array;

  constructor(ids: Bytes, count: number) {
    const copy = ids.byteOffset % 4 === 0 ? ids : ids.slice();
    this.#words = new Uint32Array(copy.buffer, copy.byteOffset, 8 * count);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * count + 2)));
  }

  /** The lowest number with the same id as `i`, of those asked for so far. */
  of(i: number): number {
    const mask = this.#slots.length - 1;
    for (let at = this.#words[8 * i]! & mask;; at = (at + 1) & mask) {
      const slot = this.#slots[at]!;
      if (slot === 0) {
        this.#slots[at] = i + 1;
        return i;
      }
      if (this.#isSame(slot - 1, i)) return slot - 1;
    }
  }

  #isSame(a: number, b: number): boolean {
    for (let k = 0; k < 8; k++) {
      if (this.#words[8 * a + k] !== this.#words[8 * b + k]) return false;
    }
    return true;
  }
}

function* intoBlocks(chunks: number[], cuts: Uint32Array): Generator<number[]> {
  let block: number[] = [], raw = 0;
  for (const i of chunks) {
    const length = chunkLength(cuts, i);
    if (block.length > 0 && raw + length > BLOCK_RAW_BYTES_MAX) {
      yield block;
      block = [], raw = 0;
    }
    block.push(i);
    raw += length;
    if (raw < BLOCK_TARGET_BYTES) continue;
    yield block;
    block = [], raw = 0;
  }
  if (block.length > 0) yield block;
}

export function chunkLength(cuts: Uint32Array, i: number): number {
  return cuts[i]! - (i === 0 ? 0 : cuts[i - 1]!);
}

/** Rewrites extents from local chunk numbers to archive ordinals; neighbours are joined. */
export function resolveEntries(entries: Entry[], cuts: Uint32Array, refs: ChunkRef[]): Entry[] {
  return entries.map((entry) => {
    if (entry.type !== "piece" && entry.type !== "file") return entry;
    return { ...entry, extents: entry.extents.flatMap((e) => resolveExtent(e, cuts, refs)) };
  });
}

function resolveExtent(extent: Extent, cuts: Uint32Array, refs: ChunkRef[]): Extent[] {
  if (extent.count === 0) return [extent];
  const out: Extent[] = [];
  for (let i = extent.first; i < extent.first + extent.count; i++) {
    const { source, ordinal } = refs[i]!;
    const length = chunkLength(cuts, i);
    const last = out.at(-1);
    if (last?.source === source && last.first + last.count === ordinal) {
      last.length += length;
      last.count++;
    } else {
      out.push({ length, source, first: ordinal, count: 1 });
    }
  }
  return out;
}
