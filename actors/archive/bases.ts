/**
 * An archive and the ones it is based on, as one: extents name a source, sources are opened when
 * first needed.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { KernelSet } from "../../kernels/kernel.ts";
import { equal, toHex } from "../base/bytes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { FileInput } from "./archive_io.ts";
import type { ChunkLocation } from "./index_page.ts";
import { ArchiveReader, readOpening, type RecordReader } from "./reader.ts";
import type { BaseRef, Prologue } from "./summary.ts";

/** What resolves extents of one archive: its own chunks and those of its bases. */
export interface ChunkSource {
  locate(ordinal: number): ChunkLocation;
  readonly records: RecordReader;
}

export class SourceSet {
  readonly #kernels: KernelSet;
  readonly #own: ChunkSource;
  readonly #prologue: Prologue;
  readonly #candidates: string[];
  readonly #opened = new Map<number, ArchiveReader>();

  /**
   * @param own the archive itself (source 0)
   * @param places where base archives may be: files given by the user, and the archive's own path
   */
  constructor(
    kernels: KernelSet,
    own: ChunkSource,
    prologue: Prologue,
    places: { own: string; bases: string[] },
  ) {
    this.#kernels = kernels;
    this.#own = own;
    this.#prologue = prologue;
    const beside = prologue.bases.map((base) => join(dirname(places.own), safeName(base.name)));
    this.#candidates = [...places.bases, ...beside];
  }

  /** @throws {WarpError} E_BASE_MISSING, E_INTEGRITY */
  source(k: number): ChunkSource {
    if (k === 0) return this.#own;
    const known = this.#opened.get(k);
    if (known !== undefined) return known;
    const base = this.#prologue.bases[k - 1];
    if (base === undefined) {
      throw new WarpError("E_INTEGRITY", "an entry refers to a base archive that is not listed");
    }
    const reader = this.#find(base);
    this.#opened.set(k, reader);
    return reader;
  }

  #find(base: BaseRef): ArchiveReader {
    for (const path of this.#candidates) {
      const reader = tryOpen(path, this.#kernels, base);
      if (reader !== undefined) return reader;
    }
    throw new WarpError(
      "E_BASE_MISSING",
      `the base archive "${safeName(base.name)}" (id ${toHex(base.id)}) was not found`,
    );
  }

  close(): void {
    for (const reader of this.#opened.values()) reader.close();
  }
}

/** The archive at `path` if it is `base`: same id and same root. */
function tryOpen(path: string, kernels: KernelSet, base: BaseRef): ArchiveReader | undefined {
  let input: FileInput | undefined;
  try {
    input = FileInput.open(path);
    const opening = readOpening(input, kernels);
    if (equal(opening.header.archiveId, base.id)) {
      const reader = ArchiveReader.open(input, kernels, opening, base.key);
      if (equal(reader.trailer.root, base.root)) return reader;
    }
  } catch (error) {
    if (!isWarpError(error)) throw error;
  }
  input?.close();
  return undefined;
}

/** The stored name is a hint from outside: its last component only. */
function safeName(name: string): string {
  return name.split(/[/\\]/).at(-1)!.replace(/^\.\.?$/, "_") || "_";
}
