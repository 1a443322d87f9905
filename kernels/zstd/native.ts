/**
 * zstd by our C library.
 *
 * @module
 */
import type { Backend, BlockCodec } from "../kernel.ts";
import { NATIVE_CODEC, NativeCodec } from "../native/codec.ts";
import { inflateLate } from "./inflate.ts";
import { bound, checkFrame, checkLevel } from "./spec.ts";

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library, or libzstd, is not there. */
export function open(): Backend<BlockCodec> {
  const { codec, description } = NativeCodec.open(NATIVE_CODEC.zstd, "libzstd");
  const kernel: BlockCodec = {
    bound,
    compress(input, output, level) {
      checkLevel(level);
      return codec.compress(input, output, level);
    },
    // What an old libzstd refuses though it is right gets a second opinion: spec.ts.
    decompress: (input, output) =>
      checkFrame(input, output.length) &&
      (codec.decompress(input, output) || inflateLate(input, output)),
  };
  return { kernel, description };
}
