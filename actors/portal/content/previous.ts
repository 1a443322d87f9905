/**
 * What the version before has stored: chunks that need not be sealed and sent again.
 *
 * @module
 */
import { WarpError } from "../../base/errors.ts";
import { KiB } from "../../base/units.ts";
import { ChunkTable } from "./chunk_table.ts";
import type { PackRef } from "./head_codec.ts";
import { type ReaderOptions, VersionReader } from "./version_reader.ts";

/** Many small last packs cost a request each: from so many on they are put together. */
const SMALL_PACKS_MAX = 32;
const SMALL_PACK_BYTES = 256 * KiB;

export interface Previous {
  root: Uint8Array;
  state: Uint8Array;
  packs: PackRef[];
  /** `pack` of a chunk is its number in `packs`. Secret. */
  chunks: ChunkTable;
  /**
   * Packs to be left behind: of which that version used less than half, or which are small while there
   * are many such. Their chunks are packed again when they come.
   */
  isThin: boolean[];
}

/**
 * Reads the version before, in the view of the whole tree. The chunk table is wiped by the caller.
 *
 * @throws {WarpError} E_INTEGRITY, E_ACCESS (a list has no chunks) and what the store throws
 */
export async function loadPrevious(options: ReaderOptions): Promise<Previous> {
  const reader = await VersionReader.open(options);
  const chunks = new ChunkTable();
  try {
    const { root, state, packs, isList } = reader.head;
    if (isList) throw new WarpError("E_ACCESS", "this grant shows names and sizes alone");
    for await (const { page, chunks: stored } of reader.pages()) {
      stored.forEach((chunk, i) => chunks.set(page.ids.subarray(32 * i, 32 * i + 32), chunk));
    }
    return { root, state, packs, chunks, isThin: thinPacks(packs, chunks) };
  } catch (error) {
    chunks.wipe();
    throw error;
  } finally {
    reader.close();
  }
}

/** One flag a pack. */
export function thinPacks(packs: readonly PackRef[], chunks: ChunkTable): boolean[] {
  const used = new Float64Array(packs.length);
  for (const { pack, length } of chunks.chunks()) used[pack]! += length;
  const isSmall = packs.map(({ bytes }) => bytes < SMALL_PACK_BYTES);
  const hasMany = isSmall.filter(Boolean).length > SMALL_PACKS_MAX;
  return packs.map(({ bytes }, i) => used[i]! < bytes / 2 || (hasMany && isSmall[i]!));
}
