/**
 * The fixed 256-byte trailer (docs/format.md §10).
 *
 * @module
 */
import type { Blake3 } from "../../kernels/kernel.ts";
import { type Bytes, concat, equal, isZero, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { TRAILER_BYTES } from "../base/limits.ts";
import { FORMAT_VERSION, readOffset } from "./header.ts";

export const TRAILER_MAGIC = Uint8Array.of(0x57, 0x41, 0x52, 0x50, 0x45, 0x4e, 0x44, 0x0a);
const FLAG_SIGNED = 1;
const SIGNED_BYTES = 128;

export interface Trailer {
  archiveId: Uint8Array;
  treeOffset: number;
  totalLength: number;
  leafCount: number;
  rootRecordOffset: number;
  root: Uint8Array;
  /** Ed25519 public key and signature, or undefined. */
  signer: Uint8Array | undefined;
  signature: Uint8Array | undefined;
}

/** The bytes that an archive signature covers. */
export function signatureMessage(trailerBytes: Bytes): Uint8Array<ArrayBuffer> {
  return concat(utf8("warp/archive/v1/signature"), trailerBytes.subarray(0, SIGNED_BYTES));
}

/**
 * Encodes the trailer. `sign` gets {@link signatureMessage} and returns 64 bytes; it is called only
 * when `trailer.signer` is set.
 */
export function encodeTrailer(
  trailer: Omit<Trailer, "signature">,
  blake3: Blake3,
  sign?: (message: Uint8Array) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(TRAILER_BYTES);
  const view = new DataView(out.buffer);
  out.set(TRAILER_MAGIC, 0);
  view.setUint16(8, FORMAT_VERSION, true);
  view.setUint16(10, trailer.signer === undefined ? 0 : FLAG_SIGNED, true);
  out.set(trailer.archiveId, 16);
  view.setBigUint64(32, BigInt(trailer.treeOffset), true);
  view.setBigUint64(40, BigInt(trailer.totalLength), true);
  view.setBigUint64(48, BigInt(trailer.leafCount), true);
  view.setBigUint64(56, BigInt(trailer.rootRecordOffset), true);
  out.set(trailer.root, 64);
  if (trailer.signer !== undefined && sign !== undefined) {
    out.set(trailer.signer, 96);
    out.set(sign(signatureMessage(out)), 128);
  }
  blake3.hash(out.subarray(0, 224), out.subarray(224, 256));
  return out;
}

/**
 * Decodes the last 256 bytes of an archive.
 * @throws {WarpError} E_TRUNCATED when there is no trailer here, E_INTEGRITY when it is damaged
 */
export function decodeTrailer(bytes: Bytes, blake3: Blake3): Trailer {
  const digest = new Uint8Array(32);
  if (bytes.length < TRAILER_BYTES) {
    throw new WarpError("E_TRUNCATED", "the archive has no trailer");
  }
  blake3.hash(bytes.subarray(0, 224), digest);
  if (!equal(digest, bytes.subarray(224, 256))) {
    // A flipped bit leaves the rest of the trailer recognisable; a cut archive ends in other bytes.
    const known = TRAILER_MAGIC.reduce((n, byte, i) => n + (bytes[i] === byte ? 1 : 0), 0);
    throw known >= 6
      ? new WarpError("E_INTEGRITY", "the archive trailer is damaged")
      : new WarpError("E_TRUNCATED", "the archive has no trailer: it was cut short");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, TRAILER_BYTES);
  const flags = view.getUint16(10, true);
  const isSane = equal(bytes.subarray(0, 8), TRAILER_MAGIC) && (flags & ~FLAG_SIGNED) === 0 &&
    isZero(bytes.subarray(12, 16)) && isZero(bytes.subarray(192, 224));
  if (!isSane) throw new WarpError("E_INTEGRITY", "the archive trailer is damaged");
  if (view.getUint16(8, true) !== FORMAT_VERSION) {
    throw new WarpError("E_VERSION", "the archive trailer has an unknown version");
  }
  const isSigned = (flags & FLAG_SIGNED) !== 0;
  if (!isSigned && !isZero(bytes.subarray(96, 192))) {
    throw new WarpError("E_INTEGRITY", "the archive trailer is damaged");
  }
  return {
    archiveId: bytes.slice(16, 32),
    treeOffset: readOffset(view, 32),
    totalLength: readOffset(view, 40),
    leafCount: readOffset(view, 48),
    rootRecordOffset: readOffset(view, 56),
    root: bytes.slice(64, 96),
    signer: isSigned ? bytes.slice(96, 128) : undefined,
    signature: isSigned ? bytes.slice(128, 192) : undefined,
  };
}
