/**
 * ChaCha20-Poly1305 of the system's libcrypto (OpenSSL EVP) by synchronous FFI.
 *
 * The two contexts are made once: looking the cipher up again costs a fifth of the speed at 16 KiB.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant, WarpError } from "../../actors/base/errors.ts";
import type { Aead, Backend } from "../kernel.ts";
import { ffiBuffer, LIBCRYPTO, openLibrary } from "../system/libraries.ts";
import { checkOpen, checkSeal, TAG_BYTES } from "./spec.ts";

const OPENSSL_INIT_NO_ATEXIT = 0x80000n;
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;

const INIT = {
  parameters: ["pointer", "pointer", "pointer", "buffer", "buffer"],
  result: "i32",
} as const;
const UPDATE = {
  parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
  result: "i32",
} as const;
const FINAL = { parameters: ["pointer", "buffer", "buffer"], result: "i32" } as const;

const SYMBOLS = {
  OPENSSL_init_crypto: { parameters: ["u64", "pointer"], result: "i32" },
  OpenSSL_version: { parameters: ["i32"], result: "pointer" },
  EVP_chacha20_poly1305: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "buffer"], result: "i32" },
  EVP_EncryptInit_ex: INIT,
  EVP_EncryptUpdate: UPDATE,
  EVP_EncryptFinal_ex: FINAL,
  EVP_DecryptInit_ex: INIT,
  EVP_DecryptUpdate: UPDATE,
  EVP_DecryptFinal_ex: FINAL,
} as const;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** @throws {WarpError} E_BACKEND_UNAVAILABLE when libcrypto, or this cipher in it, is missing. */
export function open(): Backend<Aead> {
  const symbols = openLibrary(LIBCRYPTO, SYMBOLS);
  // Else it cleans up when the process ends, under the feet of threads that still use it.
  symbols.OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, null);
  const text = symbols.OpenSSL_version(0);
  const banner = text === null ? "" : Deno.UnsafePointerView.getCString(text);
  const version = /\d+\.\d+\.\d+\w*/.exec(banner)?.[0] ?? "of unknown version";
  return { kernel: new SystemAead(symbols), description: `libcrypto ${version}` };
}

class SystemAead implements Aead {
  readonly #symbols: Symbols;
  readonly #sealContext: Deno.PointerValue;
  readonly #openContext: Deno.PointerValue;
  readonly #written = new Int32Array(1);
  readonly #tag = new Uint8Array(TAG_BYTES);

  constructor(symbols: Symbols) {
    this.#symbols = symbols;
    const cipher = symbols.EVP_chacha20_poly1305();
    this.#sealContext = symbols.EVP_CIPHER_CTX_new();
    this.#openContext = symbols.EVP_CIPHER_CTX_new();
    const isReady = cipher !== null && this.#sealContext !== null && this.#openContext !== null &&
      symbols.EVP_EncryptInit_ex(this.#sealContext, cipher, null, null, null) === 1 &&
      symbols.EVP_DecryptInit_ex(this.#openContext, cipher, null, null, null) === 1;
    if (!isReady) {
      // OpenSSL in FIPS mode has no ChaCha20.
      throw new WarpError("E_BACKEND_UNAVAILABLE", "libcrypto does not offer ChaCha20-Poly1305");
    }
  }

  seal(key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes, output: Bytes): void {
    checkSeal(key, nonce, plaintext, output);
    const { EVP_EncryptInit_ex, EVP_EncryptUpdate, EVP_EncryptFinal_ex, EVP_CIPHER_CTX_ctrl } =
      this.#symbols;
    const context = this.#sealContext, written = this.#written, tag = this.#tag;
    const length = plaintext.length;
    const isSealed =
      EVP_EncryptInit_ex(context, null, null, ffiBuffer(key), ffiBuffer(nonce)) === 1 &&
      (aad.length === 0 ||
        EVP_EncryptUpdate(context, null, written, ffiBuffer(aad), aad.length) === 1) &&
      (length === 0 ||
        EVP_EncryptUpdate(context, ffiBuffer(output), written, ffiBuffer(plaintext), length) ===
          1) &&
      EVP_EncryptFinal_ex(context, tag, written) === 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) === 1;
    invariant(isSealed, "libcrypto refused to seal");
    output.set(tag, length);
  }

  open(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes, output: Bytes): boolean {
    if (!checkOpen(key, nonce, sealed, output)) return false;
    const { EVP_DecryptInit_ex, EVP_DecryptUpdate, EVP_DecryptFinal_ex, EVP_CIPHER_CTX_ctrl } =
      this.#symbols;
    const context = this.#openContext, written = this.#written, tag = this.#tag;
    const length = output.length;
    tag.set(sealed.subarray(length));
    const isRead =
      EVP_DecryptInit_ex(context, null, null, ffiBuffer(key), ffiBuffer(nonce)) === 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) === 1 &&
      (aad.length === 0 ||
        EVP_DecryptUpdate(context, null, written, ffiBuffer(aad), aad.length) === 1) &&
      (length === 0 ||
        EVP_DecryptUpdate(context, ffiBuffer(output), written, ffiBuffer(sealed), length) === 1);
    if (isRead && EVP_DecryptFinal_ex(context, tag, written) === 1) return true;
    output.fill(0);
    invariant(isRead, "libcrypto refused to open");
    return false;
  }
}
