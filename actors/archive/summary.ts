/**
 * Prologue and root record: the first and the last record (docs/format.md §8).
 *
 * @module
 */
import { encode } from "@std/msgpack";
import type { Bytes } from "../base/bytes.ts";
import { BASES_MAX } from "../base/limits.ts";
import { bin, decodeMessage, int, malformed } from "../base/entry_codec.ts";
import { decodeTreeRoot, encodeTreeRoot, type TreeRoot } from "./search_tree.ts";

/** An archive that this one takes chunks from. */
export interface BaseRef {
  id: Uint8Array;
  root: Uint8Array;
  /** File name at the time; a hint only. */
  name: string;
  key: Uint8Array | null;
}

export interface Prologue {
  /** Unix seconds. */
  created: number;
  by: string;
  idKey: Uint8Array | null;
  /** 32 words of the boundary table as 128 bytes, or null for the public one. */
  table: Uint8Array | null;
  bases: BaseRef[];
}

export interface RootRecord {
  chunks: number;
  blocks: number;
  entries: number;
  files: number;
  /** Sum of regular file sizes. */
  bytes: number;
  /** Sum of raw bytes in blocks: what was left after dedup. */
  stored: number;
  index: TreeRoot | undefined;
  table: TreeRoot | undefined;
}

export function encodePrologue(p: Prologue): Uint8Array<ArrayBuffer> {
  return encode({
    v: 1,
    created: p.created,
    by: p.by,
    id: p.idKey,
    table: p.table,
    bases: p.bases.map(({ id, root, name, key }) => ({ id, root, name, key })),
  }) as Uint8Array<ArrayBuffer>;
}

/** @throws {WarpError} E_INTEGRITY */
export function decodePrologue(bytes: Bytes): Prologue {
  const map = mapOf(decodeMessage(bytes));
  if (map.v !== 1 || typeof map.by !== "string" || !Array.isArray(map.bases)) throw malformed();
  if (map.bases.length > BASES_MAX) throw malformed();
  return {
    created: int(map.created),
    by: map.by,
    idKey: map.id === null ? null : exact(map.id, 32),
    table: map.table === null ? null : exact(map.table, 128),
    bases: map.bases.map((value) => {
      const base = mapOf(value);
      if (typeof base.name !== "string") throw malformed();
      const key = base.key === null ? null : exact(base.key, 32);
      return { id: exact(base.id, 16), root: exact(base.root, 32), name: base.name, key };
    }),
  };
}

export function encodeRoot(root: RootRecord): Uint8Array<ArrayBuffer> {
  const { index, table, ...counts } = root;
  const trees = { index: encodeTreeRoot(index), table: encodeTreeRoot(table) };
  return encode({ ...counts, ...trees }) as Uint8Array<ArrayBuffer>;
}

/** @throws {WarpError} E_INTEGRITY */
export function decodeRoot(bytes: Bytes): RootRecord {
  const map = mapOf(decodeMessage(bytes));
  return {
    chunks: int(map.chunks),
    blocks: int(map.blocks),
    entries: int(map.entries),
    files: int(map.files),
    bytes: int(map.bytes),
    stored: int(map.stored),
    index: decodeTreeRoot(map.index),
    table: decodeTreeRoot(map.table),
  };
}

function mapOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed();
  return value as Record<string, unknown>;
}

function exact(value: unknown, length: number): Uint8Array {
  const bytes = bin(value, length);
  if (bytes.length !== length) throw malformed();
  return bytes;
}
