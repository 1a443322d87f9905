/**
 * Table pages: the leaves of the file table (docs/format.md §6).
 *
 * @module
 */
import { encode } from "@std/msgpack";
import type { Bytes } from "../base/bytes.ts";
import { type Entry, extentsLength } from "../base/entry.ts";
import {
  decodeEntry,
  decodeMessage,
  encodeEntry,
  int,
  intArray,
  malformed,
} from "../base/entry_codec.ts";
import { BLOCK_RAW_BYTES_MAX, CHUNK_BYTES_MAX } from "../base/limits.ts";
import { comparePaths } from "../base/path_order.ts";

export interface TablePage {
  firstChunk: number;
  chunkLengths: number[];
  /** How many chunks each block holds; sums to `chunkLengths.length`. */
  chunksPerBlock: number[];
  entries: Entry[];
}

export function encodeTablePage(page: TablePage): Uint8Array<ArrayBuffer> {
  return encode([
    page.firstChunk,
    page.chunkLengths,
    page.chunksPerBlock,
    page.entries.map(encodeEntry),
  ]) as Uint8Array<ArrayBuffer>;
}

/** @throws {WarpError} E_INTEGRITY for anything the format does not allow */
export function decodeTablePage(bytes: Bytes): TablePage {
  const page = decodeMessage(bytes);
  if (!Array.isArray(page) || page.length !== 4) throw malformed();
  const chunkLengths = intArray(page[1], CHUNK_BYTES_MAX);
  const chunksPerBlock = intArray(page[2], chunkLengths.length);
  const firstChunk = int(page[0]);
  checkBlocks(chunkLengths, chunksPerBlock);
  if (!Array.isArray(page[3])) throw malformed();
  const entries = page[3].map(decodeEntry);
  checkOrder(entries);
  return { firstChunk, chunkLengths, chunksPerBlock, entries };
}

function checkBlocks(chunkLengths: number[], chunksPerBlock: number[]): void {
  let next = 0;
  for (const count of chunksPerBlock) {
    let raw = 0;
    for (let i = 0; i < count && next < chunkLengths.length; i++) raw += chunkLengths[next++]!;
    if (count === 0 || raw > BLOCK_RAW_BYTES_MAX) throw malformed();
  }
  const total = chunksPerBlock.reduce((sum, count) => sum + count, 0);
  if (total !== chunkLengths.length || chunkLengths.includes(0)) throw malformed();
}

/** Keys ascend by path, then offset; one path has one final entry, its last. */
function checkOrder(entries: Entry[]): void {
  for (let i = 1; i < entries.length; i++) {
    const before = entries[i - 1]!, entry = entries[i]!;
    if (!isAfter(before, entry)) throw malformed();
  }
}

/** Whether `entry` may follow `before` in the file table. */
export function isAfter(before: Entry, entry: Entry): boolean {
  const order = comparePaths(before.path, entry.path);
  if (order !== 0) return order < 0;
  if (before.type !== "piece") return false;
  if (entry.type !== "piece" && entry.type !== "file") return false;
  return entry.offset === before.offset + extentsLength(before.extents);
}
