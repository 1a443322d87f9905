/**
 * Chunk boundaries by our C library.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import type { Backend, Boundary, BoundaryParams } from "../kernel.ts";
import { type NativeSymbols, openNativeLibrary } from "../native/library.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { checkParams } from "./spec.ts";

/** The C side counts in 32 bits. */
const INPUT_BYTES_MAX = 2 ** 32 - 1;

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library is not there. */
export function open(): Backend<Boundary> {
  const { symbols, description } = openNativeLibrary();
  return { kernel: new NativeBoundary(symbols), description };
}

export class NativeBoundary implements Boundary {
  readonly #symbols: NativeSymbols;
  #ends = new Uint32Array(1024);

  constructor(symbols: NativeSymbols) {
    this.#symbols = symbols;
  }

  cuts(params: BoundaryParams, input: Bytes, isLast: boolean): number[] {
    checkParams(params);
    invariant(input.length <= INPUT_BYTES_MAX, "boundary: input is above 4 GiB");
    const { avgBits, min, max, table } = params;
    const capacity = Math.floor(input.length / min) + 1;
    if (capacity > this.#ends.length) this.#ends = new Uint32Array(2 * capacity);
    const ends = this.#ends;
    const count = this.#symbols.warp_boundary_cuts(
      ffiBuffer(input),
      BigInt(input.length),
      table as Uint32Array<ArrayBuffer>,
      avgBits,
      min,
      max,
      isLast ? 1 : 0,
      ends,
      ends.length,
    );
    invariant(count >= 0, `warp_boundary_cuts gave ${count}`);
    return Array.from(ends.subarray(0, count));
  }
}
