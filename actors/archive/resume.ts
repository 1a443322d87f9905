/**
 * Takes up an interrupted `create`: replays the whole batches of a partial archive into a fresh
 * writer, and says where to go on.
 *
 * Every record is authenticated on the way, so bytes that a crash left unwritten or torn end the
 * replay and are written again.
 *
 * @module
 */
import { equal } from "../base/bytes.ts";
import type { Entry } from "../base/entry.ts";
import { extentsLength } from "../base/entry.ts";
import { type ArchiveSecrets, KIND, RecordCodec } from "../cipher/record.ts";
import type { KernelSet } from "../../kernels/kernel.ts";
import type { ResumePoint } from "../chunker/protocol.ts";
import type { ArchiveInput } from "./archive_io.ts";
import type { ChunkMap } from "./chunk_map.ts";
import { IndexPage } from "./index_page.ts";
import { RecordScanner } from "./scanner.ts";
import { decodeTablePage, type TablePage } from "./table_page.ts";
import type { ArchiveWriter } from "./writer.ts";

export interface Replay {
  /** Undefined: nothing was stored yet. */
  point: ResumePoint | null;
  /**
   * When the point is within a file: where the batch with its first piece starts. Replaying up to
   * there forgets the file.
   */
  fileStart: number | undefined;
}

export interface ReplayInput {
  kernels: KernelSet;
  input: ArchiveInput;
  secrets: ArchiveSecrets;
  /** File offset of the first record after the prologue. */
  start: number;
  /** Batches that start at or beyond this offset are dropped. */
  limit: number;
  /** Called once the replay is over, before anything new is written: cuts the file at `length`. */
  cut: (length: number) => void;
}

/** Feeds `writer` (which has adopted everything before `start`) and `known`. */
export function replayBatches(
  { kernels, input, secrets, start, limit, cut }: ReplayInput,
  writer: ArchiveWriter,
  known: ChunkMap,
): Replay {
  const scanner = new RecordScanner(input, new RecordCodec(kernels, secrets), start, input.size);
  let last: Entry | undefined, fileStart: number | undefined, path: Uint8Array | undefined;
  let isLive = false;
  while (!isLive && scanner.offset < limit) {
    const batchStart = scanner.offset;
    const batch = readBatch(scanner);
    if (batch === undefined) break;
    const table = writer.adopt(KIND.tablePage, batch.table);
    for (const block of batch.blocks) writer.adopt(KIND.block, block);
    const index = batch.index && writer.adopt(KIND.indexPage, batch.index.stored);
    learnChunks(known, batch.index?.page);
    writer.registerBatch({ page: batch.page, table, index }, (kind, raw) => {
      const node = isLive ? undefined : scanner.take(kind);
      if (node === undefined || !equal(node.raw, raw)) {
        if (!isLive) cut(writer.offset);
        isLive = true;
        return undefined;
      }
      return writer.adopt(kind, node.stored);
    });
    for (const entry of batch.page.entries) {
      const isSameFile = path !== undefined && equal(path, entry.path);
      if (entry.type === "piece" && !isSameFile) fileStart = batchStart;
      path = entry.path as Uint8Array;
      last = entry;
    }
  }
  if (!isLive) cut(writer.offset);
  if (last?.type !== "piece") fileStart = undefined;
  return { point: pointAfter(last), fileStart };
}

/** Where a chunker goes on after `last`. */
export function pointAfter(last: Entry | undefined): ResumePoint | null {
  if (last === undefined) return null;
  const path = last.path as Uint8Array;
  if (last.type !== "piece") return { path };
  const { size, mtimeS, mtimeNs } = last;
  return {
    path,
    within: { offset: last.offset + extentsLength(last.extents), size, mtimeS, mtimeNs },
  };
}

interface StoredBatch {
  page: TablePage;
  table: Uint8Array;
  blocks: Uint8Array[];
  index: { stored: Uint8Array; page: IndexPage } | undefined;
}

/** A whole, authentic batch, or undefined. */
function readBatch(scanner: RecordScanner): StoredBatch | undefined {
  const table = scanner.take(KIND.tablePage);
  if (table === undefined) return undefined;
  const page = decodeTablePage(table.raw);
  const blocks: Uint8Array[] = [];
  for (let i = 0; i < page.chunksPerBlock.length; i++) {
    const block = scanner.take(KIND.block);
    if (block === undefined) return undefined;
    blocks.push(block.stored);
  }
  if (blocks.length === 0) return { page, table: table.stored, blocks, index: undefined };
  const index = scanner.take(KIND.indexPage);
  if (index === undefined) return undefined;
  const indexPage = IndexPage.decode(index.raw);
  return { page, table: table.stored, blocks, index: { stored: index.stored, page: indexPage } };
}

function learnChunks(known: ChunkMap, page: IndexPage | undefined): void {
  for (let i = 0; i < (page?.count ?? 0); i++) {
    const id = page!.id(i);
    if (known.get(id) === undefined) known.set(id, { source: 0, ordinal: page!.firstChunk + i });
  }
}
