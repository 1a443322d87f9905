/**
 * Compares an archive with directories: what was added, removed or changed since.
 *
 * @module
 */
import { type Bytes, equal } from "../base/bytes.ts";
import type { FileEntry, FinalEntry } from "../base/entry.ts";
import { toWireError } from "../base/errors.ts";
import { comparePaths } from "../base/path_order.ts";
import type { Problem } from "../chunker/protocol.ts";
import { type SourceEntry, walkSources } from "../chunker/source_io.ts";
import type { Ciphers } from "./cipher_pool.ts";
import { readContent } from "./list.ts";
import type { OpenedArchive } from "./open_archive.ts";
import type { DiffRow } from "./protocol.ts";

const ROWS_AT_ONCE = 64;

/** Both sides in the same order: a merge. The directory stands for the root of the archive. */
export async function* diffEntries(
  opened: OpenedArchive,
  options: { directory: string; excludes: string[] },
  ciphers: Ciphers,
  signal: AbortSignal,
): AsyncGenerator<DiffRow[], { differences: number; problems: Problem[] }> {
  const problems: Problem[] = [];
  const walk = walkSources([`${options.directory}/.`], { exclude: options.excludes });
  const ours = opened.entries()[Symbol.iterator]();
  let archived: FinalEntry | undefined = ours.next().value;
  let rows: DiffRow[] = [], differences = 0;
  const add = (path: Bytes, change: DiffRow["change"], what: string) => {
    rows.push({ path: new Uint8Array(path), change, what });
    differences++;
  };
  for (const item of walk) {
    if ("problem" in item) {
      const { path, error } = item.problem;
      problems.push({ path: new Uint8Array(path), error: toWireError(error), isStored: false });
      continue;
    }
    const found = item.entry;
    while (archived !== undefined && comparePaths(archived.path, found.path) < 0) {
      add(archived.path, "D", archived.type);
      archived = ours.next().value;
    }
    if (archived === undefined || comparePaths(archived.path, found.path) !== 0) {
      add(found.path, "A", found.type);
    } else {
      const change = await compare(opened, archived, found, ciphers, signal);
      if (change !== undefined) add(found.path, change.change, change.what);
      archived = ours.next().value;
    }
    if (rows.length < ROWS_AT_ONCE) continue;
    yield rows;
    rows = [];
    signal.throwIfAborted();
  }
  for (; archived !== undefined; archived = ours.next().value) {
    add(archived.path, "D", archived.type);
  }
  if (rows.length > 0) yield rows;
  return { differences, problems };
}

type Change = Pick<DiffRow, "change" | "what"> | undefined;

async function compare(
  opened: OpenedArchive,
  archived: FinalEntry,
  found: SourceEntry,
  ciphers: Ciphers,
  signal: AbortSignal,
): Promise<Change> {
  const content = archived.type === "hardlink" ? opened.find(archived.first) : archived;
  if (content === undefined || content.type !== found.type) {
    return { change: "T", what: `${archived.type} is now ${found.type}` };
  }
  if (content.type === "symlink" && !equal(content.target, found.target!)) {
    return { change: "M", what: "target" };
  }
  if (content.type === "file") {
    if (content.size !== found.size) {
      return { change: "M", what: `size ${content.size} is now ${found.size}` };
    }
    if (!await isSameContent(opened, content, found, ciphers, signal)) {
      return { change: "M", what: "content" };
    }
  }
  const what = metaChanges(archived.type === "hardlink" ? content : archived, found);
  return what === "" ? undefined : { change: "m", what };
}

async function isSameContent(
  opened: OpenedArchive,
  archived: FileEntry,
  found: SourceEntry,
  ciphers: Ciphers,
  signal: AbortSignal,
): Promise<boolean> {
  const file = found.open();
  try {
    let offset = 0;
    for await (const bytes of readContent(opened, archived, ciphers, signal)) {
      const other = new Uint8Array(bytes.length);
      for (let at = 0; at < other.length;) {
        const count = file.read(other.subarray(at), offset + at);
        if (count === 0) return false;
        at += count;
      }
      if (!equal(bytes, other)) return false;
      offset += bytes.length;
    }
    return offset === found.size;
  } finally {
    file.close();
  }
}

function metaChanges(archived: FinalEntry, found: SourceEntry): string {
  const { meta } = archived;
  const changes: string[] = [];
  if (meta.mode !== found.mode && archived.type !== "symlink") {
    changes.push(`mode ${meta.mode.toString(8)} is now ${found.mode.toString(8)}`);
  }
  if (meta.mtimeS !== found.mtimeS || meta.mtimeNs !== found.mtimeNs) changes.push("mtime");
  if (meta.uid !== found.uid || meta.gid !== found.gid) {
    changes.push(`owner ${meta.uid}:${meta.gid} is now ${found.uid}:${found.gid}`);
  }
  if (!areSameXattrs(meta.xattrs, found.xattrs)) changes.push("xattrs");
  return changes.join(", ");
}

function areSameXattrs(a: Bytes[] | null, b: Bytes[] | null): boolean {
  if (a === null || b === null) return (a?.length ?? 0) === (b?.length ?? 0);
  return a.length === b.length && a.every((bytes, i) => equal(bytes, b[i]!));
}
