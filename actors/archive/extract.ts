/**
 * Extraction: entries in order → groups of blocks decoded ahead on the ciphers → files written in
 * order.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { FileEntry, FinalEntry, Meta } from "../base/entry.ts";
import { asWarpError, isWarpError, toWireError, WarpError } from "../base/errors.ts";
import { isWithin } from "../base/path_order.ts";
import { KiB, MiB } from "../base/units.ts";
import type { Problem } from "../chunker/protocol.ts";
import {
  BlockGroup,
  BlockPlanner,
  type ChunkRead,
  DecodeBuffers,
  type DecodedGroup,
  decodeGroup,
} from "./block_reader.ts";
import type { SourceSet } from "./bases.ts";
import type { Ciphers } from "./cipher_pool.ts";
import type { Progress } from "./protocol.ts";
import type { ExtractTarget, TargetFile } from "../target/target_io.ts";

const GROUP_RAW_BYTES = 4 * MiB;
const GROUP_STEPS_MAX = 4096;
/** A write of this length is worth a thread of its own. */
const WRITE_LATER_BYTES = 256 * KiB;

/** One thing to do with the target, in order. */
type Step =
  | { do: "entry"; entry: Exclude<FinalEntry, FileEntry> }
  | { do: "begin"; entry: FileEntry }
  | { do: "write"; offset: number; read: ChunkRead }
  | { do: "fail"; entry: FileEntry; error: WarpError }
  | { do: "end"; entry: FileEntry };

interface Group {
  blocks: BlockGroup;
  steps: Step[];
}

export interface ExtractInput {
  entries: Iterable<FinalEntry>;
  /** Looks up the content of a hard link whose first path is not extracted. */
  find: (path: Bytes) => FinalEntry | undefined;
  sources: SourceSet;
  ciphers: Ciphers;
  target: ExtractTarget;
  /** Empty: everything. */
  paths: Uint8Array[];
  /** Go on after damage, and say what was lost. */
  isSalvage: boolean;
  memoryBytes: number;
  signal: AbortSignal;
}

export class Extraction {
  readonly #in: ExtractInput;
  readonly #planner: BlockPlanner;
  readonly progress: Progress = { phase: "extracting", bytes: 0, files: 0, stored: 0 };
  readonly problems: Problem[] = [];
  readonly #found = new Set<string>();
  entries = 0;
  #file: TargetFile | undefined;

  constructor(input: ExtractInput) {
    this.#in = input;
    this.#planner = new BlockPlanner(input.sources);
  }

  /** Requested paths that matched nothing. */
  get missing(): Uint8Array[] {
    return this.#in.paths.filter((path) => !this.#found.has(toHex(path)));
  }

  async run(): Promise<void> {
    const { ciphers, memoryBytes, signal } = this.#in;
    const lanes = Math.max(1, Math.min(ciphers.size + 1, Math.floor(memoryBytes / 2 / (9 * MiB))));
    const buffers = Array.from({ length: lanes + 1 }, () => new DecodeBuffers());
    const ahead: { group: Group; decoded: Promise<DecodedGroup>; buffers: DecodeBuffers }[] = [];
    const groups = this.#groups();
    try {
      for (;;) {
        while (buffers.length > 0) {
          const next = groups.next();
          if (next.done) break;
          const own = buffers.pop()!;
          const decoded = decodeGroup(next.value.blocks, own, ciphers, signal);
          decoded.catch(() => {});
          ahead.push({ group: next.value, decoded, buffers: own });
        }
        const first = ahead.shift();
        if (first === undefined) break;
        await this.#carryOut(first.group, await first.decoded);
        buffers.push(first.buffers);
        signal.throwIfAborted();
      }
    } finally {
      await Promise.allSettled(this.#writes);
      this.#file?.abort();
    }
  }

  /** Cuts the work into groups whose blocks fit the buffers. */
  *#groups(): Generator<Group> {
    let group: Group = { blocks: new BlockGroup(GROUP_RAW_BYTES), steps: [] };
    const isFull = () => group.blocks.isFull || group.steps.length >= GROUP_STEPS_MAX;
    for (const entry of this.#selected()) {
      if (entry.type !== "file") {
        group.steps.push({ do: "entry", entry });
      } else {
        group.steps.push({ do: "begin", entry });
        try {
          for (const step of this.#reads(entry, () => group.blocks)) {
            addStep(group.steps, step);
            if (!isFull()) continue;
            yield group;
            group = { blocks: new BlockGroup(GROUP_RAW_BYTES), steps: [] };
          }
          group.steps.push({ do: "end", entry });
        } catch (error) {
          const known = asWarpError(error);
          if (!this.#in.isSalvage || !isDamage(known)) throw error;
          group.steps.push({ do: "fail", entry, error: known });
        }
      }
      if (!isFull()) continue;
      yield group;
      group = { blocks: new BlockGroup(GROUP_RAW_BYTES), steps: [] };
    }
    yield group;
  }

  *#reads(entry: FileEntry, group: () => BlockGroup): Generator<Step> {
    let offset = entry.offset;
    for (const extent of entry.extents) {
      const end = offset + extent.length;
      for (let i = 0; i < extent.count; i++) {
        const read = this.#planner.read(group(), extent, i);
        if (offset + read.length > end) throw extentDamage();
        yield { do: "write", offset, read };
        offset += read.length;
      }
      if (extent.count > 0 && offset !== end) throw extentDamage();
      offset = end;
    }
  }

