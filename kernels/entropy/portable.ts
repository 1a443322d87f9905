/**
 * Sample entropy in TypeScript: the reference.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Backend, Entropy } from "../kernel.ts";
import { checkSample, fromCounts, log2fix } from "./spec.ts";

export function open(): Backend<Entropy> {
  return { kernel: new PortableEntropy(), description: "TypeScript" };
}

/** Logarithms below this are looked up; samples are a few KiB. */
const TABLE_LENGTH = 4097;

class PortableEntropy implements Entropy {
  /** Two histograms: equal bytes in a row would wait for each other's count. */
  readonly #even = new Uint32Array(256);
  readonly #odd = new Uint32Array(256);
  readonly #logarithms = new Int32Array(TABLE_LENGTH);

  estimate(input: Bytes): number {
    checkSample(input);
    const even = this.#even.fill(0), odd = this.#odd.fill(0);
    const length = input.length;
    for (let i = 0; i + 1 < length; i += 2) {
      even[input[i]!]!++;
      odd[input[i + 1]!]!++;
    }
    if (length % 2 === 1) even[input[length - 1]!]!++;
    for (let value = 0; value < 256; value++) even[value]! += odd[value]!;
    return fromCounts(even, length, this.#log2);
  }

  estimateMany(
    base: Bytes,
    offsets: ArrayLike<number>,
    sampleBytes: number,
    out: Uint16Array<ArrayBuffer>,
  ): void {
    for (let i = 0; i < out.length; i++) {
      const end = offsets[i + 1]!, length = end - offsets[i]!;
      const sampled = sampleBytes === 0 ? length : Math.min(length, sampleBytes);
      const start = offsets[i]! + ((length - sampled) >> 1);
      out[i] = this.estimate(base.subarray(start, start + sampled));
    }
  }

  /** {@link log2fix}, remembered; only log2fix(1) is 0. */
  readonly #log2 = (x: number): number => {
    if (x >= TABLE_LENGTH) return log2fix(x);
    const known = this.#logarithms[x]!;
    return known !== 0 ? known : (this.#logarithms[x] = log2fix(x));
  };
}
