/**
 * The receiving tree: turns manifest pages and verified chunks into files.
 *
 * What is there already is found out chunk by chunk, always by reading and hashing it: at its own
 * place in the file of this name or in what an interrupted run left of it, elsewhere in that file,
 * anywhere the holdings point to, or in what came earlier in this transfer. The rest is wanted.
 *
 * @module
 */
import { type Bytes, concat, equal, toHex } from "../base/bytes.ts";
import type { Entry, FileEntry, Meta } from "../base/entry.ts";
import { asWarpError, isWarpError, toWireError, WarpError } from "../base/errors.ts";
import { isWithin } from "../base/path_order.ts";
import { KiB, MiB } from "../base/units.ts";
import type { Blake3, Boundary, BoundaryParams } from "../../kernels/kernel.ts";
import type { Problem } from "../chunker/protocol.ts";
import type { ExistingFile, ExtractTarget, TargetFile } from "../target/target_io.ts";
import type { Holdings } from "./holdings.ts";
import { Bitmap, type Page } from "./manifest.ts";

const ID_BYTES = 32;
/** A write of this length is worth a thread of its own. */
const WRITE_LATER_BYTES = 256 * KiB;
const COPY_BYTES = MiB;
/** Chunks of this transfer that can be found again before their files have names. */
const RECENT_MAX = 1 << 16;

export interface LandingOptions {
  target: ExtractTarget;
  holdings: Holdings;
  blake3: Blake3;
  boundary: Boundary;
  params: BoundaryParams;
  /** 16 bytes: files in work are named after it, so that the same transfer finds them again. */
  transferId: Bytes;
  /** Files that are there and differ are replaced; otherwise they are left alone and named. */
  isForce: boolean;
  /** Nothing is written: only what would be wanted is found out. */
  isDryRun: boolean;
  /** The only name at the top that may come, as bytes; null: any. */
  topName: Bytes | null;
  /** Every chunk of a page is where it belongs. */
  onStored(batch: number): void;
}

/** A file on its way. */
interface LandingFile {
  path: Bytes;
  /** What stands under its name, while all of it so far is the same. */
  existing: ExistingFile | undefined;
  isSameSoFar: boolean;
  file: TargetFile | undefined;
  /** Given up: the reason is among the problems. */
  isDropped: boolean;
  /** Placements that wait for chunks. */
  missing: number;
  entry: FileEntry | undefined;
  /** Chunks of a small file that is written in one go when it comes in one run. */
  whole: { batch: number; first: number; count: number; bytes: number } | undefined;
  ids: Uint8Array[];
  offsets: number[];
  /** Chunks of the existing file by id, made when something has moved in it. */
  index: Map<string, number> | undefined;
}

/** Where a wanted chunk goes. */
interface Placement {
  file: LandingFile;
  offset: number;
}

interface OpenPage {
  page: Page;
  missing: number;
}

export class Landing {
  readonly #o: LandingOptions;
  readonly problems: Problem[] = [];
  readonly #pages = new Map<number, OpenPage>();
  /** Wanted and not here yet, by id. */
  readonly #waiting = new Map<string, Placement[]>();
  readonly #recent = new Map<string, Placement>();
  readonly #links: { path: Bytes; first: Bytes }[] = [];
  readonly #digest = new Uint8Array(ID_BYTES);
  #buffer = new Uint8Array(COPY_BYTES);
  #current: LandingFile | undefined;
  #holder: { path: Bytes; file: ExistingFile } | undefined;
  readonly #open = new Set<LandingFile>();
  files = 0;
  /** Content found here, and content that came. */
  bytesHad = 0;
  bytesCame = 0;

  constructor(options: LandingOptions) {
    this.#o = options;
  }

  get openPages(): number {
    return this.#pages.size;
  }

  /** Enters a page; the chunks that are wanted, one bit each. */
  open(page: Page): Bitmap {
    for (const { path } of page.entries) this.#checkTop(path);
    const wanted = new Bitmap(page.lengths.length);
    const open: OpenPage = { page, missing: 0 };
    this.#pages.set(page.batch, open);
    for (const entry of page.entries) {
      if (entry.type === "file" || entry.type === "piece") this.#enterFile(entry, open, wanted);
      else this.#tolerate(entry.path, () => this.#make(entry));
    }
    if (this.#o.isDryRun) {
      this.#waiting.clear();
      open.missing = 0;
    }
    if (open.missing === 0) this.#stored(open);
    return wanted;
  }

