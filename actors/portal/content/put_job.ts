/**
 * Makes a version of a tree: reads it once, seals what the version before has not stored, and writes
 * a head and pages for each view.
 *
 * In memory are two slabs of the chunker, what is on its way to the store, pages held back until it is
 * known that something changed, and 100 bytes a chunk.
 *
 * @module
 */
import type { KernelSet } from "../../../kernels/kernel.ts";
import { type Bytes, equal, toHex } from "../../base/bytes.ts";
import { toWireError, WarpError } from "../../base/errors.ts";
import { MiB } from "../../base/units.ts";
import type { Batch, ChunkerProtocol, Problem } from "../../chunker/protocol.ts";
import type { ActorRef } from "../../runtime/actor_ref.ts";
import { ManifestRoot, PAGE_BYTES_MAX, type RunningHash } from "../../transfer/manifest.ts";
import { ChunkSealer, DIGEST_BYTES } from "./chunk_seal.ts";
import { ChunkTable, type StoredChunk } from "./chunk_table.ts";
import { boundaryTable, PORTAL_CHUNKS } from "./content_keys.ts";
import type { PackRef } from "./head_codec.ts";
import { addressOf, type PackStore, sortedSet } from "./pack_store.ts";
import { Packer } from "./packer.ts";
import type { Previous } from "./previous.ts";
import { type Pack, Uploader } from "./uploader.ts";
import { isWhole, type View } from "./views.ts";
import { ViewWriter } from "./view_writer.ts";

const OPEN_DEADLINE_MS = 60_000;
const NEXT_DEADLINE_MS = 600_000;
/** Pages that wait to learn whether anything changed: those of 200 GiB in large files. */
const HELD_BYTES_MAX = 64 * MiB;

export interface PutOptions<V extends View = View> {
  chunker: ActorRef<ChunkerProtocol>;
  kernels: Pick<KernelSet, "blake3" | "aead" | "zstd" | "entropy">;
  /** A fresh SHA-256 for each call. */
  sha256(): RunningHash;
  sources: string[];
  excludes: string[];
  /** 32 bytes. */
  domainSecret: Bytes;
  views: readonly V[];
  /** Of the view of the whole tree, by `loadPrevious`. Its chunk table is taken over and wiped. */
  previous?: Previous;
  /** Writes heads and pages although nothing changed: for new views and new keys. */
  isForced?: boolean;
  store: PackStore;
  /** 16 random bytes for each call. */
  nonce(): Bytes;
  /** Milliseconds since 1970. */
  createdMs: number;
  signal: AbortSignal;
  onProgress?(sums: PutSums): void;
}

export interface PutSums {
  /** Content read, and files of it. */
  bytes: number;
  files: number;
  /** Content that had to be sealed. */
  bytesNew: number;
  /** Packs of content that were made. */
  packsNew: number;
  /** Packs that the store did not have, heads and pages too, and their bytes. */
  packsSent: number;
  bytesSent: number;
}

export interface PutHead<V extends View = View> {
  view: V;
  address: Uint8Array;
  /** Everything that the head leads to, and itself: sorted, each once. */
  packs: Uint8Array[];
}

export interface PutResult<V extends View = View> {
  /** The whole tree is as in the previous version: there are no heads, and nothing is to be done. */
  isUnchanged: boolean;
  heads: PutHead<V>[];
  /** Packs of all views: sorted, each once. */
  packs: Uint8Array[];
  /** Root of the manifest of the whole tree. */
  root: Uint8Array;
  sums: PutSums;
  /** What could not be read, changed meanwhile, or is left out of a view. */
  problems: Problem[];
}

/**
 * Stores a tree. When it fails nothing refers to what was sent, and a second run sends the rest only.
 *
 * @throws {WarpError} what the chunker and the store throw; E_LIMIT
 */
export async function putTree<V extends View>(options: PutOptions<V>): Promise<PutResult<V>> {
  const job = new PutJob(options);
  try {
    return await job.run();
  } finally {
    await job.close();
  }
}

