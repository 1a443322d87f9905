/**
 * Opens an archive for reading, with its bases: from its end when it is whole, by scanning when it
 * is salvaged.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import type { Bytes } from "../base/bytes.ts";
import type { FinalEntry } from "../base/entry.ts";
import { isWarpError, type WarpError } from "../base/errors.ts";
import { comparePaths } from "../base/path_order.ts";
import { FileInput } from "./archive_io.ts";
import { SourceSet } from "./bases.ts";
import type { ArchiveAccess } from "./protocol.ts";
import { ArchiveReader, type Opening, readOpening } from "./reader.ts";
import { SalvageReader } from "./salvage.ts";

export interface OpenedArchive {
  input: FileInput;
  opening: Opening;
  /** Absent when salvaged from a damaged end. */
  reader: ArchiveReader | undefined;
  sources: SourceSet;
  entries(): Iterable<FinalEntry>;
  find(path: Bytes): FinalEntry | undefined;
  /** Why the end could not be used. */
  damage: WarpError | undefined;
  close(): void;
}

/** @throws {WarpError} E_NOT_FOUND, E_KEY_WRONG, E_TRUNCATED, E_INTEGRITY, ... */
export function openArchive(
  access: ArchiveAccess,
  kernels: KernelSet,
  isSalvage = false,
): OpenedArchive {
  const input = FileInput.open(access.path);
  try {
    const opening = readOpening(input, kernels);
    const places = { own: access.path, bases: access.basePaths };
    try {
      const reader = ArchiveReader.open(input, kernels, opening, access.archiveKey);
      const sources = new SourceSet(kernels, reader, reader.prologue, places);
      return {
        input,
        opening,
        reader,
        sources,
        entries: () => reader.entries(),
        find: (path) => reader.find(path),
        damage: undefined,
        close: () => close(input, sources),
      };
    } catch (error) {
      const isDamage = isWarpError(error, "E_TRUNCATED") || isWarpError(error, "E_INTEGRITY");
      if (!isSalvage || !isDamage) throw error;
      const reader = new SalvageReader(input, kernels, opening, access.archiveKey);
      const sources = new SourceSet(kernels, reader, reader.prologue, places);
      const find = (path: Bytes) => {
        for (const entry of reader.entries()) {
          if (comparePaths(entry.path, path) === 0) return entry;
        }
        return undefined;
      };
      return {
        input,
        opening,
        reader: undefined,
        sources,
        entries: () => reader.entries(),
        find,
        damage: error as WarpError,
        close: () => close(input, sources),
      };
    }
  } catch (error) {
    input.close();
    throw error;
  }
}

function close(input: FileInput, sources: SourceSet): void {
  sources.close();
  input.close();
}
