/**
 * Where archives are extracted to: a directory that nothing leads out of.
 *
 * Every component of a path is opened from its parent without following symbolic links, so neither
 * the archive nor another process can lead a write elsewhere. Files, links and fifos are made under
 * a temporary name, get their metadata and are then renamed: nothing half-made has a final name.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, invariant, WarpError } from "../base/errors.ts";
import { type FsBackend, type Handle, type Put, Stat } from "../base/fs/backend.ts";
import type { RawName } from "../base/fs/raw_name.ts";
import type { Meta } from "../base/entry.ts";
import { fsBackend } from "../base/fs/choose.ts";
import { type TargetDir, TargetDirs } from "./target_dirs.ts";
import { applyLinkMeta, applyMeta, type MetaRules, plainMeta } from "./target_meta.ts";
import { type NewFile, TemporaryFile } from "./target_file.ts";
import { PathSet } from "./target_path_set.ts";
import { removeTemporary, splitPath, temporaryName } from "./target_place.ts";

/** A name that is known here wins over the number that came with it. */
export type TargetMeta = Meta;

/** A regular file under a temporary name. */
export interface TargetFile {
  /** Bytes that an earlier run left in it. */
  readonly resumed: number;
  /** Writes all of `bytes` at `offset`; what is never written is a hole. */
  write(bytes: Bytes, offset: number): void;
  /** As `write`, beside this thread. The file must not be committed or aborted before it is done. */
  writeLater(bytes: Bytes, offset: number): Promise<void>;
  /** Fills `bytes` with what was written at `offset`; fewer at the end of the file. */
  read(bytes: Bytes, offset: number): number;
  /**
   * Sets the size and metadata, and gives the file its name.
   *
   * @throws WarpError E_EXISTS (the name is taken), E_DISK_FULL, E_IO; the file is then gone
   */
  commit(size: number, meta: TargetMeta): void;
  /** Removes the file; after `commit` or `abort` it does nothing. */
  abort(): void;
  /** Closes the file and leaves it under its temporary name: a later run takes it up. */
  keep(): void;
}

/** A regular file that was there before. */
export interface ExistingFile {
  readonly size: number;
  read(bytes: Bytes, offset: number): number;
  close(): void;
}

/** A file whose content is all here. */
export interface WholeFile {
  path: Bytes;
  /** Where it stands in the content that comes with it. */
  start: number;
  end: number;
  meta: TargetMeta;
}

export interface TargetOptions {
  /** Replace files, links and fifos that exist; never a directory. */
  force: boolean;
  /** Restore owners; default: only as root. */
  sameOwner?: boolean;
  /** Only look: nothing is made, and what is missing is not found. */
  isReadOnly?: boolean;
  /** Keep setuid and setgid bits and `security.*` attributes; default: drop them. */
  allowSetuid?: boolean;
}

export interface TargetWarning {
  path: Bytes;
  message: string;
}

export class ExtractTarget {
  /** What could not be kept, while the content could. */
  readonly warnings: TargetWarning[] = [];
  readonly #backend: FsBackend;
  readonly #dirs: TargetDirs;
  readonly #isForced: boolean;
  readonly #rules: MetaRules;
  /** Regular files made here: hard links may lead to nothing else. */
  readonly #files = new PathSet();
  readonly #stat = new Stat();
  readonly #unfinished = new Set<TargetFile>();

