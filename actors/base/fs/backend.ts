/**
 * What the walker and the extractor need from an operating system.
 *
 * Two backends: `linux` calls libc relative to directory handles with names as bytes, so names that
 * are not UTF-8, paths longer than PATH_MAX and trees that others change meanwhile are handled
 * exactly; `portable` uses the runtime's path calls (docs/metadata.md says what that loses).
 *
 * All calls are synchronous and throw a WarpError whose `details.errno` names the cause.
 *
 * @module
 */
import type { Bytes } from "../bytes.ts";
import type { RawName } from "./raw_name.ts";

/** An open directory or file; belongs to the backend that opened it. */
export type Handle = number;

export type FileType =
  | "file"
  | "dir"
  | "symlink"
  | "fifo"
  | "socket"
  | "block device"
  | "character device"
  | "unknown";

/** Filled by the stat calls; reused, so copy what must last. */
export class Stat {
  type: FileType = "unknown";
  /** 12 permission bits. */
  mode = 0;
  nlink = 0;
  uid = 0;
  gid = 0;
  size = 0;
  /** Bytes that take up space; less than `size` when the file has holes. */
  allocated = 0;
  dev = 0;
  /** A bigint only above 2^53. */
  ino: number | bigint = 0;
  mtimeS = 0;
  mtimeNs = 0;
  ctimeS = 0;
  ctimeNs = 0;
}

export interface Segment {
  offset: number;
  length: number;
}

/** A small file, read in one go. */
export interface Taken {
  /** Bytes read, from the start of the file to its end. */
  length: number;
  hasXattrs: boolean;
  /** It was written to meanwhile. */
  isChanged: boolean;
}

/** A small file to be made, and what it gets besides its content. */
export interface NewFileMeta {
  mode: number;
  mtimeS: number;
  mtimeNs: number;
  /** Undefined: whose process this is. */
  owner: { uid: number; gid: number } | undefined;
  /** Whether a file of this name may be replaced. */
  isReplacing: boolean;
}

/** One of many small files to be made. */
export interface Put {
  dir: Handle;
  temporary: RawName;
  name: RawName;
  /** Where its content stands among that of all. */
  start: number;
  end: number;
  meta: NewFileMeta;
}

/** Whole small files in one call each. Names end with NUL; errors are error numbers, negated. */
export interface SmallFiles {
  /**
   * Reads the whole of a file into `buffer` and fills `statx` with struct statx. Null: a file that does
   * not fit, has holes, or is not regular.
   */
  take(dir: Handle, name: Bytes, buffer: Bytes, statx: Bytes): Taken | number | null;
  /** Makes a file under a temporary name, then renames it. On an error there is neither. */
  put(dir: Handle, temporary: Bytes, name: Bytes, data: Bytes, meta: NewFileMeta): number;
  /** As `put` for each, beside this thread. `data` stays as it is until then. */
  putMany(puts: readonly Put[], data: Bytes): Promise<Int32Array>;
}

export interface FsBackend {
  readonly kind: "linux" | "portable";
  /** Whether extended attributes and fifos can be made here. */
  readonly hasXattrs: boolean;
  readonly hasFifos: boolean;

  /** Follows symbolic links: for paths that the user typed. */
  openRoot(path: string): Handle;
  /** Does not follow a symbolic link (ELOOP or ENOTDIR). */
  openDir(dir: Handle, name: RawName): Handle;
  openParent(dir: Handle): Handle;
  /** Files and directories alike. */
  close(handle: Handle): void;
  /** Names in the directory, in no order, without `.` and `..`. */
  list(dir: Handle): RawName[];
  stat(handle: Handle, out: Stat): void;
  /** Does not follow a symbolic link. False: nothing has this name. */
  statAt(dir: Handle, name: RawName, out: Stat): boolean;
  readLink(dir: Handle, name: RawName): Uint8Array<ArrayBuffer>;
  /** `[name, value, …]` sorted by name; null when there are none. */
  xattrs(handle: Handle): Uint8Array<ArrayBuffer>[] | null;
  xattrsAt(dir: Handle, name: RawName): Uint8Array<ArrayBuffer>[] | null;

  /** For reading; does not follow a symbolic link, does not wait on fifos. */
  openFile(dir: Handle, name: RawName): Handle;
  /** Bytes read; 0 at the end of the file. */
  read(file: Handle, buffer: Bytes, offset: number): number;
  /**
   * Opens, describes, reads and closes a file that fits `buffer`; does not follow a symbolic link.
   * Null: nothing was read, go the long way.
   */
  take(dir: Handle, name: RawName, buffer: Bytes, out: Stat): Taken | null;
  /**
   * Makes a file with content and metadata: under a temporary name first, then renamed. False: nothing
   * was made, go the long way, which also tells what is wrong.
   */
  put(dir: Handle, temporary: RawName, name: RawName, data: Bytes, meta: NewFileMeta): boolean;
  /** As `put` for each, beside this thread where that can be; `data` stays as it is until then. */
  putMany(puts: readonly Put[], data: Bytes): Promise<boolean[]>;
  /** What `take`, `put` and `putMany` use; without it they do nothing. */
  useSmallFiles(calls: SmallFiles | undefined): void;
  /** Where the first `size` bytes hold data; holes are left out. */
  segments(file: Handle, size: number): Segment[];

  /** A new file, mode 0600 (EEXIST when the name is taken). */
  createFile(dir: Handle, name: RawName): Handle;
  /** An existing file, for reading and writing; does not follow a symbolic link. */
  reopenFile(dir: Handle, name: RawName): Handle;
  write(file: Handle, bytes: Bytes, offset: number): void;
  /** As `write`, beside this thread where that can be; `file` stays open until it is done. */
  writeLater(file: Handle, bytes: Bytes, offset: number): Promise<void>;
  truncate(file: Handle, size: number): void;
  /** Mode 0700. False: the name is taken. */
  makeDir(dir: Handle, name: RawName): boolean;
  makeSymlink(dir: Handle, name: RawName, target: Bytes): void;
  /** A new fifo, mode 0600, opened for its metadata. */
  makeFifo(dir: Handle, name: RawName): Handle;
  /** Does not follow a symbolic link at `from`. False: `name` is taken. */
  makeLink(fromDir: Handle, from: RawName, dir: Handle, name: RawName): boolean;
  /** Within one directory. False: `to` is taken, which matters only without `replace`. */
  rename(dir: Handle, from: RawName, to: RawName, replace: boolean): boolean;
  remove(dir: Handle, name: RawName): void;

  setOwner(handle: Handle, uid: number, gid: number): void;
  setMode(handle: Handle, mode: number): void;
  setXattr(handle: Handle, name: Bytes, value: Bytes): void;
  setTime(handle: Handle, mtimeS: number, mtimeNs: number): void;
  /** The same for a symbolic link itself. */
  setLinkOwner(dir: Handle, name: RawName, uid: number, gid: number): void;
  setLinkXattr(dir: Handle, name: RawName, attribute: Bytes, value: Bytes): void;
  setLinkTime(dir: Handle, name: RawName, mtimeS: number, mtimeNs: number): void;

  /** The bits that new directories do not get. */
  umask(): number;
  /** Effective user; -1 where there is no such thing. */
  userId(): number;
}
