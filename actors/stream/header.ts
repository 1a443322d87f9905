/**
 * The stream header (docs/stream.md §2): fixed fields, the wrapped file key, and a MAC that tells a
 * changed header from a wrong key before any payload is read.
 *
 * @module
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, constantTimeEqual, equal, isZero, utf8 } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import { KEY_SECTION_BYTES_MAX } from "../base/limits.ts";
import { hkdfSha256 } from "../cipher/archive_keys.ts";
import { isFrameSize } from "./frame.ts";

/** "WRPS\r\n\x1a\0" */
export const STREAM_MAGIC = Uint8Array.of(0x57, 0x52, 0x50, 0x53, 0x0d, 0x0a, 0x1a, 0x00);
export const STREAM_VERSION = 1;
/** Up to the key section. */
export const STREAM_FIXED_BYTES = 64;
export const SALT_BYTES = 32;
export const HEADER_MAC_BYTES = 32;

/**
 * In place of an archive's identifier: key sections of streams and archives do not open as each other.
 * That one belongs to this stream is what the header's MAC says.
 */
export const STREAM_KEY_ID = utf8("warp/stream/v1\0\0");

const HEADER_INFO = utf8("warp/stream/v1/header");
const FRAMES_INFO = utf8("warp/stream/v1/frames");

export interface StreamHeader {
  /** Payload bytes a frame holds at most. */
  frameBytes: number;
  /** 32 random bytes, fresh for every stream. */
  salt: Bytes;
  keySection: Bytes;
}

/** The fixed fields: what a reader must know to read the rest. */
export interface StreamFixed {
  frameBytes: number;
  keySectionLength: number;
  salt: Uint8Array<ArrayBuffer>;
}

/** The whole header, and the key of its frames. */
export function encodeStreamHeader(
  { frameBytes, salt, keySection }: StreamHeader,
  fileKey: Bytes,
): { header: Uint8Array<ArrayBuffer>; streamKey: Uint8Array<ArrayBuffer> } {
  invariant(isFrameSize(frameBytes), "a frame size of the format");
  invariant(salt.length === SALT_BYTES, "a salt is 32 bytes");
  const fixed = new Uint8Array(STREAM_FIXED_BYTES);
  const view = new DataView(fixed.buffer);
  fixed.set(STREAM_MAGIC);
  view.setUint16(8, STREAM_VERSION, true);
  view.setUint32(12, frameBytes, true);
  view.setUint32(16, keySection.length, true);
  fixed.set(salt, 32);
  const covered = concat(fixed, keySection);
  const header = concat(covered, headerMac(covered, salt, fileKey));
  return { header, streamKey: deriveStreamKey(header, salt, fileKey) };
}

/**
 * Bytes from the fixed fields' end to the first frame. Safe to allocate.
 * @throws {WarpError} as {@link decodeStreamFixed}
 */
export function restLength(fixed: StreamFixed): number {
  return fixed.keySectionLength + HEADER_MAC_BYTES;
}

/**
 * @param bytes what could be read of the first 64 bytes
 * @throws {WarpError} E_NOT_AN_ARCHIVE, E_VERSION, E_TRUNCATED, E_INTEGRITY
 */
export function decodeStreamFixed(bytes: Bytes): StreamFixed {
  const start = bytes.subarray(0, STREAM_MAGIC.length);
  const isStream = equal(start, STREAM_MAGIC.subarray(0, start.length));
  if (!isStream) {
    throw new WarpError("E_NOT_AN_ARCHIVE", "this is not a warp stream", {
      hint: "`warp stream encrypt` makes one; archives are read with `warp extract`",
    });
  }
  if (bytes.length < STREAM_FIXED_BYTES) throw headerCutShort();
  const view = new DataView(bytes.buffer, bytes.byteOffset, STREAM_FIXED_BYTES);
  const version = view.getUint16(8, true);
  if (version !== STREAM_VERSION) {
    throw new WarpError("E_VERSION", `this stream has version ${version}`, {
      hint: "a newer warp wrote this stream",
    });
  }
  const frameBytes = view.getUint32(12, true);
  const keySectionLength = view.getUint32(16, true);
  const isAllowed = view.getUint16(10, true) === 0 && isZero(bytes.subarray(20, 32)) &&
    isFrameSize(frameBytes) && keySectionLength > 0 && keySectionLength <= KEY_SECTION_BYTES_MAX;
  if (!isAllowed) throw headerChanged();
  return { frameBytes, keySectionLength, salt: new Uint8Array(bytes.subarray(32, 64)) };
}

/**
 * The key of the frames, after a check that the header is as it was written.
 * @param header all of it
 * @throws {WarpError} E_INTEGRITY
 */
export function openStreamHeader(header: Bytes, fileKey: Bytes): Uint8Array<ArrayBuffer> {
  const salt = header.subarray(32, 64);
  const covered = header.subarray(0, header.length - HEADER_MAC_BYTES);
  const mac = header.subarray(covered.length);
  if (!constantTimeEqual(mac, headerMac(covered, salt, fileKey))) throw headerChanged();
  return deriveStreamKey(header, salt, fileKey);
}

export function headerCutShort(): WarpError {
  return new WarpError("E_TRUNCATED", "the stream ends within its header", {
    hint: "was the sender interrupted?",
  });
}

function headerChanged(): WarpError {
  return new WarpError("E_INTEGRITY", "the header of the stream was changed", {
    hint: "nothing was written; have it sent again",
  });
}

function headerMac(covered: Bytes, salt: Bytes, fileKey: Bytes): Uint8Array {
  const key = hkdfSha256(fileKey, salt, HEADER_INFO, 32);
  return hmac(sha256, key, covered.slice());
}

/** Bound to every byte of the header: frames of another stream do not open under it. */
function deriveStreamKey(header: Bytes, salt: Bytes, fileKey: Bytes): Uint8Array<ArrayBuffer> {
  return hkdfSha256(fileKey, salt, concat(FRAMES_INFO, sha256(header.slice())), 32);
}
