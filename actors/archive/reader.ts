/**
 * Random access to a finished archive: opens header, trailer, prologue and root record, then any
 * entry and any chunk with a handful of reads (docs/format.md).
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { type Bytes, equal } from "../base/bytes.ts";
import type { Entry, Extent, FinalEntry } from "../base/entry.ts";
import { extentsLength } from "../base/entry.ts";
import { WarpError } from "../base/errors.ts";
import { EXTENTS_MAX, HEADER_BYTES, PAGE_RAW_BYTES_MAX, TRAILER_BYTES } from "../base/limits.ts";
import { comparePaths } from "../base/path_order.ts";
import {
  type ArchiveSecrets,
  HEAD_BYTES_MAX,
  KIND,
  type Kind,
  RecordCodec,
  type RecordHead,
} from "../cipher/record.ts";
import type { ArchiveInput } from "./archive_io.ts";
import { bindingInput, decodeHeader, type Header } from "./header.ts";
import { type ChunkLocation, IndexPage } from "./index_page.ts";
import { LruMap } from "./lru_map.ts";
import { merkleNodeCount } from "./merkle.ts";
import {
  type Child,
  decodeNode,
  findChild,
  pathKey,
  type RecordRef,
  type TreeRoot,
} from "./search_tree.ts";
import { decodePrologue, decodeRoot, type Prologue, type RootRecord } from "./summary.ts";
import { int, malformed } from "../base/entry_codec.ts";
import { decodeTablePage, isAfter, type TablePage } from "./table_page.ts";
import { decodeTrailer, type Trailer } from "./trailer.ts";

/** Pages and nodes kept decoded: a sequential walk needs one of each level. */
const CACHED_PAGES = 64;

/** The start of an archive: enough to know the key section, salvage and resume. */
export interface Opening {
  header: Header;
  keySection: Uint8Array;
  /** BLAKE3 of the header without its late fields. */
  binding: Uint8Array;
}

/** @throws {WarpError} E_NOT_AN_ARCHIVE, E_VERSION, E_TRUNCATED, E_INTEGRITY */
export function readOpening(input: ArchiveInput, kernels: KernelSet): Opening {
  const bytes = new Uint8Array(HEADER_BYTES);
  const header = decodeHeader(bytes.subarray(0, input.read(bytes, 0)));
  const keySection = new Uint8Array(header.keySectionLength);
  if (input.read(keySection, HEADER_BYTES) < keySection.length) {
    throw new WarpError("E_TRUNCATED", "the archive ends inside its key section");
  }
  const binding = new Uint8Array(32);
  kernels.blake3.hash(bindingInput(bytes), binding);
  return { header, keySection, binding };
}

/**
 * Reads the trailer and checks everything that can be checked without reading the body.
 * @throws {WarpError} E_TRUNCATED, E_INTEGRITY
 */
export function readTrailer(input: ArchiveInput, kernels: KernelSet, header: Header): Trailer {
  const minimum = HEADER_BYTES + header.keySectionLength + TRAILER_BYTES;
  if (input.size < minimum) throw new WarpError("E_TRUNCATED", "the archive has no trailer");
  const bytes = new Uint8Array(TRAILER_BYTES);
  input.read(bytes, input.size - TRAILER_BYTES);
  const trailer = decodeTrailer(bytes, kernels.blake3);
  const { treeOffset, totalLength, leafCount, rootRecordOffset } = trailer;
  if (totalLength > input.size) {
    throw new WarpError("E_TRUNCATED", "the archive is shorter than its trailer says");
  }
  const bodyStart = HEADER_BYTES + header.keySectionLength;
  const isStreamed = header.treeOffset === 0 && header.totalLength === 0;
  const isSane = totalLength === input.size && equal(trailer.archiveId, header.archiveId) &&
    treeOffset > bodyStart && treeOffset < totalLength &&
    leafCount === Math.ceil((treeOffset - HEADER_BYTES) / 65536) &&
    totalLength === treeOffset + 32 * merkleNodeCount(leafCount) + TRAILER_BYTES &&
    rootRecordOffset >= bodyStart && rootRecordOffset < treeOffset &&
    (isStreamed || (header.treeOffset === treeOffset && header.totalLength === totalLength));
  if (!isSane) throw new WarpError("E_INTEGRITY", "header and trailer of the archive disagree");
  return trailer;
}

