/**
 * Reads chunks by place: groups the blocks that a stretch of work needs, decodes them on the
 * ciphers, and hands out views. Used by extract, cat and diff.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import type { Extent } from "../base/entry.ts";
import { WarpError } from "../base/errors.ts";
import { MiB } from "../base/units.ts";
import { KIND } from "../cipher/record.ts";
import type { SourceSet } from "./bases.ts";
import type { Ciphers } from "./cipher_pool.ts";
import type { FramedRecord, RecordReader } from "./reader.ts";

/** A block that a group needs, and where its raw bytes will be. */
interface NeededBlock {
  records: RecordReader;
  record: FramedRecord;
}

/** Bytes of a file that come from one chunk. */
export interface ChunkRead {
  block: string;
  rawOffset: number;
  length: number;
}

/** Blocks to decode together: bounded by raw bytes. */
export class BlockGroup {
  readonly blocks = new Map<string, NeededBlock>();
  rawBytes = 0;
  storedBytes = 0;

  constructor(readonly rawMax: number) {}

  get isFull(): boolean {
    return this.rawBytes >= this.rawMax;
  }
}

export class BlockPlanner {
  readonly #sources: SourceSet;

  constructor(sources: SourceSet) {
    this.#sources = sources;
  }

  /**
   * Enters chunk `index` of an extent in `group`; returns where its bytes will be.
   * @throws {WarpError} E_INTEGRITY, E_BASE_MISSING
   */
  read(group: BlockGroup, extent: Extent, index: number): ChunkRead {
    const source = this.#sources.source(extent.source);
    const place = source.locate(extent.first + index);
    const block = `${extent.source}:${place.blockOffset}`;
    let needed = group.blocks.get(block);
    if (needed === undefined) {
      const record = source.records.frame(KIND.block, place.blockOffset, place.blockOrdinal);
      needed = { records: source.records, record };
      group.blocks.set(block, needed);
      group.rawBytes += record.head.rawLength;
      group.storedBytes += record.length;
    }
    const fits = place.rawOffset + place.length <= needed.record.head.rawLength &&
      needed.record.ordinal === place.blockOrdinal;
    if (!fits) throw new WarpError("E_INTEGRITY", "the chunk index of the archive is damaged");
    return { block, rawOffset: place.rawOffset, length: place.length };
  }
}

/** Decoded blocks of a group. A damaged block is absent. */
export class DecodedGroup {
  readonly #views: Map<string, Bytes>;

  constructor(views: Map<string, Bytes>) {
    this.#views = views;
  }

  /** @throws {WarpError} E_INTEGRITY when the block was damaged */
  view(read: ChunkRead): Bytes {
    const raw = this.#views.get(read.block);
    if (raw === undefined) {
      throw new WarpError("E_INTEGRITY", "a block of the archive is damaged");
    }
    return raw.subarray(read.rawOffset, read.rawOffset + read.length);
  }
}

/** Rounded up, so that groups of slightly different size do not leave a trail of dead buffers. */
function roomy(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.ceil(bytes / MiB) * MiB);
}

/** A pair of buffers for one group at a time; grows for blocks that are larger than usual. */
export class DecodeBuffers {
  input = new SharedArrayBuffer(0);
  output = new SharedArrayBuffer(0);

  fit(inputBytes: number, outputBytes: number): void {
    if (this.input.byteLength < inputBytes) this.input = roomy(inputBytes);
    if (this.output.byteLength < outputBytes) this.output = roomy(outputBytes);
  }

  /** Forgets buffers that a lost Worker may still write to. */
  renew(): void {
    this.input = new SharedArrayBuffer(this.input.byteLength);
    this.output = new SharedArrayBuffer(this.output.byteLength);
  }
}

/** Reads the blocks of `group` and opens them on a cipher. Views are valid until `buffers` is reused. */
export async function decodeGroup(
  group: BlockGroup,
  buffers: DecodeBuffers,
  ciphers: Ciphers,
  signal: AbortSignal,
): Promise<DecodedGroup> {
  const views = new Map<string, Bytes>();
  buffers.fit(group.storedBytes, group.rawBytes);
  // One call per archive: each has its own keys.
  const byArchive = Map.groupBy(group.blocks, ([, needed]) => needed.records);
  for (const [records, needed] of byArchive) {
    let isFirst = true;
    const request = () => {
      if (!isFirst) buffers.renew();
      isFirst = false;
      return {
        input: buffers.input,
        records: readBlocks(records, needed.map(([, block]) => block.record), buffers.input),
        output: byArchive.size === 1 ? buffers.output : new SharedArrayBuffer(rawLengthOf(needed)),
        secrets: records.secrets,
      };
    };
    let output = buffers.output;
    const { ends } = await ciphers.call("open", () => {
      const made = request();
      output = made.output;
      return made;
    }, signal);
    let start = 0;
    for (const [i, [key]] of needed.entries()) {
      const end = ends[i]!;
      if (end < 0) continue;
      views.set(key, new Uint8Array(output, start, end - start));
      start = end;
    }
  }
  return new DecodedGroup(views);
}

function rawLengthOf(needed: [string, NeededBlock][]): number {
  return needed.reduce((sum, [, { record }]) => sum + record.head.rawLength, 0);
}

/** Reads records into `buffer`, neighbours with one call. */
function readBlocks(records: RecordReader, blocks: FramedRecord[], buffer: SharedArrayBuffer) {
  const out: { offset: number; length: number; ordinal: number }[] = [];
  let at = 0;
  for (let i = 0; i < blocks.length;) {
    const start = blocks[i]!.offset;
    let end = start;
    const runStart = at;
    while (i < blocks.length && blocks[i]!.offset === end) {
      const { length, ordinal } = blocks[i++]!;
      out.push({ offset: at, length, ordinal });
      at += length;
      end += length;
    }
    const view = new Uint8Array(buffer, runStart, end - start);
    // A short read leaves old bytes behind, which then do not authenticate.
    const count = records.input.read(view, start);
    view.fill(0, count);
  }
  return out;
}
