/**
 * How heads and pages are padded and sealed (docs/crypto.md §3): their packs are powers of two.
 *
 * @module
 */
import type { Aead } from "../../../kernels/kernel.ts";
import { type Bytes, isZero, utf8 } from "../../base/bytes.ts";
import { WarpError } from "../../base/errors.ts";
import { MiB } from "../../base/units.ts";
import { isPackLength, paddedLength } from "./packer.ts";

/** A page of 512 entries with long paths, extended attributes and 4096 chunks takes 1 MiB. */
export const PAGE_PACK_BYTES_MAX = 16 * MiB;
/** Addresses of a tree of 1.6 TiB. */
export const HEAD_PACK_BYTES_MAX = 64 * MiB;
/** Page i has number i. */
export const HEAD_NUMBER = 2 ** 32 - 1;

const TAG_BYTES = 16;
const LENGTH_BYTES = 4;
const PAGE_AAD = utf8("page");
const HEAD_AAD = utf8("head");

/**
 * `clear ‖ sealed(length u32 ‖ content ‖ zeroes)`, a power of two long.
 *
 * @param number of the page, or {@link HEAD_NUMBER}
 * @throws {WarpError} E_LIMIT
 */
export function sealPadded(
  aead: Aead,
  key: Bytes,
  number: number,
  content: Bytes,
  clear: Bytes = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  const length = paddedLength(clear.length + LENGTH_BYTES + content.length + TAG_BYTES);
  if (length > packBytesMax(number)) {
    throw new WarpError("E_LIMIT", "the tree is too large, or one of its pages is");
  }
  const pack = new Uint8Array(length);
  pack.set(clear);
  const plain = pack.subarray(clear.length, length - TAG_BYTES);
  new DataView(pack.buffer).setUint32(clear.length, content.length, true);
  plain.set(content, LENGTH_BYTES);
  aead.seal(key, nonceOf(number), aadOf(number), plain, pack.subarray(clear.length));
  return pack;
}

/** The content of a pack; `clearBytes` of it are not sealed. @throws {WarpError} E_INTEGRITY */
export function openPadded(
  aead: Aead,
  key: Bytes,
  number: number,
  pack: Bytes,
  clearBytes = 0,
): Uint8Array<ArrayBuffer> {
  if (!isPackLength(pack.length, packBytesMax(number))) throw damaged();
  const plain = new Uint8Array(pack.length - clearBytes - TAG_BYTES);
  const isOpen = aead.open(
    key,
    nonceOf(number),
    aadOf(number),
    pack.subarray(clearBytes),
    plain,
  );
  if (!isOpen) throw damaged();
  const length = new DataView(plain.buffer).getUint32(0, true);
  if (length > plain.length - LENGTH_BYTES) throw damaged();
  if (!isZero(plain.subarray(LENGTH_BYTES + length))) throw damaged();
  return plain.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
}

/** What everything wrong with stored content is: it says nothing of what was there. */
export function damaged(cause?: unknown): WarpError {
  const options = cause === undefined ? {} : { cause };
  return new WarpError("E_INTEGRITY", "the hub gave other bytes than were stored", options);
}

function packBytesMax(number: number): number {
  return number === HEAD_NUMBER ? HEAD_PACK_BYTES_MAX : PAGE_PACK_BYTES_MAX;
}

function aadOf(number: number): Bytes {
  return number === HEAD_NUMBER ? HEAD_AAD : PAGE_AAD;
}

/** u32 number ‖ 8 zeroes. */
function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(0, number, true);
  return nonce;
}
