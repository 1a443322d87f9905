/**
 * The libc calls of the Linux backend, and the constants that go with them.
 *
 * Results that fit are declared i32 although C says ssize_t: the caller asks for at most 1 GiB, and
 * a 64-bit result would be a bigint. `openat` is variadic in C; on x86_64 and aarch64 Linux its
 * arguments travel as those of a fixed function.
 *
 * @module
 */

const LIBRARIES = [
  "libc.so.6",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
];

const SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  getdents64: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  /** In a thread of the runtime's, whose errno cannot be read from here. */
  pwrite_later: {
    name: "pwrite",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "i32",
    nonblocking: true,
  },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  flistxattr: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  fgetxattr: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  fsetxattr: { parameters: ["i32", "buffer", "buffer", "usize", "i32"], result: "i32" },
  llistxattr: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
  lgetxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "i32" },
  lsetxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  mkfifoat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  renameat2: {
    parameters: ["i32", "buffer", "i32", "buffer", "u32"],
    result: "i32",
    optional: true,
  },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  fchownat: { parameters: ["i32", "buffer", "u32", "u32", "i32"], result: "i32" },
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  geteuid: { parameters: [], result: "u32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

const isArm = Deno.build.arch === "aarch64";

export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NONBLOCK = 0o4000;
export const O_DIRECTORY = isArm ? 0o40000 : 0o200000;
export const O_NOFOLLOW = isArm ? 0o100000 : 0o400000;
export const O_CLOEXEC = 0o2000000;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;
export const RENAME_NOREPLACE = 1;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const STATX_BASIC_STATS = 0x7ff;
/** In a timespec's nanoseconds: leave this time as it is. */
export const UTIME_OMIT = 0x3ffffffe;

export const EINTR = 4;
export const ENOENT = 2;
export const ENXIO = 6;
export const EEXIST = 17;
export const EINVAL = 22;
export const ENOSYS = 38;

export interface Libc {
  symbols: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  /** What the last failing call of this thread left: read it before anything else runs. */
  errno(): number;
}

/** Undefined where there is no such libc, or no permission to load it. */
export function openLibc(): Libc | undefined {
  if (Deno.build.os !== "linux") return undefined;
  if (Deno.build.arch !== "x86_64" && Deno.build.arch !== "aarch64") return undefined;
  for (const library of LIBRARIES) {
    try {
      const { symbols } = Deno.dlopen(library, SYMBOLS);
      // errno is per thread, and an isolate stays on its thread: look up its address once.
      const location = symbols.__errno_location();
      if (location === null) continue;
      const cell = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
      return { symbols, errno: () => cell[0]! };
    } catch {
      // Not this one: try the next.
    }
  }
  return undefined;
}
