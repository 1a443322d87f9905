/**
 * File entries: what is known of one path of a tree. Chunker makes them, archive stores them.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** Permission bits, times, owner and extended attributes of one file system object. */
export interface Meta {
  /** The 12 permission bits. */
  mode: number;
  mtimeS: number;
  mtimeNs: number;
  uid: number;
  gid: number;
  owner: string;
  group: string;
  /** `[name, value, name, value, ...]`, or null. */
  xattrs: Bytes[] | null;
}

/**
 * `length` bytes of a file: `count` whole chunks from ordinal `first` of archive `source`
 * (0 = this one, k = base k), or a hole when `count` is 0.
 */
export interface Extent {
  length: number;
  source: number;
  first: number;
  count: number;
}

export interface FilePiece {
  type: "piece";
  path: Bytes;
  offset: number;
  extents: Extent[];
  /** Size and modification time when the file was opened: resuming checks them. */
  size: number;
  mtimeS: number;
  mtimeNs: number;
}
export interface FileEntry {
  type: "file";
  path: Bytes;
  meta: Meta;
  size: number;
  /** Where the extents begin; earlier bytes are in pieces. */
  offset: number;
  extents: Extent[];
  /** The whole content of a very small file, or null. */
  inline: Bytes | null;
}
export interface DirEntry {
  type: "dir";
  path: Bytes;
  meta: Meta;
}
export interface SymlinkEntry {
  type: "symlink";
  path: Bytes;
  meta: Meta;
  target: Bytes;
}
export interface HardlinkEntry {
  type: "hardlink";
  path: Bytes;
  meta: Meta;
  /** The path that holds the content; it comes earlier. */
  first: Bytes;
}
export interface FifoEntry {
  type: "fifo";
  path: Bytes;
  meta: Meta;
}
export type FinalEntry = FileEntry | DirEntry | SymlinkEntry | HardlinkEntry | FifoEntry;
export type Entry = FilePiece | FinalEntry;

/** Sum of the lengths of `extents`, in bytes. */
export function extentsLength(extents: readonly Extent[]): number {
  return extents.reduce((sum, extent) => sum + extent.length, 0);
}
