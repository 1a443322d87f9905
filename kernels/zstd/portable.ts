/**
 * zstd of `node:zlib`, which Deno carries: the reference.
 *
 * @module
 */
import * as zlib from "node:zlib";
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Backend, BlockCodec } from "../kernel.ts";
import { CHUNK_BYTES_LEAST, inflate, isTooLarge } from "./inflate.ts";
import { bound, checkFrame, checkLevel } from "./spec.ts";

export function open(): Backend<BlockCodec> {
  return {
    kernel: { bound, compress, decompress },
    description: `node:zlib, Deno ${Deno.version.deno}`,
  };
}

function compress(input: Bytes, output: Bytes, level: number): number {
  checkLevel(level);
  if (output.length === 0) return 0;
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: level };
  const options = {
    params,
    // Without it the frame states no content size.
    pledgedSrcSize: input.length,
    maxOutputLength: output.length,
    chunkSize: Math.max(CHUNK_BYTES_LEAST, Math.min(output.length, bound(input.length))),
  };
  try {
    const frame = zlib.zstdCompressSync(input, options);
    output.set(frame);
    return frame.length;
  } catch (error) {
    if (isTooLarge(error)) return 0;
    throw error;
  }
}

function decompress(input: Bytes, output: Bytes): boolean {
  return checkFrame(input, output.length) && inflate(zlib, input, output);
}
