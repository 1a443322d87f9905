/**
 * Chunk sizes from their average.
 *
 * @module
 */
import { WarpError } from "../base/errors.ts";
import { CHUNK_BYTES_MAX } from "../base/limits.ts";
import { KiB } from "../base/units.ts";
import type { ChunkSizes } from "./protocol.ts";

/** Chosen by measured dedup and speed on pairs of real versions: bench/RESULTS.md. */
export const DEFAULT_CHUNK_AVG = 64 * KiB;

/** @throws {WarpError} E_USAGE */
export function chunkSizes(avg: number): ChunkSizes {
  if (!Number.isInteger(Math.log2(avg)) || avg < 256 || avg > CHUNK_BYTES_MAX / 4) {
    throw new WarpError("E_USAGE", `chunk size ${avg} is not a power of two from 256 B to 16 MiB`);
  }
  return { min: avg / 4, avg, max: avg * 4 };
}
