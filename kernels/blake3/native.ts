/**
 * BLAKE3 by our C library: SIMD lanes are filled across the inputs of a batch.
 *
 * @module
 */
import { type Bytes, utf8 } from "../../actors/base/bytes.ts";
import type { Backend, Blake3 } from "../kernel.ts";
import { expectOk, NO_CONTEXT, NO_JOB, Offsets } from "../native/calls.ts";
import { type NativeSymbols, openNativeLibrary } from "../native/library.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { whileHeld } from "../../actors/base/while_held.ts";
import { checkBatch, checkHash, DIGEST_BYTES } from "./spec.ts";

/** WARP_BLAKE3_* of warp_kernels.h. */
const MODE = { hash: 0, keyed: 1, derive: 2, context: 3 } as const;

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library is not there. */
export function open(): Backend<Blake3> {
  const { symbols, description } = openNativeLibrary();
  return { kernel: new NativeBlake3(symbols), description };
}

export class NativeBlake3 implements Blake3 {
  readonly #symbols: NativeSymbols;
  readonly #offsets = new Offsets();

  constructor(symbols: NativeSymbols) {
    this.#symbols = symbols;
  }

  hash(input: Bytes, out: Bytes, key?: Bytes): void {
    checkHash(out, key);
    this.#run(input, this.#offsets.single(input.length), 1, out, key);
  }

  hashMany(base: Bytes, offsets: ArrayLike<number>, out: Bytes, key?: Bytes): void {
    const count = checkBatch(base, offsets, out, key);
    if (count > 0) this.#run(base, this.#offsets.of(offsets), count, out, key);
  }

  async hashManyLater(
    base: Bytes,
    offsets: ArrayLike<number>,
    out: Bytes,
    key?: Bytes,
  ): Promise<void> {
    const count = checkBatch(base, offsets, out, key);
    if (count === 0) return;
    const places = new Offsets().of(offsets);
    const status = await whileHeld([base, places, out, key], () =>
      this.#symbols.warp_blake3_later(
        NO_CONTEXT,
        key === undefined ? MODE.hash : MODE.keyed,
        key === undefined ? null : ffiBuffer(key),
        ffiBuffer(base),
        places,
        BigInt(count),
        ffiBuffer(out),
        NO_JOB,
      ));
    expectOk(status, "warp_blake3");
  }

  deriveKey(context: string, material: Bytes, length = DIGEST_BYTES): Uint8Array<ArrayBuffer> {
    const key = this.#extend(MODE.context, null, utf8(context), DIGEST_BYTES);
    return this.#extend(MODE.derive, key, material, length);
  }

  #extend(
    mode: number,
    key: Uint8Array<ArrayBuffer> | null,
    input: Bytes,
    length: number,
  ): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(length);
    const status = this.#symbols.warp_blake3_xof(
      mode,
      key,
      ffiBuffer(input),
      BigInt(input.length),
      out,
      BigInt(length),
    );
    expectOk(status, "warp_blake3_xof");
    return out;
  }

  #run(
    base: Bytes,
    offsets: BigUint64Array<ArrayBuffer>,
    count: number,
    out: Bytes,
    key: Bytes | undefined,
  ): void {
    const status = this.#symbols.warp_blake3(
      NO_CONTEXT,
      key === undefined ? MODE.hash : MODE.keyed,
      key === undefined ? null : ffiBuffer(key),
      ffiBuffer(base),
      offsets,
      BigInt(count),
      ffiBuffer(out),
      NO_JOB,
    );
    expectOk(status, "warp_blake3");
  }
}
