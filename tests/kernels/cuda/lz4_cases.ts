/**
 * LZ4 inputs, and calls that compress and decompress batches of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat, toHex } from "../../../actors/base/bytes.ts";
import type { BlockCodec } from "../../../kernels/kernel.ts";
import { awkwardSizes, noise, painted, text } from "../samples.ts";
import { type Call, offsetsOf, sameBytes, u64Bytes } from "./calls.ts";

type OutputsOf = (call: Call) => Bytes[];

/** Awkward lengths, incompressible parts, long runs. */
export function lz4Samples(): Bytes[] {
  const sizes = awkwardSizes([12, 16, 19, 33, 64, 255, 274, 1024, 65_536]);
  return [
    ...sizes.flatMap((size) => [new Uint8Array(size), text(size, size), noise(size, size)]),
    ...[painted(70_000), text(200_000, 2), concat(noise(70_000), noise(70_000))],
    ...[concat(text(5000), noise(3000), text(5000), new Uint8Array(40_000), noise(20))],
  ];
}

/** Compresses into slots of the given sizes; a block that did not fit is empty. */
export function compressMany(
  outputsOf: OutputsOf,
  items: readonly Bytes[],
  slots: readonly number[],
  first: number,
): Bytes[] {
  const offsets = offsetsOf(items.map((item) => item.length), first);
  const outOffsets = offsetsOf(slots, 7), n = items.length;
  const base = concat(new Uint8Array(first), ...items);
  const sizes = [{ size: outOffsets.at(-1)! }, { size: 4 * n }] as const;
  const args = [base, u64Bytes(offsets), n, sizes[0], u64Bytes(outOffsets), sizes[1]];
  const [out, lengthBytes] = outputsOf({ name: "lz4_compress_launch", args, scratch: 0 });
  const lengths = new Uint32Array(lengthBytes!.slice().buffer);
  return items.map((_, i) => out!.slice(outOffsets[i]!, outOffsets[i]! + lengths[i]!));
}

/** What the reference makes of each block, compared with the kernel's. */
export function checkDecoding(
  outputsOf: OutputsOf,
  portable: BlockCodec,
  blocks: readonly Bytes[],
  lengths: readonly number[],
): number {
  const first = blocks.length === 1 ? 0 : 3;
  const offsets = offsetsOf(blocks.map((block) => block.length), first),
    outOffsets = offsetsOf(lengths, 1);
  const base = concat(new Uint8Array(first), ...blocks), n = blocks.length;
  const sizes = [{ size: outOffsets.at(-1)! }, { size: n }] as const;
  const args = [base, u64Bytes(offsets), n, sizes[0], u64Bytes(outOffsets), sizes[1]];
  const [out, statuses] = outputsOf({ name: "lz4_decompress_launch", args, scratch: 0 });
  let valid = 0;
  blocks.forEach((block, i) => {
    const expected = new Uint8Array(lengths[i]!);
    const isValid = portable.decompress(block, expected);
    if (isValid) valid++;
    else expected.fill(0);
    assert.equal(statuses![i], isValid ? 0 : 1, `block ${i}: ${toHex(block.subarray(0, 99))}`);
    sameBytes(out!.subarray(outOffsets[i]!, outOffsets[i]! + lengths[i]!), expected);
  });
  return valid;
}

/** One match with everything around its limits: offset, length, what is left for literals. */
export function hostileBlocks(): [Bytes, number][] {
  const blocks: [Bytes, number][] = [];
  for (const literals of [0, 1, 6, 14, 15, 16, 270]) {
    for (const offset of [0, 1, literals - 1, literals, literals + 1, 65_535]) {
      if (offset < 0) continue;
      for (const [match, tail] of [[4, 12], [7, 5], [8, 4], [8, 5], [18, 7], [19, 5], [20, 0]]) {
        const token = Math.min(literals, 15) << 4 | Math.min(match! - 4, 15);
        const parts = [[token], extra(literals), new Array(literals).fill(65)];
        parts.push([offset & 255, offset >> 8], extra(match! - 4), [tail! << 4]);
        const block = Uint8Array.from([...parts, new Array(tail).fill(66)].flat());
        for (const more of [0, 1, -1]) blocks.push([block, literals + match! + tail! + more]);
        for (const cut of [1, tail!, tail! + 1, tail! + 2, tail! + 3]) {
          blocks.push([block.subarray(0, block.length - cut), literals + match! + tail!]);
        }
      }
    }
  }
  return blocks;
}

/** Length bytes after a nibble of 15. */
function extra(length: number): number[] {
  return length < 15
    ? []
    : [...new Array(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255];
}
