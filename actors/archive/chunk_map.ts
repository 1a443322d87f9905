/**
 * Which chunks are already stored, and where: id → (source, ordinal).
 *
 * A hash table over typed arrays up to a memory bound; beyond it, entries move to a private
 * temporary SQLite database (deleted by the system when the process ends, however it ends). Ids are
 * compared whole: a chunk is never taken for another because of a shared prefix.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Bytes } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";

/** Source 0 is the archive being written, k its base k. */
export interface ChunkRef {
  source: number;
  ordinal: number;
}

const ID_BYTES = 32;
/** id + packed reference + two hash slots of 4 bytes. */
const BYTES_PER_ENTRY = ID_BYTES + 8 + 8;
/** Ordinals below 2^46 (a 4 EiB archive of 64 KiB chunks) leave 7 bits for the source. */
const SOURCE_FACTOR = 2 ** 46;

export class ChunkMap {
  readonly #entriesMax: number;
  #capacity = 1024;
  #ids = new Uint8Array(this.#capacity * ID_BYTES);
  #refs = new Float64Array(this.#capacity);
  #slots = new Uint32Array(this.#capacity * 2);
  #count = 0;
  #spill: Spill | undefined;

  /** @param memoryMax bytes the table may take before it spills (its minimum is 48 KiB) */
  constructor(memoryMax: number) {
    this.#entriesMax = Math.max(1024, 2 ** Math.floor(Math.log2(memoryMax / BYTES_PER_ENTRY)));
  }

  get isSpilled(): boolean {
    return this.#spill !== undefined;
  }

  get(id: Bytes): ChunkRef | undefined {
    const slot = this.#slots[this.#find(id)]!;
    const packed = slot === 0 ? this.#spill?.get(id) : this.#refs[slot - 1]!;
    if (packed === undefined) return undefined;
    const source = Math.floor(packed / SOURCE_FACTOR);
    return { source, ordinal: packed - source * SOURCE_FACTOR };
  }

  /** Adds an id that is not there yet. */
  set(id: Bytes, ref: ChunkRef): void {
    invariant(id.length === ID_BYTES, "chunk ids are 32 bytes");
    if (this.#count === this.#capacity) this.#makeRoom();
    const at = this.#find(id);
    invariant(this.#slots[at] === 0, "chunk id added twice");
    this.#ids.set(id, this.#count * ID_BYTES);
    this.#refs[this.#count] = ref.source * SOURCE_FACTOR + ref.ordinal;
    this.#slots[at] = ++this.#count;
  }

  close(): void {
    this.#spill?.close();
  }

  /** Slot that holds `id`, or the empty one where it belongs. Ids are uniform: no hashing needed. */
  #find(id: Bytes): number {
    const mask = this.#slots.length - 1;
    let at = (id[0]! | id[1]! << 8 | id[2]! << 16 | id[3]! << 24) & mask;
    for (;;) {
      const slot = this.#slots[at]!;
      if (slot === 0 || this.#isAt(slot - 1, id)) return at;
      at = (at + 1) & mask;
    }
  }

  #isAt(index: number, id: Bytes): boolean {
    const start = index * ID_BYTES;
    for (let i = 0; i < ID_BYTES; i++) if (this.#ids[start + i] !== id[i]) return false;
    return true;
  }

  #makeRoom(): void {
    if (this.#capacity < this.#entriesMax) {
      this.#capacity *= 2;
      const ids = this.#ids, refs = this.#refs;
      this.#ids = new Uint8Array(this.#capacity * ID_BYTES);
      this.#ids.set(ids);
      this.#refs = new Float64Array(this.#capacity);
      this.#refs.set(refs);
      this.#slots = new Uint32Array(this.#capacity * 2);
      for (let i = 0; i < this.#count; i++) {
        this.#slots[this.#find(this.#ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES))] = i + 1;
      }
      return;
    }
    this.#spill ??= new Spill();
    this.#spill.addAll(this.#ids, this.#refs, this.#count);
    this.#slots.fill(0);
    this.#count = 0;
  }
}

/** The disk half: an on-disk temporary database ("" is SQLite's name for one). */
class Spill {
  readonly #database = new DatabaseSync("");
  readonly #select: StatementSync;
  readonly #insert: StatementSync;

  constructor() {
    this.#database.exec(`
      PRAGMA journal_mode = OFF;
      PRAGMA synchronous = OFF;
      PRAGMA cache_size = -32768;
      CREATE TABLE chunk (id BLOB PRIMARY KEY, ref REAL NOT NULL) WITHOUT ROWID;
    `);
    this.#select = this.#database.prepare("SELECT ref FROM chunk WHERE id = ?");
    this.#insert = this.#database.prepare("INSERT INTO chunk (id, ref) VALUES (?, ?)");
  }

  get(id: Bytes): number | undefined {
    const row = this.#select.get(new Uint8Array(id)) as { ref: number } | undefined;
    return row?.ref;
  }

  addAll(ids: Uint8Array, refs: Float64Array, count: number): void {
    // Sorted, so that the B-tree is touched page by page.
    const order = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => {
      for (let i = 0; i < ID_BYTES; i++) {
        const difference = ids[a * ID_BYTES + i]! - ids[b * ID_BYTES + i]!;
        if (difference !== 0) return difference;
      }
      return 0;
    });
    this.#database.exec("BEGIN");
    for (const i of order) {
      this.#insert.run(ids.slice(i * ID_BYTES, (i + 1) * ID_BYTES), refs[i]!);
    }
    this.#database.exec("COMMIT");
  }

  close(): void {
    this.#database.close();
  }
}
