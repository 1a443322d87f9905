/**
 * Turns a walk over source trees into batches: file bytes packed into a slab and cut into chunks,
 * and the entries that refer to them.
 *
 * Where a batch ends depends on the entries and their sizes alone, never on timing, so that a
 * resumed run makes the same batches as one that was not interrupted.
 *
 * @module
 */
import type { Boundary, BoundaryParams } from "../../kernels/kernel.ts";
import type { Bytes } from "../base/bytes.ts";
import { type Entry, type Extent, extentsLength, type Meta } from "../base/entry.ts";
import { toWireError, WarpError } from "../base/errors.ts";
import { BATCH_ENTRIES_MAX, BATCH_METADATA_BYTES_MAX, INLINE_BYTES_MAX } from "../base/limits.ts";
import { comparePaths } from "../base/path_order.ts";
import type { Batch, Problem, ResumePoint } from "./protocol.ts";
import type { SourceEntry, SourceFile, SourceProblem } from "./source_io.ts";

export type WalkItem = { entry: SourceEntry } | { problem: SourceProblem };

/** A file that is being read, possibly across batches. */
interface OpenFile {
  entry: SourceEntry;
  file: SourceFile;
  /** What is left to read: data ranges in order; holes lie between. */
  ranges: { offset: number; length: number }[];
  /** File offset up to which extents were made; the next piece or final entry begins at `from`. */
  position: number;
  from: number;
  extents: Extent[];
  size: number;
}

/** What a final entry says of a file's content. */
interface FileContent {
  size: number;
  from: number;
  extents: Extent[];
  inline: Bytes | null;
}

/** The batch under construction. */
interface Draft {
  slab: Bytes;
  /** Bytes of the slab in use; those from the last cut on are an unfinished chunk. */
  used: number;
  cuts: number[];
  entries: Entry[];
  problems: Problem[];
  metadataBytes: number;
}

export class Batcher {
  readonly #walk: Iterator<WalkItem>;
  readonly #boundary: Boundary;
  readonly #params: BoundaryParams;
  readonly #firstPaths = new Map<string, Bytes>();
  #item: WalkItem | undefined;
  #file: OpenFile | undefined;
  #carry: Uint8Array = new Uint8Array();
  readonly #own: { dev: number; ino: number } | null;

  /** @param own the file that must not be stored: the archive itself */
  constructor(
    walk: Iterator<WalkItem>,
    boundary: Boundary,
    params: BoundaryParams,
    own: { dev: number; ino: number } | null = null,
  ) {
    this.#own = own;
    this.#walk = walk;
    this.#boundary = boundary;
    this.#params = params;
    this.#advance();
  }

