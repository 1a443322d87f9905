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
  readonly damage: WarpError | undefined;
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
    return isSalvage
      ? openDamaged(access, input, kernels, opening)
      : openWhole(access, input, kernels, opening);
  } catch (error) {
    input.close();
    throw error;
  }
}

function openWhole(
  access: ArchiveAccess,
  input: FileInput,
  kernels: KernelSet,
  opening: Opening,
): OpenedArchive {
  const reader = ArchiveReader.open(input, kernels, opening, access.archiveKey);
  const sources = new SourceSet(kernels, reader, reader.prologue, placesOf(access));
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
}

/** Prefers the trees of the archive; where they are missing or damaged, what a scan finds. */
function openDamaged(
  access: ArchiveAccess,
  input: FileInput,
  kernels: KernelSet,
  opening: Opening,
): OpenedArchive {
  let damage: WarpError | undefined;
  const note = (error: unknown) => {
    if (!isDamage(error)) throw error;
    damage ??= error;
  };
  let reader: ArchiveReader | undefined;
  try {
    reader = ArchiveReader.open(input, kernels, opening, access.archiveKey);
  } catch (error) {
    note(error);
  }
  let scanned: SalvageReader | undefined;
  const scan = () => scanned ??= new SalvageReader(input, kernels, opening, access.archiveKey);
  const own = {
    records: reader?.records ?? scan().records,
    locate: (ordinal: number) => {
      try {
        if (reader !== undefined) return reader.locate(ordinal);
      } catch (error) {
        note(error);
      }
      return scan().locate(ordinal);
    },
  };
  const entries = function* (): Generator<FinalEntry> {
    let last: Bytes | undefined;
    try {
      for (const entry of reader?.entries() ?? []) {
        last = entry.path;
        yield entry;
      }
      if (reader !== undefined) return;
    } catch (error) {
      note(error);
    }
    for (const entry of scan().entries()) {
      if (last === undefined || comparePaths(entry.path, last) > 0) yield entry;
    }
  };
  const sources = new SourceSet(kernels, own, (reader ?? scan()).prologue, placesOf(access));
  return {
    input,
    opening,
    reader,
    sources,
    entries,
    find: (path) => {
      for (const entry of entries()) if (comparePaths(entry.path, path) === 0) return entry;
      return undefined;
    },
    get damage() {
      return damage;
    },
    close: () => close(input, sources),
  };
}

function isDamage(error: unknown): error is WarpError {
  return isWarpError(error, "E_TRUNCATED") || isWarpError(error, "E_INTEGRITY");
}

function placesOf(access: ArchiveAccess): { own: string; bases: string[] } {
  return { own: access.path, bases: access.basePaths };
}

function close(input: FileInput, sources: SourceSet): void {
  sources.close();
  input.close();
}
