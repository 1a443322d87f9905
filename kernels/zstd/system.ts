/**
 * zstd of the system's libzstd by synchronous FFI, with one compression and one decompression
 * context that are used again.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant, WarpError } from "../../actors/base/errors.ts";
import type { Backend, BlockCodec } from "../kernel.ts";
import { ffiBuffer, LIBZSTD, openLibrary } from "../system/libraries.ts";
import { inflateLate } from "./inflate.ts";
import { bound, checkFrame, checkLevel } from "./spec.ts";

const SYMBOLS = {
  ZSTD_versionNumber: { parameters: [], result: "u32" },
  ZSTD_createCCtx: { parameters: [], result: "pointer" },
  ZSTD_createDCtx: { parameters: [], result: "pointer" },
  ZSTD_compressCCtx: {
    parameters: ["pointer", "buffer", "usize", "buffer", "usize", "i32"],
    result: "usize",
  },
  ZSTD_decompressDCtx: {
    parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
    result: "usize",
  },
} as const;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The first version that is exact on malformed frames; see spec.ts, "Old libraries". */
export const VERSION_EXACT = 10507;
/** Content sizes in frames and negative levels as we use them. */
const VERSION_LEAST = 10400;

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when libzstd is missing or older than 1.4. */
export function open(): Backend<BlockCodec> {
  const symbols = openLibrary(LIBZSTD, SYMBOLS);
  const version = symbols.ZSTD_versionNumber();
  const text = [version / 10000, version / 100 % 100, version % 100].map(Math.floor).join(".");
  if (version < VERSION_LEAST) {
    throw new WarpError("E_BACKEND_UNAVAILABLE", `libzstd ${text} is older than 1.4`);
  }
  return { kernel: new SystemZstd(symbols, version), description: `libzstd ${text}` };
}

class SystemZstd implements BlockCodec {
  readonly #symbols: Symbols;
  readonly #version: number;
  readonly #compressor: Deno.PointerValue;
  readonly #decompressor: Deno.PointerValue;
  readonly bound = bound;

  constructor(symbols: Symbols, version: number) {
    this.#symbols = symbols;
    this.#version = version;
    this.#compressor = symbols.ZSTD_createCCtx();
    this.#decompressor = symbols.ZSTD_createDCtx();
    if (this.#compressor === null || this.#decompressor === null) {
      throw new WarpError("E_BACKEND_UNAVAILABLE", "libzstd could not allocate its contexts");
    }
  }

  compress(input: Bytes, output: Bytes, level: number): number {
    checkLevel(level);
    const result = Number(this.#symbols.ZSTD_compressCCtx(
      this.#compressor,
      ffiBuffer(output),
      BigInt(output.length),
      ffiBuffer(input),
      BigInt(input.length),
      level,
    ));
    // Errors are the topmost values of size_t.
    if (result <= output.length) return result;
    invariant(output.length < bound(input.length), "libzstd refused to compress");
    return 0;
  }

  decompress(input: Bytes, output: Bytes): boolean {
    if (!checkFrame(input, output.length)) return false;
    const result = this.#symbols.ZSTD_decompressDCtx(
      this.#decompressor,
      ffiBuffer(output),
      BigInt(output.length),
      ffiBuffer(input),
      BigInt(input.length),
    );
    if (Number(result) === output.length) return true;
    return this.#version < VERSION_EXACT && inflateLate(input, output);
  }
}
