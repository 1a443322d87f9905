/**
 * Pages: entries, their chunks, and how to open these (docs/portal.md §4).
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import type { Aead } from "../../../kernels/kernel.ts";
import type { Bytes } from "../../base/bytes.ts";
import { isWarpError } from "../../base/errors.ts";
import { isSoundMessage } from "../../base/message_shape.ts";
import { decodePage, encodePage, type Page } from "../../transfer/manifest.ts";
import { CHUNK_KEY_BYTES, CHUNK_TAG_BYTES, CODEC_STORED, CODEC_ZSTD } from "./chunk_seal.ts";
import type { StoredChunk } from "./chunk_table.ts";
import { PACK_BYTES } from "./packer.ts";
import { damaged, openPadded, sealPadded } from "./padded_seal.ts";

const FORMAT = 1;
const DEPTH_MAX = 16;
/** pack u32 ‖ offset u32 ‖ sealed length u32 ‖ codec u8 ‖ key 32. */
const ROW_BYTES = 13 + CHUNK_KEY_BYTES;

/** A page and where its chunks are; `pack` is a number in the pack list of the head. */
export interface StoredPage {
  page: Page;
  chunks: StoredChunk[];
  /** The page without its chunk table, as it is stored: what the state of a version hashes. */
  body: Bytes;
}

export function encodeBody(page: Page): Uint8Array {
  return encode(encodePage(page));
}

/** @param body what {@link encodeBody} gave */
export function sealPage(
  aead: Aead,
  versionKey: Bytes,
  number: number,
  body: Uint8Array,
  chunks: readonly StoredChunk[],
): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(ROW_BYTES * chunks.length);
  const view = new DataView(table.buffer);
  for (const [i, { pack, offset, length, codec, key }] of chunks.entries()) {
    const at = ROW_BYTES * i;
    view.setUint32(at, pack, true);
    view.setUint32(at + 4, offset, true);
    view.setUint32(at + 8, length, true);
    table[at + 12] = codec;
    table.set(key, at + 13);
  }
  const content = encode([FORMAT, body, table]);
  const pack = sealPadded(aead, versionKey, number, content);
  table.fill(0);
  content.fill(0);
  return pack;
}

/**
 * @param packs how many packs the head names
 * @throws {WarpError} E_INTEGRITY, E_UNSAFE_PATH
 */
export function openPage(
  aead: Aead,
  versionKey: Bytes,
  number: number,
  pack: Bytes,
  packs: number,
): StoredPage {
  const [format, body, table] = decodeList(openPadded(aead, versionKey, number, pack), 3);
  if (format !== FORMAT || !(body instanceof Uint8Array) || !(table instanceof Uint8Array)) {
    throw damaged();
  }
  const page = pageOf(body);
  if (page.batch !== number || table.length !== ROW_BYTES * page.lengths.length) throw damaged();
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  const chunks = Array.from(page.lengths, (length, i): StoredChunk => {
    const at = ROW_BYTES * i;
    const chunk = {
      pack: view.getUint32(at, true),
      offset: view.getUint32(at + 4, true),
      length: view.getUint32(at + 8, true),
      codec: table[at + 12]!,
      key: table.subarray(at + 13, at + ROW_BYTES),
    };
    if (chunk.pack >= packs || !isSound(chunk, length)) throw damaged();
    return chunk;
  });
  return { page, chunks, body };
}

/** Whether a chunk of `length` bytes can be there at all. */
function isSound({ offset, length: sealed, codec }: StoredChunk, length: number): boolean {
  if (offset + sealed > PACK_BYTES) return false;
  const most = length + CHUNK_TAG_BYTES;
  if (codec === CODEC_STORED) return sealed === most;
  return codec === CODEC_ZSTD && sealed > CHUNK_TAG_BYTES && sealed < most;
}

function pageOf(body: Uint8Array): Page {
  try {
    if (isSoundMessage(body, DEPTH_MAX)) return decodePage(decode(body));
  } catch (error) {
    if (isWarpError(error, "E_UNSAFE_PATH")) throw error;
    throw damaged();
  }
  throw damaged();
}

/** A MessagePack array of exactly `length` items. @throws {WarpError} E_INTEGRITY */
export function decodeList(content: Uint8Array, length: number): unknown[] {
  let list: unknown;
  try {
    if (isSoundMessage(content, DEPTH_MAX)) list = decode(content);
  } catch {
    throw damaged();
  }
  if (!Array.isArray(list) || list.length !== length) throw damaged();
  return list;
}
