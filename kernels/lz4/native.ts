/**
 * LZ4 blocks by our C library.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import type { Backend, BlockCodec } from "../kernel.ts";
import { NATIVE_CODEC, NativeCodec } from "../native/codec.ts";
import { bound, INPUT_BYTES_MAX } from "./spec.ts";

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library, or liblz4, is not there. */
export function open(): Backend<BlockCodec> {
  const { codec, description } = NativeCodec.open(NATIVE_CODEC.lz4, "liblz4");
  const kernel: BlockCodec = {
    bound,
    compress(input: Bytes, output: Bytes): number {
      invariant(input.length <= INPUT_BYTES_MAX, "lz4: input is above 2 GB");
      return codec.compress(input, output, 1);
    },
    decompress: (input, output) =>
      output.length <= INPUT_BYTES_MAX && codec.decompress(input, output),
  };
  return { kernel, description };
}
