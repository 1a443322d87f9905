/**
 * How much there is to send, found out beside the sending: for the time it will take, and for what pays.
 * An estimate: nothing is opened, and files may change.
 *
 * @module
 */
import { basename } from "node:path";
import { rawFromText } from "../base/fs/raw_name.ts";
import { compileExcludes, type ExcludeRules } from "../chunker/walk_exclude.ts";

/** The sending is what matters: so many entries, then a pause. */
const ENTRIES_AT_ONCE = 256;
const PAUSE_MS = 15;
/** Whether it is much is found out before the transfer begins, so not by looking at everything. */
const ENTRIES_LOOKED_AT_MAX = 4000;

export interface SourceSize {
  files: number;
  bytes: number;
}

/** All of it; null when `signal` aborts first. */
export async function sizeOf(
  sources: readonly string[],
  excludes: readonly string[],
  signal: AbortSignal,
): Promise<SourceSize | null> {
  let files = 0, bytes = 0, entries = 0;
  for (const size of sizes(sources, compileExcludes(excludes))) {
    if (size !== undefined) {
      files++;
      bytes += size;
    }
    if (++entries % ENTRIES_AT_ONCE !== 0) continue;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (signal.aborted) return null;
  }
  return signal.aborted ? null : { files, bytes };
}

/** Whether there is surely so much, by a short look. */
export function isAtLeast(
  bytesMin: number,
  sources: readonly string[],
  excludes: readonly string[],
): boolean {
  let bytes = 0, entries = 0;
  for (const size of sizes(sources, compileExcludes(excludes))) {
    bytes += size ?? 0;
    if (bytes >= bytesMin) return true;
    if (++entries >= ENTRIES_LOOKED_AT_MAX) return false;
  }
  return false;
}

/** Of every entry: its size if it is a file, each file once. What cannot be looked at is left out. */
function* sizes(
  sources: readonly string[],
  rules: ExcludeRules | undefined,
): Generator<number | undefined> {
  const linked = new Set<string>();
  const waiting = sources.map((path) => ({ path, stored: basename(path) }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, stored } = next;
    try {
      const info = Deno.lstatSync(path);
      if (info.isDirectory) {
        yield undefined;
        for (const { name } of Deno.readDirSync(path)) {
          const below = `${stored}/${name}`;
          if (rules?.excludes(rawFromText(below), rawFromText(name))) continue;
          waiting.push({ path: `${path}/${name}`, stored: below });
        }
      } else if (info.isFile && isFirst(info, linked)) yield info.size;
      else yield undefined;
    } catch {
      yield undefined;
    }
  }
}

function isFirst({ nlink, dev, ino }: Deno.FileInfo, linked: Set<string>): boolean {
  if (nlink === null || nlink < 2) return true;
  const id = `${dev} ${ino}`;
  if (linked.has(id)) return false;
  linked.add(id);
  return true;
}
