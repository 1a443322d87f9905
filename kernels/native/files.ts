/**
 * Small files read or written in one call each (files.c); Linux, where our C library was built.
 *
 * @module
 */
import type { SmallFiles } from "../../actors/base/fs/backend.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { refusal } from "../trial_cache.ts";
import { libraryPath } from "./location.ts";

const SYMBOLS = {
  warp_file_take: {
    parameters: ["i32", "buffer", "buffer", "u64", "buffer", "buffer"],
    result: "i64",
  },
  warp_file_put: {
    parameters: ["i32", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
} as const;

/** WARP_FILE_OTHER, WARP_FILE_HAS_XATTRS and WARP_FILE_CHANGED of files.h. */
const OTHER = -100000;
const HAS_XATTRS = 1;
const CHANGED = 2;
/** WARP_FILE_CHOWN and WARP_FILE_REPLACE; the bytes of struct warp_new_file. */
const CHOWN = 1;
const REPLACE = 2;
const NEW_FILE_BYTES = 40;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Undefined where there is no such library. */
export function openSmallFiles(): SmallFiles | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const path = libraryPath();
    if (refusal("native", path) !== undefined) return undefined;
    const { symbols } = Deno.dlopen(path, SYMBOLS);
    return { take: taker(symbols), put: putter(symbols) };
  } catch {
    return undefined; // not built, or without these functions
  }
}

function taker(symbols: Symbols): SmallFiles["take"] {
  const flags = new Uint32Array(1);
  return (dir, name, buffer, statx) => {
    const result = Number(symbols.warp_file_take(
      dir,
      ffiBuffer(name),
      ffiBuffer(buffer),
      BigInt(buffer.length),
      ffiBuffer(statx),
      flags,
    ));
    if (result === OTHER) return null;
    if (result < 0) return result;
    return {
      length: result,
      hasXattrs: (flags[0]! & HAS_XATTRS) !== 0,
      isChanged: (flags[0]! & CHANGED) !== 0,
    };
  };
}

function putter(symbols: Symbols): SmallFiles["put"] {
  const record = new Uint8Array(NEW_FILE_BYTES);
  const view = new DataView(record.buffer);
  return (dir, temporary, name, data, about) => {
    view.setUint32(0, data.length, true);
    view.setUint32(4, Math.floor(data.length / 2 ** 32), true);
    view.setUint32(8, about.mtimeS >>> 0, true);
    view.setInt32(12, Math.floor(about.mtimeS / 2 ** 32), true);
    view.setUint32(16, about.mtimeNs, true);
    view.setUint32(20, about.mode, true);
    view.setUint32(24, about.owner?.uid ?? 0, true);
    view.setUint32(28, about.owner?.gid ?? 0, true);
    const flags = (about.owner === undefined ? 0 : CHOWN) | (about.isReplacing ? REPLACE : 0);
    view.setUint32(32, flags, true);
    return symbols.warp_file_put(
      dir,
      ffiBuffer(temporary),
      ffiBuffer(name),
      record,
      ffiBuffer(data),
    );
  };
}
