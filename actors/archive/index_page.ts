/**
 * Chunk index pages: 56 bytes per chunk (docs/format.md §6).
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { BLOCK_RAW_BYTES_MAX, CHUNK_BYTES_MAX, INDEX_ENTRY_BYTES } from "../base/limits.ts";
import { malformed } from "../base/entry_codec.ts";
import { readOffset } from "./header.ts";

/** Where one chunk is. */
export interface ChunkLocation {
  /** File offset of the block's record, and the block's ordinal. */
  blockOffset: number;
  blockOrdinal: number;
  /** Place of the chunk in the block's raw bytes. */
  rawOffset: number;
  length: number;
}

/** An index page under construction, or a decoded one: a view over its bytes. */
export class IndexPage {
  readonly bytes: Bytes;
  readonly #view: DataView;

  private constructor(bytes: Bytes) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  static create(firstChunk: number, count: number): IndexPage {
    const page = new IndexPage(new Uint8Array(8 + count * INDEX_ENTRY_BYTES));
    page.#view.setBigUint64(0, BigInt(firstChunk), true);
    return page;
  }

  /** @throws {WarpError} E_INTEGRITY */
  static decode(bytes: Bytes): IndexPage {
    if (bytes.length < 8 + INDEX_ENTRY_BYTES || (bytes.length - 8) % INDEX_ENTRY_BYTES !== 0) {
      throw malformed();
    }
    return new IndexPage(bytes);
  }

  get firstChunk(): number {
    return readOffset(this.#view, 0);
  }

  get count(): number {
    return (this.bytes.length - 8) / INDEX_ENTRY_BYTES;
  }

  set(i: number, id: Bytes, location: ChunkLocation): void {
    const at = 8 + i * INDEX_ENTRY_BYTES;
    this.bytes.set(id, at);
    this.#view.setBigUint64(at + 32, BigInt(location.blockOffset), true);
    this.#view.setBigUint64(at + 40, BigInt(location.blockOrdinal), true);
    this.#view.setUint32(at + 48, location.rawOffset, true);
    this.#view.setUint32(at + 52, location.length, true);
  }

  id(i: number): Bytes {
    const at = 8 + i * INDEX_ENTRY_BYTES;
    return this.bytes.subarray(at, at + 32);
  }

  /** @throws {WarpError} E_INTEGRITY when the entry cannot be true */
  location(i: number): ChunkLocation {
    const at = 8 + i * INDEX_ENTRY_BYTES;
    const rawOffset = this.#view.getUint32(at + 48, true);
    const length = this.#view.getUint32(at + 52, true);
    if (length === 0 || length > CHUNK_BYTES_MAX || rawOffset + length > BLOCK_RAW_BYTES_MAX) {
      throw malformed();
    }
    return {
      blockOffset: readOffset(this.#view, at + 32),
      blockOrdinal: readOffset(this.#view, at + 40),
      rawOffset,
      length,
    };
  }
}
