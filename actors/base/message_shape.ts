/**
 * What a MessagePack value claims to hold, before anything is decoded.
 *
 * The decoder makes an array as long as its head says before it has seen a single item: forty bytes of
 * nested heads cost gigabytes. Here every item is counted against the bytes that are really there.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** Whether one value stands at the start of `bytes` that nests at most `depthMax` deep, whole. */
export function isSoundMessage(bytes: Bytes, depthMax: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { length } = bytes;
  /** Items still to come of each open array and map. */
  const open: number[] = [];
  let claimed = 0;
  let at = 0;
  do {
    if (at >= length) return false;
    const head = bytes[at++]!;
    let items = 0, skip = 0;
    if (head < 0x80 || head >= 0xe0) skip = 0;
    else if (head < 0x90) items = 2 * (head & 15);
    else if (head < 0xa0) items = head & 15;
    else if (head < 0xc0) skip = head & 31;
    else {
      const size = SIZES[head - 0xc0]!;
      if (at + size.count > length) return false;
      const count = size.count === 4
        ? view.getUint32(at)
        : size.count === 2
        ? view.getUint16(at)
        : size.count === 1
        ? bytes[at]!
        : 0;
      at += size.count;
      skip = size.skip + (size.items === 0 ? count : 0);
      items = size.items * count;
    }
    at += skip;
    claimed += items;
    if (at > length || claimed > length) return false;
    if (items > 0 && open.push(items) > depthMax) return false;
    if (items > 0) continue;
    while (open.length > 0 && --open[open.length - 1]! === 0) open.pop();
  } while (open.length > 0);
  return true;
}

/** Of each head from 0xc0 on: bytes of its count, bytes besides, and values one item consists of. */
const SIZES: readonly { count: number; skip: number; items: number }[] = [
  ...[[0, 0], [0, 0], [0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], // nil, -, false, true, bin
  ...[[1, 1], [2, 1], [4, 1], [0, 4], [0, 8]], // ext, float
  ...[[0, 1], [0, 2], [0, 4], [0, 8], [0, 1], [0, 2], [0, 4], [0, 8]], // uint, int
  ...[[0, 2], [0, 3], [0, 5], [0, 9], [0, 17], [1, 0], [2, 0], [4, 0]], // fixext, str
  ...[[2, 0, 1], [4, 0, 1], [2, 0, 2], [4, 0, 2]], // array, map
].map(([count, skip, items]) => ({ count: count!, skip: skip!, items: items ?? 0 }));
