/**
 * The create pipeline: chunker → hash → plan → seal → write. Stages overlap; batches stay in order.
 *
 * Slabs bound the memory: an input slab is lent from filling to sealing, an output slab from sealing
 * to writing.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import type { Entry } from "../base/entry.ts";
import { WarpError } from "../base/errors.ts";
import { KiB, MiB } from "../base/units.ts";
import type { Batch, ChunkerProtocol, OpenRequest, Problem } from "../chunker/protocol.ts";
import type { HashReply } from "../cipher/protocol.ts";
import { type ArchiveSecrets, RECORD_OVERHEAD_MAX } from "../cipher/record.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import { SlabPool, type SlabRef } from "../runtime/slab_pool.ts";
import { AsyncQueue } from "./async_queue.ts";
import {
  type BatchPlan,
  BLOCK_TARGET_BYTES,
  type CompressionMode,
  planBatch,
  resolveEntries,
} from "./plan.ts";
import type { ChunkMap } from "./chunk_map.ts";
import { actorDown, type Ciphers, isLost } from "./cipher_pool.ts";
import type { Progress } from "./protocol.ts";
import { pointAfter } from "./resume.ts";
import type { ArchiveWriter } from "./writer.ts";

/** Reading a slab's worth of files from a slow or remote disk may take a while. */
const FILL_DEADLINE_MS = 600_000;

export interface PipelineInput {
  kernels: KernelSet;
  chunker: ActorRef<ChunkerProtocol>;
  ciphers: Ciphers;
  writer: ArchiveWriter;
  known: ChunkMap;
  secrets: ArchiveSecrets;
  compression: CompressionMode;
  /** How to open the chunker again after a crash. */
  source: OpenRequest;
  slabBytes: number;
  memoryBytes: number;
  signal: AbortSignal;
}

/** The slab size depends on the chunk size alone: it decides where batches end. */
export function slabBytesFor(chunkMax: number): number {
  return Math.max(4 * MiB, 2 * chunkMax);
}

interface Hashed {
  batch: Batch;
  slab: SlabRef;
  hashes: HashReply;
}

interface Planned extends Hashed {
  plan: BatchPlan;
  entries: Entry[];
  output: SlabRef | undefined;
  lengths: Uint32Array;
}

export class CreatePipeline {
  readonly #in: PipelineInput;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #inputs: SlabPool;
  readonly #outputs: SlabPool;
  readonly problems: Problem[] = [];
  readonly progress: Progress = { phase: "storing", bytes: 0, files: 0, stored: 0 };
  #lastEntry: Entry | undefined;

  constructor(input: PipelineInput) {
    this.#in = input;
    this.#signal = AbortSignal.any([input.signal, this.#abort.signal]);
    const outputBytes = outputSlabBytes(input.slabBytes);
    const budget = input.memoryBytes / 2;
    const pairs = Math.floor(budget / (input.slabBytes + outputBytes));
    const count = Math.max(2, Math.min(pairs, 3 * input.ciphers.size + 1));
    this.#inputs = new SlabPool({ count: count + 1, bytes: input.slabBytes });
    this.#outputs = new SlabPool({ count, bytes: outputBytes });
  }

