/**
 * Manifest pages out of nothing: trees with chunks, holes and small files, cut into pages anywhere.
 *
 * @module
 */
import fc from "fast-check";
import { type Bytes, toHex, utf8 } from "../../actors/base/bytes.ts";
import type { Entry, Extent, Meta } from "../../actors/base/entry.ts";
import { comparePaths } from "../../actors/base/path_order.ts";
import type { Page } from "../../actors/transfer/manifest.ts";
import type { Random } from "./random.ts";

export function anyMeta(changes: Partial<Meta> = {}): Meta {
  return {
    mode: 0o644,
    mtimeS: 1_234_567_890,
    mtimeNs: 5,
    uid: 0,
    gid: 0,
    owner: "",
    group: "",
    xattrs: null,
    ...changes,
  };
}

/** A part of a file: content of this length with an id, or a hole. */
export interface Part {
  length: number;
  /** Null for a hole. */
  id: Uint8Array | null;
}

/** What a tree consists of, before it is cut into pages. */
export type Item =
  | { type: "file"; path: Bytes; parts: Part[] }
  | { type: "small"; path: Bytes; content: Uint8Array }
  | { type: "dir" | "fifo"; path: Bytes }
  | { type: "symlink"; path: Bytes; target: Bytes };

const arbPart: fc.Arbitrary<Part> = fc.record({
  length: fc.integer({ min: 1, max: 5000 }),
  id: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { freq: 4 }),
});

const arbItem = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("file" as const), parts: fc.array(arbPart) }),
  },
  fc.record({ type: fc.constant("small" as const), content: fc.uint8Array({ maxLength: 512 }) }),
  fc.record({ type: fc.constantFrom("dir" as const, "fifo" as const) }),
  fc.record({
    type: fc.constant("symlink" as const),
    target: fc.uint8Array({ min: 1, minLength: 1, maxLength: 40 }),
  }),
);

const arbName = fc.oneof(
  fc.uint8Array({ min: 0x30, minLength: 1, maxLength: 12 }),
  fc.stringMatching(/^[a-c]\/[a-c][a-c.]{0,3}$/).map(utf8),
);

/** Items in the order of their paths, each path once. */
export const arbItems: fc.Arbitrary<Item[]> = fc
  .array(fc.tuple(arbName, arbItem), { maxLength: 12 })
  .map((list) => {
    const byPath = new Map<string, Item>();
    for (const [path, item] of list) byPath.set(toHex(path), { ...item, path } as Item);
    return [...byPath.values()].sort((a, b) => comparePaths(a.path, b.path));
  });

/** The same items in pages that end wherever `random` says, also within files. */
export function paginate(items: readonly Item[], random: Random): Page[] {
  const pages: Page[] = [];
  let entries: Entry[] = [], lengths: number[] = [], ids: number[] = [];
  const flush = () => {
    pages.push({
      batch: pages.length,
      entries,
      lengths: Uint32Array.from(lengths),
      ids: Uint8Array.from(ids),
    });
    entries = [], lengths = [], ids = [];
  };
  const mayEnd = () => random.int(4) === 0;
  for (const item of items) {
    if (mayEnd()) flush();
    const { path } = item, meta = anyMeta();
    if (item.type === "symlink") entries.push({ type: "symlink", path, meta, target: item.target });
    else if (item.type === "small") {
      const { content: inline } = item;
      const size = inline.length;
      entries.push({ type: "file", path, meta, size, offset: 0, extents: [], inline });
    } else if (item.type === "file") {
      const size = item.parts.reduce((sum, { length }) => sum + length, 0);
      let offset = 0, extents: Extent[] = [];
      for (const { length, id } of item.parts) {
        if (extents.length > 0 && mayEnd()) {
          entries.push({ type: "piece", path, offset, extents, size, mtimeS: 1, mtimeNs: 2 });
          offset += extents.reduce((sum, extent) => sum + extent.length, 0);
          extents = [];
          flush();
        }
        extents.push({
          length,
          source: 0,
          first: id === null ? 0 : lengths.length,
          count: id ? 1 : 0,
        });
        if (id === null) continue;
        lengths.push(length);
        ids.push(...id);
      }
      entries.push({ type: "file", path, meta, size, offset, extents, inline: null });
    } else entries.push({ type: item.type, path, meta });
  }
  flush();
  return pages;
}
