/**
 * struct statx of Linux (uapi/linux/stat.h), the same on every architecture.
 *
 * @module
 */
import type { FileType, Stat } from "./backend.ts";

export const STATX_BYTES = 256;

const TYPES: Readonly<Record<number, FileType>> = {
  0o01: "fifo",
  0o02: "character device",
  0o04: "dir",
  0o06: "block device",
  0o10: "file",
  0o12: "symlink",
  0o14: "socket",
};

/** Fills `out` from the structure as 32-bit words. */
export function parseStatx(words: Uint32Array, out: Stat): void {
  const mode = words[7]! & 0xffff;
  out.type = TYPES[mode >> 12] ?? "unknown";
  out.mode = mode & 0o7777;
  out.nlink = words[4]!;
  out.uid = words[5]!;
  out.gid = words[6]!;
  const inoHigh = words[9]!;
  out.ino = inoHigh < 2 ** 21
    ? inoHigh * 2 ** 32 + words[8]!
    : (BigInt(inoHigh) << 32n) | BigInt(words[8]!);
  out.size = words[11]! * 2 ** 32 + words[10]!;
  out.allocated = (words[13]! * 2 ** 32 + words[12]!) * 512;
  out.ctimeS = (words[25]! | 0) * 2 ** 32 + words[24]!;
  out.ctimeNs = words[26]!;
  out.mtimeS = (words[29]! | 0) * 2 ** 32 + words[28]!;
  out.mtimeNs = words[30]!;
  out.dev = words[34]! * 2 ** 32 + words[35]!;
}
