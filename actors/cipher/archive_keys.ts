/**
 * The subkeys of one archive (docs/format.md §4): HKDF-SHA256 (RFC 5869) from its archive key.
 *
 * @module
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";

export const ARCHIVE_KEY_BYTES = 32;
export const ARCHIVE_ID_BYTES = 16;

/** One epoch covers 65,536 records, so 4,096 keys cover any working set; 128 KiB at most. */
const SEAL_KEYS_CACHED_MAX = 4096;
const KINDS_MAX = 256;

export interface ArchiveKeys {
  /** Keys the nonce derivation. 32 bytes. */
  readonly nonceKey: Uint8Array<ArrayBuffer>;
  /** Keys the masks of record heads. 32 bytes. */
  readonly headKey: Uint8Array<ArrayBuffer>;
  /** The AEAD key of `kind` (0..255) in `epoch` (ordinal >> 16). 32 bytes; do not write to it. */
  sealKey(kind: number, epoch: number): Uint8Array<ArrayBuffer>;
}

/** `length` bytes of HKDF-SHA256 output. */
export function hkdfSha256(
  material: Bytes,
  salt: Bytes,
  info: Bytes,
  length: number,
): Uint8Array<ArrayBuffer> {
  // noble rather than node:crypto: every cipher Worker would pay 30 ms for loading the latter.
  return hkdf(sha256, material.slice(), salt.slice(), info.slice(), length) as Uint8Array<
    ArrayBuffer
  >;
}

const NONCE_INFO = utf8("warp/archive/v1/nonce");
const HEAD_INFO = utf8("warp/archive/v1/head");
const SEAL_INFO = utf8("warp/archive/v1/seal");

/** @param archiveKey 32 bytes; it is copied, so the caller may wipe its own. */
export function deriveArchiveKeys(archiveKey: Bytes, archiveId: Bytes): ArchiveKeys {
  invariant(archiveKey.length === ARCHIVE_KEY_BYTES, "an archive key is 32 bytes");
  invariant(archiveId.length === ARCHIVE_ID_BYTES, "an archive id is 16 bytes");
  const material = archiveKey.slice();
  const salt = archiveId.slice();
  const sealKeys = new Map<number, Uint8Array<ArrayBuffer>>();
  const sealInfo = concat(SEAL_INFO, new Uint8Array(9));
  const sealInfoView = new DataView(sealInfo.buffer);
  return {
    nonceKey: hkdfSha256(material, salt, NONCE_INFO, 32),
    headKey: hkdfSha256(material, salt, HEAD_INFO, 32),
    sealKey(kind: number, epoch: number): Uint8Array<ArrayBuffer> {
      const id = epoch * KINDS_MAX + kind;
      invariant(kind >= 0 && kind < KINDS_MAX && Number.isInteger(kind), "a kind is a byte");
      invariant(
        epoch >= 0 && Number.isInteger(epoch) && Number.isSafeInteger(id),
        "an epoch is a whole number below 2^45",
      );
      const known = sealKeys.get(id);
      if (known !== undefined) return known;
      sealInfo[SEAL_INFO.length] = kind;
      sealInfoView.setBigUint64(SEAL_INFO.length + 1, BigInt(epoch), true);
      const key = hkdfSha256(material, salt, sealInfo, 32);
      if (sealKeys.size >= SEAL_KEYS_CACHED_MAX) sealKeys.clear();
      sealKeys.set(id, key);
      return key;
    },
  };
}
