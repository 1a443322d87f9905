/**
 * The pages of a version as folders and files, for showing and for saving.
 *
 * @module
 */
import { type Bytes, toHex } from "../../actors/base/bytes.ts";
import type { Meta } from "../../actors/base/entry.ts";
import { printableName } from "../../actors/base/terminal.ts";
import type { StoredPage } from "../../actors/portal/content/page_codec.ts";

/** Content of a file, in order: chunks `first … first + count` of a page, a hole, or bytes in the entry. */
export type Part =
  | { kind: "chunks"; stored: StoredPage; first: number; count: number }
  | { kind: "hole"; length: number }
  | { kind: "inline"; bytes: Bytes };

export interface TreeFile {
  /** As stored: safe, relative, `/` between its names. */
  path: Bytes;
  /** The last of its names, made safe to show. */
  name: string;
  folder: Folder;
  size: number;
  mtimeMs: number;
  /** The 12 permission bits. */
  mode: number;
  parts: readonly Part[];
}

export interface Folder {
  path: Bytes;
  name: string;
  parent: Folder | null;
  folders: Folder[];
  files: TreeFile[];
  /** Of everything below. */
  bytes: number;
  count: number;
}

const SLASH = 0x2f;

export class FileTree {
  readonly root: Folder = newFolder(new Uint8Array(), "", null);
  /** All of them, in the order of their paths. */
  readonly files: TreeFile[] = [];
  /** Symbolic links and pipes: shown in counts, never written. */
  specials = 0;
  readonly #folders = new Map<string, Folder>([["", this.root]]);
  readonly #byPath = new Map<string, TreeFile>();
  #pieces: Part[] = [];

  /** Takes the next page, checked by the reader. */
  add(stored: StoredPage): void {
    for (const entry of stored.page.entries) {
      if (entry.type === "piece" || entry.type === "file") {
        for (const { length, first, count } of entry.extents) {
          this.#pieces.push(
            count === 0 ? { kind: "hole", length } : { kind: "chunks", stored, first, count },
          );
        }
      }
      if (entry.type === "piece") continue;
      if (entry.type === "file") {
        if (entry.inline !== null) this.#pieces.push({ kind: "inline", bytes: entry.inline });
        this.#addFile(entry.path, entry.size, entry.meta, this.#pieces);
      } else if (entry.type === "hardlink") {
        const first = this.#byPath.get(toHex(entry.first));
        if (first === undefined) this.specials++;
        else this.#addFile(entry.path, first.size, entry.meta, first.parts);
      } else if (entry.type === "dir") this.#folder(entry.path);
      else this.specials++;
      this.#pieces = [];
    }
  }

  #addFile(path: Bytes, size: number, meta: Meta, parts: readonly Part[]): void {
    const cut = path.lastIndexOf(SLASH);
    const folder = this.#folder(path.subarray(0, Math.max(0, cut)));
    const file: TreeFile = {
      path,
      name: printableName(path.subarray(cut + 1)),
      folder,
      size,
      mtimeMs: meta.mtimeS * 1000,
      mode: meta.mode,
      parts,
    };
    folder.files.push(file);
    this.files.push(file);
    this.#byPath.set(toHex(path), file);
    for (let up: Folder | null = folder; up !== null; up = up.parent) {
      up.bytes += size;
      up.count++;
    }
  }

  #folder(path: Bytes): Folder {
    const key = toHex(path);
    const known = this.#folders.get(key);
    if (known !== undefined) return known;
    const cut = path.lastIndexOf(SLASH);
    const parent = this.#folder(path.subarray(0, Math.max(0, cut)));
    const made = newFolder(path, printableName(path.subarray(cut + 1)), parent);
    parent.folders.push(made);
    this.#folders.set(key, made);
    return made;
  }
}

function newFolder(path: Bytes, name: string, parent: Folder | null): Folder {
  return { path, name, parent, folders: [], files: [], bytes: 0, count: 0 };
}

/** Every folder below, parents first. */
export function* foldersBelow(folder: Folder): Generator<Folder> {
  for (const one of folder.folders) {
    yield one;
    yield* foldersBelow(one);
  }
}

/** Files in a folder and below, in order. */
export function* filesBelow(folder: Folder): Generator<TreeFile> {
  yield* folder.files;
  for (const one of folder.folders) yield* filesBelow(one);
}

const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * One name as any system takes it: what stands for something else there becomes `_`. Names come from
 * others: a backslash must not become a folder on Windows.
 */
export function saveName(name: Bytes): string {
  const text = new TextDecoder().decode(new Uint8Array(name))
    // deno-lint-ignore no-control-regex
    .replace(/[\u0000-\u001f\u007f<>:"/\\|?*]|\p{Cf}/gu, "_")
    .replace(/[. ]$/u, "_");
  return text === "" || RESERVED.test(text) ? `_${text}` : text;
}

/** {@link saveName} of each name of a path below `base`. */
export function savePath(path: Bytes, base: Bytes): string[] {
  const rest = base.length === 0 ? path : path.subarray(base.length + 1);
  const names: string[] = [];
  let from = 0;
  for (let at = 0; at <= rest.length; at++) {
    if (at < rest.length && rest[at] !== SLASH) continue;
    names.push(saveName(rest.subarray(from, at)));
    from = at + 1;
  }
  return names;
}

/** Makes names different that became the same: `a`, `a (2)`. Case does not tell them apart. */
export class DistinctNames {
  readonly #taken = new Set<string>();

  take(name: string): string {
    for (let n = 1;; n++) {
      const tried = n === 1 ? name : numbered(name, n);
      const key = tried.toLowerCase();
      if (this.#taken.has(key)) continue;
      this.#taken.add(key);
      return tried;
    }
  }
}

function numbered(name: string, n: number): string {
  const dot = name.lastIndexOf("."), slash = name.lastIndexOf("/");
  const at = dot > slash + 1 ? dot : name.length;
  return `${name.slice(0, at)} (${n})${name.slice(at)}`;
}
