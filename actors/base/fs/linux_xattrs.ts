/**
 * Extended attributes through libc.
 *
 * @module
 */
import type { Bytes } from "../bytes.ts";
import { compare } from "../bytes.ts";
import { KiB } from "../units.ts";
import { errnoName, systemError } from "./errno.ts";
import type { Libc } from "./libc.ts";

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux; names have at most 255 bytes. */
const LIST_BYTES = 64 * KiB;
const VALUE_BYTES = 64 * KiB;
const NAME_BYTES = 256;

/** A file system without attributes; a file that is gone is noticed by other calls. */
const NONE = new Set(["ENOTSUP", "ENOENT", "ENOSYS", "EBADF"]);
/** Of one attribute: removed meanwhile, or not for this user. */
const SKIPPED = new Set(["ENODATA", "EACCES", "EPERM", "ENOTSUP", "ENOENT"]);

type Attribute = [name: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>];

export class LinuxXattrs {
  readonly #libc: Libc;
  readonly #call: Libc["symbols"];
  readonly #list = new Uint8Array(LIST_BYTES);
  readonly #value = new Uint8Array(VALUE_BYTES);
  readonly #name = new Uint8Array(NAME_BYTES);

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#call = libc.symbols;
  }

  /** `[name, value, …]` sorted by name, or null. */
  get(fd: number): Uint8Array<ArrayBuffer>[] | null {
    const length = this.#call.flistxattr(fd, this.#list, BigInt(LIST_BYTES));
    return this.#collect(length, (name, value) => {
      return this.#call.fgetxattr(fd, name, value, BigInt(VALUE_BYTES));
    });
  }

  /** `path` ends with NUL; a symbolic link itself is meant, not what it points to. */
  getAt(path: Uint8Array): Uint8Array<ArrayBuffer>[] | null {
    const length = this.#call.llistxattr(path, this.#list, BigInt(LIST_BYTES));
    return this.#collect(length, (name, value) => {
      return this.#call.lgetxattr(path, name, value, BigInt(VALUE_BYTES));
    });
  }

  set(fd: number, name: Bytes, value: Bytes): void {
    const own = this.#terminate(name);
    if (this.#call.fsetxattr(fd, own, value, BigInt(value.length), 0) !== 0) this.#failToSet();
  }

  setAt(path: Uint8Array, name: Bytes, value: Bytes): void {
    const own = this.#terminate(name);
    if (this.#call.lsetxattr(path, own, value, BigInt(value.length), 0) !== 0) this.#failToSet();
  }

  #collect(
    listLength: number,
    read: (name: Uint8Array, value: Uint8Array) => number,
  ): Uint8Array<ArrayBuffer>[] | null {
    if (listLength === 0) return null;
    if (listLength < 0) {
      const errno = errnoName(this.#libc.errno());
      if (NONE.has(errno)) return null;
      throw systemError("list the extended attributes", errno);
    }
    const found: Attribute[] = [];
    for (let start = 0; start < listLength;) {
      const end = this.#list.indexOf(0, start);
      if (end < 0 || end >= listLength) break;
      const length = read(this.#list.subarray(start, end + 1), this.#value);
      if (length >= 0) {
        found.push([this.#list.slice(start, end), this.#value.slice(0, length)]);
      } else {
        const errno = errnoName(this.#libc.errno());
        if (!SKIPPED.has(errno)) throw systemError("read an extended attribute", errno);
      }
      start = end + 1;
    }
    if (found.length === 0) return null;
    return found.sort((a, b) => compare(a[0], b[0])).flat();
  }

  #terminate(name: Bytes): Uint8Array {
    if (name.length === 0 || name.length >= NAME_BYTES || name.includes(0)) {
      throw systemError("set the extended attribute", "EINVAL");
    }
    this.#name.set(name);
    this.#name[name.length] = 0;
    return this.#name;
  }

  #failToSet(): never {
    throw systemError("set the extended attribute", errnoName(this.#libc.errno()));
  }
}