  /** What was asked for: everything, or the requested paths, their parents' metadata not included. */
  *#selected(): Generator<FinalEntry> {
    const { paths, entries } = this.#in;
    const links = new Map<string, Bytes>();
    const extracted = new Set<string>();
    for (const entry of entries) {
      if (paths.length > 0 && !this.#isRequested(entry.path)) continue;
      if (paths.length === 0 || entry.type !== "hardlink") {
        if (paths.length > 0 && entry.type === "file") extracted.add(toHex(entry.path));
        yield entry;
        continue;
      }
      yield this.#asLinkOrFile(entry, links, extracted);
    }
  }

  /** A hard link whose first path was not asked for becomes the file; later ones link to it. */
  #asLinkOrFile(
    entry: FinalEntry & { type: "hardlink" },
    links: Map<string, Bytes>,
    extracted: Set<string>,
  ): FinalEntry {
    const key = toHex(entry.first);
    if (extracted.has(key)) return entry;
    const known = links.get(key);
    if (known !== undefined) return { ...entry, first: known };
    const content = this.#in.find(entry.first);
    if (content?.type !== "file") {
      throw new WarpError("E_INTEGRITY", "a hard link of the archive leads nowhere");
    }
    links.set(key, entry.path);
    return { ...content, path: entry.path };
  }

  #isRequested(path: Bytes): boolean {
    let isRequested = false;
    for (const wanted of this.#in.paths) {
      if (!isWithin(path, wanted)) continue;
      this.#found.add(toHex(wanted));
      isRequested = true;
    }
    return isRequested;
  }

  async #carryOut(group: Group, decoded: DecodedGroup): Promise<void> {
    for (const [i, step] of group.steps.entries()) {
      switch (step.do) {
        case "entry":
          this.#tolerate(step.entry.path, () => this.#make(step.entry));
          this.entries++;
          break;
        case "begin":
          this.#current = step.entry;
          this.#tolerate(step.entry.path, () => {
            if (this.#putWhole(step.entry, group.steps, i, decoded)) return;
            this.#file = this.#in.target.createFile(step.entry.path);
            if (step.entry.inline !== null) this.#file.write(step.entry.inline, 0);
          });
          break;
        case "write":
          if (this.#file !== undefined) await this.#write(step, decoded);
          break;
        case "fail":
          await this.#settle();
          this.#drop(step.entry.path, step.error);
          break;
        case "end":
          await this.#settle();
          if (this.#file === undefined) break;
          this.#tolerate(step.entry.path, () => this.#commit(step.entry));
          break;
      }
    }
    // The buffers go to the next group.
    await this.#settle();
  }

  /** Writes of the current file that are under way. */
  #writes: Promise<void>[] = [];

  async #write(step: Step & { do: "write" }, decoded: DecodedGroup): Promise<void> {
    try {
      const bytes = decoded.view(step.read);
      if (bytes.length < WRITE_LATER_BYTES) {
        this.#file!.write(bytes, step.offset);
      } else {
        const write = this.#file!.writeLater(bytes, step.offset);
        write.catch(() => {});
        this.#writes.push(write);
      }
      this.progress.bytes += bytes.length;
    } catch (error) {
      await this.#settle();
      if (this.#file !== undefined) this.#fail(this.#current!.path, error);
    }
  }

  /** Waits for all writes: a file is not committed or aborted while one of them may still come. */
  async #settle(): Promise<void> {
    if (this.#writes.length === 0) return;
    const results = await Promise.allSettled(this.#writes);
    this.#writes = [];
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) this.#fail(this.#current!.path, failed.reason);
  }

  #current: FileEntry | undefined;

  /** Makes a file whose content lies in one piece, as most do. False: it must be made step by step. */
  #putWhole(entry: FileEntry, steps: Step[], begin: number, decoded: DecodedGroup): boolean {
    const write = steps[begin + 1];
    let content: Bytes;
    if (entry.size === (entry.inline?.length ?? 0)) {
      content = entry.inline ?? new Uint8Array();
    } else if (
      write?.do === "write" && write.read.length === entry.size && steps[begin + 2]?.do === "end"
    ) {
      content = decoded.view(write.read);
    } else {
      return false;
    }
    if (!this.#in.target.putFile(entry.path, content, entry.meta)) return false;
    this.#noteFile(entry, content.length);
    return true;
  }

  #commit(entry: FileEntry): void {
    const file = this.#file!;
    file.commit(entry.size, entry.meta);
    this.#file = undefined;
    this.#noteFile(entry, entry.inline?.length ?? 0);
  }

  #noteFile(entry: FileEntry, bytes: number): void {
    this.entries++;
    this.progress.files++;
    this.progress.path = entry.path as Uint8Array;
    this.progress.bytes += bytes;
  }

  #make(entry: Exclude<FinalEntry, FileEntry>): void {
    const target = this.#in.target;
    const meta: Meta = entry.meta;
    switch (entry.type) {
      case "dir":
        return target.makeDir(entry.path, meta);
      case "symlink":
        return target.makeSymlink(entry.path, entry.target, meta);
      case "hardlink":
        return target.makeHardLink(entry.path, entry.first);
      case "fifo":
        return target.makeFifo(entry.path, meta);
    }
  }

  /**
   * In salvage mode damage and trouble with single entries is noted; otherwise it ends the run.
   * A file that exists already ends it too: nothing is overwritten without being told so.
   */
  #tolerate(path: Bytes, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(path, error);
    }
  }

  #fail(path: Bytes, error: unknown): void {
    const known = asWarpError(error);
    const isOwn = this.#in.isSalvage && isDamage(known);
    if (!isOwn) throw describe(error, path);
    this.#drop(path, known);
  }

  #drop(path: Bytes, error: WarpError): void {
    this.#file?.abort();
    this.#file = undefined;
    this.problems.push({ path: new Uint8Array(path), error: toWireError(error), isStored: false });
  }
}

