/**
 * Entries as MessagePack values: in table pages of archives (docs/format.md §6) and in offers of a
 * transfer (docs/protocol.md).
 *
 * @module
 */
import { decode } from "@std/msgpack";
import type { Bytes } from "./bytes.ts";
import type { Entry, Extent, FileEntry, FilePiece, Meta } from "./entry.ts";
import { extentsLength } from "./entry.ts";
import { WarpError } from "./errors.ts";
import { BASES_MAX, INLINE_BYTES_MAX, PATH_BYTES_MAX } from "./limits.ts";
import { isSoundMessage } from "./message_shape.ts";
import { comparePaths, isSafePath } from "./path_order.ts";

/** An extent in a list in an entry in a list in a page, and room. */
const PAGE_DEPTH_MAX = 16;

const TYPE = { piece: 0, file: 1, dir: 2, symlink: 3, hardlink: 4, fifo: 5 } as const;

export function encodeEntry(entry: Entry): unknown[] {
  switch (entry.type) {
    case "piece":
      return [
        entry.path,
        TYPE.piece,
        entry.offset,
        entry.extents.map(encodeExtent),
        [entry.size, entry.mtimeS, entry.mtimeNs],
      ];
    case "file":
      return [
        entry.path,
        TYPE.file,
        encodeMeta(entry.meta),
        entry.size,
        entry.offset,
        entry.extents.map(encodeExtent),
        entry.inline,
      ];
    case "dir":
      return [entry.path, TYPE.dir, encodeMeta(entry.meta)];
    case "symlink":
      return [entry.path, TYPE.symlink, encodeMeta(entry.meta), entry.target];
    case "hardlink":
      return [entry.path, TYPE.hardlink, encodeMeta(entry.meta), entry.first];
    case "fifo":
      return [entry.path, TYPE.fifo, encodeMeta(entry.meta)];
  }
}

function encodeExtent(extent: Extent): number[] {
  return extent.count === 0
    ? [extent.length]
    : [extent.length, extent.source, extent.first, extent.count];
}

function encodeMeta(m: Meta): unknown[] {
  return [m.mode, m.mtimeS, m.mtimeNs, m.uid, m.gid, m.owner, m.group, m.xattrs];
}

/** @throws {WarpError} E_INTEGRITY, E_UNSAFE_PATH */
export function decodeEntry(value: unknown): Entry {
  if (!Array.isArray(value) || value.length < 3) throw malformed();
  const path = bin(value[0], PATH_BYTES_MAX);
  if (!isSafePath(path)) {
    throw new WarpError("E_UNSAFE_PATH", "the archive holds a path that leaves its folder");
  }
  const type = value[1];
  if (type === TYPE.piece && value.length === 5) return decodePiece(path, value);
  if (type === TYPE.file && value.length === 7) return decodeFile(path, value);
  const meta = decodeMeta(value[2]);
  if (type === TYPE.dir && value.length === 3) return { type: "dir", path, meta };
  if (type === TYPE.fifo && value.length === 3) return { type: "fifo", path, meta };
  if (type === TYPE.symlink && value.length === 4) {
    const target = bin(value[3], PATH_BYTES_MAX);
    if (target.length === 0 || target.includes(0)) throw malformed();
    return { type: "symlink", path, meta, target };
  }
  if (type === TYPE.hardlink && value.length === 4) {
    const first = bin(value[3], PATH_BYTES_MAX);
    if (!isSafePath(first) || comparePaths(first, path) >= 0) throw malformed();
    return { type: "hardlink", path, meta, first };
  }
  throw malformed();
}

function decodePiece(path: Bytes, value: unknown[]): FilePiece {
  const opened = value[4];
  if (!Array.isArray(opened) || opened.length !== 3 || !Number.isSafeInteger(opened[1])) {
    throw malformed();
  }
  return {
    type: "piece",
    path,
    offset: int(value[2]),
    extents: extents(value[3]),
    size: int(opened[0]),
    mtimeS: opened[1],
    mtimeNs: int(opened[2]),
  };
}

function decodeFile(path: Bytes, value: unknown[]): FileEntry {
  const meta = decodeMeta(value[2]);
  const size = int(value[3]), offset = int(value[4]);
  const list = extents(value[5]);
  const inline = value[6] === null ? null : bin(value[6], INLINE_BYTES_MAX);
  const content = inline === null ? extentsLength(list) : inline.length;
  if (inline !== null && (list.length > 0 || offset !== 0)) throw malformed();
  if (offset + content !== size) throw malformed();
  return { type: "file", path, meta, size, offset, extents: list, inline };
}

function extents(value: unknown): Extent[] {
  if (!Array.isArray(value)) throw malformed();
  return value.map((item) => {
    if (!Array.isArray(item)) throw malformed();
    const length = int(item[0]);
    if (length === 0) throw malformed();
    if (item.length === 1) return { length, source: 0, first: 0, count: 0 };
    if (item.length !== 4) throw malformed();
    const source = int(item[1]), first = int(item[2]), count = int(item[3]);
    if (source > BASES_MAX || count === 0 || count > length) throw malformed();
    return { length, source, first, count };
  });
}

function decodeMeta(value: unknown): Meta {
  if (!Array.isArray(value) || value.length !== 8) throw malformed();
  const mode = int(value[0]), mtimeS = value[1], mtimeNs = int(value[2]);
  if (mode > 0o7777 || mtimeNs > 999_999_999 || !Number.isSafeInteger(mtimeS)) throw malformed();
  if (typeof value[5] !== "string" || typeof value[6] !== "string") throw malformed();
  let xattrs: Bytes[] | null = null;
  if (value[7] !== null) {
    if (!Array.isArray(value[7]) || value[7].length % 2 !== 0) throw malformed();
    xattrs = value[7].map((item, i) => {
      const bytes = bin(item, 64 * 1024);
      const isName = i % 2 === 0;
      if (isName && (bytes.length === 0 || bytes.length > 255 || bytes.includes(0))) {
        throw malformed();
      }
      return bytes;
    });
  }
  return {
    mode,
    mtimeS: mtimeS as number,
    mtimeNs,
    uid: int(value[3]),
    gid: int(value[4]),
    owner: value[5],
    group: value[6],
    xattrs,
  };
}

/** Decodes MessagePack of bounded size; anything wrong is damage, not a crash. */
export function decodeMessage(bytes: Bytes): unknown {
  try {
    if (isSoundMessage(bytes, PAGE_DEPTH_MAX)) return decode(bytes);
  } catch (cause) {
    throw new WarpError("E_INTEGRITY", "a page of the archive is malformed", { cause });
  }
  throw malformed();
}

export function malformed(): WarpError {
  return new WarpError("E_INTEGRITY", "a page of the archive is malformed");
}

/** A non-negative safe integer. */
export function int(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw malformed();
  return value;
}

export function bin(value: unknown, lengthMax: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > lengthMax) throw malformed();
  return value;
}

/** Non-negative integers, none above `max`. */
export function intArray(value: unknown, max: number): number[] {
  if (!Array.isArray(value)) throw malformed();
  for (const item of value) if (int(item) > max) throw malformed();
  return value;
}
