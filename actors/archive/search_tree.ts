/**
 * The two search trees (docs/format.md §7): built in one pass from the leaves up, so that an archive
 * can be written to a pipe, and searched with a handful of reads.
 *
 * @module
 */
import { encode } from "@std/msgpack";
import type { Bytes } from "../base/bytes.ts";
import { TREE_FANOUT_MAX } from "../base/limits.ts";
import { bin, decodeMessage, int, malformed } from "../base/entry_codec.ts";

/** Where a record is. */
export interface RecordRef {
  offset: number;
  length: number;
  ordinal: number;
}

/** Child of a node: its first key (chunk ordinal, or path bytes) and where it is. */
export interface Child<Key> extends RecordRef {
  key: Key;
}

/** Root of a finished tree; depth 0 means that the root is a leaf. */
export interface TreeRoot extends RecordRef {
  depth: number;
}

/** Writes a node record, returns where it went. */
export type WriteNode = (node: Uint8Array) => RecordRef;

/** Bulk loader: leaves come in key order, full nodes go out. Memory: one open node a level. */
export class TreeBuilder<Key extends number | Bytes> {
  readonly #levels: Child<Key>[][] = [];
  readonly #fanout: number;

  constructor(fanout = TREE_FANOUT_MAX) {
    this.#fanout = fanout;
  }

  add(child: Child<Key>, write: WriteNode): void {
    this.#add(0, child, write);
  }

  #add(level: number, child: Child<Key>, write: WriteNode): void {
    const open = this.#levels[level] ??= [];
    open.push(child);
    if (open.length < this.#fanout) return;
    this.#levels[level] = [];
    const ref = write(encodeNode(open));
    this.#add(level + 1, { key: open[0]!.key, ...ref }, write);
  }

  /** Writes the unfinished nodes. Undefined when there was no leaf. */
  finish(write: WriteNode): TreeRoot | undefined {
    for (let level = 0; level < this.#levels.length; level++) {
      const open = this.#levels[level]!;
      const isTop = level === this.#levels.length - 1;
      if (isTop && open.length === 1) {
        const { offset, length, ordinal } = open[0]!;
        return { offset, length, ordinal, depth: level };
      }
      if (open.length === 0) continue;
      this.#levels[level] = [];
      const ref = write(encodeNode(open));
      const parent = this.#levels[level + 1] ??= [];
      parent.push({ key: open[0]!.key, ...ref });
    }
    return undefined;
  }
}

function encodeNode<Key>(children: Child<Key>[]): Uint8Array<ArrayBuffer> {
  const rows = children.map((child) => [child.key, child.offset, child.length, child.ordinal]);
  return encode(rows) as Uint8Array<ArrayBuffer>;
}

/** @throws {WarpError} E_INTEGRITY */
export function decodeNode<Key>(bytes: Bytes, decodeKey: (key: unknown) => Key): Child<Key>[] {
  const rows = decodeMessage(bytes);
  if (!Array.isArray(rows) || rows.length === 0 || rows.length > TREE_FANOUT_MAX) throw malformed();
  return rows.map((row) => {
    if (!Array.isArray(row) || row.length !== 4) throw malformed();
    const key = decodeKey(row[0]);
    return { key, offset: int(row[1]), length: int(row[2]), ordinal: int(row[3]) };
  });
}

/** Index of the last child whose key is not above `key`; 0 when all are above. */
export function findChild<Key>(
  children: readonly Child<Key>[],
  key: Key,
  compare: (a: Key, b: Key) => number,
): number {
  let low = 0, high = children.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (compare(children[middle]!.key, key) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function decodeTreeRoot(value: unknown): TreeRoot | undefined {
  if (value === null) return undefined;
  if (!Array.isArray(value) || value.length !== 4) throw malformed();
  const depth = int(value[3]);
  if (depth > 12) throw malformed();
  return { offset: int(value[0]), length: int(value[1]), ordinal: int(value[2]), depth };
}

export function encodeTreeRoot(root: TreeRoot | undefined): number[] | null {
  return root === undefined ? null : [root.offset, root.length, root.ordinal, root.depth];
}

export function pathKey(key: unknown): Bytes {
  return bin(key, 16 * 1024);
}
