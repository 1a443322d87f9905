/**
 * Keys of the content layer (docs/crypto.md §2, §3), and the sizes into which content is cut.
 *
 * @module
 */
import { tableFromBytes } from "../../../kernels/boundary/spec.ts";
import type { BoundaryParams } from "../../../kernels/kernel.ts";
import { type Bytes, concat, utf8 } from "../../base/bytes.ts";
import { invariant } from "../../base/errors.ts";
import { KiB } from "../../base/units.ts";
import { chunkSizes } from "../../chunker/chunk_sizes.ts";
import type { ChunkSizes } from "../../chunker/protocol.ts";
import { hkdfSha256 } from "../../cipher/archive_keys.ts";

export const SECRET_BYTES = 32;
export const VERSION_NONCE_BYTES = 16;
export const BOUNDARY_TABLE_BYTES = 128;

const EMPTY = new Uint8Array();
const BOUNDARY_INFO = utf8("portal/boundary/v1");
const VERSION_INFO = utf8("portal/version/v1");

/** 16 KiB, 64 KiB, 256 KiB: at least three of the largest fit in a pack. */
export const PORTAL_CHUNKS: ChunkSizes = chunkSizes(64 * KiB);

/** 128 bytes: where content is cut depends on the domain secret, so that lengths tell nothing. */
export function boundaryTable(domainSecret: Bytes): Uint8Array<ArrayBuffer> {
  invariant(domainSecret.length === SECRET_BYTES, "a domain secret is 32 bytes");
  return hkdfSha256(domainSecret, EMPTY, BOUNDARY_INFO, BOUNDARY_TABLE_BYTES);
}

/** How content was cut, for who looks for moved chunks. */
export function boundaryParams(table: Bytes): BoundaryParams {
  const { min, avg, max } = PORTAL_CHUNKS;
  return { avgBits: Math.log2(avg), min, max, table: tableFromBytes(table) };
}

/** The key of one version's head and pages in one view. 32 bytes; the caller wipes it. */
export function versionKey(viewKey: Bytes, nonce: Bytes): Uint8Array<ArrayBuffer> {
  invariant(viewKey.length === SECRET_BYTES, "a view key is 32 bytes");
  invariant(nonce.length === VERSION_NONCE_BYTES, "a version nonce is 16 bytes");
  return hkdfSha256(viewKey, EMPTY, concat(VERSION_INFO, nonce), 32);
}