/** A record whose frame was read: what a block reader needs. */
export interface FramedRecord extends RecordRef {
  head: RecordHead;
}

/** Reads single records of an archive by offset. */
export class RecordReader {
  readonly input: ArchiveInput;
  readonly secrets: ArchiveSecrets;
  readonly codec: RecordCodec;
  readonly #end: number;

  constructor(input: ArchiveInput, kernels: KernelSet, secrets: ArchiveSecrets, end: number) {
    this.input = input;
    this.secrets = secrets;
    this.codec = new RecordCodec(kernels, secrets);
    this.#end = end;
  }

  /** Whether the record at `offset` ends where the archive ends, or before. */
  isWithin(offset: number): boolean {
    const bytes = new Uint8Array(this.codec.headLength);
    if (this.input.read(bytes, offset) < bytes.length) return false;
    const head = this.codec.readHead(bytes);
    return head === undefined || offset + head.recordLength <= this.#end;
  }

  /** Reads the frame of the record at `offset`. @throws {WarpError} E_INTEGRITY */
  frame(kind: Kind, offset: number, ordinal: number): FramedRecord {
    const bytes = new Uint8Array(Math.min(HEAD_BYTES_MAX, Math.max(0, this.#end - offset)));
    const head = this.input.read(bytes, offset) === bytes.length
      ? this.codec.readHead(bytes)
      : undefined;
    if (head?.kind !== kind || offset + head.recordLength > this.#end) {
      throw new WarpError("E_INTEGRITY", `the archive is damaged at byte ${offset}`);
    }
    return { head, offset, length: head.recordLength, ordinal };
  }

  /** Reads, authenticates and decodes one record. @throws {WarpError} E_INTEGRITY */
  read(kind: Kind, offset: number, ordinal: number): Uint8Array {
    const { head, length } = this.frame(kind, offset, ordinal);
    const stored = new Uint8Array(length);
    const raw = new Uint8Array(Math.min(head.rawLength, PAGE_RAW_BYTES_MAX));
    const isOpen = this.input.read(stored, offset) === length &&
      raw.length === head.rawLength && this.codec.open(head, ordinal, stored, raw);
    if (!isOpen) throw new WarpError("E_INTEGRITY", `the archive is damaged at byte ${offset}`);
    return raw;
  }
}

/**
 * The prologue: the first record. An archive key that does not open it is the wrong one.
 * @throws {WarpError} E_KEY_WRONG, E_INTEGRITY, E_TRUNCATED (a run was ended before it was written)
 */
export function readPrologue(
  input: ArchiveInput,
  kernels: KernelSet,
  opening: Opening,
  archiveKey: Uint8Array | null,
): { prologue: Prologue; secrets: ArchiveSecrets; bodyStart: number } {
  const { header, binding } = opening;
  const secrets: ArchiveSecrets = { archiveId: header.archiveId, binding };
  if (archiveKey !== null) secrets.archiveKey = archiveKey;
  const start = HEADER_BYTES + header.keySectionLength;
  const reader = new RecordReader(input, kernels, secrets, input.size);
  if (!reader.isWithin(start)) {
    throw new WarpError("E_TRUNCATED", "the archive ends inside its prologue");
  }
  const { length } = reader.frame(KIND.prologue, start, 0);
  const prologue = decodePrologue(reader.read(KIND.prologue, start, 0));
  if (header.encrypted !== (prologue.idKey !== null)) {
    throw new WarpError("E_INTEGRITY", "the prologue of the archive is malformed");
  }
  if (prologue.idKey !== null) secrets.idKey = prologue.idKey;
  return { prologue, secrets, bodyStart: start + length };
}

export class ArchiveReader {
  readonly kernels: KernelSet;
  readonly input: ArchiveInput;
  readonly header: Header;
  readonly trailer: Trailer;
  readonly prologue: Prologue;
  readonly root: RootRecord;
  readonly records: RecordReader;
  readonly #nodes = new LruMap<number, Child<unknown>[]>(CACHED_PAGES);
  readonly #indexPages = new LruMap<number, IndexPage>(CACHED_PAGES);

  private constructor(
    input: ArchiveInput,
    kernels: KernelSet,
    opening: Opening,
    archiveKey: Uint8Array | null,
  ) {
    this.kernels = kernels;
    this.input = input;
    this.header = opening.header;
    this.trailer = readTrailer(input, kernels, opening.header);
    const { prologue, secrets } = readPrologue(input, kernels, opening, archiveKey);
    this.prologue = prologue;
    this.records = new RecordReader(input, kernels, secrets, this.trailer.treeOffset);
    this.root = decodeRoot(this.records.read(KIND.root, this.trailer.rootRecordOffset, 0));
  }

  static open(
    input: ArchiveInput,
    kernels: KernelSet,
    opening: Opening,
    archiveKey: Uint8Array | null,
  ): ArchiveReader {
    return new ArchiveReader(input, kernels, opening, archiveKey);
  }

  /** Table pages in order, from the one where entries at or after `from` begin. */
  *pages(from?: Bytes): Generator<TablePage> {
    if (this.root.table === undefined) return;
    const start = from ?? new Uint8Array();
    for (const leaf of this.#leaves(this.root.table, this.root.table.depth, start)) {
      const page = decodeTablePage(this.records.read(KIND.tablePage, leaf.offset, leaf.ordinal));
      // Without entries the ascent of keys could not end a tree that leads back into itself.
      if (page.entries.length === 0) throw malformed();
      yield page;
    }
  }

  *#leaves(ref: RecordRef, depth: number, from: Bytes): Generator<RecordRef> {
    if (depth === 0) {
      yield ref;
      return;
    }
    const children = this.#node<Bytes>(KIND.tableNode, ref, pathKey);
    // Strictly below: a path with pieces in several pages starts before the last page it is key of.
    const first = findChild(children, from, (a, b) => comparePaths(a, b) < 0 ? -1 : 1);
    for (let i = first; i < children.length; i++) {
      yield* this.#leaves(children[i]!, depth - 1, from);
    }
  }

  #node<Key>(kind: Kind, ref: RecordRef, decodeKey: (key: unknown) => Key): Child<Key>[] {
    const known = this.#nodes.get(ref.offset) as Child<Key>[] | undefined;
    if (known !== undefined) return known;
    const node = decodeNode(this.records.read(kind, ref.offset, ref.ordinal), decodeKey);
    this.#nodes.set(ref.offset, node);
    return node;
  }

  /** All entries in order, from the first at or after `from`; files with all their extents. */
  entries(from?: Bytes): Generator<FinalEntry> {
    return assemble(this.pages(from), from);
  }

  /** The entry of `path`, or undefined. */
  find(path: Bytes): FinalEntry | undefined {
    for (const entry of this.entries(path)) {
      const order = comparePaths(entry.path, path);
      if (order >= 0) return order === 0 ? entry : undefined;
    }
    return undefined;
  }

  /** Where chunk `ordinal` of this archive is. @throws {WarpError} E_INTEGRITY */
  locate(ordinal: number): ChunkLocation {
    const page = this.#indexPage(ordinal);
    const i = ordinal - page.firstChunk;
    if (i < 0 || i >= page.count) {
      throw new WarpError("E_INTEGRITY", "an entry refers to a chunk that does not exist");
    }
    return page.location(i);
  }

  /** The id of chunk `ordinal`. */
  chunkId(ordinal: number): Bytes {
    const page = this.#indexPage(ordinal);
    return page.id(ordinal - page.firstChunk);
  }

  #indexPage(ordinal: number): IndexPage {
    const root = this.root.index;
    if (root === undefined || ordinal >= this.root.chunks) {
      throw new WarpError("E_INTEGRITY", "an entry refers to a chunk that does not exist");
    }
    let ref: RecordRef = root;
    for (let depth = root.depth; depth > 0; depth--) {
      const children = this.#node<number>(KIND.indexNode, ref, int);
      ref = children[findChild(children, ordinal, (a, b) => a - b)]!;
    }
    return this.indexPageAt(ref);
  }

