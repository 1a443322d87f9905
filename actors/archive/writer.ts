/**
 * Appends the records of an archive in order and keeps what its end needs: both search trees, the
 * Merkle tree and the counts (docs/format.md §5-§10). Knows no files: bytes go to an
 * {@link ArchiveOutput}.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import type { Bytes } from "../base/bytes.ts";
import type { Entry } from "../base/entry.ts";
import { WarpError } from "../base/errors.ts";
import { HEADER_BYTES, TRAILER_BYTES } from "../base/limits.ts";
import { CODEC, type CodecId, KIND, type Kind, type RecordCodec } from "../cipher/record.ts";
import { encodeHeader, type Header } from "./header.ts";
import { IndexPage } from "./index_page.ts";
import { MerkleBuilder, merkleNodeCount, type NodeSpill } from "./merkle.ts";
import { type BatchPlan, chunkLength } from "./plan.ts";
import { type RecordRef, TreeBuilder } from "./search_tree.ts";
import { encodePrologue, encodeRoot, type Prologue, type RootRecord } from "./summary.ts";
import { encodeTablePage, isAfter, type TablePage } from "./table_page.ts";
import { encodeTrailer } from "./trailer.ts";

/** Where an archive goes. */
export interface ArchiveOutput {
  write(bytes: Bytes): void;
  /** As `write`, without blocking the thread. Nothing else is written until it is done. */
  writeLater(bytes: Bytes): Promise<void>;
  /** Writes the final header over the first one; false when the output cannot seek. */
  rewriteHeader(header: Bytes): boolean;
}

export interface Signer {
  publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** Ordinals, counts and trees: what a resumed writer is rebuilt with. */
export interface WriterCounts {
  chunks: number;
  blocks: number;
  entries: number;
  files: number;
  bytes: number;
  stored: number;
}

/** Pages are small and read often: a middle level, whatever the user chose for data. */
const PAGE_ZSTD_LEVEL = 3;

export class ArchiveWriter {
  readonly #kernels: KernelSet;
  readonly #codec: RecordCodec;
  readonly #output: ArchiveOutput;
  readonly #header: Header;
  readonly #merkle: MerkleBuilder;
  readonly #index = new TreeBuilder<number>();
  readonly #table = new TreeBuilder<Bytes>();
  readonly #ordinals = new Map<Kind, number>();
  readonly counts: WriterCounts = {
    chunks: 0,
    blocks: 0,
    entries: 0,
    files: 0,
    bytes: 0,
    stored: 0,
  };
  #offset = 0;
  #last: Entry | undefined;
  #scratch = new Uint8Array(1 << 16);

  constructor(
    kernels: KernelSet,
    codec: RecordCodec,
    output: ArchiveOutput,
    header: Header,
    makeSpill: () => NodeSpill,
  ) {
    this.#kernels = kernels;
    this.#codec = codec;
    this.#output = output;
    this.#header = header;
    this.#merkle = new MerkleBuilder(kernels.blake3, makeSpill);
  }

  get offset(): number {
    return this.#offset;
  }

  begin(keySection: Bytes, prologue: Prologue): void {
    this.#output.write(encodeHeader(this.#header));
    this.#offset = HEADER_BYTES;
    if (keySection.length > 0) this.#append(keySection);
    this.appendRecord(KIND.prologue, encodePrologue(prologue));
  }

