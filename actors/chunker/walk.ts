/**
 * Depth-first walk in archive order. Names are sorted by their bytes; since a directory's content
 * follows it at once, and `/` is the lowest byte, whole paths ascend (docs/format.md §6).
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import { type FsBackend, type Handle, Stat } from "../base/fs/backend.ts";
import { bytesFromRaw, rawFromBytes, type RawName, writeRaw } from "../base/fs/raw_name.ts";
import { PATH_BYTES_MAX } from "../base/limits.ts";
import type { SourceEntry, SourceProblem } from "./source_io.ts";
import { type Position, WalkEntry } from "./walk_entry.ts";
import type { ExcludeRules } from "./walk_exclude.ts";
import type { Root } from "./walk_roots.ts";

const SLASH = 0x2f;
/** Of a deep tree only the innermost directories stay open; the others are reopened by `..`. */
const OPEN_DIRS_MAX = 64;

/** A directory on the way from the root to where the walk is. */
interface Frame {
  /** Undefined: closed meanwhile. */
  handle: Handle | undefined;
  path: Bytes;
  names: RawName[];
  next: number;
  dev: number;
  ino: number | bigint;
}

type Item = { entry: SourceEntry } | { problem: SourceProblem };

export class Walker {
  readonly #backend: FsBackend;
  readonly #excludes: ExcludeRules | undefined;
  readonly #oneFileSystem: boolean;
  readonly #position: Position = { current: undefined };
  readonly #stat = new Stat();
  #frames: Frame[] = [];

  constructor(backend: FsBackend, excludes: ExcludeRules | undefined, oneFileSystem: boolean) {
    this.#backend = backend;
    this.#excludes = excludes;
    this.#oneFileSystem = oneFileSystem;
  }

  /** `root.dir` stays with the caller. */
  *walk(root: Root): Generator<Item, void, undefined> {
    try {
      const device = { id: undefined as number | undefined };
      yield* this.#visit(root.dir, root.name, bytesFromRaw(root.name), device);
      for (let top = this.#frames.at(-1); top !== undefined; top = this.#frames.at(-1)) {
        if (top.next === top.names.length) {
          const problem = this.#leave();
          if (problem !== undefined) yield { problem };
          continue;
        }
        const name = top.names[top.next++]!;
        yield* this.#visit(top.handle!, name, join(top.path, name), device);
      }
    } finally {
      this.#position.current = undefined;
      for (const { handle } of this.#frames) {
        if (handle !== undefined) this.#backend.close(handle);
      }
      this.#frames = [];
    }
  }

  *#visit(
    dir: Handle,
    name: RawName,
    path: Bytes,
    device: { id: number | undefined },
  ): Generator<Item, void, undefined> {
    if (this.#excludes?.excludes(rawFromBytes(path), name)) return;
    const found = this.#look(dir, name, path);
    if ("problem" in found) {
      yield found;
      return;
    }
    const entry = found.entry;
    device.id ??= entry.dev;
    if (entry.type === "file" && entry.nlink === 1) { // nearly always
      this.#position.current = entry;
      yield found;
      return;
    }
    // A directory is opened before its entry is handed out, so that its attributes are its own.
    let handle: Handle | undefined, names: RawName[] = [], error: unknown;
    try {
      const isInside = !this.#oneFileSystem || entry.dev === device.id;
      if (entry.type === "dir") handle = this.#backend.openDir(dir, name);
      entry.xattrs = handle === undefined
        ? this.#backend.xattrsAt(dir, name)
        : this.#backend.xattrs(handle);
      if (handle !== undefined && isInside) names = this.#backend.list(handle).sort();
    } catch (thrown) {
      entry.xattrs = null;
      error = thrown;
    }
    if (handle !== undefined) {
      const { dev, ino } = entry;
      this.#frames.push({ handle, path, names, next: 0, dev, ino });
      this.#closeOuter();
    }
    this.#position.current = entry;
    yield found;
    if (error !== undefined) yield { problem: { path, error: asWarpError(error) } };
  }

  #look(
    dir: Handle,
    name: RawName,
    path: Bytes,
  ): { entry: WalkEntry } | { problem: SourceProblem } {
    const backend = this.#backend, stat = this.#stat;
    try {
      if (path.length > PATH_BYTES_MAX) {
        throw new WarpError("E_LIMIT", `its path is longer than ${PATH_BYTES_MAX} bytes`);
      }
      if (!backend.statAt(dir, name, stat)) {
        throw new WarpError("E_NOT_FOUND", "it vanished before it could be read");
      }
      const { type } = stat;
      if (type !== "file" && type !== "dir" && type !== "symlink" && type !== "fifo") {
        const kind = type === "unknown" ? "of an unknown kind" : `a ${type}`;
        throw new WarpError("E_IO", `it is ${kind}: not stored`);
      }
      const entry = new WalkEntry(backend, this.#position, { dir, name, path }, stat, type);
      if (type === "symlink") entry.target = backend.readLink(dir, name);
      return { entry };
    } catch (error) {
      return { problem: { path, error: asWarpError(error) } };
    }
  }

  #closeOuter(): void {
    const outer = this.#frames[this.#frames.length - 1 - OPEN_DIRS_MAX];
    if (outer?.handle === undefined) return;
    this.#backend.close(outer.handle);
    outer.handle = undefined;
  }

  /** Back to the directory above; a problem when it is no longer the one it was. */
  #leave(): SourceProblem | undefined {
    const frame = this.#frames.pop()!;
    const above = this.#frames.at(-1);
    try {
      if (above === undefined || above.handle !== undefined) return undefined;
      above.handle = this.#backend.openParent(frame.handle!);
      this.#backend.stat(above.handle, this.#stat);
      if (this.#stat.dev === above.dev && this.#stat.ino === above.ino) return undefined;
      throw new WarpError("E_IO", "it was moved while it was read: the rest is not stored");
    } catch (error) {
      // Nothing above can be reached this way: its remaining names are given up.
      for (const { handle } of this.#frames) {
        if (handle !== undefined) this.#backend.close(handle);
      }
      this.#frames = [];
      return { path: above!.path, error: asWarpError(error) };
    } finally {
      this.#backend.close(frame.handle!);
    }
  }
}

function join(dir: Bytes, name: RawName): Uint8Array<ArrayBuffer> {
  const path = new Uint8Array(dir.length + 1 + name.length);
  path.set(dir);
  path[dir.length] = SLASH;
  writeRaw(name, path, dir.length + 1);
  return path;
}
