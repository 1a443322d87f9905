/**
 * Inputs for kernel tests: reproducible, awkward, and in every kind of memory.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";

/** Bytes 0..250 again and again: 251 is prime, so swapped blocks show. */
export function painted(length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = i % 251;
  return out;
}

/** splitmix32: 32-bit numbers from a seed. */
export function randomWords(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = state + 0x9e3779b9 | 0;
    let z = Math.imul(state ^ state >>> 16, 0x21f0aaad);
    z = Math.imul(z ^ z >>> 15, 0x735a2d97);
    return (z ^ z >>> 15) >>> 0;
  };
}

export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const next = randomWords(seed), out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = next() >>> 11;
  return out;
}

/** Words, numbers and repeats: something a codec can work on. */
export function text(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const next = randomWords(seed), out = new Uint8Array(length);
  const words = "warp weft chunk archive nonce merkle edge frame portal { } ; = return import"
    .split(" ").map((word) => new TextEncoder().encode(word + (next() % 3 === 0 ? "\n" : " ")));
  for (let at = 0; at < length;) {
    const word = next() % 9 === 0
      ? new TextEncoder().encode(String(next() % 1000) + " ")
      : words[next() % words.length]!;
    out.set(word.subarray(0, length - at), at);
    at += word.length;
  }
  return out;
}

/** The same bytes in private memory, at an odd offset of private memory, and in shared memory. */
export function placements(bytes: Bytes): { place: string; bytes: Bytes }[] {
  const put = (place: string, buffer: ArrayBufferLike, offset: number) => {
    const view = new Uint8Array(buffer, offset, bytes.length);
    view.set(bytes);
    return { place, bytes: view };
  };
  return [
    put("private", new ArrayBuffer(bytes.length), 0),
    put("private, unaligned", new ArrayBuffer(bytes.length + 16), 3),
    put("shared, unaligned", new SharedArrayBuffer(bytes.length + 16), 5),
  ];
}

/** 0..8, and one below, at and above each of `marks`. */
export function awkwardSizes(marks: readonly number[]): number[] {
  const sizes = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  for (const mark of marks) for (const delta of [-1, 0, 1]) sizes.add(mark + delta);
  return [...sizes].sort((a, b) => a - b);
}

export function vector(path: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(`../vectors/${path}`, import.meta.url));
}

export function vectorJson<T>(path: string): T {
  return JSON.parse(new TextDecoder().decode(vector(path))) as T;
}
