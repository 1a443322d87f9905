/**
 * ChaCha20-Poly1305 of `node:crypto`, which Deno carries.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Aead, Backend } from "../kernel.ts";
import { checkOpen, checkSeal, TAG_BYTES } from "./spec.ts";

const CIPHER = "chacha20-poly1305";
const OPTIONS = { authTagLength: TAG_BYTES } as const;

export function open(): Backend<Aead> {
  return {
    kernel: { seal, open: openSealed },
    description: `node:crypto, Deno ${Deno.version.deno}`,
  };
}

function seal(key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes, output: Bytes): void {
  checkSeal(key, nonce, plaintext, output);
  const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS);
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  output.set(cipher.update(plaintext));
  cipher.final();
  output.set(cipher.getAuthTag(), plaintext.length);
}

function openSealed(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes, output: Bytes): boolean {
  if (!checkOpen(key, nonce, sealed, output)) return false;
  const length = output.length;
  const decipher = createDecipheriv(CIPHER, key, nonce, OPTIONS);
  decipher.setAAD(aad, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    // `final` fails for one reason only: the tag.
    plaintext.fill(0);
    output.fill(0);
    return false;
  }
  output.set(plaintext);
  return true;
}
