/**
 * Archives in memory, made by the real chunker logic, planner, ciphers and writer, without files or
 * Workers: thousands of them a second.
 *
 * @module
 */
import { loadKernels } from "../../kernels/load.ts";
import type { BlockCodec } from "../../kernels/kernel.ts";
import { defaultTable, tableFromBytes } from "../../kernels/boundary/spec.ts";
import type { ArchiveInput } from "../../actors/archive/archive_io.ts";
import { ChunkMap } from "../../actors/archive/chunk_map.ts";
import type { Ciphers } from "../../actors/archive/cipher_pool.ts";
import { encodeHeader, type Header } from "../../actors/archive/header.ts";
import { chunkSizes } from "../../actors/chunker/chunk_sizes.ts";
import { type CompressionMode, planBatch, resolveEntries } from "../../actors/archive/plan.ts";
import { ArchiveReader, readOpening } from "../../actors/archive/reader.ts";
import type { Prologue } from "../../actors/archive/summary.ts";
import type { CipherProtocol } from "../../actors/cipher/protocol.ts";
import type { RequestOf } from "../../actors/runtime/protocol.ts";
import { type ArchiveOutput, ArchiveWriter, type Signer } from "../../actors/archive/writer.ts";
import { type Bytes, concat, utf8 } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import { MerkleHash } from "../../actors/base/merkle_hash.ts";
import { Batcher, type WalkItem } from "../../actors/chunker/batcher.ts";
import type { SourceEntry } from "../../actors/chunker/source_io.ts";
import { BlockWorker } from "../../actors/cipher/blocks.ts";
import { buildKeySection } from "../../actors/cipher/key_section.ts";
import {
  type ArchiveSecrets,
  bindingOf,
  type CodecId,
  type Kind,
  RecordCodec,
} from "../../actors/cipher/record.ts";
import { encodeTablePage, type TablePage } from "../../actors/archive/table_page.ts";

export const kernels = await loadKernels();

export class MemoryInput implements ArchiveInput {
  constructor(readonly bytes: Uint8Array) {}

  get size(): number {
    return this.bytes.length;
  }

  read(buffer: Bytes, offset: number): number {
    const part = this.bytes.subarray(offset, offset + buffer.length);
    buffer.set(part);
    return part.length;
  }

  close(): void {}
}

export class MemoryOutput implements ArchiveOutput {
  parts: Uint8Array[] = [];

  write(bytes: Bytes): void {
    this.parts.push(new Uint8Array(bytes));
  }

  writeLater(bytes: Bytes): Promise<void> {
    this.write(bytes);
    return Promise.resolve();
  }

  rewriteHeader(header: Bytes): boolean {
    this.parts[0] = new Uint8Array(header);
    return true;
  }

  bytes(): Uint8Array {
    return concat(...this.parts);
  }
}

/** Cipher calls answered here, by the code that Workers run. */
export function localCiphers(): Ciphers {
  const worker = new BlockWorker(kernels);
  const merkle = new MerkleHash(kernels.blake3);
  const answer = (op: string, request: never): unknown => {
    if (op === "hash") return worker.hash(request);
    if (op === "seal") return worker.seal(request);
    if (op === "open") return worker.open(request);
    const { slab, offset, length } = request as RequestOf<CipherProtocol["calls"]["leaves"]>;
    const out = new Uint8Array(Math.ceil(length / 65536) * 32);
    merkle.leaves(new Uint8Array(slab, offset, length), out);
    return out;
  };
  return {
    size: 1,
    call: async (op, request) => {
      await Promise.resolve();
      return answer(op, request() as never) as never;
    },
  };
}

export type SourceNode =
  | { path: string; content: Uint8Array; mode?: number }
  | { path: string; dir: true; mode?: number }
  | { path: string; target: string };

/** Source entries that live in memory. `nodes` must be in archive order. */
export function* memoryWalk(nodes: readonly SourceNode[]): Generator<WalkItem> {
  let ino = 1;
  for (const node of nodes) {
    const content = "content" in node ? node.content : new Uint8Array();
    const type = "content" in node ? "file" : "dir" in node ? "dir" : "symlink";
    const own = ino++;
    const entry: SourceEntry = {
      path: utf8(node.path),
      type,
      mode: "mode" in node && node.mode !== undefined ? node.mode : 0o644,
      mtimeS: 1_700_000_000,
      mtimeNs: 123_456_789,
      uid: 1000,
      gid: 1000,
      owner: "user",
      group: "group",
      xattrs: null,
      size: content.length,
      nlink: 1,
      dev: 1,
      ino: own,
      ctimeNs: 0n,
      ...("target" in node ? { target: utf8(node.target) } : {}),
      // Every other file is read in one go: both ways must give the same archive.
      take: (buffer: Bytes) => {
        if (own % 2 === 0 || content.length > buffer.length) return null;
        buffer.set(content);
        return { length: content.length, isChanged: false };
      },
      open: () => ({
        size: content.length,
        dataSegments: () => [{ offset: 0, length: content.length }],
        read: (buffer, offset) => {
          const part = content.subarray(offset, offset + buffer.length);
          buffer.set(part);
          return part.length;
        },
        changed: () => false,
        close: () => {},
      }),
    };
    yield { entry };
  }
}

/** A writer that also writes what no honest one would. */
class HostileWriter extends ArchiveWriter {
  protected override checkOrder(): void {}

  /** Any page, entered in the table as if it were good. */
  writeUnchecked(kind: Kind, page: TablePage): void {
    const table = this.appendRecord(kind, encodeTablePage(page));
    this.registerBatch({ page, table, index: undefined }, () => undefined);
  }

