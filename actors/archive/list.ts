/**
 * Listing entries, and reading single files.
 *
 * @module
 */
import { type Bytes, toHex } from "../base/bytes.ts";
import type { FileEntry, FinalEntry } from "../base/entry.ts";
import { WarpError } from "../base/errors.ts";
import { comparePaths, isWithin } from "../base/path_order.ts";
import { MiB } from "../base/units.ts";
import {
  BlockGroup,
  BlockPlanner,
  type ChunkRead,
  DecodeBuffers,
  decodeGroup,
} from "./block_reader.ts";
import type { Ciphers } from "./cipher_pool.ts";
import type { OpenedArchive } from "./open_archive.ts";

const ROWS_AT_ONCE = 256;
const ZEROS_BYTES = MiB;

/** All entries, or those at and below `paths`, in archive order. */
export async function* listEntries(
  opened: OpenedArchive,
  paths: Uint8Array[],
): AsyncGenerator<FinalEntry[], { missing: Uint8Array[] }> {
  const missing: Uint8Array[] = [];
  let rows: FinalEntry[] = [];
  for (const range of paths.length === 0 ? [undefined] : [...paths].sort(comparePaths)) {
    let isFound = false;
    for (const entry of opened.reader!.entries(range)) {
      if (range !== undefined && !isWithin(entry.path, range)) break;
      isFound = true;
      rows.push(plain(entry));
      if (rows.length < ROWS_AT_ONCE) continue;
      yield rows;
      rows = [];
    }
    if (range !== undefined && !isFound) missing.push(range);
  }
  if (rows.length > 0) yield rows;
  await Promise.resolve();
  return { missing };
}

/** Without extents: they can be many and mean nothing outside. */
function plain(entry: FinalEntry): FinalEntry {
  return entry.type === "file" ? { ...entry, extents: [], inline: null } : entry;
}

/**
 * The content of the file at `path`, in order. A hard link gives what it links to.
 * @throws {WarpError} E_NOT_FOUND, E_USAGE for what is no file, E_INTEGRITY
 */
export async function* readFile(
  opened: OpenedArchive,
  path: Bytes,
  ciphers: Ciphers,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let entry = opened.find(path);
  if (entry?.type === "hardlink") entry = opened.find(entry.first);
  const name = new TextDecoder().decode(new Uint8Array(path));
  if (entry === undefined) throw new WarpError("E_NOT_FOUND", `the archive holds no "${name}"`);
  if (entry.type !== "file") throw new WarpError("E_USAGE", `"${name}" is not a regular file`);
  yield* readContent(opened, entry, ciphers, signal);
}

/** What a group of reads looks like: holes as lengths. */
type Part = ChunkRead | { zeros: number };

/** The bytes of a file entry, in order, decoded ahead by one group. */
export async function* readContent(
  opened: OpenedArchive,
  entry: FileEntry,
  ciphers: Ciphers,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (entry.inline !== null) {
    yield new Uint8Array(entry.inline);
    return;
  }
  const planner = new BlockPlanner(opened.sources);
  const buffers = [new DecodeBuffers(), new DecodeBuffers()];
  const start = (group: { blocks: BlockGroup; parts: Part[] } | undefined, i: number) => {
    if (group === undefined) return undefined;
    const decoded = decodeGroup(group.blocks, buffers[i % 2]!, ciphers, signal);
    decoded.catch(() => {});
    return { parts: group.parts, decoded };
  };
  const groups = partGroups(entry, planner);
  let next = start(groups.next().value, 0);
  for (let i = 1; next !== undefined; i++) {
    const now = next;
    next = start(groups.next().value, i);
    const decoded = await now.decoded;
    for (const part of now.parts) {
      if ("zeros" in part) yield* zeros(part.zeros);
      else yield new Uint8Array(decoded.view(part));
    }
  }
}

function* partGroups(
  entry: FileEntry,
  planner: BlockPlanner,
): Generator<{ blocks: BlockGroup; parts: Part[] }, undefined> {
  let group = { blocks: new BlockGroup(2 * MiB), parts: [] as Part[] };
  for (const extent of entry.extents) {
    if (extent.count === 0) group.parts.push({ zeros: extent.length });
    for (let i = 0; i < extent.count; i++) {
      group.parts.push(planner.read(group.blocks, extent, i));
      if (!group.blocks.isFull) continue;
      yield group;
      group = { blocks: new BlockGroup(2 * MiB), parts: [] };
    }
  }
  if (group.parts.length > 0) yield group;
  return undefined;
}

function* zeros(length: number): Generator<Uint8Array> {
  const block = new Uint8Array(Math.min(length, ZEROS_BYTES));
  for (let left = length; left > 0; left -= block.length) {
    yield block.subarray(0, Math.min(left, block.length));
  }
}

/** A set of paths, by content. */
export class PathSet {
  readonly #keys = new Set<string>();

  add(path: Bytes): void {
    this.#keys.add(toHex(path));
  }

  has(path: Bytes): boolean {
    return this.#keys.has(toHex(path));
  }
}
