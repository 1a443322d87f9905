/**
 * Operating system errors as {@link WarpError}s in plain words.
 *
 * @module
 */
import type { ErrorCode } from "../error_codes.ts";
import { isWarpError, WarpError } from "../errors.ts";

/** Linux numbers (asm-generic/errno-base.h and errno.h: the same on x86_64 and aarch64). */
const NAMES: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  26: "ETXTBSY",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  31: "EMLINK",
  34: "ERANGE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  7: "E2BIG",
  61: "ENODATA",
  75: "EOVERFLOW",
  95: "ENOTSUP",
  103: "ECONNABORTED",
  110: "ETIMEDOUT",
  116: "ESTALE",
  122: "EDQUOT",
};

const WORDS: Readonly<Record<string, string>> = {
  E2BIG: "there is more of it than the system can list",
  EACCES: "permission denied",
  EBUSY: "it is in use",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it exists already",
  EFBIG: "the file is too large for this file system",
  EIO: "the device reports an input/output error",
  EINVAL: "the file system does not support this",
  EISDIR: "it is a directory",
  ELOOP: "it is a symbolic link",
  EMFILE: "too many open files",
  EMLINK: "too many hard links",
  ENAMETOOLONG: "the name is too long for this file system",
  ENFILE: "too many open files on this machine",
  ENODATA: "it has no such attribute",
  ENOENT: "it does not exist",
  ENOMEM: "out of memory",
  ENOSPC: "no space is left on the device",
  ENOTDIR: "it is not a directory",
  ENOTEMPTY: "the directory is not empty",
  ENOTSUP: "the file system does not support this",
  ENXIO: "there is no such device",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only",
  ESTALE: "it has gone from the server",
  ETIMEDOUT: "the server does not answer",
  ETXTBSY: "the program is running",
  EXDEV: "it is on another file system",
};

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "E_NOT_FOUND",
  EACCES: "E_ACCESS",
  EPERM: "E_ACCESS",
  ENOSPC: "E_DISK_FULL",
  EDQUOT: "E_DISK_FULL",
  EEXIST: "E_EXISTS",
};

export function errnoName(errno: number): string {
  return NAMES[errno] ?? `errno ${errno}`;
}

/** `action` completes "cannot …"; `name` is the symbolic errno, kept in `details.errno`. */
export function systemError(action: string, name: string, cause?: unknown): WarpError {
  const words = WORDS[name] ?? name;
  return new WarpError(CODES[name] ?? "E_IO", `cannot ${action}: ${words}`, {
    details: { errno: name },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Whether `error` came from {@link systemError} with one of these errno names. */
export function isErrno(error: unknown, ...names: string[]): error is WarpError {
  return isWarpError(error) && names.includes(String(error.details["errno"]));
}
