/**
 * Chunk boundaries by our C library.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import type { Backend, Boundary, BoundaryParams } from "../kernel.ts";
import { expectOk, NO_CONTEXT, NO_JOB } from "../native/calls.ts";
import { type NativeSymbols, openNativeLibrary } from "../native/library.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { checkParams, TABLE_WORDS } from "./spec.ts";

/** The C side counts in 32 bits. */
const INPUT_BYTES_MAX = 2 ** 32 - 1;
/** Words of warp_boundary_params: size, avg_bits, min, max, table. */
const PARAM_WORDS = 4 + TABLE_WORDS;

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library is not there. */
export function open(): Backend<Boundary> {
  const { symbols, description } = openNativeLibrary();
  return { kernel: new NativeBoundary(symbols), description };
}

export class NativeBoundary implements Boundary {
  readonly #symbols: NativeSymbols;
  readonly #params = new Uint32Array(PARAM_WORDS);
  readonly #count = new Uint32Array(1);
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
    this.#params.set([4 * PARAM_WORDS, avgBits, min, max]);
    this.#params.set(table, 4);
    const status = this.#symbols.warp_boundary(
      NO_CONTEXT,
      this.#params,
      ffiBuffer(input),
      BigInt(input.length),
      isLast ? 1 : 0,
      this.#ends,
      this.#ends.length,
      this.#count,
      NO_JOB,
    );
    expectOk(status, "warp_boundary");
    return Array.from(this.#ends.subarray(0, this.#count[0]!));
  }
}
