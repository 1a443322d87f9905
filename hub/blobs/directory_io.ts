/**
 * Blobs in a folder: `ab/cd/abcd…-COPY`, two levels so that no folder grows large.
 *
 * A blob is written to a temporary file, flushed, renamed, and its folder flushed: after a crash or a power
 * cut it is there whole or not at all. Temporary files lie in a folder of their process, which holds a lock
 * on it; whoever opens the store removes the folders that nobody holds.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { asWarpError, isWarpError, WarpError } from "../../actors/base/errors.ts";
import type { Blake3 } from "../../kernels/kernel.ts";
import { loadKernels } from "../../kernels/load.ts";
import {
  type BlobEntry,
  type BlobName,
  type Blobs,
  type ByteRange,
  checkContent,
  clip,
  countBlobs,
  nameOf,
  parseName,
  readContent,
} from "./blobs.ts";

/**
 * Opens the store of this folder, which is made when it is not there.
 *
 * @throws {WarpError} E_ACCESS, E_DISK_FULL, E_STORE
 */
export async function openDirectory(root: string): Promise<Blobs> {
  const { blake3 } = await loadKernels();
  try {
    await Deno.mkdir(`${root}/tmp`, { recursive: true, mode: 0o700 });
    await sweep(`${root}/tmp`);
    return new DirectoryBlobs(root, await lockFolder(`${root}/tmp`), blake3);
  } catch (error) {
    throw asWarpError(error);
  }
}

interface LockedFolder {
  path: string;
  lock: Deno.FsFile;
}

