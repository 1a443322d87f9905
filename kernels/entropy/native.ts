/**
 * Entropy estimates by our C library.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Backend, Entropy } from "../kernel.ts";
import { expectOk, NO_CONTEXT, NO_JOB, Offsets } from "../native/calls.ts";
import { type NativeSymbols, openNativeLibrary } from "../native/library.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { checkSample } from "./spec.ts";

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library is not there. */
export function open(): Backend<Entropy> {
  const { symbols, description } = openNativeLibrary();
  return { kernel: new NativeEntropy(symbols), description };
}

class NativeEntropy implements Entropy {
  readonly #symbols: NativeSymbols;
  readonly #offsets = new Offsets();
  readonly #one = new Uint16Array(1);

  constructor(symbols: NativeSymbols) {
    this.#symbols = symbols;
  }

  estimate(input: Bytes): number {
    checkSample(input);
    this.#run(input, this.#offsets.single(input.length), 0, this.#one);
    return this.#one[0]!;
  }

  estimateMany(
    base: Bytes,
    offsets: ArrayLike<number>,
    sampleBytes: number,
    out: Uint16Array<ArrayBuffer>,
  ): void {
    if (out.length > 0) this.#run(base, this.#offsets.of(offsets), sampleBytes, out);
  }

  #run(
    base: Bytes,
    offsets: BigUint64Array<ArrayBuffer>,
    sampleBytes: number,
    out: Uint16Array<ArrayBuffer>,
  ): void {
    const status = this.#symbols.warp_entropy(
      NO_CONTEXT,
      ffiBuffer(base),
      offsets,
      BigInt(out.length),
      sampleBytes,
      out,
      NO_JOB,
    );
    expectOk(status, "warp_entropy");
  }
}
