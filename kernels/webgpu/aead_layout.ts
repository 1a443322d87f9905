/**
 * Tables for the ChaCha20-Poly1305 kernels: which item, or part of one, lies where.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { KEY_BYTES, NONCE_BYTES } from "../aead/spec.ts";
import type { CheckedBatch } from "./aead_batch.ts";
import type { Tile } from "./tiles.ts";

/** An item, or a part of one: `base[start .. start + length)`, tag left out. */
export interface Piece {
  readonly item: number;
  readonly start: number;
  readonly length: number;
  /** Bytes of the item before this part, a multiple of 64. */
  readonly before: number;
  /** Length of the whole item without tag. */
  readonly total: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface Layout {
  readonly pieces: readonly Piece[];
  /** Item table: 12 words each. */
  readonly items: Uint32Array<ArrayBuffer>;
  /** Start of every piece's result in the output, and the end: multiples of 16 bytes. */
  readonly slots: Uint32Array<ArrayBuffer>;
  /** Blocks of 64 bytes. */
  readonly blocks: number;
  /** Where the polynomial's sums begin: for each level one entry per piece, and the end. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** Sums at each level. */
  readonly levels: readonly number[];
  /** Additional data, each padded with zeros to a multiple of 16 bytes. */
  readonly aads: Uint8Array<ArrayBuffer>;
  readonly keys: Bytes;
  /** The part of `base` that is uploaded. */
  readonly begin: number;
  readonly end: number;
}

const ITEM_WORDS = 12;
/** Elements that make one sum: WIDTH of poly1305.wgsl. */
const WIDTH = 64;

/** The whole items of a tile. `tagBytes`: 16 when the items end with tags, else 0. */
export function wholePieces(batch: CheckedBatch, { first, end }: Tile, tagBytes: number): Piece[] {
  const pieces: Piece[] = [];
  for (let item = first; item < end; item++) {
    const start = batch.offsets[item]!;
    const length = Math.max(0, batch.offsets[item + 1]! - start - tagBytes);
    pieces.push({ item, start, length, before: 0, total: length, isFirst: true, isLast: true });
  }
  return pieces;
}

/** One item in parts of `partBytes`; one part at least. */
export function partsOf(
  batch: CheckedBatch,
  item: number,
  partBytes: number,
  tagBytes: number,
): Piece[] {
  const start = batch.offsets[item]!;
  const total = Math.max(0, batch.offsets[item + 1]! - start - tagBytes);
  const count = Math.max(1, Math.ceil(total / partBytes));
  return Array.from({ length: count }, (_, i) => ({
    item,
    start: start + i * partBytes,
    length: Math.min(partBytes, total - i * partBytes),
    before: i * partBytes,
    total,
    isFirst: i === 0,
    isLast: i === count - 1,
  }));
}

/** Tables for pieces of consecutive items, in their order, which begin and end alike. */
export function layOut(batch: CheckedBatch, pieces: readonly Piece[], tagBytes: number): Layout {
  const { item: firstItem, start: begin } = pieces[0]!, last = pieces.at(-1)!;
  const items = new Uint32Array(ITEM_WORDS * pieces.length);
  const slots = new Uint32Array(pieces.length + 1);
  const polyBlocks = new Uint32Array(pieces.length);
  const nonces = new DataView(
    batch.nonces.buffer,
    batch.nonces.byteOffset,
    batch.nonces.byteLength,
  );
  let blocks = 0, aadQuads = 0;
  pieces.forEach(({ item, start, length, before, total, isFirst, isLast }, i) => {
    const aadLength = batch.aadOffsets[item + 1]! - batch.aadOffsets[item]!;
    const row = items.subarray(ITEM_WORDS * i);
    row[0] = start - begin;
    row[1] = length;
    row[2] = slots[i]! / 16;
    row[3] = blocks;
    row[4] = aadQuads;
    row[5] = aadLength;
    for (let k = 0; k < 3; k++) row[6 + k] = nonces.getUint32(NONCE_BYTES * item + 4 * k, true);
    row[9] = item - firstItem;
    row[10] = 1 + before / 64;
    row[11] = total;
    slots[i + 1] = slots[i]! + 16 * Math.ceil(length / 16);
    blocks += Math.ceil(length / 64);
    if (isFirst) aadQuads += Math.ceil(aadLength / 16);
    polyBlocks[i] = Math.ceil(length / 16) + Number(isLast) +
      (isFirst ? Math.ceil(aadLength / 16) : 0);
  });
  return {
    pieces,
    items,
    slots,
    blocks,
    ...layOutSums(polyBlocks),
    aads: padAads(batch, pieces, 16 * aadQuads),
    keys: batch.hasManyKeys
      ? batch.keys.subarray(KEY_BYTES * firstItem, KEY_BYTES * (last.item + 1))
      : batch.keys,
    begin,
    end: Math.min(
      batch.offsets[last.item + 1]!,
      last.start + last.length + (last.isLast ? tagBytes : 0),
    ),
  };
}

/** Levels of sums until every piece has one. */
function layOutSums(polyBlocks: Uint32Array): Pick<Layout, "starts" | "levels"> {
  const starts: number[] = [], levels: number[] = [];
  let counts = polyBlocks, at = 0;
  do {
    counts = counts.map((count) => Math.ceil(count / WIDTH));
    const before = at;
    for (const count of counts) {
      starts.push(at);
      at += count;
    }
    starts.push(at);
    levels.push(at - before);
  } while (counts.some((count) => count > 1));
  return { starts: Uint32Array.from(starts), levels };
}

function padAads(
  batch: CheckedBatch,
  pieces: readonly Piece[],
  bytes: number,
): Uint8Array<ArrayBuffer> {
  const aads = new Uint8Array(bytes);
  let at = 0;
  for (const { item, isFirst } of pieces) {
    if (!isFirst) continue;
    const aad = batch.aad.subarray(batch.aadOffsets[item]!, batch.aadOffsets[item + 1]!);
    aads.set(aad, at);
    at += 16 * Math.ceil(aad.length / 16);
  }
  return aads;
}
