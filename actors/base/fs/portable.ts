/**
 * The portable backend, for macOS, Windows and wherever libc cannot be called: the runtime's own
 * path calls behind the same interface. docs/metadata.md lists what it cannot keep.
 *
 * @module
 */
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import type { Bytes } from "../bytes.ts";
import { WarpError } from "../errors.ts";
import type { FileType, FsBackend, Handle, Put, Segment, Stat } from "./backend.ts";
import { isErrno, systemError } from "./errno.ts";
import { rawFromText, type RawName, showRaw, textFromRaw } from "./raw_name.ts";

interface Opened {
  path: string;
  /** Directories are only remembered by path. */
  fd: number | undefined;
}

const isWindows = Deno.build.os === "windows";
/** Characters that Windows reads as part of a path, a stream or a pattern. */
// deno-lint-ignore no-control-regex -- control characters are what it is about
const WINDOWS_FORBIDDEN = /[\x00-\x1f\\/:*?"<>|]|[. ]$/;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\.|$)/i;
const BILLION = 1_000_000_000n;

export class PortableBackend implements FsBackend {
  readonly kind = "portable";
  readonly hasXattrs = false;
  readonly hasFifos = false;
  readonly #open = new Map<Handle, Opened>();
  #next = 1;

  openRoot(path: string): Handle {
    const stat = attempt("open the directory", () => fs.statSync(path));
    if (!stat.isDirectory()) throw systemError("open the directory", "ENOTDIR");
    return this.#add(path, undefined);
  }

  openDir(dir: Handle, name: RawName): Handle {
    const path = this.#path(dir, name);
    const stat = attempt("open the directory", () => fs.lstatSync(path));
    if (stat.isSymbolicLink()) throw systemError("open the directory", "ELOOP");
    if (!stat.isDirectory()) throw systemError("open the directory", "ENOTDIR");
    return this.#add(path, undefined);
  }

  openParent(dir: Handle): Handle {
    return this.#add(dirname(this.#get(dir).path), undefined);
  }

  close(handle: Handle): void {
    const { fd } = this.#get(handle);
    this.#open.delete(handle);
    if (fd !== undefined) fs.closeSync(fd);
  }

  list(dir: Handle): RawName[] {
    const names = attempt("list the directory", () => fs.readdirSync(this.#get(dir).path));
    // Different names that are not UTF-8 may look the same here: once is enough to refuse them.
    return [...new Set(names)].map(rawFromText);
  }

  stat(handle: Handle, out: Stat): void {
    const { path, fd } = this.#get(handle);
    const stat = attempt("look at the file", () => {
      return fd === undefined
        ? fs.statSync(path, { bigint: true })
        : fs.fstatSync(fd, { bigint: true });
    });
    fillStat(stat, out);
  }

  statAt(dir: Handle, name: RawName, out: Stat): boolean {
    try {
      const path = this.#path(dir, name);
      fillStat(attempt("look at it", () => fs.lstatSync(path, { bigint: true })), out);
      return true;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    }
  }

  readLink(dir: Handle, name: RawName): Uint8Array<ArrayBuffer> {
    const path = this.#path(dir, name);
    const target = attempt("read the symbolic link", () => fs.readlinkSync(path));
    return new TextEncoder().encode(isWindows ? target.replaceAll("\\", "/") : target);
  }

  xattrs(): null {
    return null;
  }

  xattrsAt(): null {
    return null;
  }

  openFile(dir: Handle, name: RawName): Handle {
    const path = this.#path(dir, name);
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
    const flags = O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
    return this.#add(path, attempt("open the file", () => fs.openSync(path, flags)));
  }

  read(file: Handle, buffer: Bytes, offset: number): number {
    const fd = this.#fd(file);
    return attempt("read the file", () => fs.readSync(fd, buffer, 0, buffer.length, offset));
  }

  take(): null {
    return null;
  }

  writeLater(file: Handle, bytes: Bytes, offset: number): Promise<void> {
    return Promise.resolve(this.write(file, bytes, offset));
  }

  put(): boolean {
    return false;
  }

  putMany(puts: readonly Put[]): Promise<boolean[]> {
    return Promise.resolve(puts.map(() => false));
  }

  useSmallFiles(): void {
    // There is no faster way here.
  }

  segments(_file: Handle, size: number): Segment[] {
    return [{ offset: 0, length: size }];
  }

  createFile(dir: Handle, name: RawName): Handle {
    const path = this.#path(dir, name);
    return this.#add(path, attempt("create a file", () => fs.openSync(path, "wx+", 0o600)));
  }

  reopenFile(dir: Handle, name: RawName): Handle {
    const path = this.#path(dir, name);
    const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
    const flags = O_RDWR | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
    return this.#add(path, attempt("open the file", () => fs.openSync(path, flags)));
  }

  write(file: Handle, bytes: Bytes, offset: number): void {
    const fd = this.#fd(file);
    for (let done = 0; done < bytes.length;) {
      done += attempt("write the file", () => {
        return fs.writeSync(fd, bytes, done, bytes.length - done, offset + done);
      });
    }
  }

  truncate(file: Handle, size: number): void {
    attempt("set the size of the file", () => fs.ftruncateSync(this.#fd(file), size));
  }

  makeDir(dir: Handle, name: RawName): boolean {
    const path = this.#path(dir, name);
    return isNew("create the directory", () => fs.mkdirSync(path, { mode: 0o700 }));
  }

  makeSymlink(dir: Handle, name: RawName, target: Bytes): void {
    const path = this.#path(dir, name);
    const text = attempt("make the symbolic link", () => {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(new Uint8Array(target));
    });
    attempt("make the symbolic link", () => fs.symlinkSync(text, path));
  }

  makeFifo(): Handle {
    throw systemError("make the fifo", "ENOTSUP");
  }

  makeLink(fromDir: Handle, from: RawName, dir: Handle, name: RawName): boolean {
    const source = this.#path(fromDir, from), path = this.#path(dir, name);
    return isNew("make the hard link", () => fs.linkSync(source, path));
  }

  rename(dir: Handle, from: RawName, to: RawName, replace: boolean): boolean {
    const source = this.#path(dir, from), path = this.#path(dir, to);
    const there = fs.lstatSync(path, { throwIfNoEntry: false });
    // Between this look and the rename another process may take the name: see docs/metadata.md.
    if (there !== undefined && (!replace || there.isDirectory())) return false;
    attempt("put it in place", () => fs.renameSync(source, path));
    return true;
  }

  remove(dir: Handle, name: RawName): void {
    const path = this.#path(dir, name);
    attempt("remove it", () => fs.unlinkSync(path));
  }

  setOwner(handle: Handle, uid: number, gid: number): void {
    const { path, fd } = this.#get(handle);
    attempt("set the owner", () => {
      if (fd === undefined) fs.lchownSync(path, uid, gid);
      else fs.fchownSync(fd, uid, gid);
    });
  }

  setMode(handle: Handle, mode: number): void {
    const { path, fd } = this.#get(handle);
    attempt("set the permissions", () => {
      if (fd === undefined) fs.chmodSync(path, mode);
      else if (isWindows) fs.chmodSync(path, mode);
      else fs.fchmodSync(fd, mode);
    });
  }

  setXattr(): void {
    throw systemError("set the extended attribute", "ENOTSUP");
  }

  setTime(handle: Handle, mtimeS: number, mtimeNs: number): void {
    const { path, fd } = this.#get(handle);
    const time = toSeconds(mtimeS, mtimeNs);
    attempt("set the time", () => {
      if (fd === undefined) fs.utimesSync(path, time, time);
      else fs.futimesSync(fd, time, time);
    });
  }

  setLinkOwner(dir: Handle, name: RawName, uid: number, gid: number): void {
    const path = this.#path(dir, name);
    attempt("set the owner", () => fs.lchownSync(path, uid, gid));
  }

  setLinkXattr(): void {
    throw systemError("set the extended attribute", "ENOTSUP");
  }

  setLinkTime(dir: Handle, name: RawName, mtimeS: number, mtimeNs: number): void {
    const path = this.#path(dir, name);
    const time = toSeconds(mtimeS, mtimeNs);
    attempt("set the time", () => fs.lutimesSync(path, time, time));
  }

  umask(): number {
    return isWindows ? 0 : Deno.umask();
  }

  userId(): number {
    return Deno.uid() ?? -1;
  }

  #add(path: string, fd: number | undefined): Handle {
    const handle = this.#next++;
    this.#open.set(handle, { path, fd });
    return handle;
  }

  #get(handle: Handle): Opened {
    const opened = this.#open.get(handle);
    if (opened === undefined) throw new Error("invariant: the handle is open");
    return opened;
  }

  #fd(handle: Handle): number {
    return this.#get(handle).fd!;
  }

  #path(dir: Handle, name: RawName): string {
    const text = textFromRaw(name);
    // The runtime shows bytes that are not UTF-8 as U+FFFD: such a name leads nowhere.
    if (text === undefined || text.includes("\ufffd")) {
      throw new WarpError("E_IO", `the name "${showRaw(name)}" is not UTF-8`, {
        hint: "names that are not UTF-8 need Linux",
      });
    }
    if (isWindows && (WINDOWS_FORBIDDEN.test(text) || WINDOWS_DEVICE.test(text))) {
      throw new WarpError("E_UNSAFE_PATH", `Windows cannot hold the name "${text}"`);
    }
    return join(this.#get(dir).path, text);
  }
}

/** Runs `call`, and says what could not be done when the system refuses. */
function attempt<T>(action: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw systemError(action, codeOf(error), error);
  }
}

function isNew(action: string, call: () => void): boolean {
  try {
    call();
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") return false;
    throw systemError(action, code, error);
  }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (typeof code === "string") return code;
  if (error instanceof Deno.errors.NotFound) return "ENOENT";
  if (error instanceof Deno.errors.PermissionDenied) return "EACCES";
  return error instanceof Error ? error.message : String(error);
}

function fillStat(from: fs.BigIntStats, out: Stat): void {
  out.type = typeOf(from);
  out.mode = Number(from.mode) & 0o7777;
  out.nlink = Number(from.nlink);
  out.uid = Number(from.uid);
  out.gid = Number(from.gid);
  out.size = Number(from.size);
  out.allocated = isWindows ? out.size : Number(from.blocks) * 512;
  out.dev = Number(from.dev);
  out.ino = from.ino < 2n ** 53n ? Number(from.ino) : from.ino;
  [out.mtimeS, out.mtimeNs] = splitTime(from.mtimeNs);
  [out.ctimeS, out.ctimeNs] = splitTime(from.ctimeNs);
}

function splitTime(ns: bigint): [number, number] {
  let seconds = ns / BILLION, rest = ns % BILLION;
  if (rest < 0n) {
    seconds -= 1n;
    rest += BILLION;
  }
  return [Number(seconds), Number(rest)];
}

/**
 * The runtime takes seconds as a double and cuts them to milliseconds: a microsecond more keeps
 * the rounding of the double from taking one off.
 */
function toSeconds(mtimeS: number, mtimeNs: number): number {
  return mtimeS + Math.floor(mtimeNs / 1e6) / 1e3 + 1e-6;
}

function typeOf(stat: fs.BigIntStats): FileType {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "dir";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  if (stat.isSocket()) return "socket";
  if (stat.isBlockDevice()) return "block device";
  return stat.isCharacterDevice() ? "character device" : "unknown";
}
