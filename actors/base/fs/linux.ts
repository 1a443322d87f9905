/**
 * The Linux backend: libc calls relative to directory descriptors, names as bytes.
 *
 * Every call fills the same few scratch buffers, so one backend serves one thread.
 *
 * @module
 */
import type { Bytes } from "../bytes.ts";
import { GiB, KiB } from "../units.ts";
import { whileHeld } from "../while_held.ts";
import type {
  FsBackend,
  Handle,
  NewFileMeta,
  Put,
  Segment,
  SmallFiles,
  Stat,
  Taken,
} from "./backend.ts";
import { errnoName, systemError } from "./errno.ts";
import * as c from "./libc.ts";
import { LinuxXattrs } from "./linux_xattrs.ts";
import { rawFromText, type RawName, writeRaw } from "./raw_name.ts";
import { parseStatx, STATX_BYTES } from "./statx.ts";

/** Above any name (255) and any path that the kernel takes at once (4096). */
const NAME_BYTES = 4352;
const LIST_BYTES = 64 * KiB;
const IO_BYTES_MAX = GiB;
/** A file with more runs than this is read from there on as if it had no holes. */
const SEGMENTS_MAX = 1 << 20;

export class LinuxBackend implements FsBackend {
  readonly kind = "linux";
  readonly hasXattrs = true;
  readonly hasFifos = true;
  readonly #libc: c.Libc;
  readonly #call: c.Libc["symbols"];
  readonly #xattrs: LinuxXattrs;
  readonly #name = new Uint8Array(NAME_BYTES);
  readonly #otherName = new Uint8Array(NAME_BYTES);
  readonly #list = new Uint8Array(LIST_BYTES);
  readonly #listView = new DataView(this.#list.buffer);
  readonly #statx = new Uint32Array(STATX_BYTES / 4);
  readonly #statxBytes = new Uint8Array(this.#statx.buffer);
  readonly #times = new Int32Array(8);
  readonly #timeBytes = new Uint8Array(this.#times.buffer);
  readonly #empty = new Uint8Array(1);
  #smallFiles: SmallFiles | undefined;

  constructor(libc: c.Libc) {
    this.#libc = libc;
    this.#call = libc.symbols;
    this.#xattrs = new LinuxXattrs(libc);
  }

  openRoot(path: string): Handle {
    const flags = c.O_RDONLY | c.O_DIRECTORY | c.O_CLOEXEC;
    return this.#open(c.AT_FDCWD, rawFromText(path), flags, 0, "open the directory");
  }

  openDir(dir: Handle, name: RawName): Handle {
    const flags = c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW | c.O_CLOEXEC;
    return this.#open(dir, name, flags, 0, "open the directory");
  }

  openParent(dir: Handle): Handle {
    const flags = c.O_RDONLY | c.O_DIRECTORY | c.O_CLOEXEC;
    return this.#open(dir, "..", flags, 0, "open the directory above");
  }

  openFile(dir: Handle, name: RawName): Handle {
    const flags = c.O_RDONLY | c.O_NOFOLLOW | c.O_NONBLOCK | c.O_CLOEXEC;
    return this.#open(dir, name, flags, 0, "open the file");
  }

  createFile(dir: Handle, name: RawName): Handle {
    const flags = c.O_RDWR | c.O_CREAT | c.O_EXCL | c.O_NOFOLLOW | c.O_CLOEXEC;
    return this.#open(dir, name, flags, 0o600, "create a file");
  }

  reopenFile(dir: Handle, name: RawName): Handle {
    const flags = c.O_RDWR | c.O_NOFOLLOW | c.O_NONBLOCK | c.O_CLOEXEC;
    return this.#open(dir, name, flags, 0, "open the file");
  }

  close(handle: Handle): void {
    this.#call.close(handle);
  }

