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
import { rawFromBytes, type RawName } from "../base/fs/raw_name.ts";
import { isWithin } from "../base/path_order.ts";
import { KiB, MiB } from "../base/units.ts";
import type { Blake3, Boundary, BoundaryParams } from "../../kernels/kernel.ts";
import type { Problem } from "../chunker/protocol.ts";
import type { ExistingFile, ExtractTarget, TargetFile, WholeFile } from "../target/target_io.ts";
import type { Holdings } from "./holdings.ts";
import { Bitmap, type Page } from "./manifest.ts";

const ID_BYTES = 32;
const SLASH = 0x2f;
/** A write of this length is worth a thread of its own. */
const WRITE_LATER_BYTES = 256 * KiB;
const COPY_BYTES = MiB;
/** So much of what is here is looked at or copied before others have their turn. */
const TURN_BYTES = 8 * MiB;
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
  /** Something with this first component is about to be written. */
  onTop?(top: RawName): void;
  /** Every chunk of a page is where it belongs. */
  onStored(batch: number): void;
  /** Lets others work for a moment, where there are others. @throws when the transfer has ended */
  breathe?(): Promise<void>;
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

/** A file that is all in one run. */
interface Whole extends WholeFile {
  file: LandingFile;
}

interface OpenPage {
  page: Page;
  missing: number;
  /** The sender is about to hear what is wanted of it: nothing of it can have come before. */
  isEntered: boolean;
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
  readonly #prefix: string;
  #top = new Uint8Array();
  #holder: { path: Bytes; file: ExistingFile } | undefined;
  readonly #open = new Set<LandingFile>();
  files = 0;
  /** Content found here, and content that came. */
  bytesHad = 0;
  bytesCame = 0;

  constructor(options: LandingOptions) {
    this.#o = options;
    this.#prefix = leftoverPrefix(options.transferId, options.blake3);
  }

  get openPages(): number {
    return this.#pages.size;
  }

  /**
   * Enters a page; the chunks that are wanted, one bit each. One page at a time; meanwhile chunks of
   * earlier ones may land.
   */
  async open(page: Page): Promise<Bitmap> {
    for (const { path } of page.entries) {
      this.#checkTop(path);
      this.#noteTop(path);
    }
    const wanted = new Bitmap(page.lengths.length);
    const open: OpenPage = { page, missing: 0, isEntered: false };
    this.#pages.set(page.batch, open);
    for (const entry of page.entries) {
      if (entry.type === "file" || entry.type === "piece") {
        await this.#enterFile(entry, open, wanted);
      } else this.#tolerate(entry.path, () => this.#make(entry));
    }
    if (this.#o.isDryRun) {
      this.#waiting.clear();
      open.missing = 0;
    }
    open.isEntered = true;
    if (open.missing === 0) this.#stored(open);
    return wanted;
  }

