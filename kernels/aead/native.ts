/**
 * ChaCha20-Poly1305 by our C library, which calls libcrypto where that is faster than its own code.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Aead, Backend } from "../kernel.ts";
import { EAUTH, expectOk, NO_CONTEXT, NO_JOB, Offsets, OK } from "../native/calls.ts";
import { type NativeSymbols, openNativeLibrary } from "../native/library.ts";
import { ffiBuffer } from "../system/libraries.ts";
import { checkOpen, checkSeal } from "./spec.ts";

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when the library is not there. */
export function open(): Backend<Aead> {
  const { symbols, description } = openNativeLibrary();
  return { kernel: new NativeAead(symbols), description };
}

export class NativeAead implements Aead {
  readonly #symbols: NativeSymbols;
  readonly #offsets = new Offsets();
  readonly #aadOffsets = new Offsets();
  readonly #start = new BigUint64Array(1);
  readonly #status = new Uint8Array(1);

  constructor(symbols: NativeSymbols) {
    this.#symbols = symbols;
  }

  seal(key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes, output: Bytes): void {
    checkSeal(key, nonce, plaintext, output);
    const status = this.#symbols.warp_seal(
      NO_CONTEXT,
      ffiBuffer(plaintext),
      this.#offsets.single(plaintext.length),
      1n,
      ffiBuffer(key),
      0,
      ffiBuffer(nonce),
      ffiBuffer(aad),
      this.#aadOffsets.single(aad.length),
      ffiBuffer(output),
      this.#start,
      NO_JOB,
    );
    expectOk(status, "warp_seal");
  }

  open(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes, output: Bytes): boolean {
    if (!checkOpen(key, nonce, sealed, output)) return false;
    const status = this.#symbols.warp_open(
      NO_CONTEXT,
      ffiBuffer(sealed),
      this.#offsets.single(sealed.length),
      1n,
      ffiBuffer(key),
      0,
      ffiBuffer(nonce),
      ffiBuffer(aad),
      this.#aadOffsets.single(aad.length),
      ffiBuffer(output),
      this.#start,
      this.#status,
      NO_JOB,
    );
    if (status === OK) return true;
    if (status !== EAUTH) expectOk(status, "warp_open");
    return false;
  }
}
