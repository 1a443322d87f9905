/**
 * What the benchmark works on: random bytes, and text with some binary in it.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { KiB, MiB } from "../../actors/base/units.ts";

export const BATCH_BYTES = 16 * MiB;
export const ITEM_BYTES = 64 * KiB;
export const ITEMS = BATCH_BYTES / ITEM_BYTES;

/** Looks random to a codec; the same in every run. */
export function randomBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0, x = seed; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, length);
}

const WORDS =
  ("archive block boundary chunk cipher digest edge frame function import kernel ledger " +
    "merkle nonce portal return string the of and to in is 0x00 0xff 127.0.0.1 <div> </div> // {}")
    .split(" ").map((word) => new TextEncoder().encode(word + " "));

/** Words by a skewed choice, and every eighth KiB random: shrinks to about half. */
export function mixedBytes(length: number): Uint8Array<ArrayBuffer> {
  const out = randomBytes(length, 7), choices = randomBytes(length, 9);
  for (let start = 0; start < length; start += KiB) {
    if (start / KiB % 8 === 7) continue;
    const end = Math.min(start + KiB, length);
    for (let at = start; at < end;) {
      const a = choices[at]!, b = choices[(at + 1) % length]!;
      const word = WORDS[(a * b >> 8) % WORDS.length]!;
      out.set(word.subarray(0, end - at), at);
      at += word.length;
    }
  }
  return out;
}

/** Offsets of items of 64 KiB. */
export function itemOffsets(bytes: Bytes): number[] {
  const count = Math.ceil(bytes.length / ITEM_BYTES);
  return Array.from({ length: count + 1 }, (_, i) => Math.min(i * ITEM_BYTES, bytes.length));
}
