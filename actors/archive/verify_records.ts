/**
 * Deep verification: every entry resolves, every block opens under the key, in its place, and every
 * chunk has the id that the index gives it.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { equal } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { MiB } from "../base/units.ts";
import {
  BlockGroup,
  BlockPlanner,
  type ChunkRead,
  DecodeBuffers,
  decodeGroup,
} from "./block_reader.ts";
import type { Ciphers } from "./cipher_pool.ts";
import { openArchive } from "./open_archive.ts";
import type { ArchiveAccess, Progress } from "./protocol.ts";
import type { ArchiveReader } from "./reader.ts";

/** @returns the number of chunks checked */
export async function openEveryRecord(
  access: ArchiveAccess,
  kernels: KernelSet,
  ciphers: Ciphers,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const opened = openArchive(access, kernels);
  try {
    const reader = opened.reader!;
    checkEntries(reader);
    return await checkChunks(reader, new BlockPlanner(opened.sources), ciphers, progress, signal);
  } finally {
    opened.close();
  }
}

function checkEntries(reader: ArchiveReader): void {
  let entries = 0;
  for (const entry of reader.entries()) {
    entries++;
    if (entry.type !== "file") continue;
    for (const { source, first, count } of entry.extents) {
      if (source === 0 && first + count > reader.root.chunks) {
        throw new WarpError("E_INTEGRITY", "an entry refers to a chunk that does not exist");
      }
    }
  }
  if (entries !== reader.root.entries) {
    throw new WarpError("E_INTEGRITY", "the archive does not hold the entries that it counts");
  }
}

interface ChunkCheck {
  ordinal: number;
  read: ChunkRead;
}

async function checkChunks(
  reader: ArchiveReader,
  planner: BlockPlanner,
  ciphers: Ciphers,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  progress.phase = "opening";
  progress.bytes = 0;
  progress.bytesTotal = reader.root.stored;
  const buffers = new DecodeBuffers();
  const id = new Uint8Array(32);
  let group = new BlockGroup(4 * MiB), checks: ChunkCheck[] = [], chunks = 0;
  const flush = async () => {
    const decoded = await decodeGroup(group, buffers, ciphers, signal);
    for (const { ordinal, read } of checks) {
      const view = decoded.view(read);
      reader.kernels.blake3.hash(view, id, reader.records.secrets.idKey);
      if (!equal(id, reader.chunkId(ordinal))) {
        throw new WarpError("E_INTEGRITY", `chunk ${ordinal} does not have its id`);
      }
      progress.bytes += view.length;
    }
    chunks += checks.length;
    group = new BlockGroup(4 * MiB);
    checks = [];
  };
  for (let ordinal = 0; ordinal < reader.root.chunks; ordinal++) {
    const read = planner.read(group, { length: 0, source: 0, first: ordinal, count: 1 }, 0);
    checks.push({ ordinal, read });
    if (group.isFull) await flush();
    signal.throwIfAborted();
  }
  await flush();
  return chunks;
}
