/**
 * LZ4 blocks by the system's liblz4 through synchronous FFI.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import type { Backend, BlockCodec } from "../kernel.ts";
import { ffiBuffer, LIBLZ4, openLibrary } from "../system/libraries.ts";
import { bound, INPUT_BYTES_MAX } from "./spec.ts";

const CODE = { parameters: ["buffer", "buffer", "i32", "i32"], result: "i32" } as const;
const SYMBOLS = {
  LZ4_versionNumber: { parameters: [], result: "i32" },
  LZ4_compress_default: CODE,
  LZ4_decompress_safe: CODE,
} as const;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when liblz4 is missing. */
export function open(): Backend<BlockCodec> {
  const symbols = openLibrary(LIBLZ4, SYMBOLS);
  const version = symbols.LZ4_versionNumber();
  const text = [version / 10000, version / 100 % 100, version % 100].map(Math.floor).join(".");
  return { kernel: new SystemLz4(symbols), description: `liblz4 ${text}` };
}

class SystemLz4 implements BlockCodec {
  readonly #symbols: Symbols;
  readonly bound = bound;

  constructor(symbols: Symbols) {
    this.#symbols = symbols;
  }

  compress(input: Bytes, output: Bytes, _level: number): number {
    invariant(input.length <= INPUT_BYTES_MAX, "lz4: input is above 2 GB");
    const room = Math.min(output.length, 2 ** 31 - 1);
    return this.#symbols.LZ4_compress_default(
      ffiBuffer(input),
      ffiBuffer(output),
      input.length,
      room,
    );
  }

  decompress(input: Bytes, output: Bytes): boolean {
    if (input.length > 2 ** 31 - 1 || output.length > INPUT_BYTES_MAX) return false;
    const length = this.#symbols.LZ4_decompress_safe(
      ffiBuffer(input),
      ffiBuffer(output),
      input.length,
      output.length,
    );
    return length === output.length;
  }
}
