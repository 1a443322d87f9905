/**
 * LZ4 and zstd blocks by our C library, which calls liblz4 and libzstd.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { EDATA, expectOk, NO_CONTEXT, NO_JOB, Offsets, OK } from "./calls.ts";
import { type NativeSymbols, openNativeLibrary } from "./library.ts";

/** WARP_CODEC_* of warp_kernels.h. */
export const NATIVE_CODEC = { lz4: 1, zstd: 2 } as const;

const ENOTSUP = -5;

/** One codec: single blocks, with a dictionary or without. */
export class NativeCodec {
  readonly #symbols: NativeSymbols;
  readonly #codec: number;
  readonly #offsets = new Offsets();
  readonly #outOffsets = new Offsets();
  readonly #length = new Uint32Array(1);
  readonly #status = new Uint8Array(1);

  private constructor(symbols: NativeSymbols, codec: number) {
    this.#symbols = symbols;
    this.#codec = codec;
  }

  /** @throws {WarpError} E_BACKEND_UNAVAILABLE without our library or the one that it calls. */
  static open(codec: number, title: string): { codec: NativeCodec; description: string } {
    const { symbols, description } = openNativeLibrary();
    const made = new NativeCodec(symbols, codec);
    if (made.#compress(new Uint8Array(1), new Uint8Array(64), 1, undefined) === ENOTSUP) {
      throw new WarpError("E_BACKEND_UNAVAILABLE", `${title} is not installed`);
    }
    return { codec: made, description };
  }

  /** The length, or 0 when it does not fit. */
  compress(input: Bytes, output: Bytes, level: number, dictionary?: Bytes): number {
    expectOk(this.#compress(input, output, level, dictionary), "warp_compress");
    return this.#length[0]!;
  }

  #compress(input: Bytes, output: Bytes, level: number, dictionary: Bytes | undefined): number {
    return this.#symbols.warp_compress(
      NO_CONTEXT,
      this.#codec,
      level,
      dictionary === undefined ? null : ffiBuffer(dictionary),
      BigInt(dictionary?.length ?? 0),
      ffiBuffer(input),
      this.#offsets.single(input.length),
      1n,
      ffiBuffer(output),
      this.#outOffsets.single(output.length),
      this.#length,
      NO_JOB,
    );
  }

  /** Fills `output` exactly; false for anything else. */
  decompress(input: Bytes, output: Bytes, dictionary?: Bytes): boolean {
    const status = this.#symbols.warp_decompress(
      NO_CONTEXT,
      this.#codec,
      dictionary === undefined ? null : ffiBuffer(dictionary),
      BigInt(dictionary?.length ?? 0),
      ffiBuffer(input),
      this.#offsets.single(input.length),
      1n,
      ffiBuffer(output),
      this.#outOffsets.single(output.length),
      this.#status,
      NO_JOB,
    );
    if (status !== EDATA) expectOk(status, "warp_decompress");
    return status === OK;
  }
}