  indexPageAt(ref: RecordRef): IndexPage {
    const known = this.#indexPages.get(ref.offset);
    if (known !== undefined) return known;
    const page = IndexPage.decode(this.records.read(KIND.indexPage, ref.offset, ref.ordinal));
    this.#indexPages.set(ref.offset, page);
    return page;
  }

  /** All index pages in order. */
  *indexPages(): Generator<IndexPage> {
    if (this.root.index !== undefined) yield* this.#indexLeaves(this.root.index);
  }

  *#indexLeaves(root: TreeRoot): Generator<IndexPage> {
    let expected = 0;
    const walk = function* (
      reader: ArchiveReader,
      ref: RecordRef,
      depth: number,
    ): Generator<IndexPage> {
      if (depth === 0) {
        const page = reader.indexPageAt(ref);
        if (page.firstChunk !== expected) throw malformed();
        expected += page.count;
        yield page;
        return;
      }
      for (const child of reader.#node<number>(KIND.indexNode, ref, int)) {
        yield* walk(reader, child, depth - 1);
      }
    };
    yield* walk(this, root, root.depth);
  }

  close(): void {
    this.input.close();
  }
}

/**
 * Joins the pieces of files with their final entries, and checks that keys ascend over page borders.
 * Pieces without a final entry (a file that could not be read to its end) are dropped.
 */
