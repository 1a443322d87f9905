/**
 * A second opinion on a zstd frame, by node:zlib.
 *
 * The module is fetched when first needed: importing any `node:` module costs a Worker 25 ms at its
 * start, and this is needed for damaged or odd frames only.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";

type Zlib = typeof import("node:zlib");

/** Node refuses smaller chunks. */
export const CHUNK_BYTES_LEAST = 64;

/** Fills `output` from a frame that {@link checkFrame} has passed. */
export function inflate(zlib: Zlib, input: Bytes, output: Bytes): boolean {
  const room = output.length + 1;
  try {
    const content = zlib.zstdDecompressSync(input, {
      maxOutputLength: room,
      chunkSize: Math.max(CHUNK_BYTES_LEAST, room),
    });
    if (content.length !== output.length) return false;
    output.set(content);
    return true;
  } catch (error) {
    if (isTooLarge(error) || isCorrupt(error)) return false;
    throw error;
  }
}

/** {@link inflate} without an import of node:zlib. False also where it cannot be had. */
export function inflateLate(input: Bytes, output: Bytes): boolean {
  const host = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const zlib = host.process?.getBuiltinModule?.("node:zlib") as Zlib | undefined;
  return zlib !== undefined && inflate(zlib, input, output);
}

export function isTooLarge(error: unknown): boolean {
  return (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
}

function isCorrupt(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Zstd decompress error");
}
