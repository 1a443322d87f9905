/**
 * Small files read or written in one call each (files.c); Linux, where our C library was built.
 *
 * @module
 */
import { writeRaw } from "../../actors/base/fs/raw_name.ts";
import type { NewFileMeta, Put, SmallFiles } from "../../actors/base/fs/backend.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { whileHeld } from "../../actors/base/while_held.ts";
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
  warp_files_put: {
    parameters: ["buffer", "u32", "buffer", "buffer", "buffer"],
    result: "void",
    nonblocking: true,
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
/** The bytes of struct warp_put. */
const PUT_BYTES = 64;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Undefined where there is no such library. */
export function openSmallFiles(): SmallFiles | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const path = libraryPath();
    if (refusal("native", path) !== undefined) return undefined;
    const { symbols } = Deno.dlopen(path, SYMBOLS);
    return { take: taker(symbols), put: putter(symbols), putMany: manyPutter(symbols) };
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
    encodeNewFile(view, 0, data.length, about);
    return symbols.warp_file_put(
      dir,
      ffiBuffer(temporary),
      ffiBuffer(name),
      record,
      ffiBuffer(data),
    );
  };
}

function manyPutter(symbols: Symbols): SmallFiles["putMany"] {
  return async (puts, data) => {
    const records = new Uint8Array(PUT_BYTES * puts.length);
    const names = new Uint8Array(puts.reduce((sum, put) => sum + namesBytes(put), 0));
    const view = new DataView(records.buffer);
    let at = 0;
    const keep = (name: string) => {
      const start = at;
      writeRaw(name, names, start);
      at += name.length + 1;
      return start;
    };
    for (const [i, { dir, temporary, name, start, end, meta }] of puts.entries()) {
      const record = PUT_BYTES * i;
      encodeNewFile(view, record, end - start, meta);
      setUint64(view, record + 40, start);
      view.setInt32(record + 48, dir, true);
      view.setUint32(record + 52, keep(temporary), true);
      view.setUint32(record + 56, keep(name), true);
    }
    const results = new Int32Array(puts.length);
    await whileHeld(
      [records, names, data, results],
      () => symbols.warp_files_put(records, puts.length, names, ffiBuffer(data), results),
    );
    return results;
  };
}

/** Both names, and a NUL after each. */
function namesBytes({ temporary, name }: Put): number {
  return temporary.length + name.length + 2;
}

/** struct warp_new_file */
function encodeNewFile(view: DataView, at: number, length: number, about: NewFileMeta): void {
  setUint64(view, at, length);
  view.setUint32(at + 8, about.mtimeS >>> 0, true);
  view.setInt32(at + 12, Math.floor(about.mtimeS / 2 ** 32), true);
  view.setUint32(at + 16, about.mtimeNs, true);
  view.setUint32(at + 20, about.mode, true);
  view.setUint32(at + 24, about.owner?.uid ?? 0, true);
  view.setUint32(at + 28, about.owner?.gid ?? 0, true);
  const flags = (about.owner === undefined ? 0 : CHOWN) | (about.isReplacing ? REPLACE : 0);
  view.setUint32(at + 32, flags, true);
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}