  /**
   * Appends a sealed batch: its table page, `blocks` (records, back to back) and index page. One at a
   * time: the next begins when the promise is settled.
   * @param hash gives Merkle leaves of a part of `blocks` (offset and length in bytes)
   * @returns done: settled when `blocks` is no longer needed
   */
  async writeBatch(
    plan: BatchPlan,
    entries: Entry[],
    cuts: Uint32Array,
    ids: Bytes,
    blocks: Bytes,
    lengths: ArrayLike<number>,
    hash: (offset: number, length: number) => Promise<Uint8Array>,
  ): Promise<{ done: Promise<void> }> {
    if (entries.length === 0 && plan.order.length === 0) return { done: Promise.resolve() };
    const page = tablePageOf(plan, entries, cuts);
    const table = this.appendRecord(KIND.tablePage, encodeTablePage(page));
    const indexPage = this.#place(plan, cuts, ids, lengths);
    const done = this.#merkle.updateLater(blocks, hash);
    done.catch(() => {});
    if (blocks.length > 0) await this.#output.writeLater(blocks);
    this.#offset += blocks.length;
    const index = indexPage && this.appendRecord(KIND.indexPage, indexPage.bytes);
    this.registerBatch({ page, table, index }, () => undefined);
    return { done };
  }

  /** The index page of a batch whose blocks come next. */
  #place(
    plan: BatchPlan,
    cuts: Uint32Array,
    ids: Bytes,
    lengths: ArrayLike<number>,
  ): IndexPage | undefined {
    if (plan.order.length === 0) return undefined;
    const page = IndexPage.create(plan.firstChunk, plan.order.length);
    let offset = this.#offset, i = 0;
    for (const [k, block] of plan.blocks.entries()) {
      let rawOffset = 0;
      for (const local of block.chunks) {
        const length = chunkLength(cuts, local);
        const location = { blockOffset: offset, blockOrdinal: block.ordinal, rawOffset, length };
        page.set(i++, ids.subarray(32 * local, 32 * local + 32), location);
        rawOffset += length;
      }
      offset += lengths[k]!;
    }
    return page;
  }

