/**
 * ZIP files, stored and streamed (APPNOTE.TXT 6.3.10): sizes are known before, checksums come after each
 * file, zip64 where 4 GiB or 65,535 files are passed. Integers are little-endian.
 *
 * @module
 */
import { utf8 } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { Crc32 } from "./crc32.ts";

export interface ZipEntry {
  /** Relative, `/` between names; a folder ends in one. At most 65,535 bytes of UTF-8. */
  name: string;
  /** Bytes of the content; 0 for a folder. */
  size: number;
  mtimeMs: number;
  /** Permission bits. */
  mode: number;
}

const U32_MAX = 0xffff_ffff, U16_MAX = 0xffff;
/** Checksum and sizes follow the content; names are UTF-8. */
const FLAGS = 0x0808;
const STORED = 0;
const UNIX = 3 << 8;
const TIME_BYTES = 9;

interface Placed extends ZipEntry {
  nameBytes: Uint8Array;
  isBig: boolean;
  offset: number;
}

/** Bytes of the whole file, without content having been read. */
export function zipLength(entries: readonly ZipEntry[]): number {
  const { placed, end } = place(entries);
  const directory = placed.reduce((sum, one) => sum + centralOf(one, 0).length, 0);
  return end + directory + endOf(placed.length, directory, end).length;
}

/**
 * The file, piece by piece.
 *
 * @param contentOf yields exactly `size` bytes, or throws
 * @throws {WarpError} E_INTEGRITY when it does not, and what `contentOf` throws
 */
export async function* zip<Entry extends ZipEntry>(
  entries: readonly Entry[],
  contentOf: (entry: Entry) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBufferLike>> {
  const { placed, end } = place(entries);
  const directory: Uint8Array[] = [];
  for (const [i, one] of placed.entries()) {
    yield localOf(one);
    const crc = new Crc32();
    let size = 0;
    if (!isFolder(one)) {
      for await (const part of contentOf(entries[i]!)) {
        crc.add(part);
        size += part.length;
        yield part;
      }
    }
    if (size !== one.size) {
      throw new WarpError("E_INTEGRITY", "a file is not as long as it should be");
    }
    yield descriptorOf(one, crc.value);
    directory.push(centralOf(one, crc.value));
  }
  yield* directory;
  const bytes = directory.reduce((sum, { length }) => sum + length, 0);
  yield endOf(placed.length, bytes, end);
}

function place(entries: readonly ZipEntry[]): { placed: Placed[]; end: number } {
  let offset = 0;
  const placed = entries.map((entry): Placed => {
    const nameBytes = utf8(entry.name);
    if (nameBytes.length > U16_MAX) throw new WarpError("E_LIMIT", "a path is too long for a ZIP");
    const one = { ...entry, nameBytes, isBig: entry.size >= U32_MAX, offset };
    offset += localOf(one).length + entry.size + descriptorOf(one, 0).length;
    return one;
  });
  return { placed, end: offset };
}

const isFolder = ({ name }: ZipEntry) => name.endsWith("/");

function localOf(entry: Placed): Uint8Array<ArrayBuffer> {
  const { nameBytes, isBig } = entry;
  const w = new Writer(30 + nameBytes.length + TIME_BYTES + (isBig ? 20 : 0));
  w.u32(0x0403_4b50).u16(isBig ? 45 : 20).u16(FLAGS).u16(STORED).u32(dosTime(entry.mtimeMs));
  w.u32(0).u32(isBig ? U32_MAX : 0).u32(isBig ? U32_MAX : 0);
  w.u16(nameBytes.length).u16(TIME_BYTES + (isBig ? 20 : 0)).bytes(nameBytes);
  unixTime(w, entry.mtimeMs);
  if (isBig) w.u16(1).u16(16).u64(0).u64(0);
  return w.out;
}

function descriptorOf({ size, isBig }: Placed, crc: number): Uint8Array<ArrayBuffer> {
  const w = new Writer(isBig ? 24 : 16).u32(0x0807_4b50).u32(crc);
  return (isBig ? w.u64(size).u64(size) : w.u32(size).u32(size)).out;
}

function centralOf(entry: Placed, crc: number): Uint8Array<ArrayBuffer> {
  const { nameBytes, isBig, size, offset, mode } = entry;
  const isFar = offset >= U32_MAX;
  const more = (isBig ? 16 : 0) + (isFar ? 8 : 0);
  const extra = TIME_BYTES + (more === 0 ? 0 : 4 + more);
  const version = more === 0 ? 20 : 45;
  const w = new Writer(46 + nameBytes.length + extra);
  w.u32(0x0201_4b50).u16(UNIX | version).u16(version).u16(FLAGS).u16(STORED);
  w.u32(dosTime(entry.mtimeMs)).u32(crc);
  w.u32(isBig ? U32_MAX : size).u32(isBig ? U32_MAX : size);
  w.u16(nameBytes.length).u16(extra).u16(0).u16(0).u16(0);
  const kind = isFolder(entry) ? 0o040000 : 0o100000;
  w.u32(((kind | (mode & 0o777)) << 16 | (isFolder(entry) ? 0x10 : 0)) >>> 0);
  w.u32(isFar ? U32_MAX : offset).bytes(nameBytes);
  unixTime(w, entry.mtimeMs);
  if (more > 0) {
    w.u16(1).u16(more);
    if (isBig) w.u64(size).u64(size);
    if (isFar) w.u64(offset);
  }
  return w.out;
}

function endOf(count: number, bytes: number, offset: number): Uint8Array<ArrayBuffer> {
  const isBig = count >= U16_MAX || bytes >= U32_MAX || offset >= U32_MAX;
  const w = new Writer(22 + (isBig ? 56 + 20 : 0));
  if (isBig) {
    w.u32(0x0606_4b50).u64(44).u16(UNIX | 45).u16(45).u32(0).u32(0);
    w.u64(count).u64(count).u64(bytes).u64(offset);
    w.u32(0x0706_4b50).u32(0).u64(offset + bytes).u32(1);
  }
  const few = Math.min(count, U16_MAX);
  w.u32(0x0605_4b50).u16(0).u16(0).u16(few).u16(few);
  return w.u32(Math.min(bytes, U32_MAX)).u32(Math.min(offset, U32_MAX)).u16(0).out;
}

/** Extra field 0x5455: the time in UTC, in seconds. */
function unixTime(w: Writer, ms: number): void {
  const seconds = Math.min(Math.max(0, Math.floor(ms / 1000)), 0x7fff_ffff);
  w.u16(0x5455).u16(5).u8(1).u32(seconds);
}

/** Date and time as MS-DOS has them, in UTC: from 1980, in steps of two seconds. */
function dosTime(ms: number): number {
  const at = new Date(Math.min(Math.max(ms, Date.UTC(1980, 0, 1)), Date.UTC(2107, 11, 31)));
  const date = (at.getUTCFullYear() - 1980) << 9 | (at.getUTCMonth() + 1) << 5 | at.getUTCDate();
  const time = at.getUTCHours() << 11 | at.getUTCMinutes() << 5 | at.getUTCSeconds() >> 1;
  return (date << 16 | time) >>> 0;
}

class Writer {
  readonly out: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.out = new Uint8Array(length);
    this.#view = new DataView(this.out.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  u64(value: number): this {
    this.#view.setBigUint64(this.#at, BigInt(value), true);
    this.#at += 8;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.out.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }
}
