/**
 * Calls our C library with a context, tells what the last of many blocks hashes to, and goes on until it
 * is terminated.
 *
 * @module
 */
import { type Bytes, toHex } from "../../actors/base/bytes.ts";
import { BLAKE3_HASH, blake3Call, offsetsFrom } from "../../kernels/cuda/calls.ts";
import { CUDA_SYMBOLS } from "../../kernels/cuda/symbols.ts";
import { OK, TestContext } from "./native_support.ts";

const BLOCKS = 400;

self.onmessage = ({ data }: MessageEvent<{ path: string; block: Bytes }>) => {
  const { path, block } = data;
  const context = new TestContext(Deno.dlopen(path, CUDA_SYMBOLS).symbols, { threads: 3 });
  const base = new Uint8Array(BLOCKS * block.length), out = new Uint8Array(32 * BLOCKS);
  for (let i = 0; i < BLOCKS; i++) base.set(block, i * block.length);
  const offsets = offsetsFrom(Array.from({ length: BLOCKS + 1 }, (_, i) => i * block.length));
  const call = blake3Call({ mode: BLAKE3_HASH, base, offsets, out });
  for (let isFirst = true; context.run(call) === OK; isFirst = false) {
    if (isFirst) self.postMessage(toHex(out.subarray(-32)));
  }
};
