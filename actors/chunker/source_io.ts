/**
 * Source trees as a stream of entries in the order of the archive.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import type { WarpError } from "../base/errors.ts";
import type { FsBackend } from "../base/fs/backend.ts";
import type { Meta } from "../base/entry.ts";
import { fsBackend } from "../base/fs/choose.ts";
import { compileExcludes } from "./walk_exclude.ts";
import { findRoots } from "./walk_roots.ts";
import { Walker } from "./walk.ts";

/** Something to store. The walk does not change it once it has been handed out; `open()` may. */
export interface SourceEntry extends Readonly<Meta> {
  path: Bytes;
  type: "file" | "dir" | "symlink" | "fifo";
  size: number;
  nlink: number;
  dev: string | number | bigint;
  ino: bigint | number;
  ctimeNs: bigint;
  /** Of a symbolic link. */
  target?: Bytes;
  /**
   * Regular files only, and only until the walk goes on; the file stays open after that. Size, mode,
   * times and owner of the entry are read again, so that they go with the content.
   *
   * @throws WarpError E_NOT_FOUND, E_ACCESS, E_IO (also when another file has taken the name)
   */
  open(): SourceFile;
  /**
   * Reads a whole file into the start of `buffer` in one go, on the same terms as `open`. Null: it does
   * not fit, has holes, or cannot be read this way here; nothing has happened then.
   */
  take(buffer: Bytes): { length: number; isChanged: boolean } | null;
}

/** Something that cannot be stored; the walk goes on after it. */
export interface SourceProblem {
  path: Bytes;
  error: WarpError;
}

export interface SourceFile {
  /** At opening. */
  size: number;
  /** In order, holes left out; the whole file where the system does not tell. */
  dataSegments(): { offset: number; length: number }[];
  /** Bytes read at `offset`; 0 at the end. */
  read(buffer: Bytes, offset: number): number;
  /** Size, modification or change time differ from those at opening. */
  changed(): boolean;
  close(): void;
}

export interface WalkOptions {
  /** Patterns of docs/metadata.md. */
  exclude: string[];
  /** Do not go down into what is mounted below a source. */
  oneFileSystem?: boolean;
}

/**
 * Walks `sources` as one tree, in `comparePaths` order of the archive paths. A source `a/b` is
 * stored as `b`; `.`, `/`, `..` and `DIR/.` stand for what the directory holds.
 *
 * @throws WarpError, before the first entry: E_NOT_FOUND (a source is missing), E_USAGE (two sources
 *   with one name, or a bad pattern), E_ACCESS, E_IO
 */
export function* walkSources(
  sources: string[],
  options: WalkOptions,
  backend: FsBackend = fsBackend,
): Generator<{ entry: SourceEntry } | { problem: SourceProblem }, void, undefined> {
  const excludes = compileExcludes(options.exclude);
  const roots = findRoots(sources, backend);
  const walker = new Walker(backend, excludes, options.oneFileSystem ?? false);
  try {
    for (const root of roots.list) yield* walker.walk(root);
  } finally {
    roots.close();
  }
}
