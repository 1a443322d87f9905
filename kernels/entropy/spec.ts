/**
 * The order-0 Shannon entropy of a sample in millibits per byte, in integers only, so that every
 * backend and machine gives the same number and with it the same codec choice.
 *
 * For a sample of n bytes in which byte value v occurs c_v times:
 *
 *     total  = n * log2fix(n) - sum over v of c_v * log2fix(c_v)
 *     result = floor(floor(total / n) * 1000 / 65536)
 *
 * {@link log2fix} is the binary logarithm with 16 fraction bits, truncated. An empty sample gives 0.
 * The error against real arithmetic is below 1 millibit.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";

/** n * log2fix(n) must stay below 2^53. Callers sample; they do not pass whole files. */
export const SAMPLE_BYTES_MAX = 64 * 1024 * 1024;
const FRACTION_BITS = 16;
const MANTISSA_BITS = 25;

export function checkSample(input: Bytes): void {
  invariant(input.length <= SAMPLE_BYTES_MAX, "entropy: sample is above 64 MiB");
}

/**
 * floor(log2(x) * 65536), nearly: square and shift with a mantissa of 25 fraction bits, truncated
 * at each step. `x` is an integer 1..2^26; log2fix(0) is 0.
 */
export function log2fix(x: number): number {
  if (x <= 1) return 0;
  const whole = 31 - Math.clz32(x);
  // In [2^25, 2^26); products stay below 2^52, hence exact.
  let mantissa = whole > MANTISSA_BITS
    ? Math.floor(x / 2 ** (whole - MANTISSA_BITS))
    : x * 2 ** (MANTISSA_BITS - whole);
  let fraction = 0;
  for (let bit = 0; bit < FRACTION_BITS; bit++) {
    const square = mantissa * mantissa;
    const carry = square >= 2 ** (2 * MANTISSA_BITS + 1) ? 1 : 0;
    fraction = 2 * fraction + carry;
    mantissa = Math.floor(square / 2 ** (MANTISSA_BITS + carry));
  }
  return whole * 2 ** FRACTION_BITS + fraction;
}

/** The result from the 256 counts of a sample of `length` bytes. */
export function fromCounts(
  counts: ArrayLike<number>,
  length: number,
  log2: typeof log2fix,
): number {
  if (length === 0) return 0;
  let total = length * log2(length);
  for (let value = 0; value < 256; value++) {
    const count = counts[value]!;
    if (count !== 0) total -= count * log2(count);
  }
  return Math.floor(Math.floor(total / length) * 1000 / 2 ** FRACTION_BITS);
}
