/**
 * The directories of an extraction: opened one component at a time, kept open while they are
 * likely to be needed, and given their metadata at the end.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import { type FsBackend, type Handle, Stat } from "../base/fs/backend.ts";
import { isErrno } from "../base/fs/errno.ts";
import { bytesFromRaw, type RawName } from "../base/fs/raw_name.ts";
import type { TargetMeta } from "./target_io.ts";
import { applyMeta, type MetaRules } from "./target_meta.ts";
import { splitPath } from "./target_place.ts";

const OPEN_DIRS_MAX = 128;
const WORK_MODE = 0o700;

/** An open directory. */
export interface TargetDir {
  handle: Handle;
  /** Made by this extraction: nothing was in it. */
  isNew: boolean;
  /** Uses that keep it open. */
  pins: number;
  isEvicted: boolean;
}

/** What is to be done with a directory at the end. */
interface Pending {
  isNew: boolean;
  /** Undefined: the archive has no entry for it. */
  meta: TargetMeta | undefined;
  /** Of a directory that existed and has another mode while in work. */
  earlierMode: number | undefined;
}

export class TargetDirs {
  readonly #backend: FsBackend;
  readonly #root: TargetDir;
  readonly #rules: MetaRules;
  /** Least recently used first; by path. */
  readonly #open = new Map<RawName, TargetDir>();
  readonly #pending = new Map<RawName, Pending>();
  readonly #stat = new Stat();
  #lastPath: RawName | undefined;
  #last: TargetDir | undefined;
  #isClosed = false;
  readonly #isReadOnly: boolean;

  /** Takes over `root`. */
  constructor(backend: FsBackend, root: Handle, rules: MetaRules, isReadOnly = false) {
    this.#isReadOnly = isReadOnly;
    this.#backend = backend;
    this.#rules = rules;
    this.#root = { handle: root, isNew: false, pins: 1, isEvicted: false };
  }

  /** The directory, made if it is missing; it stays open until `unpin`. */
  pin(path: RawName): TargetDir {
    const dir = this.#get(path);
    dir.pins++;
    return dir;
  }

  unpin(dir: TargetDir): void {
    dir.pins--;
    if (dir.isEvicted && dir.pins === 0) this.#backend.close(dir.handle);
  }

  make(path: Bytes, meta: TargetMeta, isForced: boolean): void {
    const { parent, name } = splitPath(path);
    const key = parent === "" ? name : `${parent}/${name}`;
    const known = this.#pending.get(key);
    if (known !== undefined) {
      known.meta = meta;
      return;
    }
    const above = this.pin(parent);
    try {
      const { dir, isNew } = this.#makeIn(above, name, isForced ? "replace" : "refuse");
      const pending: Pending = { isNew, meta, earlierMode: undefined };
      this.#pending.set(key, pending);
      this.#keep(key, dir);
      if (!isNew) pending.earlierMode = this.#makeWritable(dir.handle);
    } finally {
      this.unpin(above);
    }
  }

  #get(path: RawName): TargetDir {
    if (path === "") return this.#root;
    if (path === this.#lastPath) return this.#last!;
    const found = this.#open.get(path) ?? this.#descend(path);
    this.#open.delete(path);
    this.#open.set(path, found); // now the most recently used
    this.#lastPath = path;
    this.#last = found;
    return found;
  }

  /** Opens what is between the nearest open ancestor and `path`. */
  #descend(path: RawName): TargetDir {
    let end = path.lastIndexOf("/");
    while (end > 0 && !this.#open.has(path.slice(0, end))) end = path.lastIndexOf("/", end - 1);
    let dir = end > 0 ? this.#open.get(path.slice(0, end))! : this.#root;
    while (end < path.length) {
      const start = end < 0 ? 0 : end + 1;
      const slash = path.indexOf("/", start);
      end = slash < 0 ? path.length : slash;
      const key = path.slice(0, end);
      dir.pins++;
      try {
        const above = dir;
        dir = this.#enter(above, path.slice(start, end), key);
        this.#keep(key, dir);
        this.unpin(above);
      } catch (error) {
        this.unpin(dir);
        throw error;
      }
    }
    return dir;
  }

