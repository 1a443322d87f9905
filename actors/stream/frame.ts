/**
 * Frames (docs/stream.md §3): a 16-byte header, a payload, a 16-byte tag over both. The header is
 * the additional data of the AEAD, and its sequence number the nonce.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { KiB, MiB } from "../base/units.ts";

export const FRAME_HEADER_BYTES = 16;
export const FRAME_TAG_BYTES = 16;
/** What a frame is longer than its payload. */
export const FRAME_OVERHEAD_BYTES = FRAME_HEADER_BYTES + FRAME_TAG_BYTES;

/** Powers of two that a stream may choose as its frame size. */
export const FRAME_BYTES_MIN = 4 * KiB;
export const FRAME_BYTES_MAX = MiB;

/** Before a compressed payload, under the seal: the length of what it decompresses to. */
export const PLAIN_LENGTH_BYTES = 4;

export const CODEC = { stored: 0, lz4: 1, zstd: 2 } as const;
export type FrameCodec = (typeof CODEC)[keyof typeof CODEC];

const FLAG_FINAL = 1;
const CODEC_SHIFT = 1;
const CODEC_MASK = 3;
const FLAGS_KNOWN = FLAG_FINAL | CODEC_MASK << CODEC_SHIFT;

export interface FrameHeader {
  sequence: number;
  /** Of the payload, without its tag. */
  length: number;
  isFinal: boolean;
  codec: FrameCodec;
}

export function isFrameSize(bytes: number): boolean {
  return Number.isInteger(Math.log2(bytes)) && bytes >= FRAME_BYTES_MIN && bytes <= FRAME_BYTES_MAX;
}

/** @param out at least 16 bytes */
export function encodeFrameHeader(header: FrameHeader, out: Bytes): void {
  putU32(out, 0, header.sequence % 2 ** 32);
  putU32(out, 4, Math.floor(header.sequence / 2 ** 32));
  putU32(out, 8, header.length);
  const flags = (header.isFinal ? FLAG_FINAL : 0) | header.codec << CODEC_SHIFT;
  putU32(out, 12, flags);
}

/**
 * The header of frame number `expected`. It is checked before its tag can be: what it says bounds what
 * is read next.
 * @throws {WarpError} E_INTEGRITY
 */
export function decodeFrameHeader(bytes: Bytes, expected: number, frameBytes: number): FrameHeader {
  const sequence = u32(bytes, 0) + u32(bytes, 4) * 2 ** 32;
  if (sequence !== expected) {
    const message = `frame ${sequence} stands where frame ${expected} belongs`;
    throw damaged(expected, `${message}: frames were lost, repeated or reordered`);
  }
  const length = u32(bytes, 8);
  const flags = u32(bytes, 12);
  const codec = flags >>> CODEC_SHIFT & CODEC_MASK;
  const isFinal = (flags & FLAG_FINAL) !== 0;
  if ((flags & ~FLAGS_KNOWN) !== 0 || !isCodec(codec)) {
    throw damaged(expected, `frame ${expected} has unknown flags`);
  }
  if (length > frameBytes) {
    throw damaged(expected, `frame ${expected} is longer than the stream allows`);
  }
  if (length === 0 && !isFinal) throw damaged(expected, `frame ${expected} is empty`);
  if (codec !== CODEC.stored && length <= PLAIN_LENGTH_BYTES) {
    throw damaged(expected, `frame ${expected} is too short for its codec`);
  }
  return { sequence, length, isFinal, codec };
}

/** Twelve bytes: the sequence number, then zeros. Never repeated under a key, which is one stream's. */
export function writeNonce(sequence: number, out: Bytes): void {
  putU32(out, 0, sequence % 2 ** 32);
  putU32(out, 4, Math.floor(sequence / 2 ** 32));
}

export function damaged(frame: number, message: string): WarpError {
  return new WarpError("E_INTEGRITY", message, {
    hint: "what was written before it is as it was sent",
    details: { frame },
  });
}

function isCodec(codec: number): codec is FrameCodec {
  return codec <= CODEC.zstd;
}

function u32(bytes: Bytes, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}

function putU32(bytes: Bytes, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** The length before a compressed payload. */
export function readPlainLength(payload: Bytes): number {
  return u32(payload, 0);
}

export function writePlainLength(length: number, payload: Bytes): void {
  putU32(payload, 0, length);
}