  /**
   * Takes over a record that an earlier run wrote: counted and hashed, not written again.
   * @returns where it stands
   */
  adopt(kind: Kind, record: Bytes): RecordRef {
    const ordinal = this.nextOrdinal(kind);
    this.#ordinals.set(kind, ordinal + 1);
    const ref = { offset: this.#offset, length: record.length, ordinal };
    this.adoptBytes(record);
    return ref;
  }

  /** Takes over bytes that are no record: header (first) and key section. */
  adoptBytes(bytes: Bytes): void {
    if (this.#offset >= HEADER_BYTES) this.#merkle.update(bytes);
    this.#offset += bytes.length;
  }

  nextOrdinal(kind: Kind): number {
    return this.#ordinals.get(kind) ?? 0;
  }

  /**
   * Enters a batch that now stands in the archive in counts and trees. `node` is asked for the record of a tree node that
   * fills up; undefined means that it is not there and must be written.
   */
  registerBatch(
    batch: { page: TablePage; table: RecordRef; index: RecordRef | undefined },
    node: (kind: Kind, raw: Uint8Array) => RecordRef | undefined,
  ): void {
    const { page, table, index } = batch;
    this.checkOrder(page.entries);
    this.counts.chunks += page.chunkLengths.length;
    this.counts.blocks += page.chunksPerBlock.length;
    for (const length of page.chunkLengths) this.counts.stored += length;
    countEntries(this.counts, page.entries);
    const write = (kind: Kind) => (raw: Uint8Array) =>
      node(kind, raw) ?? this.appendRecord(kind, raw);
    const first = page.entries[0];
    if (first !== undefined) {
      this.#table.add({ key: first.path, ...table }, write(KIND.tableNode));
    }
    if (index !== undefined) {
      this.#index.add({ key: page.firstChunk, ...index }, write(KIND.indexNode));
    }
  }

  /** An archive whose keys do not ascend could not be read: better not to finish it. */
  protected checkOrder(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (this.#last !== undefined && !isAfter(this.#last, entry)) {
        throw new WarpError("E_INTEGRITY", "the entries of the archive are out of order");
      }
      this.#last = entry;
    }
  }

  /** Writes what is left: open tree nodes, root record, Merkle tree, trailer, final header. */
  finish(signer?: Signer): { root: Uint8Array; totalLength: number; rootRecord: RootRecord } {
    const index = this.#index.finish((node) => this.appendRecord(KIND.indexNode, node));
    const table = this.#table.finish((node) => this.appendRecord(KIND.tableNode, node));
    const rootRecord: RootRecord = { ...this.counts, index, table };
    const rootRef = this.appendRecord(KIND.root, encodeRoot(rootRecord));
    const treeOffset = this.#offset;
    const binding = this.#binding();
    let treeLength = 0;
    const { root, leafCount } = this.#merkle.finish(binding, (nodes) => {
      this.#output.write(nodes);
      treeLength += nodes.length;
    });
    this.#merkle.close();
    const totalLength = treeOffset + treeLength + TRAILER_BYTES;
    const trailer = encodeTrailer(
      {
        archiveId: this.#header.archiveId,
        treeOffset,
        totalLength,
        leafCount,
        rootRecordOffset: rootRef.offset,
        root,
        signer: signer?.publicKey,
      },
      this.#kernels.blake3,
      signer === undefined ? undefined : (message) => signer.sign(message),
    );
    this.#output.write(trailer);
    this.#output.rewriteHeader(encodeHeader({ ...this.#header, treeOffset, totalLength }));
    if (treeLength !== 32 * merkleNodeCount(leafCount)) throw new Error("invariant: merkle size");
    return { root, totalLength, rootRecord };
  }

  close(): void {
    this.#merkle.close();
  }

  #binding(): Uint8Array {
    const out = new Uint8Array(32);
    this.#kernels.blake3.hash(encodeHeader(this.#header), out);
    return out;
  }

  #append(bytes: Bytes): void {
    this.#output.write(bytes);
    this.#merkle.update(bytes);
    this.#offset += bytes.length;
  }

  /** Compresses, frames and appends a page. */
  protected appendRecord(kind: Kind, raw: Bytes): RecordRef {
    const room = this.#room(raw.length);
    const size = this.#compressPage(kind, raw, room);
    const isCompressed = size > 0 && size < raw.length;
    const codec = isCompressed ? CODEC.zstd : CODEC.stored;
    const head = { kind, codec, rawLength: raw.length };
    return this.appendPayload(head, isCompressed ? room.subarray(0, size) : raw);
  }

  /** Frames (and seals) a payload and appends it. */
  protected appendPayload(
    head: { kind: Kind; codec: CodecId; rawLength: number },
    payload: Bytes,
  ): RecordRef {
    const ordinal = this.nextOrdinal(head.kind);
    this.#ordinals.set(head.kind, ordinal + 1);
    this.#room(payload.length);
    const length = this.#codec.write(head, ordinal, payload, this.#scratch);
    const ref = { offset: this.#offset, length, ordinal };
    this.#append(this.#scratch.subarray(0, length));
    return ref;
  }

  /** The place in the scratch buffer where a payload of `length` bytes is sealed in place. */
  #room(length: number): Uint8Array {
    const needed = length + this.#codec.overhead;
    if (this.#scratch.length < needed) this.#scratch = new Uint8Array(needed);
    return this.#scratch.subarray(this.#codec.headLength, this.#codec.headLength + length);
  }

  #compressPage(kind: Kind, raw: Bytes, room: Bytes): number {
    // Ids are random bytes: an index page does not shrink enough to be worth a decompression.
    if (kind === KIND.indexPage || raw.length < 64) return 0;
    return this.#kernels.zstd.compress(raw, room, PAGE_ZSTD_LEVEL);
  }
}

export function countEntries(counts: WriterCounts, entries: readonly Entry[]): void {
  for (const entry of entries) {
    if (entry.type === "piece") continue;
    counts.entries++;
    if (entry.type !== "file") continue;
    counts.files++;
    counts.bytes += entry.size;
  }
}

function tablePageOf(plan: BatchPlan, entries: Entry[], cuts: Uint32Array) {
  return {
    firstChunk: plan.firstChunk,
    chunkLengths: plan.order.map((local) => chunkLength(cuts, local)),
    chunksPerBlock: plan.blocks.map((block) => block.chunks.length),
    entries,
  };
}
