/**
 * ChaCha20-Poly1305 in TypeScript (`@noble/ciphers`): the reference.
 *
 * @module
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Aead, Backend } from "../kernel.ts";
import { checkOpen, checkSeal } from "./spec.ts";

export function open(): Backend<Aead> {
  return { kernel: { seal, open: openSealed }, description: "@noble/ciphers" };
}

function seal(key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes, output: Bytes): void {
  checkSeal(key, nonce, plaintext, output);
  chacha20poly1305(key, nonce, aad).encrypt(plaintext, output);
}

function openSealed(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes, output: Bytes): boolean {
  if (!checkOpen(key, nonce, sealed, output)) return false;
  try {
    chacha20poly1305(key, nonce, aad).decrypt(sealed, output);
    return true;
  } catch (error) {
    // Lengths were checked: what is left is the tag. Anything else is a bug and must be seen.
    if (!(error instanceof Error && error.message === "invalid tag")) throw error;
    output.fill(0);
    return false;
  }
}
