/**
 * Manifest pages: which entries come next, and of which chunks they are made (docs/protocol.md §5).
 *
 * @module
 */
import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { type Entry, extentsLength } from "../base/entry.ts";
import { decodeEntry, encodeEntry } from "../base/entry_codec.ts";
import { BATCH_ENTRIES_MAX } from "../base/limits.ts";
import { comparePaths } from "../base/path_order.ts";
import { MiB } from "../base/units.ts";
import { bytes, fields, malformedFrame, RUN_BYTES_MAX, uint } from "./frames.ts";

/** Content of one page: a slab of the sender. */
export const PAGE_BYTES_MAX = 4 * MiB;
/** Chunks of at least 16 KiB, but for the last of each file. */
const PAGE_CHUNKS_MAX = PAGE_BYTES_MAX / 1024;
const ID_BYTES = 32;

export interface Page {
  /** 0, 1, 2, ...: the place of the page in the transfer. */
  batch: number;
  entries: Entry[];
  /** Bytes of each chunk; extents of the entries name these by number. */
  lengths: Uint32Array;
  /** 32 bytes a chunk: BLAKE3 of its content. */
  ids: Uint8Array;
}

export function encodePage({ batch, entries, lengths, ids }: Page): unknown {
  return [batch, entries.map(encodeEntry), [...lengths], ids];
}

/** @throws {WarpError} E_PROTOCOL, E_INTEGRITY, E_UNSAFE_PATH */
export function decodePage(body: unknown): Page {
  const [batch, list, sizes, ids] = fields(body, 4);
  if (!Array.isArray(list) || list.length > BATCH_ENTRIES_MAX) throw malformedFrame();
  if (!Array.isArray(sizes) || sizes.length > PAGE_CHUNKS_MAX) throw malformedFrame();
  const lengths = Uint32Array.from(sizes, (size) => uint(size, RUN_BYTES_MAX));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total > PAGE_BYTES_MAX || lengths.includes(0)) throw malformedFrame();
  const entries = list.map(decodeEntry);
  for (const entry of entries) checkExtents(entry, lengths);
  return {
    batch: uint(batch, 2 ** 32 - 1),
    entries,
    lengths,
    ids: bytes(ids, ID_BYTES * lengths.length),
  };
}

/** Extents name chunks of this page, whose lengths add up. */
function checkExtents(entry: Entry, lengths: Uint32Array): void {
  if (entry.type !== "file" && entry.type !== "piece") return;
  for (const { length, source, first, count } of entry.extents) {
    if (count === 0) continue;
    if (source !== 0 || first + count > lengths.length) throw malformedFrame();
    let sum = 0;
    for (let i = first; i < first + count; i++) sum += lengths[i]!;
    if (sum !== length) throw malformedFrame();
  }
}

/** Pages come in order and so do their entries; a path has one final entry, its last. */
export class PageOrder {
  #next = 0;
  #last: Entry | undefined;

  /** @throws {WarpError} E_PROTOCOL */
  check(page: Page): void {
    if (page.batch !== this.#next++) throw malformedFrame("the pages of the peer are out of order");
    for (const entry of page.entries) {
      if (this.#last !== undefined && !mayFollow(this.#last, entry)) {
        throw malformedFrame("the entries of the peer are out of order");
      }
      if (this.#last?.type !== "piece" && startsLate(entry)) {
        throw malformedFrame("a file of the peer has no beginning");
      }
      this.#last = entry;
    }
  }

  get pages(): number {
    return this.#next;
  }
}

function startsLate(entry: Entry): boolean {
  return (entry.type === "piece" || entry.type === "file") && entry.offset !== 0;
}

function mayFollow(before: Entry, entry: Entry): boolean {
  const order = comparePaths(before.path, entry.path);
  // A file that could not be read to its end stays without a final entry.
  if (order !== 0) return order < 0 && !startsLate(entry);
  if (before.type !== "piece" || (entry.type !== "piece" && entry.type !== "file")) return false;
  return entry.offset === before.offset + extentsLength(before.extents);
}

/** SHA-256, fed piece by piece. */
export interface RunningHash {
  update(bytes: Bytes): unknown;
  digest(): Uint8Array;
}

const KIND = { file: 1, dir: 2, symlink: 3, hardlink: 4, fifo: 5 } as const;

/**
 * The root of a transfer: a hash over names, kinds and content of everything in it, whatever pages it
 * came in. Times, owners and modes are not part of it.
 *
 *     root = SHA-256("warp/manifest/v1\0" ‖ entries)
 *     entry = path length u32 ‖ path ‖ kind u8 ‖ what the kind has
 *     file: for each chunk length u32 ‖ id, for each hole 0 u32 ‖ length u64; then 2^32 - 1 u32 ‖ size u64
 *     small file: 2^32 - 2 u32 ‖ size u64 ‖ content;  symlink, hard link: length u32 ‖ target
 *
 * Integers are little-endian.
 */
export class ManifestRoot {
  readonly #hash: RunningHash;
  #open: Bytes | undefined;
  bytes = 0;
  files = 0;
  entries = 0;

