/**
 * Reading an archive that has no usable end: batches are scanned from the front, up to the first
 * record that is missing or damaged (docs/format.md §1).
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import type { FinalEntry } from "../base/entry.ts";
import { WarpError } from "../base/errors.ts";
import { KIND } from "../cipher/record.ts";
import type { ArchiveInput } from "./archive_io.ts";
import type { ChunkSource } from "./bases.ts";
import type { ChunkLocation } from "./index_page.ts";
import { IndexPage } from "./index_page.ts";
import { LruMap } from "./lru_map.ts";
import { assemble, type Opening, readPrologue, RecordReader } from "./reader.ts";
import { RecordScanner, type ScannedRecord } from "./scanner.ts";
import type { Prologue } from "./summary.ts";
import { decodeTablePage, type TablePage } from "./table_page.ts";

/** A batch found by scanning; blocks and index page as far as they are there. */
interface FoundBatch {
  table: { offset: number; ordinal: number };
  firstChunk: number;
  chunkCount: number;
  index: { offset: number; ordinal: number } | undefined;
  /** Only where the index page is missing: the places of the chunks whose blocks are there. */
  places: ChunkLocation[] | undefined;
}

export class SalvageReader implements ChunkSource {
  readonly prologue: Prologue;
  readonly records: RecordReader;
  readonly #batches: FoundBatch[] = [];
  readonly #pages = new LruMap<number, IndexPage>(64);
  /** Where the scan ended. */
  readonly end: number;

  constructor(
    input: ArchiveInput,
    kernels: KernelSet,
    opening: Opening,
    archiveKey: Uint8Array | null,
  ) {
    const { prologue, secrets, bodyStart } = readPrologue(input, kernels, opening, archiveKey);
    this.prologue = prologue;
    this.records = new RecordReader(input, kernels, secrets, input.size);
    const scanner = new RecordScanner(input, this.records.codec, bodyStart, input.size);
    // The prologue counts too: ordinals are per kind, and it is the only one of its kind.
    while (this.#scanBatch(scanner));
    this.end = scanner.offset;
  }

  /** Blocks are not opened here: extraction finds out which are whole. */
  #scanBatch(scanner: RecordScanner): boolean {
    for (const kind of [KIND.tableNode, KIND.indexNode]) {
      for (let node = scanner.take(kind); node !== undefined; node = scanner.take(kind));
    }
    const table = scanner.take(KIND.tablePage);
    if (table === undefined) return scanner.take(KIND.indexNode) !== undefined;
    const page = decodeTablePage(table.raw);
    const places: ChunkLocation[] = [];
    let isWhole = true;
    for (const count of page.chunksPerBlock) {
      const block = scanner.peek();
      isWhole = block?.kind === KIND.block;
      if (!isWhole) break;
      addPlaces(places, page, count, block!);
      scanner.advance(block!);
    }
    const hasIndex = isWhole && page.chunksPerBlock.length > 0;
    const index = hasIndex ? scanner.take(KIND.indexPage)?.record : undefined;
    this.#batches.push({
      table: { offset: table.record.offset, ordinal: table.record.ordinal },
      firstChunk: page.firstChunk,
      chunkCount: page.chunkLengths.length,
      index: index && { offset: index.offset, ordinal: index.ordinal },
      places: index === undefined ? places : undefined,
    });
    return isWhole && (index !== undefined || page.chunksPerBlock.length === 0);
  }

  entries(): Generator<FinalEntry> {
    return assemble(this.#tablePages());
  }

  *#tablePages(): Generator<TablePage> {
    for (const { table } of this.#batches) {
      yield decodeTablePage(this.records.read(KIND.tablePage, table.offset, table.ordinal));
    }
  }

  /** @throws {WarpError} E_TRUNCATED when the chunk is not in what is left */
  locate(ordinal: number): ChunkLocation {
    const batch = this.#batchOf(ordinal);
    const i = ordinal - (batch?.firstChunk ?? 0);
    const place = batch?.index === undefined
      ? batch?.places?.[i]
      : locationIn(this.#indexPage(batch.index), i);
    if (place === undefined) {
      throw new WarpError("E_TRUNCATED", "part of the content is beyond the end of the archive");
    }
    return place;
  }

  #indexPage(ref: { offset: number; ordinal: number }): IndexPage {
    const known = this.#pages.get(ref.offset);
    if (known !== undefined) return known;
    const page = IndexPage.decode(this.records.read(KIND.indexPage, ref.offset, ref.ordinal));
    this.#pages.set(ref.offset, page);
    return page;
  }

  #batchOf(ordinal: number): FoundBatch | undefined {
    let low = 0, high = this.#batches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#batches[middle]!.firstChunk <= ordinal) low = middle;
      else high = middle - 1;
    }
    // Batches without new chunks share their number with the next one.
    for (; low >= 0; low--) {
      const batch = this.#batches[low];
      if (batch === undefined || batch.firstChunk > ordinal) continue;
      if (batch.chunkCount === 0) continue;
      return ordinal < batch.firstChunk + batch.chunkCount ? batch : undefined;
    }
    return undefined;
  }
}

function locationIn(page: IndexPage, i: number): ChunkLocation | undefined {
  return i < page.count ? page.location(i) : undefined;
}

function addPlaces(
  places: ChunkLocation[],
  page: TablePage,
  count: number,
  block: ScannedRecord,
): void {
  let rawOffset = 0;
  for (let i = 0; i < count; i++) {
    const length = page.chunkLengths[places.length]!;
    places.push({
      blockOffset: block.offset,
      blockOrdinal: block.ordinal,
      rawOffset,
      length,
    });
    rawOffset += length;
  }
}