  /** Who fetches one thing must not be given another. */
  #checkTop(path: Bytes): void {
    const { topName } = this.#o;
    if (topName === null || isWithin(path, topName)) return;
    throw new WarpError("E_UNSAFE_PATH", "the peer sent something else than what was asked for");
  }

  #noteTop(path: Bytes): void {
    if (this.#o.onTop === undefined || this.#o.isDryRun) return;
    const slash = path.indexOf(SLASH);
    const top = slash < 0 ? path : path.subarray(0, slash);
    if (equal(top, this.#top)) return;
    this.#top = new Uint8Array(top);
    this.#o.onTop(rawFromBytes(top));
  }

  /** The page and chunks that a run claims to be. @throws {WarpError} E_PROTOCOL */
  expect(batch: number, first: number, bytes: number): { count: number; page: Page } {
    const open = this.#pages.get(batch);
    const page = open?.isEntered === true ? open.page : undefined;
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
    const whole: Whole[] = [];
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
        if (k > 0) this.bytesHad += length; // it came once
        if (isWhole(place.file, page, i, first + count, at, whole)) continue;
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
    if (whole.length > 0) writes.push(this.#putWhole(whole, content));
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

  async #enterFile(
    entry: Entry & { type: "file" | "piece" },
    open: OpenPage,
    wanted: Bitmap,
  ): Promise<void> {
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
      if (extent.count === 0) await this.#enterHole(file, offset, offset + extent.length);
      let at = offset;
      for (let i = extent.first; i < extent.first + extent.count; i++) {
        const length = open.page.lengths[i]!;
        let isEntered = true;
        this.#tolerateFile(file, () => isEntered = this.#enterChunk(file, at, i, open, wanted));
        if (!isEntered) {
          await this.#diverge(file, at);
          this.#tolerateFile(file, () => this.#enterChunk(file, at, i, open, wanted));
        }
        at += length;
      }
      offset += extent.length;
    }
    if (entry.type === "piece") return;
    this.#current = undefined;
    const { existing } = file;
    // All that comes was there, and more: the beginning becomes a file of its own.
    if (existing !== undefined && file.isSameSoFar && existing.size !== entry.size) {
      await this.#diverge(file, Math.min(entry.size, existing.size), false);
    }
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
    this.#materialize(file).write(content, 0);
  }

  /** False: nothing was done yet, the file here is to be looked through first. */
  #enterChunk(
    file: LandingFile,
    at: number,
    i: number,
    open: OpenPage,
    wanted: Bitmap,
  ): boolean {
    if (file.isDropped) return true;
    const { page } = open;
    const length = page.lengths[i]!;
    const id = page.ids.subarray(ID_BYTES * i, ID_BYTES * (i + 1));
    const isSame = this.#matchesExisting(file, at, length, id);
    if (!isSame && file.existing !== undefined && file.index === undefined) return false;
    file.ids.push(id);
    file.offsets.push(at);
    if (isSame) {
      this.bytesHad += length;
      return true;
    }
    const key = this.#key(page, i);
    const found = this.#find(file, at, length, id, key);
    if (found !== undefined) {
      this.bytesHad += length;
      if (found !== "in place" && !this.#o.isDryRun) this.#materialize(file).write(found, at);
      return true;
    }
    const places = this.#waiting.get(key);
    file.missing++;
    if (places !== undefined) {
      places.push({ file, offset: at });
      this.#notWhole(file);
      return true;
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
    return true;
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
      const start = file.index?.get(key);
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
    this.#materialize(file);
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

  /**
   * From `at` on the file that comes is another one than that under its name. Its beginning is the same:
   * it is copied. The rest, if there `isMore`, may stand elsewhere in it.
   */
  async #diverge(file: LandingFile, at: number, isMore = true): Promise<void> {
    try {
      file.isSameSoFar = false;
      const index = isMore ? await this.#indexOf(file) : undefined;
      if (!this.#o.isDryRun) await this.#copyStart(file, at);
      if (index !== undefined) file.index = index;
    } catch (error) {
      this.#tolerateFile(file, () => {
        throw error;
      });
    }
  }

  /** The existing file cut as the sender cuts, so that what moved within it is found. */
  async #indexOf(file: LandingFile): Promise<Map<string, number>> {
    const index = new Map<string, number>();
    const { boundary, params } = this.#o;
    const slab = new Uint8Array(4 * MiB);
    let start = 0, used = 0;
    for (;;) {
      if (file.existing === undefined) return index; // given up meanwhile
      const count = file.existing.read(slab.subarray(used), start + used);
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
      await this.#o.breathe?.();
    }
  }

  async #copyStart(file: LandingFile, until: number): Promise<void> {
    const made = this.#materialize(file);
    const buffer = new Uint8Array(Math.min(COPY_BYTES, until));
    for (let at = 0; at < until;) {
      if (file.existing === undefined || file.isDropped) return;
      const part = buffer.subarray(0, Math.min(buffer.length, until - at));
      const count = file.existing.read(part, at);
      if (count === 0) throw new WarpError("E_IO", "a file changed while it was compared");
      made.write(part.subarray(0, count), at);
      at += count;
      if (at % TURN_BYTES === 0) await this.#o.breathe?.();
    }
  }

  /**
   * Nothing but zeros belongs to `start` to `end`: a file here may hold something else there, and so may
   * what an earlier run left, if the source has changed since.
   */
  async #enterHole(file: LandingFile, start: number, end: number): Promise<void> {
    if (file.isDropped) return;
    this.#notWhole(file);
    const { existing } = file;
    if (existing !== undefined && file.isSameSoFar) {
      const zeros = await this.#zerosFrom(file, existing, start, Math.min(end, existing.size));
      if (zeros >= Math.min(end, existing.size)) return;
      if (!this.#o.isForce) {
        return this.#tolerateFile(file, () => {
          throw new WarpError("E_EXISTS", "another file has this name");
        });
      }
      await this.#diverge(file, start);
    }
    if (file.isDropped || this.#o.isDryRun) return;
    this.#tolerateFile(file, () => this.#takeUp(file, start));
    const made = file.file;
    if (made === undefined) return;
    const zeros = new Uint8Array(COPY_BYTES);
    for (let at = start; at < Math.min(end, made.resumed);) {
      at = await this.#zerosFrom(file, made, at, Math.min(end, made.resumed));
      const count = Math.min(zeros.length, Math.min(end, made.resumed) - at);
      if (count <= 0 || file.file !== made) return;
      made.write(zeros.subarray(0, count), at);
      at += count;
    }
  }

  /** Where the zeros from `start` on end, roughly: not after `end`, and never too late. */
  async #zerosFrom(
    file: LandingFile,
    content: Pick<ExistingFile, "read">,
    start: number,
    end: number,
  ): Promise<number> {
    const words = new Int32Array(Math.ceil(Math.max(0, Math.min(COPY_BYTES, end - start)) / 4));
    const bytes = new Uint8Array(words.buffer);
    for (let at = start; at < end; at += bytes.length) {
      if (at > start && (at - start) % TURN_BYTES === 0) await this.#o.breathe?.();
      if (file.isDropped) return end;
      words.fill(0);
      content.read(bytes.subarray(0, Math.min(bytes.length, end - at)), at);
      for (let i = 0; i < words.length; i++) if (words[i] !== 0) return at;
    }
    return end;
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

  /** The file in work. */
  #materialize(file: LandingFile): TargetFile {
    if (file.file !== undefined) return file.file;
    const made = this.#o.target.createFile(file.path, this.#temporaryOf(file.path));
    file.file = made;
    file.whole = undefined;
    return made;
  }

  #temporaryOf(path: Bytes): string {
    const digest = new Uint8Array(ID_BYTES);
    this.#o.blake3.hash(concat(this.#o.transferId, path), digest);
    return `${this.#prefix}${toHex(digest.subarray(0, 12))}.part`;
  }

  #write({ file, offset }: Placement, bytes: Bytes, writes: Promise<void>[]): void {
    if (file.isDropped) return;
    this.#tolerateFile(file, () => {
      const made = this.#materialize(file);
      if (bytes.length < WRITE_LATER_BYTES) return made.write(bytes, offset);
      const write = made.writeLater(bytes, offset);
      write.catch(() => {});
      writes.push(write);
    });
  }

  /** Files that came in one run are made in one go. */
  async #putWhole(whole: readonly Whole[], content: Bytes): Promise<void> {
    const isMade = await this.#o.target.putFiles(whole, content);
    const writes: Promise<void>[] = [];
    for (const [i, { file, start, end }] of whole.entries()) {
      if (isMade[i]!) {
        this.files++;
        this.#o.holdings.add(file.path, concat(...file.ids), file.offsets);
        continue;
      }
      file.isDropped = false;
      this.#write({ file, offset: 0 }, content.subarray(start, end), writes);
    }
    await settle(writes);
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
      this.#materialize(file).commit(entry.size, entry.meta as Meta);
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

/** How the names of files in work of one transfer begin: so that they are found when nobody wants them. */
export function leftoverPrefix(transferId: Bytes, blake3: Blake3): string {
  const digest = new Uint8Array(ID_BYTES);
  blake3.hash(transferId, digest);
  return `.warp-${toHex(digest.subarray(0, 6))}-`;
}

/**
 * Whether chunk `i`, which stands at `at` of a run that ends before chunk `end`, belongs to a file that is all
 * in this run: with its first chunk it is added to `whole`.
 */
function isWhole(
  file: LandingFile,
  page: Page,
  i: number,
  end: number,
  at: number,
  whole: Whole[],
): boolean {
  const { whole: chunks, entry, path } = file;
  if (chunks === undefined || entry === undefined || chunks.batch !== page.batch) return false;
  if (chunks.bytes !== entry.size) return false; // there are holes
  if (file.isDropped && i > chunks.first) return true;
  if (i !== chunks.first || chunks.first + chunks.count > end || file.isDropped) return false;
  whole.push({ file, path, start: at, end: at + entry.size, meta: entry.meta });
  file.isDropped = true; // nothing else is to be made of it
  return true;
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
