/**
 * Which chunks are stored, where, and how to open them: 77 bytes each and a slot, so that a million (64 GiB of
 * content) takes less than 100 MB.
 *
 * @module
 */
import { type Bytes, equal } from "../../base/bytes.ts";
import { CHUNK_KEY_BYTES, DIGEST_BYTES } from "./chunk_seal.ts";
import type { Place } from "./packer.ts";

/** A stored chunk. */
export interface StoredChunk extends Place {
  codec: number;
  /** 32 bytes. Secret. */
  key: Bytes;
}

/** digest 32 ‖ pack u32 ‖ offset u32 ‖ length u32 ‖ codec u8 ‖ key 32. */
const ROW_BYTES = DIGEST_BYTES + 13 + CHUNK_KEY_BYTES;
/** Rows come in blocks that never move: growing copies nothing. */
const BLOCK_ROWS = 1 << 14;
const SLOTS_LEAST = 1 << 10;

export class ChunkTable {
  readonly #blocks: Uint8Array<ArrayBuffer>[] = [];
  /** Open addressing, at most half full: row + 1, or 0. */
  #slots = new Uint32Array(SLOTS_LEAST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param digest BLAKE3 of the chunk */
  get(digest: Bytes): StoredChunk | undefined {
    const row = this.#slots[this.#slotOf(digest)]!;
    return row === 0 ? undefined : this.#read(row - 1);
  }

  /** Enters a chunk; what was known of it is forgotten. */
  set(digest: Bytes, chunk: StoredChunk): void {
    let slot = this.#slotOf(digest);
    if (this.#slots[slot] === 0) {
      if (2 * (this.#size + 1) > this.#slots.length) {
        this.#grow();
        slot = this.#slotOf(digest);
      }
      if (this.#size % BLOCK_ROWS === 0) {
        this.#blocks.push(new Uint8Array(BLOCK_ROWS * ROW_BYTES));
      }
      this.#slots[slot] = ++this.#size;
    }
    const row = this.#row(this.#slots[slot]! - 1);
    const view = new DataView(row.buffer, row.byteOffset, ROW_BYTES);
    row.set(digest);
    view.setUint32(32, chunk.pack, true);
    view.setUint32(36, chunk.offset, true);
    view.setUint32(40, chunk.length, true);
    row[44] = chunk.codec;
    row.set(chunk.key, 45);
  }

  *chunks(): Generator<StoredChunk> {
    for (let i = 0; i < this.#size; i++) yield this.#read(i);
  }

  wipe(): void {
    for (const block of this.#blocks) block.fill(0);
    this.#blocks.length = 0;
    this.#slots = new Uint32Array(SLOTS_LEAST);
    this.#size = 0;
  }

  #row(i: number): Uint8Array<ArrayBuffer> {
    const at = i % BLOCK_ROWS * ROW_BYTES;
    return this.#blocks[Math.floor(i / BLOCK_ROWS)]!.subarray(at, at + ROW_BYTES);
  }

  #read(i: number): StoredChunk {
    const row = this.#row(i);
    const view = new DataView(row.buffer, row.byteOffset, ROW_BYTES);
    return {
      pack: view.getUint32(32, true),
      offset: view.getUint32(36, true),
      length: view.getUint32(40, true),
      codec: row[44]!,
      key: row.subarray(45),
    };
  }

  #slotOf(digest: Bytes): number {
    const mask = this.#slots.length - 1;
    // Digests are as good as random: their first bytes are the hash.
    const hash = digest[0]! | digest[1]! << 8 | digest[2]! << 16 | digest[3]! << 24;
    for (let slot = (hash & mask) >>> 0;; slot = slot + 1 & mask) {
      const row = this.#slots[slot]!;
      if (row === 0 || equal(this.#row(row - 1).subarray(0, DIGEST_BYTES), digest)) return slot;
    }
  }

  #grow(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let i = 0; i < this.#size; i++) {
      this.#slots[this.#slotOf(this.#row(i).subarray(0, DIGEST_BYTES))] = i + 1;
    }
  }
}