  list(dir: Handle): RawName[] {
    const names: RawName[] = [];
    for (;;) {
      const length = this.#call.getdents64(dir, this.#list, BigInt(LIST_BYTES));
      if (length === 0) return names;
      if (length < 0) {
        if (this.#libc.errno() === c.EINTR) continue;
        this.#fail("list the directory");
      }
      this.#parseList(length, names);
    }
  }

  /** linux_dirent64: u64 ino, i64 offset, u16 record length, u8 type, NUL-terminated name. */
  #parseList(length: number, names: RawName[]): void {
    for (let at = 0; at < length;) {
      const start = at + 19;
      const name = String.fromCharCode(...this.#list.subarray(start, this.#list.indexOf(0, start)));
      if (name !== "." && name !== "..") names.push(name);
      at += this.#listView.getUint16(at + 16, true);
    }
  }

  stat(handle: Handle, out: Stat): void {
    const code = this.#call.statx(
      handle,
      this.#empty,
      c.AT_EMPTY_PATH,
      c.STATX_BASIC_STATS,
      this.#statxBytes,
    );
    if (code !== 0) this.#fail("look at the file");
    parseStatx(this.#statx, out);
  }

  statAt(dir: Handle, name: RawName, out: Stat): boolean {
    const path = this.#terminate(name, this.#name);
    const flags = c.AT_SYMLINK_NOFOLLOW;
    if (this.#call.statx(dir, path, flags, c.STATX_BASIC_STATS, this.#statxBytes) !== 0) {
      if (this.#libc.errno() === c.ENOENT) return false;
      this.#fail("look at it");
    }
    parseStatx(this.#statx, out);
    return true;
  }

  readLink(dir: Handle, name: RawName): Uint8Array<ArrayBuffer> {
    const path = this.#terminate(name, this.#name);
    const length = this.#call.readlinkat(dir, path, this.#otherName, BigInt(NAME_BYTES));
    if (length < 0) this.#fail("read the symbolic link");
    return this.#otherName.slice(0, length);
  }

  xattrs(handle: Handle): Uint8Array<ArrayBuffer>[] | null {
    return this.#xattrs.get(handle);
  }

  xattrsAt(dir: Handle, name: RawName): Uint8Array<ArrayBuffer>[] | null {
    return this.#xattrs.getAt(this.#procPath(dir, name));
  }

  read(file: Handle, buffer: Bytes, offset: number): number {
    const length = BigInt(Math.min(buffer.length, IO_BYTES_MAX)), at = BigInt(offset);
    for (;;) {
      const count = this.#call.pread(file, buffer, length, at);
      if (count >= 0) return count;
      if (this.#libc.errno() !== c.EINTR) this.#fail("read the file");
    }
  }

  useSmallFiles(calls: SmallFiles | undefined): void {
    this.#smallFiles = calls;
  }

  take(dir: Handle, name: RawName, buffer: Bytes, out: Stat): Taken | null {
    if (this.#smallFiles === undefined) return null;
    const path = this.#terminate(name, this.#name);
    const taken = this.#smallFiles.take(dir, path, buffer, this.#statxBytes);
    if (taken === null) return null;
    if (typeof taken === "number") throw systemError("read the file", errnoName(-taken));
    parseStatx(this.#statx, out);
    return taken;
  }

  segments(file: Handle, size: number): Segment[] {
    const segments: Segment[] = [];
    for (let at = 0; at < size;) {
      const start = Number(this.#call.lseek(file, BigInt(at), c.SEEK_DATA));
      if (start < 0) {
        if (this.#libc.errno() === c.ENXIO) break; // a hole up to the end
        return [{ offset: 0, length: size }]; // a file system that does not tell
      }
      if (start >= size) break;
      let end = Number(this.#call.lseek(file, BigInt(start), c.SEEK_HOLE));
      // Less than nothing: the file changed meanwhile.
      if (end <= start || segments.length === SEGMENTS_MAX) end = size;
      end = Math.min(end, size);
      segments.push({ offset: start, length: end - start });
      at = end;
    }
    return segments;
  }

  write(file: Handle, bytes: Bytes, offset: number): void {
    for (let done = 0; done < bytes.length;) {
      const rest = done === 0 ? bytes : bytes.subarray(done);
      const length = BigInt(Math.min(rest.length, IO_BYTES_MAX));
      const count = this.#call.pwrite(file, rest, length, BigInt(offset + done));
      if (count >= 0) done += count;
      else if (this.#libc.errno() !== c.EINTR) this.#fail("write the file");
    }
  }

  async writeLater(file: Handle, bytes: Bytes, offset: number): Promise<void> {
    const length = BigInt(Math.min(bytes.length, IO_BYTES_MAX));
    const count = await whileHeld(
      [bytes],
      () => this.#call.pwrite_later(file, bytes, length, BigInt(offset)),
    );
    // What is left, or what went wrong, comes out when it is tried again here.
    const done = Math.max(0, count);
    if (done < bytes.length) this.write(file, bytes.subarray(done), offset + done);
  }

  put(dir: Handle, temporary: RawName, name: RawName, data: Bytes, meta: NewFileMeta): boolean {
    if (this.#smallFiles === undefined) return false;
    const own = this.#terminate(temporary, this.#otherName);
    return this.#smallFiles.put(dir, own, this.#terminate(name, this.#name), data, meta) === 0;
  }

  async putMany(puts: readonly Put[], data: Bytes): Promise<boolean[]> {
    if (this.#smallFiles === undefined || puts.some(isTooLong)) return puts.map(() => false);
    return Array.from(await this.#smallFiles.putMany(puts, data), (result) => result === 0);
  }

  truncate(file: Handle, size: number): void {
    if (this.#call.ftruncate(file, BigInt(size)) !== 0) this.#fail("set the size of the file");
  }

  makeDir(dir: Handle, name: RawName): boolean {
    if (this.#call.mkdirat(dir, this.#terminate(name, this.#name), 0o700) === 0) return true;
    if (this.#libc.errno() === c.EEXIST) return false;
    this.#fail("create the directory");
  }

  makeSymlink(dir: Handle, name: RawName, target: Bytes): void {
    if (target.length >= NAME_BYTES) throw systemError("make the symbolic link", "ENAMETOOLONG");
    this.#otherName.set(target);
    this.#otherName[target.length] = 0;
    if (this.#call.symlinkat(this.#otherName, dir, this.#terminate(name, this.#name)) !== 0) {
      this.#fail("make the symbolic link");
    }
  }

  makeFifo(dir: Handle, name: RawName): Handle {
    if (this.#call.mkfifoat(dir, this.#terminate(name, this.#name), 0o600) !== 0) {
      this.#fail("make the fifo");
    }
    return this.openFile(dir, name);
  }

  makeLink(fromDir: Handle, from: RawName, dir: Handle, name: RawName): boolean {
    const source = this.#terminate(from, this.#otherName);
    const path = this.#terminate(name, this.#name);
    if (this.#call.linkat(fromDir, source, dir, path, 0) === 0) return true;
    if (this.#libc.errno() === c.EEXIST) return false;
    this.#fail("make the hard link");
  }

  rename(dir: Handle, from: RawName, to: RawName, replace: boolean): boolean {
    const source = this.#terminate(from, this.#otherName);
    const path = this.#terminate(to, this.#name);
    if (!replace) {
      const code = this.#call.renameat2?.(dir, source, dir, path, c.RENAME_NOREPLACE);
      if (code === 0) return true;
      if (code !== undefined) {
        const errno = this.#libc.errno();
        if (errno === c.EEXIST) return false;
        if (errno !== c.EINVAL && errno !== c.ENOSYS) this.#fail("put it in place");
      }
      // A file system without RENAME_NOREPLACE: look first.
      const flags = c.AT_SYMLINK_NOFOLLOW;
      if (this.#call.statx(dir, path, flags, 0, this.#statxBytes) === 0) return false;
    }
    if (this.#call.renameat(dir, source, dir, path) === 0) return true;
    const errno = errnoName(this.#libc.errno());
    if (errno === "EISDIR" || errno === "ENOTEMPTY" || errno === "EEXIST") return false;
    throw systemError("put it in place", errno);
  }

  remove(dir: Handle, name: RawName): void {
    if (this.#call.unlinkat(dir, this.#terminate(name, this.#name), 0) !== 0) {
      this.#fail("remove it");
    }
  }

  setOwner(handle: Handle, uid: number, gid: number): void {
    if (this.#call.fchown(handle, uid, gid) !== 0) this.#fail("set the owner");
  }

  setMode(handle: Handle, mode: number): void {
    if (this.#call.fchmod(handle, mode) !== 0) this.#fail("set the permissions");
  }

  setXattr(handle: Handle, name: Bytes, value: Bytes): void {
    this.#xattrs.set(handle, name, value);
  }

  setTime(handle: Handle, mtimeS: number, mtimeNs: number): void {
    this.#fillTimes(mtimeS, mtimeNs);
    if (this.#call.futimens(handle, this.#timeBytes) !== 0) this.#fail("set the time");
  }

  setLinkOwner(dir: Handle, name: RawName, uid: number, gid: number): void {
    const path = this.#terminate(name, this.#name);
    if (this.#call.fchownat(dir, path, uid, gid, c.AT_SYMLINK_NOFOLLOW) !== 0) {
      this.#fail("set the owner");
    }
  }

  setLinkXattr(dir: Handle, name: RawName, attribute: Bytes, value: Bytes): void {
    this.#xattrs.setAt(this.#procPath(dir, name), attribute, value);
  }

  setLinkTime(dir: Handle, name: RawName, mtimeS: number, mtimeNs: number): void {
    this.#fillTimes(mtimeS, mtimeNs);
    const path = this.#terminate(name, this.#name);
    if (this.#call.utimensat(dir, path, this.#timeBytes, c.AT_SYMLINK_NOFOLLOW) !== 0) {
      this.#fail("set the time");
    }
  }

  umask(): number {
    return Deno.umask();
  }

  userId(): number {
    return this.#call.geteuid();
  }

  /** Two struct timespec: the access time stays, the modification time is set. */
  #fillTimes(mtimeS: number, mtimeNs: number): void {
    this.#times[2] = c.UTIME_OMIT;
    this.#times[4] = mtimeS >>> 0;
    this.#times[5] = Math.floor(mtimeS / 2 ** 32);
    this.#times[6] = mtimeNs;
  }

  #open(dir: Handle, name: RawName, flags: number, mode: number, action: string): Handle {
    const path = this.#terminate(name, this.#name);
    for (;;) {
      const handle = this.#call.openat(dir, path, flags, mode);
      if (handle >= 0) return handle;
      if (this.#libc.errno() !== c.EINTR) this.#fail(action);
    }
  }

  /** There is no l*xattr call relative to a directory; this path comes to the same. */
  #procPath(dir: Handle, name: RawName): Uint8Array {
    return this.#terminate(`/proc/self/fd/${dir}/${name}`, this.#name);
  }

  #terminate(name: RawName, out: Uint8Array): Uint8Array {
    if (name.length >= NAME_BYTES) throw systemError("use the name", "ENAMETOOLONG");
    writeRaw(name, out, 0);
    out[name.length] = 0;
    return out;
  }

  #fail(action: string): never {
    throw systemError(action, errnoName(this.#libc.errno()));
  }
}

/** The long way says so. */
function isTooLong({ name, temporary }: Put): boolean {
  return name.length >= NAME_BYTES || temporary.length >= NAME_BYTES;
}