/** Adds a step; a read that goes on where the last one ended becomes one write with it. */
function addStep(steps: Step[], step: Step): void {
  const last = steps.at(-1);
  const goesOn = step.do === "write" && last?.do === "write" &&
    last.read.block === step.read.block &&
    last.read.rawOffset + last.read.length === step.read.rawOffset &&
    last.offset + last.read.length === step.offset;
  if (goesOn) last.read.length += step.read.length;
  else steps.push(step);
}

function isDamage(error: WarpError): boolean {
  return error.code === "E_INTEGRITY" || error.code === "E_TRUNCATED" ||
    error.code === "E_NOT_FOUND" || error.code === "E_BASE_MISSING";
}

/** Adds the path, unless the message has it: details are shown by the command line. */
function describe(error: unknown, path: Bytes): unknown {
  if (!isWarpError(error)) return error;
  const name = new TextDecoder().decode(new Uint8Array(path));
  if ("path" in error.details) return error;
  const options = { details: { ...error.details, path: name }, cause: error };
  return new WarpError(
    error.code,
    error.message.includes(name) ? error.message : `${error.message}: "${name}"`,
    error.hint === undefined ? options : { ...options, hint: error.hint },
  );
}

function extentDamage(): WarpError {
  return new WarpError("E_INTEGRITY", "an extent of the archive does not match its chunks");
}