class PutJob<V extends View> {
  readonly #o: PutOptions<V>;
  readonly #sealer: ChunkSealer;
  readonly #packer: Packer;
  readonly #uploader: Uploader;
  readonly #chunks: ChunkTable;
  /** By number; those of the version before come first. */
  readonly #packs: PackRef[];
  readonly #previousPacks: number;
  readonly #writers: { view: V; writer: ViewWriter }[];
  readonly #root: ManifestRoot;
  readonly #problems: Problem[] = [];
  readonly #cutPaths = new Set<string>();
  #held: Pack[] = [];
  #heldBytes = 0;
  #mayHold: boolean;
  #batches = 0;
  readonly #sums: PutSums = {
    bytes: 0,
    files: 0,
    bytesNew: 0,
    packsNew: 0,
    packsSent: 0,
    bytesSent: 0,
  };

  constructor(options: PutOptions<V>) {
    const { kernels, domainSecret, previous, views, nonce, sha256, isForced } = options;
    this.#o = options;
    this.#sealer = new ChunkSealer(kernels, domainSecret);
    this.#chunks = previous?.chunks ?? new ChunkTable();
    this.#packs = [...previous?.packs ?? []];
    this.#previousPacks = this.#packs.length;
    this.#packer = new Packer(domainSecret, this.#previousPacks);
    this.#uploader = new Uploader(options.store, options.signal);
    this.#root = new ManifestRoot(sha256());
    this.#writers = views.map((view) => ({
      view,
      writer: new ViewWriter(view, nonce(), kernels.aead, sha256),
    }));
    this.#mayHold = previous !== undefined && isForced !== true && views.some(isWhole);
  }

  async run(): Promise<PutResult<V>> {
    const { chunker, sources, excludes, domainSecret, signal, createdMs } = this.#o;
    const table = boundaryTable(domainSecret);
    const open = {
      sources,
      excludes,
      chunk: PORTAL_CHUNKS,
      table,
      resume: null,
      own: null,
    };
    signal.throwIfAborted();
    await chunker.call("open", open, { deadlineMs: OPEN_DEADLINE_MS, signal });
    try {
      await this.#read();
    } finally {
      await chunker.call("close", null, { deadlineMs: OPEN_DEADLINE_MS }).catch(() => {});
    }
    const root = this.#root.digest();
    const views = this.#writers.map(({ view, writer }) => ({
      view,
      writer,
      shown: writer.finish(),
    }));
    const whole = views.find(({ view }) => isWhole(view))?.shown;
    if (this.#mayHold && whole !== undefined && this.#isPrevious(whole)) {
      await this.#uploader.finish();
      const sums = this.#progress();
      return { isUnchanged: true, heads: [], packs: [], root, sums, problems: this.#problems };
    }
    await this.#release();
    const last = this.#packer.finish();
    if (last !== undefined) await this.#addPack(last);
    const heads: PutHead<V>[] = [];
    for (const { view, writer, shown } of views) {
      const { sealed, addresses } = writer.seal(shown, this.#packs, table, createdMs);
      const pack = this.#packOf(sealed);
      await this.#uploader.add(pack);
      const { address } = pack;
      heads.push({ view, address, packs: sortedSet([address, ...addresses]) });
    }
    await this.#uploader.finish();
    const packs = sortedSet(heads.flatMap((head) => head.packs));
    const sums = this.#progress();
    return { isUnchanged: false, heads, packs, root, sums, problems: this.#problems };
  }

  /** Nothing is on its way any more, and no secret is left behind. */
  async close(): Promise<void> {
    await this.#uploader.settled();
    this.#sealer.wipe();
    this.#packer.wipe();
    this.#chunks.wipe();
    for (const { writer } of this.#writers) writer.wipe();
  }

  /** One slab is read while the one before is sealed. */
  async #read(): Promise<void> {
    const slabs = [0, 1].map(() => new SharedArrayBuffer(PAGE_BYTES_MAX));
    let reading: Promise<Batch> | undefined = this.#next(slabs[0]!);
    try {
      for (let turn = 0; reading !== undefined; turn = 1 - turn) {
        const batch: Batch = await reading;
        this.#o.signal.throwIfAborted();
        reading = batch.isLast ? undefined : this.#next(slabs[1 - turn]!);
        await this.#take(batch, new Uint8Array(slabs[turn]!));
        this.#o.onProgress?.(this.#progress());
      }
    } finally {
      await reading?.catch(() => {}); // it writes to a slab
    }
  }

  #next(slab: SharedArrayBuffer): Promise<Batch> {
    const { chunker, signal } = this.#o;
    const reading = chunker.call("next", { slab }, { deadlineMs: NEXT_DEADLINE_MS, signal });
    reading.catch(() => {});
    return reading;
  }

  async #take({ cuts, entries, problems }: Batch, slab: Uint8Array): Promise<void> {
    this.#problems.push(...problems);
    if (entries.length === 0 && cuts.length === 0) return;
    const { blake3 } = this.#o.kernels;
    const offsets = Float64Array.from([0, ...cuts]);
    const ids = new Uint8Array(DIGEST_BYTES * cuts.length);
    if (blake3.hashManyLater === undefined) blake3.hashMany(slab, offsets, ids);
    else await blake3.hashManyLater(slab, offsets, ids);
    const lengths = Uint32Array.from(cuts, (end, i) => end - offsets[i]!);
    const chunks = await this.#store(slab, offsets, ids);
    const page = { batch: this.#batches++, entries, lengths, ids };
    this.#root.add(page);
    for (const { writer } of this.#writers) {
      const { sealed, cut } = writer.add(page, chunks);
      for (const path of cut) this.#noteCut(path);
      if (sealed === undefined) continue;
      const pack = this.#packOf(sealed);
      writer.addAddress(pack.address);
      await this.#addPage(pack);
    }
  }

  /** Where each chunk of the slab is, once those that are new have been sealed and packed. */
  async #store(slab: Uint8Array, offsets: Float64Array, ids: Uint8Array): Promise<StoredChunk[]> {
    const count = offsets.length - 1;
    const idOf = (i: number) => ids.subarray(DIGEST_BYTES * i, DIGEST_BYTES * (i + 1));
    const places = Array.from({ length: count }, (_, i) => this.#known(idOf(i)));
    const firsts = new Set<string>();
    const chosen: number[] = [];
    for (let i = 0; i < count; i++) {
      if (places[i] !== undefined) continue;
      const name = toHex(idOf(i));
      if (firsts.has(name)) continue;
      firsts.add(name);
      chosen.push(i);
    }
    if (chosen.length === 0) return places as StoredChunk[];
    const sealed = this.#sealer.seal(slab, offsets, ids, chosen);
    for (const [k, i] of chosen.entries()) {
      const bytes = sealed.bytes.subarray(sealed.offsets[k], sealed.offsets[k + 1]);
      const { place, full } = this.#packer.add(bytes);
      if (full !== undefined) await this.#addPack(full);
      const key = sealed.keys.subarray(32 * k, 32 * k + 32);
      this.#chunks.set(idOf(i), { ...place, codec: sealed.codecs[k]!, key });
      this.#sums.bytesNew += offsets[i + 1]! - offsets[i]!;
    }
    sealed.keys.fill(0);
    return places.map((place, i) => place ?? this.#chunks.get(idOf(i))!);
  }

  #known(id: Bytes): StoredChunk | undefined {
    const chunk = this.#chunks.get(id);
    return chunk === undefined || this.#o.previous?.isThin[chunk.pack] === true ? undefined : chunk;
  }

  async #addPack(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const pack = this.#packOf(bytes);
    this.#packs.push({ address: pack.address, bytes: bytes.length });
    this.#sums.packsNew++;
    await this.#uploader.add(pack);
  }

  async #addPage(pack: Pack): Promise<void> {
    if (!this.#mayHold) return await this.#uploader.add(pack);
    this.#held.push(pack);
    this.#heldBytes += pack.bytes.length;
    if (this.#heldBytes > HELD_BYTES_MAX) await this.#release();
  }

  async #release(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    this.#mayHold = false;
    for (const pack of held) await this.#uploader.add(pack);
  }

  #packOf(bytes: Uint8Array<ArrayBuffer>): Pack {
    return { address: addressOf(this.#o.kernels.blake3, bytes), bytes };
  }

  #isPrevious({ root, state }: { root: Uint8Array; state: Uint8Array }): boolean {
    const { previous } = this.#o;
    return previous !== undefined && equal(root, previous.root) && equal(state, previous.state);
  }

  #noteCut(path: Bytes): void {
    const name = toHex(path);
    if (this.#cutPaths.has(name)) return;
    this.#cutPaths.add(name);
    const error = new WarpError(
      "E_IO",
      "a hard link leads out of a shared folder, and is left out",
    );
    this.#problems.push({
      path: new Uint8Array(path),
      error: toWireError(error),
      isStored: false,
    });
  }

  #progress(): PutSums {
    const { files, bytes } = this.#root;
    const { packsSent, bytesSent } = this.#uploader;
    return Object.assign(this.#sums, { files, bytes, packsSent, bytesSent });
  }
}