  /** Who fetches one thing must not be given another. */
  #checkTop(path: Bytes): void {
    const { topName } = this.#o;
    if (topName === null || isWithin(path, topName)) return;
    throw new WarpError("E_UNSAFE_PATH", "the peer sent something else than what was asked for");
  }

  /** The page and chunks that a run claims to be. @throws {WarpError} E_PROTOCOL */
  expect(batch: number, first: number, bytes: number): { count: number; page: Page } {
    const open = this.#pages.get(batch);
    const page = open?.page;
    let count = 0, sum = 0;
    while (page !== undefined && sum < bytes && first + count < page.lengths.length) {
      sum += page.lengths[first + count++]!;
    }
    if (page === undefined || sum !== bytes || count === 0) {
      throw new WarpError("E_PROTOCOL", "the peer sent chunks that were not asked for");
    }
    return { count, page };
  }

  /** Writes verified chunks to where they belong. `content` must stay as it is until then. */
  async land(page: Page, first: number, count: number, content: Bytes): Promise<void> {
    const writes: Promise<void>[] = [];
    let at = 0;
    let pending: { place: Placement; start: number; end: number } | undefined;
    const flush = () => {
      if (pending === undefined) return;
      const { place, start, end } = pending;
      pending = undefined;
      this.#write(place, content.subarray(start, end), writes);
    };
    const done: Placement[] = [];
    for (let i = first; i < first + count; i++) {
      const length = page.lengths[i]!;
      const key = this.#key(page, i);
      const places = this.#waiting.get(key);
      this.#waiting.delete(key);
      if (places === undefined) {
        throw new WarpError("E_PROTOCOL", "the peer sent chunks that were not asked for");
      }
      for (const [k, place] of places.entries()) {
        done.push(place);
        if (this.#putWhole(place.file, page, i, first + count, content, at)) continue;
        const goesOn = k === 0 && pending !== undefined && pending.place.file === place.file &&
          pending.place.offset + (pending.end - pending.start) === place.offset &&
          pending.end === at;
        if (goesOn) {
          pending!.end = at + length;
          continue;
        }
        flush();
        pending = { place, start: at, end: at + length };
      }
      this.#remember(key, places[0]!);
      at += length;
    }
    flush();
    await settle(writes);
    this.bytesCame += content.length;
    for (const { file } of done) {
      file.missing--;
      this.#finishFile(file);
    }
    this.#countDown(page, count);
  }

  /** Hard links, which need their first names. The root was checked: all is here. */
  finish(): void {
    for (const { path, first } of this.#links) {
      this.#tolerate(path, () => {
        if (this.#o.isDryRun || this.#o.target.isSameFile(path, first)) return;
        this.#o.target.makeHardLink(path, first);
      });
    }
    this.#close();
    if (!this.#o.isDryRun) this.#o.target.finish();
  }

  /** What is in work stays for the next run. */
  suspend(): void {
    this.#close();
    if (!this.#o.isDryRun) this.#o.target.suspend();
  }

  #close(): void {
    this.#holder?.file.close();
    this.#holder = undefined;
    for (const file of this.#open) file.existing?.close();
    this.#open.clear();
  }

  /** Remembers what has come; nobody need wait for that. */
  release(): void {
    this.#o.holdings.close();
  }

  #countDown(page: Page, count: number): void {
    const open = this.#pages.get(page.batch);
    if (open === undefined) return;
    open.missing -= count;
    if (open.missing === 0) this.#stored(open);
  }

  #stored(open: OpenPage): void {
    this.#pages.delete(open.page.batch);
    this.#o.onStored(open.page.batch);
  }

  #key(page: Page, i: number): string {
    return toHex(page.ids.subarray(ID_BYTES * i, ID_BYTES * (i + 1)));
  }

  // --- entries

  #make(entry: Exclude<Entry, { type: "file" | "piece" }>): void {
    const { target, isDryRun, isForce } = this.#o;
    if (isDryRun) return;
    switch (entry.type) {
      case "dir":
        return target.makeDir(entry.path, entry.meta);
      case "symlink":
        if (!isForce && this.#isSameLink(entry.path, entry.target)) return;
        return target.makeSymlink(entry.path, entry.target, entry.meta);
      case "fifo":
        return target.makeFifo(entry.path, entry.meta);
      case "hardlink":
        this.#links.push({ path: entry.path, first: entry.first });
    }
  }

  /** A link that an interrupted run made is no conflict. */
  #isSameLink(path: Bytes, link: Bytes): boolean {
    const found = this.#o.target.linkAt(path);
    return found !== undefined && equal(found, link);
  }

  #enterFile(entry: Entry & { type: "file" | "piece" }, open: OpenPage, wanted: Bitmap): void {
    let file = this.#current;
    if (file === undefined || !equal(file.path, entry.path)) {
      if (file !== undefined) this.#giveUp(file);
      file = this.#current = this.#begin(entry);
    }
    let offset = entry.offset;
    if (entry.type === "file" && entry.inline !== null) {
      this.#tolerateFile(file, () => this.#putInline(file, entry, entry.inline!));
    }
    for (const extent of entry.extents) {
      let at = offset;
      for (let i = extent.first; i < extent.first + extent.count; i++) {
        const length = open.page.lengths[i]!;
        this.#tolerateFile(file, () => this.#enterChunk(file, at, i, open, wanted));
        at += length;
      }
      offset += extent.length;
    }
    if (entry.type === "piece") return;
    this.#current = undefined;
    file.entry = entry;
    this.#finishFile(file);
  }

  #begin(entry: Entry & { type: "file" | "piece" }): LandingFile {
    const file: LandingFile = {
      path: entry.path,
      existing: undefined,
      isSameSoFar: false,
      file: undefined,
      isDropped: false,
      missing: 0,
      entry: undefined,
      whole: undefined,
      ids: [],
      offsets: [],
      index: undefined,
    };
    this.#tolerateFile(file, () => {
      file.existing = this.#openExisting(file.path);
      if (file.existing !== undefined) this.#open.add(file);
      file.isSameSoFar = file.existing !== undefined;
      if (file.existing !== undefined && !this.#o.isForce && file.existing.size !== entry.size) {
        throw new WarpError("E_EXISTS", "another file has this name");
      }
    });
    return file;
  }

  #openExisting(path: Bytes): ExistingFile | undefined {
    try {
      return this.#o.target.openExisting(path);
    } catch (error) {
      if (isWarpError(error, "E_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  /** The source lost the file half-way: there is no final entry for it. */
  #giveUp(file: LandingFile): void {
    file.isDropped = true;
    this.#forget(file);
    file.file?.abort();
    file.file = undefined;
  }

  #forget(file: LandingFile): void {
    file.existing?.close();
    file.existing = undefined;
    this.#open.delete(file);
  }

  #putInline(file: LandingFile, entry: FileEntry, content: Bytes): void {
    if (this.#matchesExisting(file, 0, content.length, undefined, content)) return;
    if (this.#o.isDryRun) return;
    const { target } = this.#o;
    // What an interrupted run left of it is used up.
    this.#takeUp(file, 0);
    const isFresh = file.existing === undefined && file.file === undefined;
    if (isFresh && target.putFile(file.path, content, entry.meta)) {
      this.files++;
      file.isDropped = true; // done: nothing else is to be made of it
      return;
    }
    this.#materialize(file, 0).write(content, 0);
  }

  #enterChunk(file: LandingFile, at: number, i: number, open: OpenPage, wanted: Bitmap): void {
    if (file.isDropped) return;
    const { page } = open;
    const length = page.lengths[i]!;
    const id = page.ids.subarray(ID_BYTES * i, ID_BYTES * (i + 1));
    file.ids.push(id);
    file.offsets.push(at);
    if (this.#matchesExisting(file, at, length, id)) {
      this.bytesHad += length;
      return;
    }
    const key = this.#key(page, i);
    const found = this.#find(file, at, length, id, key);
    if (found !== undefined) {
      this.bytesHad += length;
      if (found !== "in place" && !this.#o.isDryRun) this.#materialize(file, at).write(found, at);
      return;
    }
    const places = this.#waiting.get(key);
    file.missing++;
    if (places !== undefined) {
      places.push({ file, offset: at });
      this.#notWhole(file);
      return;
    }
    this.#waiting.set(key, [{ file, offset: at }]);
    wanted.add(i);
    open.missing++;
    if (at === 0 && file.file === undefined && file.existing === undefined) {
      file.whole = { batch: page.batch, first: i, count: 1, bytes: length };
    } else if (file.whole !== undefined && goesOn(file.whole, page.batch, at, i)) {
      file.whole.count++;
      file.whole.bytes += length;
    } else {
      this.#notWhole(file);
    }
  }

  #notWhole(file: LandingFile): void {
    file.whole = undefined;
  }

  // --- what is here already

  /** Whether the file under this name has the same bytes there, and had them all the way. */
  #matchesExisting(
    file: LandingFile,
    at: number,
    length: number,
    id: Bytes | undefined,
    content?: Bytes,
  ): boolean {
    const { existing } = file;
    if (existing === undefined || !file.isSameSoFar) return false;
    const bytes = this.#room(length);
    const isSame = existing.read(bytes, at) === length &&
      (id === undefined ? equal(bytes, content!) : this.#hashes(bytes, id));
    if (isSame) return true;
    if (!this.#o.isForce) {
      throw new WarpError("E_EXISTS", "another file has this name");
    }
    file.isSameSoFar = false;
    return false;
  }

  /** Bytes of a chunk found here, verified; valid until the next call. */
  #find(
    file: LandingFile,
    at: number,
    length: number,
    id: Bytes,
    key: string,
  ): Bytes | "in place" | undefined {
    const bytes = this.#room(length);
    if (file.file === undefined && !this.#o.isDryRun) this.#takeUp(file, at);
    if (file.file !== undefined && at < file.file.resumed) {
      if (file.file.read(bytes, at) === length && this.#hashes(bytes, id)) return "in place";
    }
    const recent = this.#recent.get(key);
    if (recent?.file.file !== undefined) {
      if (recent.file.file.read(bytes, recent.offset) === length && this.#hashes(bytes, id)) {
        return bytes;
      }
    }
    if (file.existing !== undefined) {
      const start = this.#indexOf(file).get(key);
      const isRead = start !== undefined && file.existing.read(bytes, start) === length;
      if (isRead && this.#hashes(bytes, id)) return bytes;
    }
    const holding = this.#o.holdings.find(id);
    if (holding === undefined) return undefined;
    const holder = this.#holderAt(holding.path);
    const isRead = holder !== undefined && holder.read(bytes, holding.offset) === length;
    return isRead && this.#hashes(bytes, id) ? bytes : undefined;
  }

  /** Goes on with the file that an interrupted run of this transfer left. */
  #takeUp(file: LandingFile, at: number): void {
    if (file.existing !== undefined || at > 0) return;
    if (!this.#o.target.hasTemporary(file.path, () => this.#temporaryOf(file.path))) return;
    this.#materialize(file, 0);
  }

  #holderAt(path: Bytes): ExistingFile | undefined {
    if (this.#holder !== undefined && equal(this.#holder.path, path)) return this.#holder.file;
    let file: ExistingFile | undefined;
    try {
      file = this.#o.target.openExisting(path);
    } catch {
      return undefined; // gone, or something else now
    }
    if (file === undefined) return undefined;
    this.#holder?.file.close();
    this.#holder = { path: new Uint8Array(path), file };
    return file;
  }

  /** The existing file cut as the sender cuts, so that what moved within it is found. */
  #indexOf(file: LandingFile): Map<string, number> {
    if (file.index !== undefined) return file.index;
    const index = file.index = new Map<string, number>();
    const { boundary, params } = this.#o;
    const slab = new Uint8Array(4 * MiB);
    let start = 0, used = 0;
    for (;;) {
      const count = file.existing!.read(slab.subarray(used), start + used);
      used += count;
      const isLast = used < slab.length;
      const cuts = boundary.cuts(params, slab.subarray(0, used), isLast);
      let from = 0;
      for (const end of cuts) {
        this.#o.blake3.hash(slab.subarray(from, end), this.#digest);
        index.set(toHex(this.#digest), start + from);
        from = end;
      }
      if (isLast) return index;
      slab.copyWithin(0, from, used);
      start += from;
      used -= from;
    }
  }

  #hashes(bytes: Bytes, id: Bytes): boolean {
    this.#o.blake3.hash(bytes, this.#digest);
    return equal(this.#digest, id);
  }

  #room(length: number): Uint8Array {
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    return this.#buffer.subarray(0, length);
  }

  #remember(key: string, place: Placement): void {
    if (this.#recent.size >= RECENT_MAX) {
      this.#recent.delete(this.#recent.keys().next().value!);
    }
    this.#recent.set(key, place);
  }

  // --- writing

  /** The file in work; what was the same up to `until` is copied into it first. */
  #materialize(file: LandingFile, until: number): TargetFile {
    if (file.file !== undefined) return file.file;
    const made = this.#o.target.createFile(file.path, this.#temporaryOf(file.path));
    file.file = made;
    file.whole = undefined;
    if (file.existing === undefined) return made;
    const buffer = new Uint8Array(Math.min(COPY_BYTES, until));
    for (let at = 0; at < until;) {
      const count = file.existing.read(buffer.subarray(0, Math.min(buffer.length, until - at)), at);
      if (count === 0) throw new WarpError("E_IO", "a file changed while it was compared");
      made.write(buffer.subarray(0, count), at);
      at += count;
    }
    return made;
  }

  #temporaryOf(path: Bytes): string {
    const digest = new Uint8Array(ID_BYTES);
    this.#o.blake3.hash(concat(this.#o.transferId, path), digest);
    return `.warp-${toHex(digest.subarray(0, 12))}.part`;
  }

  #write({ file, offset }: Placement, bytes: Bytes, writes: Promise<void>[]): void {
    if (file.isDropped) return;
    this.#tolerateFile(file, () => {
      const made = this.#materialize(file, offset);
      if (bytes.length < WRITE_LATER_BYTES) return made.write(bytes, offset);
      const write = made.writeLater(bytes, offset);
      write.catch(() => {});
      writes.push(write);
    });
  }

  /** A file that comes in one run is made in one go. */
  #putWhole(
    file: LandingFile,
    page: Page,
    i: number,
    end: number,
    content: Bytes,
    at: number,
  ): boolean {
    const { whole, entry } = file;
    if (whole === undefined || entry === undefined || whole.batch !== page.batch) return false;
    if (whole.bytes !== entry.size) return false; // there are holes
    if (file.isDropped && i > whole.first) return true;
    if (i !== whole.first || whole.first + whole.count > end || file.isDropped) return false;
    const isMade = this.#o.target.putFile(
      file.path,
      content.subarray(at, at + entry.size),
      entry.meta,
    );
    if (!isMade) return false;
    this.files++;
    file.isDropped = true; // done
    this.#o.holdings.add(file.path, concat(...file.ids), file.offsets);
    return true;
  }

  #finishFile(file: LandingFile): void {
    const { entry } = file;
    if (entry === undefined || file.missing > 0 || file.isDropped) return;
    this.#tolerateFile(file, () => this.#commit(file, entry));
    this.#forget(file);
  }

  #commit(file: LandingFile, entry: FileEntry): void {
    const { target, isDryRun, isForce, holdings } = this.#o;
    const { existing } = file;
    if (isDryRun) return;
    if (existing !== undefined && file.isSameSoFar && existing.size === entry.size) {
      if (isForce) target.updateMeta(entry.path, entry.meta);
      target.adopt(entry.path);
    } else {
      if (existing !== undefined && !isForce) {
        throw new WarpError("E_EXISTS", "another file has this name");
      }
      const until = file.isSameSoFar ? Math.min(entry.size, existing?.size ?? 0) : 0;
      this.#materialize(file, until).commit(entry.size, entry.meta as Meta);
      file.file = undefined;
    }
    file.isDropped = true; // done
    this.files++;
    holdings.add(entry.path, concat(...file.ids), file.offsets);
    file.ids = [];
  }

  /** Trouble with one file is noted; trouble with the disk ends the run. */
  #tolerateFile(file: LandingFile, action: () => void): void {
    if (file.isDropped) return;
    this.#tolerate(file.path, action, () => {
      file.isDropped = true;
      file.file?.abort();
      file.file = undefined;
      this.#forget(file);
    });
  }

  #tolerate(path: Bytes, action: () => void, onProblem = () => {}): void {
    try {
      action();
    } catch (error) {
      const known = asWarpError(error);
      if (!isWarpError(known, "E_EXISTS") && !isWarpError(known, "E_ACCESS")) throw known;
      onProblem();
      this.problems.push({
        path: new Uint8Array(path),
        error: toWireError(known),
        isStored: false,
      });
    }
  }
}

/** The next chunk of the run, and no hole before it. */
function goesOn(
  whole: { batch: number; first: number; count: number; bytes: number },
  batch: number,
  at: number,
  i: number,
): boolean {
  return whole.batch === batch && whole.bytes === at && whole.first + whole.count === i;
}

async function settle(writes: Promise<void>[]): Promise<void> {
  if (writes.length === 0) return;
  const results = await Promise.allSettled(writes);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
