/**
 * The files behind an archive: random-access input, and output that appears under its final name
 * only when it is whole.
 *
 * @module
 */
import { dirname } from "node:path";
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, fromSystemError, WarpError } from "../base/errors.ts";
import type { NodeSpill } from "./merkle.ts";
import type { ArchiveOutput } from "./writer.ts";

/** Random access to the bytes of an archive. */
export interface ArchiveInput {
  readonly size: number;
  /** Reads as much as there is, up to `buffer.length`, from `offset`; returns the count. */
  read(buffer: Bytes, offset: number): number;
  close(): void;
}

export class FileInput implements ArchiveInput {
  readonly #file: Deno.FsFile;
  readonly size: number;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
    this.size = file.statSync().size;
  }

  /** @throws {WarpError} E_NOT_FOUND, E_ACCESS, E_IO */
  static open(path: string): FileInput {
    try {
      if (Deno.statSync(path).isDirectory) throw new WarpError("E_IO", `"${path}" is a directory`);
      return new FileInput(Deno.openSync(path));
    } catch (cause) {
      const known = fromSystemError(cause);
      if (known === undefined) throw cause;
      const text = known.code === "E_NOT_FOUND" ? "does not exist" : "cannot be read";
      throw new WarpError(known.code, `"${path}" ${text}`, { cause });
    }
  }

  read(buffer: Bytes, offset: number): number {
    return readAt(this.#file, buffer, offset);
  }

  close(): void {
    this.#file.close();
  }
}

/** Reads as much as there is, up to `buffer.length`, from `offset`; returns the count. */
function readAt(file: Deno.FsFile, buffer: Bytes, offset: number): number {
  file.seekSync(offset, Deno.SeekMode.Start);
  let done = 0;
  while (done < buffer.length) {
    const count = file.readSync(buffer.subarray(done) as Uint8Array);
    if (count === null) break;
    done += count;
  }
  return done;
}

export function writeAll(file: { writeSync(bytes: Uint8Array): number }, bytes: Bytes): void {
  for (let done = 0; done < bytes.length;) {
    done += file.writeSync(bytes.subarray(done) as Uint8Array);
  }
}

/** stdout as an archive output: one pass, no late fields. */
export class PipeOutput implements ArchiveOutput {
  write(bytes: Bytes): void {
    try {
      writeAll(Deno.stdout, bytes);
    } catch (error) {
      throw asWarpError(error);
    }
  }

  writeLater(bytes: Bytes): Promise<void> {
    // A pipe's reader sets the pace: there is nothing to overlap with.
    this.write(bytes);
    return Promise.resolve();
  }

  rewriteHeader(): boolean {
    return false;
  }
}

/** `OUT.partial` until `commit`, locked against a second writer. */
export class FileOutput implements ArchiveOutput {
  readonly #file: Deno.FsFile;
  readonly path: string;
  readonly partialPath: string;

  private constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.partialPath = partialPathOf(path);
    this.#file = file;
  }

  /**
   * Opens the partial file for writing. `resume` keeps what is in it; otherwise it must not exist,
   * unless `force`.
   * @throws {WarpError} E_EXISTS, E_LOCKED, E_ACCESS, E_IO
   */
  static open(path: string, mode: { resume: boolean; force: boolean }): FileOutput {
    const partial = partialPathOf(path);
    const options = { read: true, write: true, create: true, mode: 0o600 };
    const existed = exists(partial);
    try {
      const file = Deno.openSync(partial, options);
      lock(file, partial);
      const output = new FileOutput(path, file);
      if (existed && !mode.resume && !mode.force && file.statSync().size > 0) {
        file.close();
        throw new WarpError("E_EXISTS", `"${partial}" is left from an interrupted run`, {
          hint: "continue with --resume, or start over with --force",
        });
      }
      if (!mode.resume) file.truncateSync(0);
      return output;
    } catch (cause) {
      if (cause instanceof WarpError) throw cause;
      const known = asWarpError(cause);
      throw new WarpError(known.code, `"${partial}" cannot be written: ${known.message}`, {
        cause,
      });
    }
  }

  get size(): number {
    return this.#file.statSync().size;
  }

  /** What the file is, by any name; null where the system does not tell. */
  get identity(): { dev: number; ino: number } | null {
    const { dev, ino } = this.#file.statSync();
    return dev === null || ino === null || dev === 0 ? null : { dev, ino };
  }

  /** Cuts the file at `length` and goes on writing there. */
  truncate(length: number): void {
    this.#file.truncateSync(length);
    this.#file.seekSync(length, Deno.SeekMode.Start);
  }

  write(bytes: Bytes): void {
    writeAll(this.#file, bytes);
  }

  async writeLater(bytes: Bytes): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += await this.#file.write(bytes.subarray(done) as Uint8Array);
    }
  }

  rewriteHeader(header: Bytes): boolean {
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.write(header);
    return true;
  }

  /** Makes everything durable, then gives the file its final name. */
  commit(): void {
    this.#file.syncSync();
    const mode = 0o666 & ~(Deno.umask?.() ?? 0o022);
    if (Deno.build.os !== "windows") Deno.chmodSync(this.partialPath, mode);
    Deno.renameSync(this.partialPath, this.path);
    this.#file.close();
    syncDirectory(dirname(this.path));
  }

  /** Leaves the partial file for `--resume`. */
  close(): void {
    this.#file.close();
  }

  discard(): void {
    Deno.removeSync(this.partialPath);
    this.#file.close();
  }
}

export function partialPathOf(path: string): string {
  return `${path}.partial`;
}

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw asWarpError(error);
  }
}

/** @throws {WarpError} E_USAGE for a directory, E_EXISTS for what is not to be replaced */
export function checkOutput(path: string, isForce: boolean): void {
  if (isDirectory(path)) throw new WarpError("E_USAGE", `"${path}" is a directory`);
  if (!isForce && exists(path)) throw new WarpError("E_EXISTS", `"${path}" already exists`);
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function lock(file: Deno.FsFile, path: string): void {
  const isLocked = file.tryLockSync(true);
  if (isLocked) return;
  file.close();
  throw new WarpError("E_LOCKED", `"${path}" is being written by another warp`);
}

function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return;
  const directory = Deno.openSync(path, { read: true });
  try {
    directory.syncSync();
  } finally {
    directory.close();
  }
}

/** An unnamed temporary file for Merkle levels that outgrow memory. */
export class FileSpill implements NodeSpill {
  readonly #output: Deno.FsFile;
  readonly #input: Deno.FsFile;

  constructor() {
    const path = Deno.makeTempFileSync({ prefix: "warp-merkle-" });
    this.#output = Deno.openSync(path, { write: true });
    this.#input = Deno.openSync(path);
    Deno.removeSync(path);
  }

  append(nodes: Bytes): void {
    writeAll(this.#output, nodes);
  }

  read(nodes: Bytes, offset: number): void {
    if (readAt(this.#input, nodes, offset) < nodes.length) {
      throw new WarpError("E_IO", "a temporary file was cut short");
    }
  }

  close(): void {
    this.#output.close();
    this.#input.close();
  }
}