  /** Skips what an earlier run stored. False when the file it stopped in is not the same any more. */
  skipTo(point: ResumePoint): boolean {
    for (; this.#item !== undefined; this.#advance()) {
      if ("problem" in this.#item) {
        if (comparePaths(this.#item.problem.path, point.path) > 0) break;
        continue;
      }
      const entry = this.#item.entry;
      const order = comparePaths(entry.path, point.path);
      if (order > 0) break;
      if (order === 0 && point.within !== undefined) return this.#reopen(entry, point.within);
      if (entry.type === "file" && entry.nlink > 1) this.#firstPath(entry);
    }
    return point.within === undefined;
  }

  #reopen(entry: SourceEntry, within: NonNullable<ResumePoint["within"]>): boolean {
    const isSame = entry.type === "file" && entry.size === within.size &&
      entry.mtimeS === within.mtimeS && entry.mtimeNs === within.mtimeNs;
    if (!isSame) return false;
    if (entry.nlink > 1) this.#firstPath(entry);
    this.#open(entry);
    const open = this.#file!;
    open.position = open.from = within.offset;
    open.ranges = open.ranges
      .filter((range) => range.offset + range.length > within.offset)
      .map((range) => {
        const offset = Math.max(range.offset, within.offset);
        return { offset, length: range.offset + range.length - offset };
      });
    this.#advance();
    return true;
  }

  /** Fills `slab`; its length decides where batches end and must not differ between runs. */
  fill(slab: Bytes): Batch {
    slab.set(this.#carry, 0);
    const used = this.#carry.length;
    this.#carry = new Uint8Array();
    const draft: Draft = { slab, used, cuts: [], entries: [], problems: [], metadataBytes: 0 };
    while (this.#hasRoom(draft)) {
      if (this.#file !== undefined) {
        if (!this.#readOn(draft)) break;
      } else if (this.#item === undefined) {
        break;
      } else if (!this.#take(this.#item, draft)) {
        break;
      }
    }
    const { cuts, entries, problems } = draft;
    const isLast = this.#file === undefined && this.#item === undefined;
    return { cuts: Uint32Array.from(cuts), entries, problems, isLast };
  }

  close(): void {
    this.#file?.file.close();
    this.#file = undefined;
    this.#walk.return?.();
  }

  #hasRoom(draft: Draft): boolean {
    return draft.entries.length + draft.problems.length < BATCH_ENTRIES_MAX &&
      draft.metadataBytes < BATCH_METADATA_BYTES_MAX;
  }

  #advance(): void {
    do {
      const next = this.#walk.next();
      this.#item = next.done ? undefined : next.value;
    } while (this.#isOwn(this.#item));
  }

  #isOwn(item: WalkItem | undefined): boolean {
    if (this.#own === null || item === undefined || "problem" in item) return false;
    const { dev, ino } = item.entry;
    return Number(dev) === this.#own.dev && Number(ino) === this.#own.ino;
  }

  /** Handles one walked item. False when it must wait for the next batch. */
  #take(item: WalkItem, draft: Draft): boolean {
    if ("problem" in item) {
      this.#report(draft, item.problem.path, item.problem.error, false);
      this.#advance();
      return true;
    }
    const entry = item.entry;
    if (entry.type === "file") return this.#takeFile(entry, draft);
    const meta = metaOf(entry);
    if (entry.type === "symlink") {
      this.#add(draft, { type: "symlink", path: entry.path, meta, target: entry.target! });
    } else {
      this.#add(draft, { type: entry.type, path: entry.path, meta });
    }
    this.#advance();
    return true;
  }

  #takeFile(entry: SourceEntry, draft: Draft): boolean {
    const first = entry.nlink > 1 ? this.#firstPath(entry) : undefined;
    if (first !== undefined && comparePaths(first, entry.path) !== 0) {
      this.#add(draft, { type: "hardlink", path: entry.path, meta: metaOf(entry), first });
      this.#advance();
      return true;
    }
    // A small file is not split: it waits for the next slab when this one is too full. A large one
    // starts here unless hardly any room is left.
    const space = draft.slab.length - draft.used;
    const slabLength = draft.slab.length;
    if (
      draft.used > 0 && entry.size > space &&
      (entry.size <= slabLength / 4 || space < slabLength / 8)
    ) {
      return false;
    }
    try {
      if (!this.#takeWhole(entry, draft)) this.#open(entry);
    } catch (error) {
      this.#firstPaths.delete(`${entry.dev}:${entry.ino}`);
      this.#report(draft, entry.path, error, false);
    }
    this.#advance();
    return true;
  }

  /** Reads a file that fits in one go, as most do. False: it must be opened. */
  #takeWhole(entry: SourceEntry, draft: Draft): boolean {
    const start = draft.used;
    const taken = entry.take(draft.slab.subarray(start));
    if (taken === null) return false;
    const { length } = taken;
    let extents: Extent[] = [];
    let inline: Bytes | null = null;
    if (length > INLINE_BYTES_MAX) {
      draft.used += length;
      extents = [this.#cutWhole(draft, start)];
    } else if (length > 0) {
      inline = draft.slab.slice(start, start + length);
    }
    this.#addFile(draft, entry, { size: length, from: 0, extents, inline });
    if (taken.isChanged) this.#reportChange(draft, entry.path);
    return true;
  }

  /** Cuts everything from `start` on, where a chunk begins. */
  #cutWhole(draft: Draft, start: number): Extent {
    const { slab, used, cuts } = draft;
    const first = cuts.length;
    for (const end of this.#boundary.cuts(this.#params, slab.subarray(start, used), true)) {
      cuts.push(start + end);
    }
    return { length: used - start, source: 0, first, count: cuts.length - first };
  }