  /** Stores everything the chunker gives. The writer then holds all batches but is not finished. */
  async run(): Promise<void> {
    const hashed = new AsyncQueue<Promise<Hashed>>();
    const planned = new AsyncQueue<Promise<Planned>>();
    const stages = [
      this.#fill(hashed),
      this.#plan(hashed, planned),
      this.#write(planned),
    ].map((stage) =>
      stage.catch((error) => {
        this.#abort.abort(error);
        hashed.fail(error);
        planned.fail(error);
        throw error;
      })
    );
    const results = await Promise.allSettled(stages);
    const failed = results.filter((result) => result.status === "rejected");
    if (this.#in.signal.aborted) throw this.#in.signal.reason;
    if (failed.length > 0) throw this.#abort.signal.reason ?? failed[0]!.reason;
  }

  /** Stage 1: fills slabs in order, starts hashing each. */
  async #fill(hashed: AsyncQueue<Promise<Hashed>>): Promise<void> {
    for (let isLast = false; !isLast;) {
      const slab = await this.#inputs.waitLoan(this.#signal);
      const { batch, slab: filled } = await this.#nextBatch(slab);
      isLast = batch.isLast;
      this.#lastEntry = batch.entries.at(-1) ?? this.#lastEntry;
      hashed.push(quiet(this.#hash(batch, filled)));
    }
    hashed.end();
  }

  /** Asks the chunker; after its crash opens the replacement where the last batch ended. */
  async #nextBatch(slab: SlabRef): Promise<{ batch: Batch; slab: SlabRef }> {
    const { chunker, source } = this.#in;
    for (let attempt = 1;; attempt++) {
      try {
        const request = { slab: this.#inputs.buffer(slab) };
        const options = { deadlineMs: FILL_DEADLINE_MS, signal: this.#signal };
        return { batch: await chunker.call("next", request, options), slab };
      } catch (error) {
        if (!isLost(error) || this.#signal.aborted || attempt === 3) throw error;
        this.#inputs.retire(slab);
        slab = await this.#inputs.waitLoan(this.#signal);
        const resume = pointAfter(this.#lastEntry) ?? source.resume;
        const options = { deadlineMs: FILL_DEADLINE_MS, signal: this.#signal };
        const { isResumed } = await chunker.call("open", { ...source, resume }, options);
        if (!isResumed) throw actorDown("the chunker", error);
      }
    }
  }

  async #hash(batch: Batch, slab: SlabRef): Promise<Hashed> {
    const { ciphers, secrets, compression } = this.#in;
    if (batch.cuts.length === 0) {
      return { batch, slab, hashes: { ids: new Uint8Array(), entropy: new Uint16Array() } };
    }
    const request = () => ({
      slab: this.#inputs.buffer(slab),
      cuts: batch.cuts,
      idKey: secrets.idKey ?? null,
      wantsEntropy: compression.mode === "auto",
    });
    const hashes = await ciphers.call("hash", request, this.#signal);
    return { batch, slab, hashes };
  }

  /** Stage 2: plans batches in order, starts sealing each. */
  async #plan(
    hashed: AsyncQueue<Promise<Hashed>>,
    planned: AsyncQueue<Promise<Planned>>,
  ): Promise<void> {
    const { writer, known, compression } = this.#in;
    let nextChunk = writer.counts.chunks, nextBlock = writer.counts.blocks;
    for await (const promise of hashed) {
      const item = await promise;
      const { cuts, entries } = item.batch;
      const { ids, entropy } = item.hashes;
      const plan = planBatch({ cuts, ids, entropy, compression, nextChunk, nextBlock }, known);
      nextChunk += plan.order.length;
      nextBlock += plan.blocks.length;
      const resolved = resolveEntries(entries, cuts, plan.refs);
      planned.push(quiet(this.#seal({ ...item, plan, entries: resolved })));
    }
    planned.end();
  }

  async #seal(item: Omit<Planned, "output" | "lengths">): Promise<Planned> {
    if (item.plan.blocks.length === 0) {
      this.#inputs.giveBack(item.slab);
      return { ...item, output: undefined, lengths: new Uint32Array() };
    }
    let output = await this.#outputs.waitLoan(this.#signal);
    let isFirst = true;
    const request = () => {
      // A lost Worker may still write to the slab of its last call: never use that one again.
      if (!isFirst) output = this.#outputs.replace(output);
      isFirst = false;
      return {
        input: this.#inputs.buffer(item.slab),
        cuts: item.batch.cuts,
        ids: item.hashes.ids,
        blocks: item.plan.blocks,
        output: this.#outputs.buffer(output),
        secrets: this.#in.secrets,
      };
    };
    const { lengths } = await this.#in.ciphers.call("seal", request, this.#signal);
    this.#inputs.giveBack(item.slab);
    return { ...item, output, lengths };
  }

  /** Stage 3: writes batches in order; the Merkle leaves of what was written follow. */
  async #write(planned: AsyncQueue<Promise<Planned>>): Promise<void> {
    const hashing = new Set<Promise<void>>();
    for await (const promise of planned) {
      const { plan, entries, batch, hashes, output, lengths } = await promise;
      const length = lengths.reduce((sum, n) => sum + n, 0);
      const blocks = output === undefined
        ? new Uint8Array()
        : this.#outputs.view(output).subarray(0, length);
      const { done } = await this.#in.writer.writeBatch(
        plan,
        entries,
        batch.cuts,
        hashes.ids,
        blocks,
        lengths,
        (offset, length) => this.#leaves(output!, offset, length),
      );
      const settled = done.then(() => {
        if (output !== undefined) this.#outputs.giveBack(output);
        hashing.delete(settled);
      });
      settled.catch((error) => this.#abort.abort(error));
      hashing.add(settled);
      this.#note(batch);
    }
    await Promise.all(hashing);
  }

  async #leaves(slab: SlabRef, offset: number, length: number): Promise<Uint8Array> {
    const request = () => ({ slab: this.#outputs.buffer(slab), offset, length });
    return await this.#in.ciphers.call("leaves", request, this.#signal);
  }

  #note(batch: Batch): void {
    const { progress } = this;
    progress.bytes += batch.cuts.at(-1) ?? 0;
    progress.stored = this.#in.writer.offset;
    for (const entry of batch.entries) {
      if (entry.type === "piece") continue;
      progress.files++;
      if (entry.type === "file" && entry.inline !== null) progress.bytes += entry.inline.length;
    }
    const last = batch.entries.at(-1);
    if (last !== undefined) progress.path = last.path as Uint8Array;
    this.problems.push(...batch.problems);
  }

  /** Slabs not yet given back: 0 after a run that ended well. */
  get outstanding(): number {
    return this.#inputs.outstanding + this.#outputs.outstanding;
  }
}

/** Room for the records of one batch: framing, and what a codec may add before it gives up. */
function outputSlabBytes(slabBytes: number): number {
  const blocks = Math.ceil(slabBytes / BLOCK_TARGET_BYTES) * 2 + 16;
  return slabBytes + blocks * RECORD_OVERHEAD_MAX + 64 * KiB;
}

/** Its failure is seen when the promise is awaited in order; until then it is not unhandled. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Fails unless every slab came home. */
export function assertSettled(pipeline: CreatePipeline): void {
  if (pipeline.outstanding !== 0) {
    throw new WarpError("E_INTERNAL", `${pipeline.outstanding} slabs were not given back`);
  }
}