/** A folder for our temporary files. Another process may sweep it before we hold its lock: then anew. */
async function lockFolder(tmp: string): Promise<LockedFolder> {
  for (;;) {
    const path = await Deno.makeTempDir({ dir: tmp });
    let lock: Deno.FsFile | undefined;
    try {
      lock = await Deno.open(`${path}/lock`, { read: true, write: true, create: true });
      await lock.lock(true);
      const [ours, named] = [await lock.stat(), await Deno.stat(`${path}/lock`)];
      if (ours.ino === named.ino) return { path, lock };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    lock?.close();
  }
}

/** Removes what processes left that are no more: a lock ends with its process. */
async function sweep(tmp: string): Promise<void> {
  for await (const { name } of Deno.readDir(tmp)) {
    let lock: Deno.FsFile | undefined;
    try {
      lock = await Deno.open(`${tmp}/${name}/lock`, { read: true, write: true, create: true });
      if (await lock.tryLock(true)) await Deno.remove(`${tmp}/${name}`, { recursive: true });
    } catch (error) {
      // Another one sweeps too; a file that is none of ours stays.
      const isFine = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.NotADirectory;
      if (!isFine) throw error;
    } finally {
      lock?.close();
    }
  }
}

class DirectoryBlobs implements Blobs {
  readonly #root: string;
  readonly #tmp: LockedFolder;
  readonly #blake3: Blake3;
  /** Folders that this process knows to survive a power cut. */
  readonly #folders = new Map<string, Promise<void>>();
  /** Of these, the upper ones. */
  readonly #uppers = new Set<string>();
  #files = 0;

  constructor(root: string, tmp: LockedFolder, blake3: Blake3) {
    this.#root = root;
    this.#tmp = tmp;
    this.#blake3 = blake3;
  }

  async put(
    name: BlobName,
    content: Bytes | ReadableStream<Uint8Array>,
    { bytesMax }: { bytesMax: number },
  ): Promise<{ bytes: number; isNew: boolean }> {
    const { folder, path } = this.#place(name);
    const bytes = await readContent(content, bytesMax);
    await checkContent(name.address, bytes, this.#blake3);
    try {
      const isNew = await sizeOf(path) !== bytes.length;
      await this.#makeFolder(folder);
      if (isNew) await this.#write(path, bytes);
      // Also when it is not new: who wrote it may not have come so far.
      await flush(folder);
      return { bytes: bytes.length, isNew };
    } catch (error) {
      // Somebody may have removed it.
      this.#folders.delete(folder);
      this.#uppers.clear();
      throw storeError(error);
    }
  }

  async get(
    name: BlobName,
    range?: ByteRange,
  ): Promise<{ bytes: number; body: Uint8Array<ArrayBuffer> } | undefined> {
    const { path } = this.#place(name);
    try {
      if (range === undefined) {
        // One call in another thread: opens, looks how long it is, reads it, closes.
        const body = await Deno.readFile(path);
        return { bytes: body.length, body };
      }
      using file = await Deno.open(path);
      const bytes = (await file.stat()).size;
      const { start, end } = clip(range, bytes);
      await file.seek(start, Deno.SeekMode.Start);
      return { bytes, body: await readExactly(file, end - start) };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return await this.#missing();
      throw storeError(error);
    }
  }

  async stream(
    name: BlobName,
  ): Promise<{ bytes: number; body: ReadableStream<Uint8Array<ArrayBuffer>> } | undefined> {
    let file: Deno.FsFile | undefined;
    try {
      file = await Deno.open(this.#place(name).path);
      // Of an open file: no wait for the disk. Closed with its stream, which the server reads without us.
      return { bytes: file.statSync().size, body: file.readable };
    } catch (error) {
      file?.close();
      if (error instanceof Deno.errors.NotFound) return await this.#missing();
      throw storeError(error);
    }
  }

  async has(name: BlobName): Promise<boolean> {
    try {
      if (await sizeOf(this.#place(name).path) !== undefined) return true;
      return await this.#missing() ?? false;
    } catch (error) {
      throw storeError(error);
    }
  }

  async delete(name: BlobName): Promise<boolean> {
    const { folder, path } = this.#place(name);
    try {
      await Deno.remove(path);
      await flush(folder);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return await this.#missing() ?? false;
      throw storeError(error);
    }
  }

  async *list(): AsyncGenerator<BlobEntry> {
    try {
      for (const upper of await namesIn(this.#root, /^[0-9a-f]{2}$/)) {
        for (const lower of await namesIn(`${this.#root}/${upper}`, /^[0-9a-f]{2}$/)) {
          const folder = `${this.#root}/${upper}/${lower}`;
          for (const name of await namesIn(folder, /./)) {
            const parsed = parseName(name);
            const bytes = parsed && await sizeOf(`${folder}/${name}`);
            if (parsed !== undefined && bytes !== undefined) yield { ...parsed, bytes };
          }
        }
      }
    } catch (error) {
      throw storeError(error);
    }
  }

  usage(): Promise<{ blobs: number; bytes: number }> {
    return countBlobs(this.list());
  }

  async close(): Promise<void> {
    try {
      await Deno.remove(this.#tmp.path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw storeError(error);
    } finally {
      this.#tmp.lock.close();
    }
  }

  #place(name: BlobName): { folder: string; path: string } {
    const file = nameOf(name);
    const folder = `${this.#root}/${file.slice(0, 2)}/${file.slice(2, 4)}`;
    return { folder, path: `${folder}/${file}` };
  }

  /** A blob that is not there, and a disk that is not there, look the same from below. */
  async #missing(): Promise<undefined> {
    await Deno.stat(`${this.#tmp.path}/lock`).catch(() => {
      throw new WarpError("E_STORE", `the blob store ${this.#root} is gone`);
    });
    return undefined;
  }

  #makeFolder(folder: string): Promise<void> {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const made = (async () => {
      await this.#missing();
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      // Made just now or by a process that lost its power: its name must be on the disk.
      const upper = folder.slice(0, folder.lastIndexOf("/"));
      await flush(upper);
      if (this.#uppers.has(upper)) return;
      await flush(this.#root);
      this.#uppers.add(upper);
    })();
    this.#folders.set(folder, made);
    made.catch(() => this.#folders.delete(folder));
    return made;
  }

  async #write(path: string, bytes: Bytes): Promise<void> {
    const temporary = `${this.#tmp.path}/${this.#files++}`;
    try {
      {
        using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
        await file.sync();
      }
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
  }
}

async function readExactly(file: Deno.FsFile, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const got = await file.read(body.subarray(at));
    if (got === null) throw new WarpError("E_STORE", "a blob became shorter while it was read");
    at += got;
  }
  return body;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function namesIn(folder: string, pattern: RegExp): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) if (pattern.test(name)) names.push(name);
  return names;
}

async function flush(folder: string): Promise<void> {
  using file = await Deno.open(folder);
  await file.sync();
}

/** A full disk stays what it is; with any other trouble of the disk the store is out of order. */
function storeError(error: unknown): WarpError {
  if (isWarpError(error)) return error;
  const known = asWarpError(error);
  const isDisk = known.code !== "E_DISK_FULL" && known.code !== "E_INTERNAL";
  return isDisk ? new WarpError("E_STORE", known.message, { cause: error }) : known;
}
