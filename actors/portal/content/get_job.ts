/**
 * Brings a version into a directory: what is there already is not fetched, so that a run that was
 * interrupted goes on where it stopped.
 *
 * @module
 */
import type { BoundaryParams, KernelSet } from "../../../kernels/kernel.ts";
import { equal } from "../../base/bytes.ts";
import { WarpError } from "../../base/errors.ts";
import type { Landing } from "../../transfer/landing.ts";
import { PAGE_BYTES_MAX, type Run, runsOf } from "../../transfer/manifest.ts";
import { ChunkOpener, DIGEST_BYTES } from "./chunk_seal.ts";
import { boundaryParams } from "./content_keys.ts";
import type { Head } from "./head_codec.ts";
import { PackReader } from "./pack_reader.ts";
import { damaged } from "./padded_seal.ts";
import type { StoredPage } from "./page_codec.ts";
import { type ReaderOptions, VersionReader } from "./version_reader.ts";

/** Runs (of at most 1 MiB) that are known to be wanted before the first of them is fetched. */
const RUNS_AHEAD = 12;

export interface GetOptions extends ReaderOptions {
  kernels: Pick<KernelSet, "blake3" | "aead" | "zstd">;
  /**
   * Where everything goes. For a run to be resumed, the transfer id must be the same: 16 bytes of the
   * portal's id, say. It is finished, or suspended, and released here.
   */
  openLanding(head: Head, params: BoundaryParams): Landing;
  /** The landing's own: no content is fetched, only what would be is counted. */
  isDryRun?: boolean;
  onProgress?(sums: GetSums): void;
}

export interface GetSums {
  /** Content of the version, and what of it is in the directory. */
  bytesTotal: number;
  bytesHad: number;
  bytesCame: number;
  /** Content that has to be fetched, as far as that is known. */
  bytesWanted: number;
  filesTotal: number;
  files: number;
  /** Packs of content, and bytes of all packs. */
  packsFetched: number;
  bytesFetched: number;
}

export interface GetResult {
  head: Head;
  sums: GetSums;
}

/**
 * Fetches the version at `head`. Names that are taken are among the landing's problems.
 *
 * @throws {WarpError} E_INTEGRITY (files that are done stay), E_UNSAFE_PATH, E_ACCESS (the view is a
 * list), E_DISK_FULL, and what the store throws
 */
export async function getTree(options: GetOptions): Promise<GetResult> {
  const reader = await VersionReader.open(options);
  try {
    const { head } = reader;
    if (head.table === null) {
      throw new WarpError("E_ACCESS", "this grant shows names and sizes alone");
    }
    const landing = options.openLanding(head, boundaryParams(head.table));
    const job = new GetJob(options, reader, landing);
    try {
      await job.run();
      landing.finish();
      return { head, sums: job.sums() };
    } catch (error) {
      landing.suspend();
      throw error;
    } finally {
      landing.release();
      await job.close();
    }
  } finally {
    reader.close();
  }
}

interface Step {
  stored: StoredPage;
  run: Run;
}

class GetJob {
  readonly #o: GetOptions;
  readonly #reader: VersionReader;
  readonly #landing: Landing;
  readonly #packs: PackReader;
  readonly #opener: ChunkOpener;
  #bytesWanted = 0;
  readonly #buffer = new Uint8Array(new SharedArrayBuffer(PAGE_BYTES_MAX));

  constructor(options: GetOptions, reader: VersionReader, landing: Landing) {
    this.#o = options;
    this.#reader = reader;
    this.#landing = landing;
    this.#packs = new PackReader(options.store, options.kernels.blake3, reader.head.packs);
    this.#opener = new ChunkOpener(options.kernels);
  }

  async run(): Promise<void> {
    const steps: Step[] = [];
    for await (const stored of this.#reader.pages()) {
      const wanted = await this.#landing.open(stored.page);
      for (const run of runsOf(wanted, stored.page.lengths)) {
        this.#bytesWanted += run.bytes;
        if (this.#o.isDryRun === true) continue;
        steps.push({ stored, run });
        for (let i = run.first; i < run.first + run.count; i++) {
          this.#packs.plan(stored.chunks[i]!.pack);
        }
      }
      while (steps.length > RUNS_AHEAD) await this.#carryOut(steps.shift()!);
      this.#o.onProgress?.(this.sums());
    }
    for (const step of steps) await this.#carryOut(step);
    this.#o.onProgress?.(this.sums());
  }

  async close(): Promise<void> {
    await this.#packs.close();
    this.#buffer.fill(0);
  }

  sums(): GetSums {
    const { files: filesTotal, bytes: bytesTotal } = this.#reader.head;
    const { files, bytesHad, bytesCame } = this.#landing;
    const { packsFetched } = this.#packs;
    const bytesFetched = this.#packs.bytesFetched + this.#reader.bytesFetched;
    return {
      bytesTotal,
      bytesHad,
      bytesCame,
      bytesWanted: this.#bytesWanted,
      filesTotal,
      files,
      packsFetched,
      bytesFetched,
    };
  }

  /** Fetches, opens, checks and lands one run. */
  async #carryOut({ stored: { page, chunks }, run }: Step): Promise<void> {
    const { signal, kernels } = this.#o;
    const content = this.#buffer.subarray(0, run.bytes);
    const offsets = new Float64Array(run.count + 1);
    for (let k = 0; k < run.count; k++) {
      const i = run.first + k;
      const { pack, offset, length, codec, key } = chunks[i]!;
      const bytes = await this.#packs.take(pack);
      signal.throwIfAborted();
      const from = offsets[k]!, to = from + page.lengths[i]!;
      if (offset + length > bytes.length) throw damaged();
      const sealed = bytes.subarray(offset, offset + length);
      if (!this.#opener.open(key, codec, sealed, content.subarray(from, to))) throw damaged();
      offsets[k + 1] = to;
    }
    const digests = new Uint8Array(DIGEST_BYTES * run.count);
    const { blake3 } = kernels;
    if (blake3.hashManyLater === undefined) blake3.hashMany(content, offsets, digests);
    else await blake3.hashManyLater(content, offsets, digests);
    const from = DIGEST_BYTES * run.first;
    if (!equal(digests, page.ids.subarray(from, from + digests.length))) throw damaged();
    await this.#landing.land(page, run.first, run.count, content);
    this.#o.onProgress?.(this.sums());
  }
}
