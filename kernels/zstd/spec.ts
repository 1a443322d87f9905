/**
 * zstd frames as Warp writes and reads them (RFC 8878).
 *
 * **Written**: one frame, content size present, no checksum, no dictionary. The bytes depend on the
 * library's version; the same library gives the same bytes.
 *
 * **Read**: exactly one frame, from the first byte of the input to the last; no skippable frame,
 * no dictionary; a content size, if present, equal to the expected one; a window of at most 128 MiB,
 * and without a content size of at most 8 MiB. {@link checkFrame} tests this before a library sees
 * the input, so that no backend allocates more than the expected size (plus a window of 8 MiB when
 * the size is not stated), and all agree on what follows the frame.
 *
 * **Old libraries.** Debian 12's libzstd 1.5.4 decodes some frames that the standard forbids (offset
 * 0, truncated Huffman state, bytes after a block without sequences) and refuses one it allows (a
 * sequence count of 0 in two bytes). No encoder writes any of these. From `system` we require that
 * it accept every valid frame, hence it asks node:zlib before it refuses one. That it accepts a
 * forbidden one is tolerated below 1.5.7: records are authenticated before they are decompressed, so
 * only the author of an archive could put such a frame there, and what comes out depends on the
 * frame alone.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";

export const LEVEL_LEAST = -7;
export const LEVEL_MOST = 22;

const MAGIC = 0xfd2fb528;
const BLOCK_BYTES_MAX = 128 * 1024;
const WINDOW_BYTES_MAX = 128 * 1024 * 1024;
const WINDOW_BYTES_MAX_UNSIZED = 8 * 1024 * 1024;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

export function checkLevel(level: number): void {
  invariant(
    Number.isInteger(level) && level >= LEVEL_LEAST && level <= LEVEL_MOST,
    "zstd: level must be -7..22",
  );
}

/** ZSTD_COMPRESSBOUND of zstd.h. */
export function bound(length: number): number {
  const margin = length < BLOCK_BYTES_MAX ? (BLOCK_BYTES_MAX - length) >> 11 : 0;
  return length + Math.floor(length / 256) + margin;
}

/** Whether `frame` is one whole frame that can give `length` bytes within the bounds above. */
export function checkFrame(frame: Bytes, length: number): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 6 || view.getUint32(0, true) !== MAGIC) return false;
  const header = readHeader(view);
  if (header === undefined) return false;
  const { contentBytes, windowBytes } = header;
  if (contentBytes !== undefined && contentBytes !== length) return false;
  const windowMax = contentBytes === undefined ? WINDOW_BYTES_MAX_UNSIZED : WINDOW_BYTES_MAX;
  if (windowBytes > windowMax) return false;
  const end = skipBlocks(view, header.end, Math.min(windowBytes, BLOCK_BYTES_MAX));
  return end !== undefined && end + (header.hasChecksum ? 4 : 0) === frame.length;
}

interface FrameHeader {
  end: number;
  windowBytes: number;
  contentBytes: number | undefined;
  hasChecksum: boolean;
}

/** RFC 8878 §3.1.1.1, after the magic number. */
function readHeader(view: DataView): FrameHeader | undefined {
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasReservedBit = (descriptor & 0x08) !== 0;
  const hasDictionary = (descriptor & 0x03) !== 0;
  if (hasReservedBit || hasDictionary) return undefined;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  const sizeAt = isSingleSegment ? 5 : 6;
  const end = sizeAt + sizeBytes;
  if (end > view.byteLength) return undefined;
  let contentBytes: number | undefined;
  if (sizeBytes === 1) contentBytes = view.getUint8(sizeAt);
  else if (sizeBytes === 2) contentBytes = view.getUint16(sizeAt, true) + 256;
  else if (sizeBytes === 4) contentBytes = view.getUint32(sizeAt, true);
  else if (sizeBytes === 8) contentBytes = Number(view.getBigUint64(sizeAt, true));
  let windowBytes = contentBytes ?? 0;
  if (!isSingleSegment) {
    const window = view.getUint8(5);
    const base = 2 ** (10 + (window >> 3));
    windowBytes = base + base / 8 * (window & 7);
  }
  return { end, windowBytes, contentBytes, hasChecksum: (descriptor & 0x04) !== 0 };
}

/** Offset after the last block, or undefined when a block is too large or cut short. */
function skipBlocks(view: DataView, start: number, blockBytesMax: number): number | undefined {
  let at = start;
  while (at + 3 <= view.byteLength) {
    const head = view.getUint16(at, true) | view.getUint8(at + 2) << 16;
    const type = head >> 1 & 3, size = head >> 3;
    if (type === BLOCK_RESERVED || size > blockBytesMax) return undefined;
    at += 3 + (type === BLOCK_RLE ? 1 : size);
    if (at > view.byteLength) return undefined;
    if ((head & 1) === 1) return at;
  }
  return undefined;
}