  #firstPath(entry: SourceEntry): Bytes {
    const key = `${entry.dev}:${entry.ino}`;
    const known = this.#firstPaths.get(key);
    if (known !== undefined) return known;
    this.#firstPaths.set(key, entry.path);
    return entry.path;
  }

  #open(entry: SourceEntry): void {
    const file = entry.open();
    const ranges = file.size === 0 ? [] : file.dataSegments();
    this.#file = { entry, file, ranges, position: 0, from: 0, extents: [], size: file.size };
  }

  /** Reads on in the open file. False when the slab is full and the file goes on. */
  #readOn(draft: Draft): boolean {
    const open = this.#file!;
    try {
      if (open.from === 0 && open.position === 0 && open.size <= INLINE_BYTES_MAX) {
        this.#finishInline(open, draft);
        return true;
      }
      for (let range = open.ranges[0]; range !== undefined; range = open.ranges[0]) {
        if (!this.#readRange(open, range, draft)) return false;
      }
      this.#addHole(open, open.size);
      this.#finish(open, draft, null);
    } catch (error) {
      // What was read stays as pieces without a final entry: readers skip such a path.
      draft.used = draft.cuts.at(-1) ?? 0;
      this.#report(draft, open.entry.path, error, false);
      this.#closeFile();
    }
    return true;
  }

  /** Reads a data range to its end. False when the slab is full first. */
  #readRange(open: OpenFile, range: { offset: number; length: number }, draft: Draft): boolean {
    this.#addHole(open, range.offset);
    const end = range.offset + range.length;
    const chunkStart = draft.cuts.at(-1) ?? 0;
    let at = open.position + (draft.used - chunkStart);
    while (at < end && draft.used < draft.slab.length) {
      const length = Math.min(end - at, draft.slab.length - draft.used);
      const count = open.file.read(draft.slab.subarray(draft.used, draft.used + length), at);
      if (count === 0) { // the file has shrunk
        open.size = at;
        open.ranges = [{ offset: range.offset, length: at - range.offset }];
        break;
      }
      draft.used += count;
      at += count;
    }
    const isWhole = at >= end || open.size === at;
    this.#cut(open, draft, isWhole);
    if (isWhole) {
      open.ranges.shift();
      return true;
    }
    const rest = draft.cuts.at(-1) ?? 0;
    this.#carry = draft.slab.slice(rest, draft.used);
    if (open.extents.length > 0) this.#addPiece(open, draft);
    return false;
  }

  /** Cuts the unfinished bytes of the slab; extents cover what was cut. */
  #cut(open: OpenFile, draft: Draft, isLast: boolean): void {
    const start = draft.cuts.at(-1) ?? 0;
    const ends = this.#boundary.cuts(this.#params, draft.slab.subarray(start, draft.used), isLast);
    if (ends.length === 0) return;
    const first = draft.cuts.length;
    for (const end of ends) draft.cuts.push(start + end);
    const length = ends.at(-1)!;
    open.extents.push({ length, source: 0, first, count: ends.length });
    open.position += length;
  }

  #addHole(open: OpenFile, until: number): void {
    if (until <= open.position) return;
    open.extents.push({ length: until - open.position, source: 0, first: 0, count: 0 });
    open.position = until;
  }

  #addPiece(open: OpenFile, draft: Draft): void {
    const { path, size, mtimeS, mtimeNs } = open.entry;
    const { from: offset, extents } = open;
    this.#add(draft, { type: "piece", path, offset, extents, size, mtimeS, mtimeNs });
    open.from += extentsLength(extents);
    open.extents = [];
  }

  #finishInline(open: OpenFile, draft: Draft): void {
    const content = new Uint8Array(open.size);
    let length = 0;
    while (length < content.length) {
      const count = open.file.read(content.subarray(length), length);
      if (count === 0) break;
      length += count;
    }
    open.size = length;
    this.#finish(open, draft, length === 0 ? null : content.subarray(0, length));
  }

  #finish(open: OpenFile, draft: Draft, inline: Bytes | null): void {
    this.#addFile(draft, open.entry, { ...open, inline });
    if (open.file.changed()) this.#reportChange(draft, open.entry.path);
    this.#closeFile();
  }

  #addFile(
    draft: Draft,
    entry: SourceEntry,
    { size, from: offset, extents, inline }: FileContent,
  ): void {
    const { path } = entry;
    this.#add(draft, { type: "file", path, meta: metaOf(entry), size, offset, extents, inline });
  }

  #reportChange(draft: Draft, path: Bytes): void {
    const error = new WarpError("E_IO", "the file changed while it was read");
    this.#report(draft, path, error, true);
  }

  #closeFile(): void {
    this.#file?.file.close();
    this.#file = undefined;
  }

  #add(draft: Draft, entry: Entry): void {
    draft.entries.push(entry);
    draft.metadataBytes += 64 + entry.path.length;
    if (entry.type === "piece") return;
    if (entry.type === "file" && entry.inline !== null) draft.metadataBytes += entry.inline.length;
    for (const bytes of entry.meta.xattrs ?? []) draft.metadataBytes += bytes.length;
  }

  #report(draft: Draft, path: Bytes, error: unknown, isStored: boolean): void {
    draft.problems.push({ path: new Uint8Array(path), error: toWireError(error), isStored });
  }
}

function metaOf(entry: SourceEntry): Meta {
  const { mode, mtimeS, mtimeNs, uid, gid, owner, group, xattrs } = entry;
  return { mode, mtimeS, mtimeNs, uid, gid, owner, group, xattrs };
}
