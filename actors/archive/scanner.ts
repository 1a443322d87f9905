/**
 * Walks the records of an archive in file order, without index or trailer: what resuming and
 * salvaging rest on.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { KIND, type Kind, type RecordCodec, type RecordHead } from "../cipher/record.ts";
import type { ArchiveInput } from "./archive_io.ts";

export interface ScannedRecord {
  head: RecordHead;
  kind: Kind;
  ordinal: number;
  offset: number;
  length: number;
}

export class RecordScanner {
  readonly #input: ArchiveInput;
  readonly #codec: RecordCodec;
  readonly #end: number;
  readonly #ordinals = new Map<Kind, number>();
  readonly #head: Uint8Array;
  offset: number;

  constructor(input: ArchiveInput, codec: RecordCodec, start: number, end: number) {
    this.#input = input;
    this.#codec = codec;
    this.#end = end;
    this.#head = new Uint8Array(codec.headLength);
    this.offset = start;
  }

  /** The next record's frame, not yet authenticated; undefined where no whole record follows. */
  peek(): ScannedRecord | undefined {
    if (this.offset + this.#head.length > this.#end) return undefined;
    if (this.#input.read(this.#head, this.offset) < this.#head.length) return undefined;
    const head = this.#codec.readHead(this.#head);
    if (head === undefined || this.offset + head.recordLength > this.#end) return undefined;
    const ordinal = this.#ordinals.get(head.kind) ?? 0;
    if (head.ordinalLow !== ordinal >>> 0) return undefined;
    return { head, kind: head.kind, ordinal, offset: this.offset, length: head.recordLength };
  }

  /** Moves past a record that {@link peek} gave. */
  advance(record: ScannedRecord): void {
    this.#ordinals.set(record.kind, record.ordinal + 1);
    this.offset = record.offset + record.length;
  }

  /** The bytes of a record as stored; undefined when they cannot be read. */
  readStored(record: ScannedRecord): Uint8Array | undefined {
    const bytes = new Uint8Array(record.length);
    return this.#input.read(bytes, record.offset) === bytes.length ? bytes : undefined;
  }

  /** Authenticates stored bytes and returns the raw content; undefined when they are not authentic. */
  open(record: ScannedRecord, stored: Bytes): Uint8Array | undefined {
    const raw = new Uint8Array(record.head.rawLength);
    return this.#codec.open(record.head, record.ordinal, stored, raw) ? raw : undefined;
  }

  /** Reads, opens and moves past the next record if it is of `kind`. */
  take(kind: Kind): { record: ScannedRecord; stored: Uint8Array; raw: Uint8Array } | undefined {
    const record = this.peek();
    if (record === undefined || record.kind !== kind) return undefined;
    const stored = this.readStored(record);
    const raw = stored && this.open(record, stored);
    if (stored === undefined || raw === undefined) return undefined;
    this.advance(record);
    return { record, stored, raw };
  }
}

export const TREE_KINDS: readonly Kind[] = [KIND.tableNode, KIND.indexNode];
