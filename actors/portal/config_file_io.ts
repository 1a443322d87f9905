/**
 * Small private files of the configuration folder: read whole, replaced in one step, by one warp at a
 * time.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, WarpError } from "../base/errors.ts";

/** What is in the file, and whether other users of this machine may read it. */
export interface ConfigFile {
  bytes: Uint8Array<ArrayBuffer>;
  isExposed: boolean;
}

/**
 * The whole file; undefined when there is none.
 *
 * @param what names it in messages: "the key ring"
 * @param bytesMax a longer one is not read
 * @throws {WarpError} E_CONFIG when it is too long or not a file, E_ACCESS, E_IO
 */
export function readConfigFile(
  path: string,
  what: string,
  bytesMax: number,
): ConfigFile | undefined {
  try {
    // A fifo would keep the caller waiting.
    const stat = Deno.statSync(path);
    if (!stat.isFile || stat.size > bytesMax) {
      throw new WarpError("E_CONFIG", `this is not ${what}: ${path}`);
    }
    using file = Deno.openSync(path);
    const buffer = new Uint8Array(bytesMax + 1);
    let length = 0;
    while (length < buffer.length) {
      const count = file.readSync(buffer.subarray(length));
      if (count === null || count === 0) break;
      length += count;
    }
    if (length > bytesMax) throw new WarpError("E_CONFIG", `this is not ${what}: ${path}`);
    const bytes = buffer.slice(0, length);
    buffer.fill(0, 0, length);
    const { mode } = stat;
    const isExposed = Deno.build.os !== "windows" && mode !== null && (mode & 0o077) !== 0;
    return { bytes, isExposed };
  } catch (error) {
    if (error instanceof WarpError) throw error;
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new WarpError(asWarpError(error).code, `${what} cannot be read: ${path}`, {
      cause: error,
    });
  }
}

/**
 * Holds the lock of `path` while `use` runs: `PATH.lock`, which stays behind, for a lock on a file that
 * is about to be replaced guards nothing. Makes the folder (0700) where needed.
 *
 * @throws {WarpError} E_LOCKED at once when another holds it, E_ACCESS, E_IO, and what `use` throws
 */
export async function withLock<Result>(
  path: string,
  what: string,
  use: () => Promise<Result> | Result,
): Promise<Result> {
  let file: Deno.FsFile;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    file = Deno.openSync(`${path}.lock`, { write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw cannotWrite(error, path, what);
  }
  try {
    if (!file.tryLockSync(true)) {
      throw new WarpError("E_LOCKED", `${what} is being changed by another warp: ${path}`);
    }
    return await use();
  } finally {
    // Closing lets go of the lock.
    file.close();
  }
}

/**
 * Writes aside, makes it durable, renames: after a crash there is the old file or the new one, whole.
 * Mode 0600. To be called under {@link withLock}: the name aside is always the same, so that nothing
 * piles up. A symbolic link at `path` is kept, and what it points to replaced.
 *
 * @throws {WarpError} E_ACCESS, E_DISK_FULL, E_IO
 */
export function replaceConfigFile(path: string, what: string, content: Bytes): void {
  let aside: string | undefined;
  try {
    const place = targetOf(path);
    const folder = dirname(place);
    const temporary = join(folder, `.${basename(place)}.new`);
    removeIfThere(temporary);
    {
      using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
      aside = temporary;
      for (let at = 0; at < content.length;) {
        at += file.writeSync(new Uint8Array(content.subarray(at)));
      }
      file.syncSync();
    }
    Deno.renameSync(temporary, place);
    aside = undefined;
    syncDirectory(folder);
  } catch (error) {
    // Half a file is of no use to anyone.
    if (aside !== undefined) removeIfThere(aside);
    throw cannotWrite(error, path, what);
  }
}

/** Whether anything has this name, be it a link that leads nowhere. */
export function isTaken(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw asWarpError(error);
  }
}

function targetOf(path: string): string {
  return isTaken(path) ? Deno.realPathSync(path) : path;
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return;
  using directory = Deno.openSync(path, { read: true });
  directory.syncSync();
}

function cannotWrite(error: unknown, path: string, what: string): WarpError {
  if (error instanceof WarpError) return error;
  return new WarpError(asWarpError(error).code, `${what} cannot be written: ${path}`, {
    cause: error,
  });
}
