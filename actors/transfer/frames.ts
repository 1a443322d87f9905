/**
 * Frames: what travels on a lane (docs/protocol.md §3). Eight bytes of head, then the payload: a
 * MessagePack value, or for a CHUNK frame content after eight bytes of place.
 *
 *     type u8 | codec u8 | reserved u16 = 0 | length of the payload u32, little-endian
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import { type Bytes, concat } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { isSoundMessage } from "../base/message_shape.ts";
import { MiB } from "../base/units.ts";

export const FRAME = {
  hello: 1,
  challenge: 2,
  proof: 3,
  caps: 4,
  join: 5,
  manifest: 6,
  want: 7,
  chunk: 8,
  stored: 9,
  done: 10,
  verify: 11,
  receipt: 12,
  error: 13,
  cancel: 14,
  pause: 15,
  ping: 16,
  pong: 17,
  sample: 18,
  piece: 19,
  alive: 20,
  total: 21,
} as const;

export type FrameType = typeof FRAME[keyof typeof FRAME];

export const FRAME_HEAD_BYTES = 8;
/** batch u32 | first chunk of the run in the batch u32. */
export const CHUNK_HEAD_BYTES = 8;
/** Before a peer has proved who it is, nothing needs more. */
export const HANDSHAKE_BYTES_MAX = 4096;
/** A manifest page: at most 512 entries with paths, inline content and attributes. */
export const CONTROL_BYTES_MAX = 4 * MiB;
/** Content of a CHUNK frame, as sent and as it is after decompression. */
export const RUN_BYTES_MAX = MiB;

const BODY_DEPTH_MAX = 12;

const TYPE_MAX = FRAME.total;

export interface FrameHead {
  type: FrameType;
  /** 0 stored, 1 LZ4, 2 zstd; 0 in all but CHUNK frames. */
  codec: 0 | 1 | 2;
  length: number;
}

/** @throws {WarpError} E_PROTOCOL before anything is allocated */
export function decodeFrameHead(bytes: Bytes, lengthMax: number): FrameHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEAD_BYTES);
  const type = view.getUint8(0), codec = view.getUint8(1), length = view.getUint32(4, true);
  if (type < 1 || type > TYPE_MAX || codec > 2 || view.getUint16(2) !== 0) throw malformedFrame();
  const isRun = type === FRAME.chunk || type === FRAME.sample || type === FRAME.piece;
  if (codec !== 0 && !isRun) throw malformedFrame();
  const most = isRun ? Math.min(lengthMax, CHUNK_HEAD_BYTES + 4 + RUN_BYTES_MAX) : lengthMax;
  if (length > most) throw malformedFrame("a frame of the peer is too long");
  return { type: type as FrameType, codec: codec as 0 | 1 | 2, length };
}

export function encodeFrameHead(
  type: FrameType,
  length: number,
  codec = 0,
): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(FRAME_HEAD_BYTES);
  head[0] = type;
  head[1] = codec;
  new DataView(head.buffer).setUint32(4, length, true);
  return head;
}

/** A whole control frame. */
export function encodeFrame(type: FrameType, body: unknown): Uint8Array<ArrayBuffer> {
  const payload = encode(body);
  return concat(encodeFrameHead(type, payload.length), payload);
}

/** @throws {WarpError} E_PROTOCOL */
export function decodeBody(payload: Bytes): unknown {
  try {
    // Copied: MessagePack hands out views, and the buffer is used again.
    if (isSoundMessage(payload, BODY_DEPTH_MAX)) return decode(new Uint8Array(payload));
  } catch (cause) {
    throw new WarpError("E_PROTOCOL", "the peer sent a malformed frame", { cause });
  }
  throw malformedFrame();
}

/** The whole frame that says nothing but that its sender still works. */
export const ALIVE_FRAME: Bytes = encodeFrame(FRAME.alive, []);

export function malformedFrame(message = "the peer sent a malformed frame"): WarpError {
  return new WarpError("E_PROTOCOL", message);
}

/** Checks the shape of a decoded body: an array of exactly `length` items. */
export function fields(body: unknown, length: number): unknown[] {
  if (!Array.isArray(body) || body.length !== length) throw malformedFrame();
  return body;
}

export function uint(value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw malformedFrame();
  }
  return value;
}

export function bytes(value: unknown, length: number): Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array) || value.length !== length) throw malformedFrame();
  return new Uint8Array(value);
}

export function bytesUpTo(value: unknown, lengthMax: number): Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array) || value.length > lengthMax) throw malformedFrame();
  return new Uint8Array(value);
}

export function shortText(value: unknown, lengthMax: number): string {
  if (typeof value !== "string" || value.length > lengthMax) throw malformedFrame();
  return value;
}
