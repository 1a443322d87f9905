/**
 * The kernels that reading a version needs, by noble: everything a browser has.
 *
 * @module
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake3 as noble } from "@noble/hashes/blake3.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import type { Bytes } from "../../actors/base/bytes.ts";
import type { RunningHash } from "../../actors/transfer/manifest.ts";
import type { Aead, Blake3 } from "../../kernels/kernel.ts";

export const aead: Aead = {
  seal(key, nonce, aad, plaintext, output) {
    output.set(cipher(key, nonce, aad).encrypt(plain(plaintext)));
  },
  open(key, nonce, aad, sealed, output) {
    try {
      output.set(cipher(key, nonce, aad).decrypt(plain(sealed)));
      return true;
    } catch {
      output.fill(0);
      return false;
    }
  },
};

export const blake3: Blake3 = {
  hash(input, out, key) {
    out.set(key === undefined ? noble(plain(input)) : noble(plain(input), { key: plain(key) }));
  },
  hashMany(base, offsets, out, key) {
    for (let i = 0; i + 1 < offsets.length; i++) {
      blake3.hash(
        base.subarray(offsets[i], offsets[i + 1]),
        out.subarray(32 * i, 32 * i + 32),
        key,
      );
    }
  },
  deriveKey(context, material, length = 32) {
    const options = { context: new TextEncoder().encode(context), dkLen: length };
    return new Uint8Array(noble(plain(material), options));
  },
};

export const kernels = { aead, blake3 };

export function sha256(): RunningHash {
  const hash = nobleSha256.create();
  return { update: (bytes) => hash.update(plain(bytes)), digest: () => hash.digest() };
}

function cipher(key: Bytes, nonce: Bytes, aad: Bytes) {
  return chacha20poly1305(plain(key), plain(nonce), plain(aad));
}

/** Noble takes private memory only; here nothing else is. */
function plain(bytes: Bytes): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? bytes as Uint8Array<ArrayBuffer>
    : new Uint8Array(bytes);
}
