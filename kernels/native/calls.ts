/**
 * What calls into the C library have in common: no context, no job, offsets of 64 bits.
 *
 * @module
 */
import { invariant } from "../../actors/base/errors.ts";

/** In the calling thread, and done when the call returns. */
export const NO_CONTEXT = 0n;
export const NO_JOB = null;

/** Status codes of warp_kernels.h that calls here can give. */
export const OK = 0;
export const EAUTH = -6;
export const EDATA = -11;

/** Offsets as the C side reads them, written without a BigInt each; used again and again. */
export class Offsets {
  #words = new BigUint64Array(64);
  #halves = new Uint32Array(this.#words.buffer);

  /** Takes over `offsets`; valid until the next call. */
  of(offsets: ArrayLike<number>): BigUint64Array<ArrayBuffer> {
    if (offsets.length > this.#words.length) {
      this.#words = new BigUint64Array(2 * offsets.length);
      this.#halves = new Uint32Array(this.#words.buffer);
    }
    for (let i = 0; i < offsets.length; i++) this.#set(i, offsets[i]!);
    return this.#words;
  }

  /** One item from 0 to `length`. */
  single(length: number): BigUint64Array<ArrayBuffer> {
    this.#set(0, 0);
    this.#set(1, length);
    return this.#words;
  }

  #set(index: number, offset: number): void {
    this.#halves[2 * index] = offset;
    this.#halves[2 * index + 1] = offset / 2 ** 32;
  }
}

export function expectOk(status: number, name: string): void {
  invariant(status === OK, `${name} gave ${status}`);
}