export function* assemble(pages: Iterable<TablePage>, from?: Bytes): Generator<FinalEntry> {
  let before: Entry | undefined;
  let extents: Extent[] = [];
  for (const page of pages) {
    for (const entry of page.entries) {
      if (before !== undefined && !isAfter(before, entry)) {
        throw new WarpError("E_INTEGRITY", "the entries of the archive are out of order");
      }
      const isOther = before === undefined || comparePaths(before.path, entry.path) !== 0;
      if (isOther) extents = [];
      before = entry;
      if (from !== undefined && comparePaths(entry.path, from) < 0) continue;
      if (entry.type === "piece") {
        appendExtents(extents, entry.extents);
      } else if (entry.type === "file" && entry.offset > 0) {
        appendExtents(extents, entry.extents);
        if (extentsLength(extents) !== entry.size) {
          throw new WarpError("E_INTEGRITY", "a file of the archive lacks some of its pieces");
        }
        yield { ...entry, offset: 0, extents };
      } else {
        yield entry;
      }
    }
  }
}

/** Appends, joining runs that go on: a file of any size that was stored in one go is one extent. */
function appendExtents(extents: Extent[], more: readonly Extent[]): void {
  for (const extent of more) {
    const end = extents.at(-1);
    const goesOn = end !== undefined && extent.count > 0 && end.count > 0 &&
      end.source === extent.source && end.first + end.count === extent.first;
    if (goesOn) {
      end.length += extent.length;
      end.count += extent.count;
    } else {
      extents.push({ ...extent });
    }
  }
  if (extents.length > EXTENTS_MAX) {
    throw new WarpError("E_LIMIT", `a file of the archive has more than ${EXTENTS_MAX} extents`);
  }
}