  #enter(above: TargetDir, name: RawName, key: RawName): TargetDir {
    const pending = this.#pending.get(key);
    if (pending !== undefined || !above.isNew) {
      const handle = this.#openDir(above.handle, name);
      if (handle !== undefined) {
        return { handle, isNew: pending?.isNew ?? false, pins: 0, isEvicted: false };
      }
    }
    if (this.#isClosed) throw new WarpError("E_NOT_FOUND", "the directory was removed meanwhile");
    if (this.#isReadOnly) throw new WarpError("E_NOT_FOUND", "there is no such directory");
    const { dir, isNew } = this.#makeIn(above, name, "leave");
    if (isNew) this.#pending.set(key, { isNew, meta: undefined, earlierMode: undefined });
    return dir;
  }

  /** `onOther`: what to do with something else of this name; "leave" is for directories above. */
  #makeIn(
    above: TargetDir,
    name: RawName,
    onOther: "replace" | "refuse" | "leave",
  ): { dir: TargetDir; isNew: boolean } {
    const backend = this.#backend;
    let isNew = backend.makeDir(above.handle, name);
    if (!isNew && onOther !== "leave" && backend.statAt(above.handle, name, this.#stat)) {
      if (this.#stat.type !== "dir") {
        if (onOther === "refuse") throw new WarpError("E_EXISTS", "it exists already");
        backend.remove(above.handle, name);
        isNew = backend.makeDir(above.handle, name);
      }
    }
    const handle = this.#openDir(above.handle, name);
    if (handle === undefined) throw new WarpError("E_IO", "the directory was removed meanwhile");
    return { dir: { handle, isNew, pins: 0, isEvicted: false }, isNew };
  }

  /** Undefined: nothing has this name. */
  #openDir(above: Handle, name: RawName): Handle | undefined {
    try {
      return this.#backend.openDir(above, name);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      if (!isErrno(error, "ENOTDIR", "ELOOP")) throw error;
      const isThere = this.#backend.statAt(above, name, this.#stat);
      if (isThere && this.#stat.type === "symlink") {
        throw new WarpError("E_UNSAFE_PATH", "a symbolic link is where a directory should be", {
          cause: error,
        });
      }
      throw new WarpError("E_EXISTS", "a file is where a directory should be", { cause: error });
    }
  }

  /** The mode it had, if that was changed. */
  #makeWritable(handle: Handle): number | undefined {
    this.#backend.stat(handle, this.#stat);
    const { mode } = this.#stat;
    if ((mode & WORK_MODE) === WORK_MODE) return undefined;
    try {
      this.#backend.setMode(handle, mode | WORK_MODE);
      return mode;
    } catch {
      return undefined; // not ours: writing into it will tell
    }
  }

  #keep(path: RawName, dir: TargetDir): void {
    this.#open.set(path, dir);
    if (this.#open.size <= OPEN_DIRS_MAX) return;
    const [oldest, evicted] = this.#open.entries().next().value!;
    this.#open.delete(oldest);
    if (oldest === this.#lastPath) this.#lastPath = undefined;
    evicted.isEvicted = true;
    if (evicted.pins === 0) this.#backend.close(evicted.handle);
  }

  /** Metadata, deepest first: a parent may forbid to enter it afterwards. */
  finish(): void {
    const umask = this.#backend.umask();
    this.#end((handle, path, pending) => {
      if (pending.meta !== undefined) {
        applyMeta(this.#backend, handle, path, pending.meta, this.#rules);
      } else if (pending.isNew) {
        this.#backend.setMode(handle, 0o755 & ~umask);
      }
    });
  }

  abort(): void {
    this.#end((handle, _path, { earlierMode }) => {
      if (earlierMode !== undefined) this.#backend.setMode(handle, earlierMode);
    });
  }

  #end(action: (handle: Handle, path: Bytes, pending: Pending) => void): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // A parent is a prefix of what it holds, so that it comes later in descending order.
    for (const key of [...this.#pending.keys()].sort().reverse()) {
      const path = bytesFromRaw(key);
      try {
        action(this.#get(key).handle, path, this.#pending.get(key)!);
      } catch (error) {
        this.#rules.warn(path, asWarpError(error).message);
      }
    }
    for (const dir of this.#open.values()) this.#backend.close(dir.handle);
    this.#open.clear();
    this.#backend.close(this.#root.handle);
  }
}
