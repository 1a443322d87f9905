/**
 * Files in work that nobody will go on with: their sources vanished between two runs of a transfer, or
 * the transfer was given up. And a note for each transfer that has begun to write into a directory, so
 * that only those that were interrupted are searched for.
 *
 * @module
 */
import { join } from "node:path";
import { type Bytes, toHex } from "../base/bytes.ts";
import { Stat } from "../base/fs/backend.ts";
import { fsBackend } from "../base/fs/choose.ts";
import { rawFromText, type RawName } from "../base/fs/raw_name.ts";
import { stateFolder } from "./state_io.ts";

/** Deeper directories are left alone: each level takes a descriptor. */
const DEPTH_MAX = 200;
/** Entries looked at before others have their turn. */
const ENTRIES_AT_ONCE = 512;
/** A transfer with more names at its top is searched for everywhere. */
const TOPS_MAX = 64;
/** A transfer under way says so this often: its note is never old. */
const REFRESH_MS = 600_000;
const NOTE_NAME = /^[0-9a-f]{32}\.json$/;

/** Where an unfinished transfer has written. */
export interface WorkNote {
  directory: string;
  /** The names at the top that it touched; null: too many to say. */
  tops: RawName[] | null;
}

/** Keeps the note of one transfer up to date. */
export class WorkInProgress {
  readonly #path: string | undefined;
  readonly #note: WorkNote;
  /** An earlier run of this transfer did not end well. */
  readonly isResumed: boolean;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(transferId: Bytes, directory: string) {
    this.#path = notePath(toHex(transferId));
    const before = this.#path === undefined ? undefined : readNote(this.#path);
    // Where nothing can be kept, nothing is known.
    this.isResumed = this.#path === undefined || before !== undefined;
    const isSame = before?.directory === directory;
    this.#note = { directory, tops: isSame ? before.tops : [] };
    this.#save();
    this.#timer = setInterval(() => this.#save(), REFRESH_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  get tops(): RawName[] | null {
    return this.#note.tops;
  }

  /** Something of this name at the top is about to be written. */
  touch(top: RawName): void {
    const { tops } = this.#note;
    if (tops === null || tops.includes(top)) return;
    if (tops.length < TOPS_MAX) tops.push(top);
    else this.#note.tops = null;
    this.#save();
  }

  /** Nothing is left of it. */
  done(): void {
    this.close();
    if (this.#path !== undefined) remove(this.#path);
  }

  /** It ended, well or not. */
  close(): void {
    clearInterval(this.#timer);
  }

  #save(): void {
    if (this.#path === undefined) return;
    try {
      Deno.writeTextFileSync(this.#path, JSON.stringify(this.#note), { mode: 0o600 });
    } catch {
      // What is left behind then stays there.
    }
  }
}

/** What is known of the transfer, and is forgotten by this. */
export function takeNote(id: string): WorkNote | undefined {
  const path = notePath(id);
  if (path === undefined) return undefined;
  const note = readNote(path);
  remove(path);
  return note;
}

/**
 * Removes what transfers into `directory` have left that nobody went on with for `ageMs`, and forgets them.
 *
 * @param prefixOf how names of files in work of a transfer begin
 * @returns how many transfers
 */
export async function removeAbandoned(
  directory: string,
  ageMs: number,
  prefixOf: (id: string) => string,
): Promise<number> {
  const folder = stateFolder("work");
  if (folder === undefined) return 0;
  let count = 0;
  for (const { name } of Deno.readDirSync(folder)) {
    if (!NOTE_NAME.test(name)) continue;
    const path = join(folder, name);
    const note = readNote(path);
    if (note?.directory !== directory) continue;
    const age = Date.now() - (Deno.lstatSync(path).mtime?.getTime() ?? Date.now());
    if (age < ageMs) continue;
    remove(path);
    await removeLeftovers(note, prefixOf(name.slice(0, 32)));
    count++;
  }
  return count;
}

/**
 * Removes files whose name begins with `prefix` and ends as that of a file in work, under `directory`: at
 * its top, and below the names of `tops`. Follows no link.
 *
 * @returns how many
 */
export async function removeLeftovers(
  { directory, tops }: WorkNote,
  prefix: string,
): Promise<number> {
  const backend = fsBackend;
  const stat = new Stat();
  const start = rawFromText(prefix);
  let removed = 0, looked = 0;
  const look = async (dir: number, depth: number): Promise<void> => {
    for (const name of backend.list(dir)) {
      if (++looked % ENTRIES_AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      try {
        const isOurs = name.startsWith(start) && name.endsWith(".part");
        const isBelow = depth > 0 || tops === null || tops.includes(name);
        if (!isOurs && (!isBelow || depth >= DEPTH_MAX)) continue;
        if (!backend.statAt(dir, name, stat)) continue;
        if (stat.type === "file" && isOurs) {
          backend.remove(dir, name);
          removed++;
        } else if (stat.type === "dir" && isBelow) {
          const handle = backend.openDir(dir, name);
          try {
            await look(handle, depth + 1);
          } finally {
            backend.close(handle);
          }
        }
      } catch {
        // Not to be read, or gone: what is in there stays.
      }
    }
  };
  let root: number;
  try {
    root = backend.openRoot(directory);
  } catch {
    return 0;
  }
  try {
    await look(root, 0);
  } finally {
    backend.close(root);
  }
  return removed;
}

function notePath(id: string): string | undefined {
  const folder = stateFolder("work");
  return folder === undefined ? undefined : join(folder, `${id}.json`);
}

function readNote(path: string): WorkNote | undefined {
  try {
    const { directory, tops } = JSON.parse(Deno.readTextFileSync(path)) as Partial<WorkNote>;
    if (typeof directory !== "string") return undefined;
    const isList = Array.isArray(tops) && tops.every((top) => typeof top === "string");
    return { directory, tops: isList ? tops : null };
  } catch {
    return undefined;
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was never written.
  }
}
