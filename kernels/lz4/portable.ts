/**
 * LZ4 blocks in TypeScript: the reference decoder, and a greedy one-probe encoder.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import type { Backend, BlockCodec } from "../kernel.ts";
import { decompress } from "./decode.ts";
import {
  bound,
  INPUT_BYTES_MAX,
  LAST_LITERALS,
  MATCH_BYTES_LEAST,
  MATCH_FIND_LIMIT,
  OFFSET_MOST,
  SHORT_COPY_BYTES,
} from "./spec.ts";

const HASH_BITS = 13;
const HASH_FACTOR = 2654435761 | 0;
/** After 2^6 failed probes the step grows by one: incompressible input costs little. */
const SKIP_BITS = 6;

export function open(): Backend<BlockCodec> {
  return { kernel: new PortableLz4(), description: "TypeScript" };
}

class PortableLz4 implements BlockCodec {
  /** Position of the last occurrence of a hash, plus `#base`; smaller values are of older inputs. */
  readonly #table = new Int32Array(1 << HASH_BITS);
  #base = 0;

  readonly bound = bound;
  readonly decompress = decompress;

  compress(input: Bytes, output: Bytes, _level: number): number {
    invariant(input.length <= INPUT_BYTES_MAX, "lz4: input is above 2 GB");
    const writer = new SequenceWriter(input, output);
    if (this.#base + input.length >= 2 ** 31 - 1) {
      this.#table.fill(0);
      this.#base = 0;
    }
    // Positions of earlier inputs come out below zero.
    this.#base += 1;
    const isWhole = input.length < MATCH_FIND_LIMIT + 1 || this.#findMatches(input, writer);
    this.#base += input.length;
    return isWhole ? writer.finish() : 0;
  }

  /** False when the output is full. */
  #findMatches(input: Bytes, writer: SequenceWriter): boolean {
    const table = this.#table, base = this.#base;
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    const matchEnd = input.length - LAST_LITERALS, last = input.length - MATCH_FIND_LIMIT;
    let anchor = 0, at = 0;
    let probes = 1 << SKIP_BITS;
    while (at <= last) {
      const word = view.getInt32(at, true);
      const slot = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
      let candidate = table[slot]! - base;
      table[slot] = at + base;
      if (
        candidate < 0 || at - candidate > OFFSET_MOST || view.getInt32(candidate, true) !== word
      ) {
        at += probes++ >> SKIP_BITS;
        continue;
      }
      while (at > anchor && candidate > 0 && input[at - 1] === input[candidate - 1]) {
        at--;
        candidate--;
      }
      const length = matchLength(view, at, candidate, matchEnd);
      if (!writer.write(at, at - candidate, length)) return false;
      at += length;
      anchor = at;
      probes = 1 << SKIP_BITS;
      if (at <= last) {
        const inner = view.getInt32(at - 2, true);
        table[Math.imul(inner, HASH_FACTOR) >>> (32 - HASH_BITS)] = at - 2 + base;
      }
    }
    return true;
  }
}

function matchLength(view: DataView, at: number, candidate: number, end: number): number {
  let length = MATCH_BYTES_LEAST;
  while (at + length + 4 <= end) {
    const difference = view.getInt32(at + length, true) ^ view.getInt32(candidate + length, true);
    // The lowest set bit lies in the first byte that differs.
    if (difference !== 0) return length + ((31 - Math.clz32(difference & -difference)) >> 3);
    length += 4;
  }
  while (at + length < end && view.getUint8(at + length) === view.getUint8(candidate + length)) {
    length++;
  }
  return length;
}

/** Writes sequences while they fit. */
class SequenceWriter {
  readonly #input: Bytes;
  readonly #output: Bytes;
  #used = 0;
  /** End of the input that is written. */
  #anchor = 0;

  constructor(input: Bytes, output: Bytes) {
    this.#input = input;
    this.#output = output;
  }

  /** The literals up to `to`, then a match. False when they do not fit. */
  write(to: number, offset: number, length: number): boolean {
    const extra = length - MATCH_BYTES_LEAST;
    if (!this.#writeLiterals(to, extra)) return false;
    if (this.#used + 2 + lengthBytes(extra) > this.#output.length) return false;
    this.#output[this.#used++] = offset & 255;
    this.#output[this.#used++] = offset >> 8;
    this.#writeLength(extra);
    this.#anchor = to + length;
    return true;
  }

  /** The closing literals. Returns the length of the block, or 0 when it does not fit. */
  finish(): number {
    return this.#writeLiterals(this.#input.length, 0) ? this.#used : 0;
  }

  /** Token and literals. */
  #writeLiterals(to: number, extra: number): boolean {
    const output = this.#output, count = to - this.#anchor;
    if (this.#used + 1 + lengthBytes(count) + count > output.length) return false;
    output[this.#used++] = Math.min(count, 15) << 4 | Math.min(extra, 15);
    this.#writeLength(count);
    if (count > SHORT_COPY_BYTES) {
      output.set(this.#input.subarray(this.#anchor, to), this.#used);
      this.#used += count;
    } else {
      for (let i = this.#anchor; i < to; i++) output[this.#used++] = this.#input[i]!;
    }
    return true;
  }

  /** What a nibble cannot hold of `count`. */
  #writeLength(count: number): void {
    if (count < 15) return;
    let left = count - 15;
    for (; left >= 255; left -= 255) this.#output[this.#used++] = 255;
    this.#output[this.#used++] = left;
  }
}

function lengthBytes(count: number): number {
  return count < 15 ? 0 : Math.floor((count - 15) / 255) + 1;
}
