/**
 * BLAKE3 by our C library: SIMD lanes are filled across the inputs of a batch.
 *
 * @module
 */
import { type Bytes, utf8 } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import type { Backend, Blake3 } from "../kernel.ts";
import { type NativeSymbols, openNativeLibrary } from "../native/library.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { checkBatch, checkHash, DIGEST_BYTES } from "./spec.ts";

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library is not there. */
export function open(): Backend<Blake3> {
  const { symbols, description } = openNativeLibrary();
  return { kernel: new NativeBlake3(symbols), description };
}

export class NativeBlake3 implements Blake3 {
  readonly #symbols: NativeSymbols;
  /** Offsets as the C side reads them, and the same memory as pairs of 32-bit halves. */
  #offsets = new BigUint64Array(64);
  #halves = new Uint32Array(this.#offsets.buffer);

  constructor(symbols: NativeSymbols) {
    this.#symbols = symbols;
  }

  hash(input: Bytes, out: Bytes, key?: Bytes): void {
    checkHash(out, key);
    this.#setOffset(0, 0);
    this.#setOffset(1, input.length);
    this.#run(input, 1, out, key);
  }

  hashMany(base: Bytes, offsets: ArrayLike<number>, out: Bytes, key?: Bytes): void {
    const count = checkBatch(base, offsets, out, key);
    if (count === 0) return;
    if (count >= this.#offsets.length) {
      this.#offsets = new BigUint64Array(2 * count);
      this.#halves = new Uint32Array(this.#offsets.buffer);
    }
    for (let i = 0; i <= count; i++) this.#setOffset(i, offsets[i]!);
    this.#run(base, count, out, key);
  }

  deriveKey(context: string, material: Bytes, length = DIGEST_BYTES): Uint8Array<ArrayBuffer> {
    const label = utf8(context), out = new Uint8Array(length);
    const status = this.#symbols.warp_blake3_derive(
      label,
      BigInt(label.length),
      ffiBuffer(material),
      BigInt(material.length),
      out,
      BigInt(length),
    );
    invariant(status === 0, `warp_blake3_derive gave ${status}`);
    return out;
  }

  /** Without a BigInt per offset. */
  #setOffset(index: number, offset: number): void {
    this.#halves[2 * index] = offset;
    this.#halves[2 * index + 1] = offset / 2 ** 32;
  }

  #run(base: Bytes, count: number, out: Bytes, key: Bytes | undefined): void {
    const status = this.#symbols.warp_blake3_hash_many(
      ffiBuffer(base),
      this.#offsets,
      BigInt(count),
      key === undefined ? null : ffiBuffer(key),
      ffiBuffer(out),
    );
    invariant(status === 0, `warp_blake3_hash_many gave ${status}`);
  }
}