  /** A record with this payload, whatever its head claims; entered in the table. */
  writeStored(kind: Kind, codec: CodecId, rawLength: number, payload: Uint8Array): void {
    const table = this.appendPayload({ kind, codec, rawLength }, payload);
    const entry = { type: "fifo" as const, path: utf8("a"), meta: FIFO_META };
    const page = { firstChunk: 0, chunkLengths: [], chunksPerBlock: [], entries: [entry] };
    this.registerBatch({ page, table, index: undefined }, () => undefined);
  }
}

const FIFO_META = {
  mode: 0o600,
  mtimeS: 0,
  mtimeNs: 0,
  uid: 0,
  gid: 0,
  owner: "",
  group: "",
  xattrs: null,
};

export interface BuildOptions {
  passphrase?: string;
  archiveKey?: Uint8Array;
  archiveId?: Uint8Array;
  idKey?: Uint8Array;
  chunkAvg?: number;
  slabBytes?: number;
  compression?: CompressionMode;
  signer?: Signer;
  /** Stands in for zstd when pages are written. */
  pageCodec?: BlockCodec;
}

export interface Built {
  bytes: Uint8Array;
  archiveKey: Uint8Array | null;
  secrets: ArchiveSecrets;
  root: Uint8Array;
}

/** Fast and weak on purpose: the format allows it, and tests make many. */
const QUICK_ARGON2 = { memoryKiB: 8, passes: 1, lanes: 1 };

/** Everything that makes an archive but its batches. */
export async function beginArchive(options: BuildOptions = {}) {
  const isEncrypted = options.passphrase !== undefined || options.archiveKey !== undefined;
  const archiveId = options.archiveId ?? crypto.getRandomValues(new Uint8Array(16));
  const archiveKey = isEncrypted
    ? options.archiveKey ?? crypto.getRandomValues(new Uint8Array(32))
    : null;
  const keySection = archiveKey === null ? new Uint8Array() : await buildKeySection({
    archiveKey,
    archiveId,
    passphrase: utf8(options.passphrase ?? "secret"),
    recipients: [],
    argon2: QUICK_ARGON2,
  });
  const header: Header = {
    encrypted: isEncrypted,
    keySectionLength: keySection.length,
    archiveId,
    chunk: chunkSizes(options.chunkAvg ?? 4096),
    treeOffset: 0,
    totalLength: 0,
  };
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const prologue: Prologue = {
    created: 1_700_000_000,
    by: "test",
    idKey: isEncrypted ? options.idKey ?? random(32) : null,
    table: isEncrypted ? random(128) : null,
    bases: [],
  };
  const secrets: ArchiveSecrets = { archiveId, binding: bindingOf(kernels, encodeHeader(header)) };
  if (archiveKey !== null) secrets.archiveKey = archiveKey;
  if (prologue.idKey !== null) secrets.idKey = prologue.idKey;
  const output = new MemoryOutput();
  const spill = () => {
    throw new Error("no spill expected");
  };
  const codec = new RecordCodec(kernels, secrets);
  const own = options.pageCodec === undefined ? kernels : { ...kernels, zstd: options.pageCodec };
  const writer = new HostileWriter(own, codec, output, header, spill);
  writer.begin(keySection, prologue);
  return { header, prologue, secrets, archiveKey, output, writer };
}

export async function buildArchive(
  nodes: readonly SourceNode[],
  options: BuildOptions = {},
): Promise<Built> {
  const { header, prologue, secrets, archiveKey, output, writer } = await beginArchive(options);
  const { min, avg, max } = header.chunk;
  const table = prologue.table === null ? defaultTable() : tableFromBytes(prologue.table);
  const params = { avgBits: Math.log2(avg), min, max, table };
  const batcher = new Batcher(memoryWalk(nodes), kernels.boundary, params);
  const worker = new BlockWorker(kernels);
  const known = new ChunkMap(1 << 20);
  const slab = new SharedArrayBuffer(options.slabBytes ?? 1 << 17);
  const sealed = new SharedArrayBuffer(slab.byteLength + (1 << 16));
  const compression = options.compression ?? { mode: "auto" };
  for (let isLast = false; !isLast;) {
    const batch = batcher.fill(new Uint8Array(slab));
    invariant(batch.problems.length === 0, "memory sources have no problems");
    isLast = batch.isLast;
    const { cuts } = batch;
    const idKey = secrets.idKey ?? null;
    const { ids, entropy } = worker.hash({ slab, cuts, idKey, wantsEntropy: true });
    const { chunks: nextChunk, blocks: nextBlock } = writer.counts;
    const plan = planBatch({ cuts, ids, entropy, compression, nextChunk, nextBlock }, known);
    const request = { input: slab, cuts, ids, blocks: plan.blocks, output: sealed, secrets };
    const { lengths } = worker.seal(request);
    const length = lengths.reduce((sum, n) => sum + n, 0);
    const entries = resolveEntries(batch.entries, cuts, plan.refs);
    const blocks = new Uint8Array(sealed, 0, length);
    const leaves = (offset: number, length: number) => {
      const request = () => ({ slab: sealed, offset, length });
      return localCiphers().call("leaves", request, new AbortController().signal);
    };
    const { done } = await writer.writeBatch(plan, entries, cuts, ids, blocks, lengths, leaves);
    await done;
  }
  const { root } = writer.finish(options.signer);
  known.close();
  return { bytes: output.bytes(), archiveKey, secrets, root };
}

export function openBuilt(bytes: Uint8Array, archiveKey: Uint8Array | null): ArchiveReader {
  const input = new MemoryInput(bytes);
  return ArchiveReader.open(input, kernels, readOpening(input, kernels), archiveKey);
}
