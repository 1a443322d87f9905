/**
 * What a view shows of a page: everything, a sub-path, or names and sizes alone.
 *
 * @module
 */
import { type Bytes, equal } from "../../base/bytes.ts";
import type { Entry, Extent, Meta } from "../../base/entry.ts";
import { isWithin } from "../../base/path_order.ts";
import type { Page } from "../../transfer/manifest.ts";

export interface View {
  /** Null for the view of the whole tree. */
  id: Bytes | null;
  /** 32 bytes. Secret. */
  key: Bytes;
  /** A file or directory as stored, of which the view shows what it holds; null: the whole tree. */
  path: Bytes | null;
  /** Names and sizes, without content. */
  isList: boolean;
}

export function isWhole({ path, isList }: Pick<View, "path" | "isList">): boolean {
  return path === null && !isList;
}

export interface ShownPage {
  page: Page;
  /** Numbers in the page of the tree of the chunks in this one. */
  chunks: number[];
  /** Hard links to something that the view does not show: they are left out. */
  cut: Bytes[];
}

/** The page as page `batch` of the view. */
export function showPage(page: Page, { path, isList }: View, batch: number): ShownPage {
  const entries: Entry[] = [];
  const chunks: number[] = [];
  const cut: Bytes[] = [];
  for (const entry of page.entries) {
    const shown = path === null ? entry : within(entry, path, cut);
    if (shown === undefined) continue;
    const listed = isList ? withoutContent(shown) : withChunks(shown, chunks);
    if (listed !== undefined) entries.push(listed);
  }
  const ids = new Uint8Array(32 * chunks.length);
  chunks.forEach((from, to) => ids.set(page.ids.subarray(32 * from, 32 * from + 32), 32 * to));
  const lengths = Uint32Array.from(chunks, (from) => page.lengths[from]!);
  return { page: { batch, entries, lengths, ids }, chunks, cut };
}

function within(entry: Entry, path: Bytes, cut: Bytes[]): Entry | undefined {
  if (isWithin(entry.path, path)) {
    if (entry.type !== "hardlink" || isWithin(entry.first, path)) return entry;
    cut.push(entry.path);
    return undefined;
  }
  const isParent = entry.type === "dir" && isWithin(path, entry.path) && !equal(path, entry.path);
  return isParent ? { ...entry, meta: bare(entry.meta) } : undefined;
}

/** Extended attributes can hold anything. */
function bare(meta: Meta): Meta {
  return { ...meta, xattrs: null };
}

/** A file in a list is one hole as long as the file. */
function withoutContent(entry: Entry): Entry | undefined {
  if (entry.type === "piece") return undefined;
  if (entry.type !== "file") return { ...entry, meta: bare(entry.meta) };
  const { size } = entry;
  const extents = size === 0 ? [] : [{ length: size, source: 0, first: 0, count: 0 }];
  return { ...entry, meta: bare(entry.meta), offset: 0, extents, inline: null };
}

/** The entry with its chunks appended to `chunks` and numbered by their places there. */
function withChunks(entry: Entry, chunks: number[]): Entry {
  if (entry.type !== "file" && entry.type !== "piece") return entry;
  const extents = entry.extents.map((extent): Extent => {
    if (extent.count === 0) return extent;
    const first = chunks.length;
    for (let i = 0; i < extent.count; i++) chunks.push(extent.first + i);
    return { ...extent, first };
  });
  return { ...entry, extents };
}