  private constructor(backend: FsBackend, root: number, options: TargetOptions) {
    this.#backend = backend;
    const warn = (path: Bytes, message: string) => {
      this.warnings.push({ path: new Uint8Array(path), message });
    };
    this.#isForced = options.force;
    this.#rules = {
      sameOwner: options.sameOwner ?? backend.userId() === 0,
      allowSetuid: options.allowSetuid ?? false,
      warn,
    };
    this.#dirs = new TargetDirs(backend, root, this.#rules, options.isReadOnly);
  }

  /**
   * Creates `dir`, and what is missing above it, unless it exists.
   *
   * @throws WarpError E_EXISTS (it is not a directory), E_ACCESS, E_DISK_FULL, E_IO
   */
  static open(dir: string, options: TargetOptions, backend = fsBackend): ExtractTarget {
    try {
      if (options.isReadOnly !== true) Deno.mkdirSync(dir, { recursive: true });
      return new ExtractTarget(backend, backend.openRoot(dir), options);
    } catch (error) {
      const known = asWarpError(error);
      const message = known.code === "E_EXISTS" ? `not a directory: "${dir}"` : known.message;
      const hint = known.code === "E_EXISTS" ? { hint: "choose another directory" } : {};
      throw new WarpError(known.code, message, { details: { path: dir }, cause: error, ...hint });
    }
  }

  /**
   * Merges with a directory that exists. Its metadata is set by {@link finish}.
   *
   * @throws WarpError E_EXISTS (a file has the name), E_UNSAFE_PATH, E_ACCESS, E_DISK_FULL, E_IO
   */
  makeDir(path: Bytes, meta: TargetMeta): void {
    this.#dirs.make(path, meta, this.#isForced);
  }

  /**
   * @param temporary its name while in work, so that a later run finds it; default: a fresh one
   * @throws WarpError E_EXISTS, E_UNSAFE_PATH, E_ACCESS, E_DISK_FULL, E_IO
   */
  createFile(path: Bytes, temporary?: string): TargetFile {
    const { parent, name } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    try {
      // Said before gigabytes are written, and looked at again when the file gets its name.
      const mayExist = !this.#isForced && !dir.isNew;
      if (mayExist && this.#backend.statAt(dir.handle, name, this.#stat)) throw taken();
      const owner: NewFile = {
        backend: this.#backend,
        dir: dir.handle,
        name,
        path: new Uint8Array(path),
        isForced: this.#isForced,
        rules: this.#rules,
        ...(temporary === undefined ? {} : { temporary }),
        ended: (file, isCommitted) => {
          this.#unfinished.delete(file);
          this.#dirs.unpin(dir);
          if (isCommitted) this.#files.add(parent, name);
        },
      };
      const file = new TemporaryFile(owner);
      this.#unfinished.add(file);
      return file;
    } catch (error) {
      this.#dirs.unpin(dir);
      throw error;
    }
  }

  /**
   * Makes a whole file in one go where that comes to the same as {@link createFile}. False: nothing was
   * made; create it, which also tells what is wrong.
   *
   * @throws WarpError E_UNSAFE_PATH, E_ACCESS, E_IO (of its directory)
   */
  putFile(path: Bytes, content: Bytes, meta: TargetMeta): boolean {
    const about = plainMeta(meta, this.#rules, this.#isForced);
    if (about === undefined) return false;
    const { parent, name } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    try {
      const isMade = this.#backend.put(dir.handle, temporaryName(), name, content, about);
      if (isMade) this.#files.add(parent, name);
      return isMade;
    } finally {
      this.#dirs.unpin(dir);
    }
  }

  /**
   * As {@link putFile} for each, beside this thread; `content`, in which they stand, stays as it is until
   * then. Which of them were made.
   */
  async putFiles(files: readonly WholeFile[], content: Bytes): Promise<boolean[]> {
    const isMade = files.map(() => false);
    const puts: (Put & { file: number; parent: RawName; pinned: TargetDir })[] = [];
    try {
      for (const [file, { path, start, end, meta: wanted }] of files.entries()) {
        const meta = plainMeta(wanted, this.#rules, this.#isForced);
        if (meta === undefined) continue;
        try {
          const { parent, name } = splitPath(path);
          const pinned = this.#dirs.pin(parent);
          const temporary = temporaryName();
          puts.push({
            dir: pinned.handle,
            temporary,
            name,
            start,
            end,
            meta,
            file,
            parent,
            pinned,
          });
        } catch {
          // The long way says what is wrong.
        }
      }
      const results = await this.#backend.putMany(puts, content);
      for (const [i, { file, parent, name }] of puts.entries()) {
        isMade[file] = results[i]!;
        if (results[i]!) this.#files.add(parent, name);
      }
    } finally {
      for (const { pinned } of puts) this.#dirs.unpin(pinned);
    }
    return isMade;
  }

  /** What stands at `path`, if it is a regular file; no symbolic link is followed. */
  openExisting(path: Bytes): ExistingFile | undefined {
    const { parent, name } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    try {
      const isFile = !dir.isNew && this.#backend.statAt(dir.handle, name, this.#stat) &&
        this.#stat.type === "file";
      if (!isFile) return undefined;
      return new OpenedFile(this.#backend, this.#backend.openFile(dir.handle, name));
    } finally {
      this.#dirs.unpin(dir);
    }
  }

  /** Where the symbolic link at `path` leads; undefined when there is none. */
  linkAt(path: Bytes): Bytes | undefined {
    const { parent, name } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    try {
      const isLink = !dir.isNew && this.#backend.statAt(dir.handle, name, this.#stat) &&
        this.#stat.type === "symlink";
      return isLink ? this.#backend.readLink(dir.handle, name) : undefined;
    } finally {
      this.#dirs.unpin(dir);
    }
  }

  /** Whether an earlier run left a file under this name while it was in work. */
  hasTemporary(path: Bytes, temporary: () => string): boolean {
    const { parent } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    try {
      return !dir.isNew && this.#backend.statAt(dir.handle, temporary(), this.#stat);
    } finally {
      this.#dirs.unpin(dir);
    }
  }

  /** Takes an existing file for one that was made here: hard links may lead to it. */
  adopt(path: Bytes): void {
    const { parent, name } = splitPath(path);
    this.#files.add(parent, name);
  }

  /** Whether two names are one file. */
  isSameFile(a: Bytes, b: Bytes): boolean {
    const first = this.#identityOf(a), second = this.#identityOf(b);
    return first !== undefined && first === second;
  }

  #identityOf(path: Bytes): string | undefined {
    const { parent, name } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    try {
      const isThere = this.#backend.statAt(dir.handle, name, this.#stat);
      return isThere ? `${this.#stat.dev}:${this.#stat.ino}` : undefined;
    } finally {
      this.#dirs.unpin(dir);
    }
  }

  /** Gives an existing file other metadata. */
  updateMeta(path: Bytes, meta: TargetMeta): void {
    const { parent, name } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    try {
      const handle = this.#backend.openFile(dir.handle, name);
      try {
        applyMeta(this.#backend, handle, path, meta, this.#rules);
      } finally {
        this.#backend.close(handle);
      }
      this.#files.add(parent, name);
    } finally {
      this.#dirs.unpin(dir);
    }
  }

  /** @throws WarpError E_EXISTS, E_UNSAFE_PATH, E_ACCESS, E_DISK_FULL, E_IO */
  makeSymlink(path: Bytes, target: Bytes, meta: TargetMeta): void {
    if (target.length === 0 || target.includes(0)) {
      throw new WarpError("E_UNSAFE_PATH", "the symbolic link has an impossible target");
    }
    this.#make(path, (dir, temporary) => {
      this.#backend.makeSymlink(dir, temporary, target);
      applyLinkMeta(this.#backend, dir, temporary, path, meta, this.#rules);
    });
  }

  /**
   * @throws WarpError E_UNSAFE_PATH (`first` is not a regular file that was made here), E_EXISTS,
   *   E_ACCESS, E_DISK_FULL, E_IO
   */
  makeHardLink(path: Bytes, first: Bytes): void {
    const from = splitPath(first);
    if (!this.#files.has(from.parent, from.name)) throw strayLink();
    const source = this.#dirs.pin(from.parent);
    try {
      this.#make(path, (dir, temporary) => {
        const isMade = this.#backend.makeLink(source.handle, from.name, dir, temporary);
        invariant(isMade, "temporary names are not taken");
        this.#backend.statAt(dir, temporary, this.#stat);
        if (this.#stat.type !== "file") throw strayLink(); // swapped by someone else
      });
    } finally {
      this.#dirs.unpin(source);
    }
  }

  /** Where there are no fifos, a warning says so. */
  makeFifo(path: Bytes, meta: TargetMeta): void {
    if (!this.#backend.hasFifos) {
      splitPath(path);
      this.#rules.warn(path, "fifos cannot be made on this system");
      return;
    }
    this.#make(path, (dir, temporary) => {
      const handle = this.#backend.makeFifo(dir, temporary);
      try {
        this.#backend.stat(handle, this.#stat);
        if (this.#stat.type !== "fifo") throw new WarpError("E_IO", "the fifo was replaced");
        applyMeta(this.#backend, handle, path, meta, this.#rules);
      } finally {
        this.#backend.close(handle);
      }
    });
  }

  /** As {@link finish}, but files in work stay under their temporary names. */
  suspend(): void {
    for (const file of this.#unfinished) file.keep();
    this.#dirs.finish();
  }

  /** Sets the metadata of directories, deepest first, and closes everything. */
  finish(): void {
    for (const file of this.#unfinished) file.abort();
    this.#dirs.finish();
  }

  /** Removes unfinished files; directories that existed before get their own mode back. */
  abort(): void {
    for (const file of this.#unfinished) file.abort();
    this.#dirs.abort();
  }

  /** Makes something under a temporary name and renames it; leaves nothing behind on failure. */
  #make(path: Bytes, make: (dir: number, temporary: string) => void): void {
    const { parent, name } = splitPath(path);
    const dir = this.#dirs.pin(parent);
    const temporary = temporaryName();
    try {
      make(dir.handle, temporary);
      if (!this.#backend.rename(dir.handle, temporary, name, this.#isForced)) throw taken();
      this.#files.delete(parent, name);
    } catch (error) {
      removeTemporary(this.#backend, dir.handle, temporary);
      throw error;
    } finally {
      this.#dirs.unpin(dir);
    }
  }
}

class OpenedFile implements ExistingFile {
  readonly #backend: FsBackend;
  readonly #handle: Handle;
  readonly size: number;

  constructor(backend: FsBackend, handle: Handle) {
    this.#backend = backend;
    this.#handle = handle;
    const stat = new Stat();
    backend.stat(handle, stat);
    this.size = stat.size;
  }

  read(bytes: Bytes, offset: number): number {
    let done = 0;
    while (done < bytes.length) {
      const count = this.#backend.read(this.#handle, bytes.subarray(done), offset + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  close(): void {
    this.#backend.close(this.#handle);
  }
}

function taken(): WarpError {
  return new WarpError("E_EXISTS", "it exists already");
}

function strayLink(): WarpError {
  return new WarpError("E_UNSAFE_PATH", "a hard link leads to a file that is not of this archive");
}