  constructor(hash: RunningHash) {
    this.#hash = hash;
    hash.update(utf8("warp/manifest/v1\0"));
  }

  add({ entries, lengths, ids }: Page): void {
    for (const entry of entries) {
      if (entry.type !== "piece" && entry.type !== "file") {
        this.#begin(entry.path, KIND[entry.type]);
        if (entry.type === "symlink") this.#text(entry.target);
        if (entry.type === "hardlink") this.#text(entry.first);
        this.entries++;
        continue;
      }
      if (this.#open === undefined || comparePaths(this.#open, entry.path) !== 0) {
        this.#begin(entry.path, KIND.file);
      }
      this.#open = entry.path;
      if (entry.type === "file" && entry.inline !== null) {
        this.#number(2 ** 32 - 2, entry.size);
        this.#hash.update(entry.inline);
      } else {
        for (const extent of entry.extents) {
          if (extent.count === 0) this.#number(0, extent.length);
          for (let i = extent.first; i < extent.first + extent.count; i++) {
            this.#hash.update(u32(lengths[i]!));
            this.#hash.update(ids.subarray(ID_BYTES * i, ID_BYTES * (i + 1)));
          }
        }
      }
      if (entry.type === "piece") continue;
      if (entry.inline === null) this.#number(2 ** 32 - 1, entry.size);
      this.#open = undefined;
      this.bytes += entry.size;
      this.files++;
      this.entries++;
    }
  }

  digest(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#hash.digest());
  }

  #begin(path: Bytes, kind: number): void {
    this.#hash.update(concat(u32(path.length), path, Uint8Array.of(kind)));
  }

  #text(bytes: Bytes): void {
    this.#hash.update(concat(u32(bytes.length), bytes));
  }

  #number(tag: number, value: number): void {
    const out = new Uint8Array(12);
    const view = new DataView(out.buffer);
    view.setUint32(0, tag, true);
    view.setBigUint64(4, BigInt(value), true);
    this.#hash.update(out);
  }
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

/** One bit a chunk, least significant first. */
export class Bitmap {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly length: number;

  constructor(length: number, bits?: Uint8Array<ArrayBuffer>) {
    this.length = length;
    this.bytes = bits ?? new Uint8Array(Math.ceil(length / 8));
  }

  has(i: number): boolean {
    return (this.bytes[i >> 3]! >> (i & 7) & 1) === 1;
  }

  add(i: number): void {
    this.bytes[i >> 3]! |= 1 << (i & 7);
  }
}

/** A run: consecutive wanted chunks of one page that travel in one frame. */
export interface Run {
  first: number;
  count: number;
  bytes: number;
}

/** Runs of at most `bytesMax`, in order. */
export function runsOf(wanted: Bitmap, lengths: Uint32Array, bytesMax = RUN_BYTES_MAX): Run[] {
  const runs: Run[] = [];
  let run: Run | undefined;
  for (let i = 0; i < lengths.length; i++) {
    if (!wanted.has(i)) {
      run = undefined;
      continue;
    }
    const length = lengths[i]!;
    if (run === undefined || run.bytes + length > bytesMax) {
      runs.push(run = { first: i, count: 0, bytes: 0 });
    }
    run.count++;
    run.bytes += length;
  }
  return runs;
}
