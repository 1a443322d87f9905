/**
 * The reference decoder of LZ4 blocks.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { LAST_LITERALS, MATCH_BYTES_LEAST, MATCH_FIND_LIMIT, SHORT_COPY_BYTES } from "./spec.ts";

/** Two offset bytes, a token, and the last literals must follow literals that are not the last. */
const TAIL_BYTES_LEAST = 3 + LAST_LITERALS;

/** Fills `output` exactly from one block, or returns false; `output` may then hold a part. */
export function decompress(input: Bytes, output: Bytes): boolean {
  const inputEnd = input.length, outputEnd = output.length;
  let read = 0, written = 0;
  while (read < inputEnd) {
    const token = input[read++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (read >= inputEnd || literals > outputEnd) return false;
        more = input[read++]!;
      }
    }
    const literalsEnd = read + literals;
    if (literalsEnd > inputEnd || written + literals > outputEnd) return false;
    if (literals > SHORT_COPY_BYTES) {
      output.set(input.subarray(read, literalsEnd), written);
      written += literals;
      read = literalsEnd;
    } else {
      while (read < literalsEnd) output[written++] = input[read++]!;
    }
    if (read === inputEnd) return written === outputEnd;
    if (written > outputEnd - MATCH_FIND_LIMIT || read > inputEnd - TAIL_BYTES_LEAST) return false;

    const offset = input[read]! | input[read + 1]! << 8;
    read += 2;
    if (offset === 0 || offset > written) return false;
    let length = (token & 15) + MATCH_BYTES_LEAST;
    if (length === 15 + MATCH_BYTES_LEAST) {
      for (let more = 255; more === 255; length += more) {
        if (read >= inputEnd || length > outputEnd) return false;
        more = input[read++]!;
      }
    }
    const matchEnd = written + length;
    if (matchEnd > outputEnd - LAST_LITERALS) return false;
    copyMatch(output, written, offset, length);
    written = matchEnd;
  }
  // Empty input, or one that ends in a match.
  return false;
}

/** Copies `length` bytes from `offset` before `at`; a short offset repeats itself. */
function copyMatch(output: Bytes, at: number, offset: number, length: number): void {
  if (length <= SHORT_COPY_BYTES) {
    for (let i = at, end = at + length; i < end; i++) output[i] = output[i - offset]!;
    return;
  }
  // What is there doubles with each step.
  const from = at - offset, end = at + length;
  for (let i = at; i < end;) {
    const count = Math.min(i - from, end - i);
    output.copyWithin(i, from, from + count);
    i += count;
  }
}
