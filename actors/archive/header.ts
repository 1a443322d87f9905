/**
 * The fixed 256-byte header (docs/format.md §2).
 *
 * @module
 */
import { type Bytes, equal, isZero } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import type { ChunkSizes } from "../chunker/protocol.ts";
import { CHUNK_BYTES_MAX, HEADER_BYTES, KEY_SECTION_BYTES_MAX } from "../base/limits.ts";

export const HEADER_MAGIC = Uint8Array.of(0x57, 0x41, 0x52, 0x50, 0x0d, 0x0a, 0x1a, 0x00);
export const FORMAT_VERSION = 1;
const MERKLE_BLOCK_LOG2 = 16;
const FLAG_ENCRYPTED = 1;

export interface Header {
  encrypted: boolean;
  keySectionLength: number;
  archiveId: Uint8Array;
  chunk: ChunkSizes;
  /** Late fields: 0 in an archive written to a pipe. */
  treeOffset: number;
  totalLength: number;
}

export function encodeHeader(header: Header): Uint8Array<ArrayBuffer> {
  invariant(header.archiveId.length === 16, "archive id is 16 bytes");
  const out = new Uint8Array(HEADER_BYTES);
  const view = new DataView(out.buffer);
  out.set(HEADER_MAGIC, 0);
  view.setUint16(8, FORMAT_VERSION, true);
  view.setUint16(10, header.encrypted ? FLAG_ENCRYPTED : 0, true);
  view.setUint32(12, header.keySectionLength, true);
  out.set(header.archiveId, 16);
  view.setUint32(32, header.chunk.min, true);
  view.setUint32(36, header.chunk.avg, true);
  view.setUint32(40, header.chunk.max, true);
  out[44] = MERKLE_BLOCK_LOG2;
  view.setBigUint64(48, BigInt(header.treeOffset), true);
  view.setBigUint64(56, BigInt(header.totalLength), true);
  return out;
}

/** The header with its late fields zeroed: what every record and the root commit to. */
export function bindingInput(headerBytes: Bytes): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(headerBytes);
  out.fill(0, 48, 64);
  return out;
}

/** @throws {WarpError} E_NOT_AN_ARCHIVE, E_VERSION, E_TRUNCATED, E_INTEGRITY */
export function decodeHeader(bytes: Bytes): Header {
  const magicLength = Math.min(bytes.length, HEADER_MAGIC.length);
  if (
    bytes.length === 0 ||
    !equal(bytes.subarray(0, magicLength), HEADER_MAGIC.subarray(0, magicLength))
  ) {
    throw new WarpError("E_NOT_AN_ARCHIVE", "this is not a .warp archive");
  }
  if (bytes.length < HEADER_BYTES) {
    throw new WarpError(
      "E_TRUNCATED",
      `the archive ends inside its header, at byte ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const version = view.getUint16(8, true);
  if (version !== FORMAT_VERSION) {
    throw new WarpError("E_VERSION", `archive format version ${version} is not known`);
  }
  const flags = view.getUint16(10, true);
  const encrypted = (flags & FLAG_ENCRYPTED) !== 0;
  const keySectionLength = view.getUint32(12, true);
  const chunk = {
    min: view.getUint32(32, true),
    avg: view.getUint32(36, true),
    max: view.getUint32(40, true),
  };
  const isPowerOfTwo = chunk.avg >= 256 && (chunk.avg & (chunk.avg - 1)) === 0;
  const isSane = (flags & ~FLAG_ENCRYPTED) === 0 &&
    (encrypted ? keySectionLength > 0 : keySectionLength === 0) &&
    keySectionLength <= KEY_SECTION_BYTES_MAX &&
    chunk.min >= 64 && chunk.min <= chunk.avg && chunk.avg <= chunk.max && isPowerOfTwo &&
    chunk.avg <= CHUNK_BYTES_MAX / 4 && chunk.max <= CHUNK_BYTES_MAX &&
    bytes[44] === MERKLE_BLOCK_LOG2 &&
    isZero(bytes.subarray(45, 48)) && isZero(bytes.subarray(64, HEADER_BYTES));
  if (!isSane) throw new WarpError("E_INTEGRITY", "the archive header is damaged");
  return {
    encrypted,
    keySectionLength,
    archiveId: bytes.slice(16, 32),
    chunk,
    treeOffset: readOffset(view, 48),
    totalLength: readOffset(view, 56),
  };
}

/** A u64 that must be exact as a JS number; anything above 2^53 cannot be a real offset. */
export function readOffset(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new WarpError("E_INTEGRITY", "an offset in the archive is out of range");
  }
  return Number(value);
}
