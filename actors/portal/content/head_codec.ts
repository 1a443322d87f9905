/**
 * Heads: where one version begins in one view (docs/portal.md §4).
 *
 * @module
 */
import { encode } from "@std/msgpack";
import type { Aead } from "../../../kernels/kernel.ts";
import type { Bytes } from "../../base/bytes.ts";
import { invariant } from "../../base/errors.ts";
import { BOUNDARY_TABLE_BYTES, VERSION_NONCE_BYTES, versionKey } from "./content_keys.ts";
import { isPackLength, PACK_BYTES } from "./packer.ts";
import { damaged, HEAD_NUMBER, openPadded, sealPadded } from "./padded_seal.ts";
import { decodeList } from "./page_codec.ts";

export const ADDRESS_BYTES = 32;
const PACK_ROW_BYTES = ADDRESS_BYTES + 1;
const FORMAT = 1;

/** A pack with content. */
export interface PackRef {
  /** BLAKE3 of its bytes. */
  address: Uint8Array;
  /** A power of two from 4 KiB to 1 MiB. */
  bytes: number;
}

export interface Head {
  /** Names and sizes alone: no content can be had in this view. */
  isList: boolean;
  /** Addresses of the pages, in order. */
  pages: Uint8Array[];
  /** The pages name these by number. */
  packs: PackRef[];
  files: number;
  /** Sum of the files' sizes. */
  bytes: number;
  /** Root of the manifest (docs/protocol.md): names, kinds and content. 32 bytes. */
  root: Uint8Array;
  /** SHA-256 over the bodies of the pages: the root and all metadata. 32 bytes. */
  state: Uint8Array;
  /** 128 bytes: how content was cut; null in a list. */
  table: Uint8Array | null;
  /** Milliseconds since 1970. */
  createdMs: number;
}

/** @param nonce 16 bytes, never used before with this view key @throws {WarpError} E_LIMIT */
export function sealHead(
  aead: Aead,
  viewKey: Bytes,
  nonce: Bytes,
  head: Head,
): Uint8Array<ArrayBuffer> {
  const pages = new Uint8Array(ADDRESS_BYTES * head.pages.length);
  head.pages.forEach((address, i) => pages.set(address, ADDRESS_BYTES * i));
  const packs = new Uint8Array(PACK_ROW_BYTES * head.packs.length);
  for (const [i, { address, bytes }] of head.packs.entries()) {
    invariant(isPackLength(bytes, PACK_BYTES), "a pack is a power of two");
    packs.set(address, PACK_ROW_BYTES * i);
    packs[PACK_ROW_BYTES * i + ADDRESS_BYTES] = Math.log2(bytes);
  }
  const { isList, files, bytes, root, state, table, createdMs } = head;
  const content = encode([
    FORMAT,
    isList,
    pages,
    packs,
    files,
    bytes,
    root,
    state,
    table,
    createdMs,
  ]);
  const key = versionKey(viewKey, nonce);
  const pack = sealPadded(aead, key, HEAD_NUMBER, content, nonce);
  key.fill(0);
  return pack;
}

/**
 * The head in a pack, and the key of its pages, which the caller wipes.
 *
 * @throws {WarpError} E_INTEGRITY, also for a wrong key
 */
export function openHead(
  aead: Aead,
  viewKey: Bytes,
  pack: Bytes,
): { head: Head; versionKey: Uint8Array } {
  if (pack.length < VERSION_NONCE_BYTES) throw damaged();
  const key = versionKey(viewKey, pack.subarray(0, VERSION_NONCE_BYTES));
  try {
    const content = openPadded(aead, key, HEAD_NUMBER, pack, VERSION_NONCE_BYTES);
    return { head: decodeHead(content), versionKey: key };
  } catch (error) {
    key.fill(0);
    throw error;
  }
}

function decodeHead(content: Uint8Array): Head {
  const [format, isList, pages, packs, files, bytes, root, state, table, createdMs] = decodeList(
    content,
    10,
  );
  if (format !== FORMAT || typeof isList !== "boolean") throw damaged();
  if (isList !== (table === null)) throw damaged();
  const head: Head = {
    isList,
    pages: rows(pages, ADDRESS_BYTES),
    packs: rows(packs, PACK_ROW_BYTES).map(packRef),
    files: count(files),
    bytes: count(bytes),
    root: exact(root, 32),
    state: exact(state, 32),
    table: table === null ? null : exact(table, BOUNDARY_TABLE_BYTES),
    createdMs: count(createdMs),
  };
  if (isList && head.packs.length > 0) throw damaged();
  return head;
}

function packRef(row: Uint8Array): PackRef {
  const bytes = 2 ** row[ADDRESS_BYTES]!;
  if (!isPackLength(bytes, PACK_BYTES)) throw damaged();
  return { address: row.subarray(0, ADDRESS_BYTES), bytes };
}

function rows(value: unknown, length: number): Uint8Array[] {
  if (!(value instanceof Uint8Array) || value.length % length !== 0) throw damaged();
  return Array.from(
    { length: value.length / length },
    (_, i) => value.subarray(length * i, length * (i + 1)),
  );
}

function count(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw damaged();
  return value;
}

function exact(value: unknown, length: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) throw damaged();
  return value;
}
