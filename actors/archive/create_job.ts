/**
 * One `create`: prepares the output, fresh or resumed, runs the pipeline, and gives the archive its
 * final name.
 *
 * @module
 */
import { basename } from "node:path";
import type { KernelSet } from "../../kernels/kernel.ts";
import { equal } from "../base/bytes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { BASES_MAX, HEADER_BYTES } from "../base/limits.ts";
import { MiB } from "../base/units.ts";
import { WARP_VERSION } from "../base/version.ts";
import type { ChunkerProtocol, OpenRequest, ResumePoint } from "../chunker/protocol.ts";
import { type ArchiveSecrets, bindingOf, KIND, RecordCodec } from "../cipher/record.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import { checkOutput, FileInput, FileOutput, FileSpill, PipeOutput } from "./archive_io.ts";
import { ChunkMap } from "./chunk_map.ts";
import { type Ciphers, isLost } from "./cipher_pool.ts";
import { assertSettled, CreatePipeline, slabBytesFor } from "./create.ts";
import { encodeHeader, type Header } from "./header.ts";
import type { CreateRequest, CreateResult } from "./protocol.ts";
import { ArchiveReader, readOpening, readPrologue } from "./reader.ts";
import { type Replay, replayBatches } from "./resume.ts";
import type { BaseRef, Prologue } from "./summary.ts";
import { ArchiveWriter } from "./writer.ts";

const WALK_DEADLINE_MS = 3_600_000;

/** What the job itself knows of the result. */
export type StoredResult = Omit<CreateResult, "deviceNotes" | "deviceCalls">;

export interface JobTools {
  kernels: KernelSet;
  chunker: ActorRef<ChunkerProtocol>;
  ciphers: Ciphers;
  signal: AbortSignal;
}

/** What the pipeline runs on. */
interface Prepared {
  writer: ArchiveWriter;
  known: ChunkMap;
  secrets: ArchiveSecrets;
  prologue: Prologue;
  point: ResumePoint | null;
  fileStart: number | undefined;
}

export class CreateJob {
  readonly #request: CreateRequest;
  readonly #tools: JobTools;
  readonly #output: FileOutput | PipeOutput;
  #pipeline: CreatePipeline | undefined;

  /** @throws {WarpError} E_EXISTS, E_LOCKED, ... before anything is touched */
  constructor(request: CreateRequest, tools: JobTools) {
    this.#request = request;
    this.#tools = tools;
    const { output, isForce, isResume } = request;
    if (output === "-") {
      this.#output = new PipeOutput();
    } else {
      checkOutput(output, isForce);
      this.#output = FileOutput.open(output, { resume: isResume, force: isForce });
    }
  }

  get progress() {
    return this.#pipeline?.progress;
  }

  async run(): Promise<StoredResult> {
    try {
      return await this.#run();
    } catch (error) {
      this.#giveUp();
      throw error;
    }
  }

  async #run(): Promise<StoredResult> {
    let prepared = this.#prepare(Infinity);
    const source = this.#openRequest(prepared);
    while (!await this.#openChunker(source)) {
      // The file in which the last run stopped has changed: forget what was stored of it. Before it
      // the archive may stop within another file, so this may happen again, each time further back.
      prepared.known.close();
      prepared = this.#prepare(prepared.fileStart ?? 0);
      source.resume = prepared.point;
    }
    const { writer, known, secrets } = prepared;
    const { kernels, chunker, ciphers, signal } = this.#tools;
    const { compression, memoryBytes, chunk } = this.#request;
    this.#pipeline = new CreatePipeline({
      kernels,
      chunker,
      ciphers,
      writer,
      known,
      secrets,
      compression,
      source,
      slabBytes: slabBytesFor(chunk.max),
      memoryBytes,
      signal,
    });
    await this.#pipeline.run();
    assertSettled(this.#pipeline);
    known.close();
    return await this.#finish(writer);
  }

  /** False when the file at the resume point has changed. A chunker that is lost has a successor. */
  async #openChunker(source: OpenRequest): Promise<boolean> {
    const { chunker, signal } = this.#tools;
    for (let attempt = 1;; attempt++) {
      try {
        const options = { deadlineMs: WALK_DEADLINE_MS, signal };
        return (await chunker.call("open", source, options)).isResumed;
      } catch (error) {
        if (!isLost(error) || attempt === 3) throw error;
      }
    }
  }

  async #finish(writer: ArchiveWriter): Promise<StoredResult> {
    const { signIdentity, archiveId } = this.#request;
    const signer = signIdentity === null
      ? undefined
      : (await import("../cipher/key_file.ts")).signerOfIdentity(signIdentity);
    const { root, totalLength, rootRecord } = writer.finish(signer);
    if (this.#output instanceof FileOutput) this.#output.commit();
    return { root, archiveId, totalLength, counts: rootRecord, problems: this.#pipeline!.problems };
  }

  #openRequest({ prologue, point }: Prepared): OpenRequest {
    const { sources, excludes, chunk } = this.#request;
    const own = this.#output instanceof FileOutput ? this.#output.identity : null;
    return { sources, excludes, chunk, table: prologue.table, resume: point, own };
  }

  /** A writer that stands where the last run stopped (before `limit`), or at the start. */
  #prepare(limit: number): Prepared {
    const resumed = this.#request.isResume ? this.#resume(limit) : undefined;
    if (resumed !== undefined) return resumed;
    if (this.#output instanceof FileOutput) this.#output.truncate(0);
    const prologue = this.#newPrologue();
    const secrets = this.#secrets(prologue);
    const writer = this.#newWriter(secrets);
    writer.begin(this.#request.keySection, prologue);
    const known = this.#knownChunks(prologue);
    return { writer, known, secrets, prologue, point: null, fileStart: undefined };
  }

  #header(): Header {
    const { archiveId, archiveKey, keySection, chunk } = this.#request;
    return {
      encrypted: archiveKey !== null,
      keySectionLength: keySection.length,
      archiveId,
      chunk,
      treeOffset: 0,
      totalLength: 0,
    };
  }

  #secrets(prologue: Prologue): ArchiveSecrets {
    const { archiveId, archiveKey } = this.#request;
    const binding = bindingOf(this.#tools.kernels, encodeHeader(this.#header()));
    const secrets: ArchiveSecrets = { archiveId, binding };
    if (archiveKey !== null) secrets.archiveKey = archiveKey;
    if (prologue.idKey !== null) secrets.idKey = prologue.idKey;
    return secrets;
  }

  #newWriter(secrets: ArchiveSecrets): ArchiveWriter {
    const { kernels } = this.#tools;
    const codec = new RecordCodec(kernels, secrets);
    return new ArchiveWriter(kernels, codec, this.#output, this.#header(), () => new FileSpill());
  }

  /** Fresh secrets, or those of the base: archives that share chunks share ids and cut points. */
  #newPrologue(): Prologue {
    const isEncrypted = this.#request.archiveKey !== null;
    let first: Prologue | undefined;
    const refs: BaseRef[] = [];
    for (const { path, archiveKey } of this.#request.bases) {
      const base = this.#openBase(path, archiveKey);
      first ??= base.prologue;
      if (!equal(base.prologue.idKey ?? new Uint8Array(), first.idKey ?? new Uint8Array())) {
        throw new WarpError("E_USAGE", "the base archives do not share their chunk ids");
      }
      const { header, trailer } = base;
      const own = {
        id: header.archiveId,
        root: trailer.root,
        name: basename(path),
        key: archiveKey,
      };
      refs.push(own, ...base.prologue.bases);
      base.close();
    }
    const unique = refs.filter((ref, i) =>
      refs.findIndex((other) => equal(other.id, ref.id)) === i
    );
    if (unique.length > BASES_MAX) {
      throw new WarpError(
        "E_LIMIT",
        `an archive can have ${BASES_MAX} bases, not ${unique.length}`,
      );
    }
    const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
    return {
      created: this.#request.created,
      by: `warp ${WARP_VERSION}`,
      idKey: isEncrypted ? first?.idKey ?? random(32) : null,
      table: isEncrypted ? first?.table ?? random(128) : null,
      bases: unique,
    };
  }

  #openBase(path: string, key: Uint8Array | null): ArchiveReader {
    const input = FileInput.open(path);
    try {
      const { kernels } = this.#tools;
      const opening = readOpening(input, kernels);
      const reader = ArchiveReader.open(input, kernels, opening, key);
      if (opening.header.encrypted !== (this.#request.archiveKey !== null)) {
        throw new WarpError("E_USAGE", "an archive and its base are both encrypted or both plain");
      }
      if (opening.header.chunk.avg !== this.#request.chunk.avg) {
        throw new WarpError("E_USAGE", `"${path}" has another chunk size`);
      }
      return reader;
    } catch (error) {
      input.close();
      throw error;
    }
  }

  /** The chunks of all bases; own chunks are added as they come. */
  #knownChunks(prologue: Prologue): ChunkMap {
    const known = new ChunkMap(Math.max(8 * MiB, this.#request.memoryBytes / 4));
    const places = this.#request.bases.map((base) => base.path);
    for (const [k, ref] of prologue.bases.entries()) {
      const path = places.find((place) => idOf(place, this.#tools.kernels, ref.id));
      if (path === undefined) continue;
      const reader = this.#openBase(path, ref.key);
      for (const page of reader.indexPages()) {
        for (let i = 0; i < page.count; i++) {
          const id = page.id(i);
          if (known.get(id) === undefined) {
            known.set(id, { source: k + 1, ordinal: page.firstChunk + i });
          }
        }
      }
      reader.close();
    }
    return known;
  }

  /** Undefined when the partial file has nothing to resume. */
  #resume(limit: number): Prepared | undefined {
    const { kernels } = this.#tools;
    const output = this.#output;
    if (!(output instanceof FileOutput) || output.size < HEADER_BYTES) return undefined;
    const input = FileInput.open(output.partialPath);
    try {
      const opening = readOpening(input, kernels);
      const { archiveKey } = this.#request;
      const { prologue, secrets, bodyStart } = readPrologue(input, kernels, opening, archiveKey);
      const writer = this.#newWriter(secrets);
      const prefix = new Uint8Array(bodyStart);
      input.read(prefix, 0);
      const keyEnd = HEADER_BYTES + opening.header.keySectionLength;
      writer.adoptBytes(encodeHeader({ ...opening.header, treeOffset: 0, totalLength: 0 }));
      writer.adoptBytes(prefix.subarray(HEADER_BYTES, keyEnd));
      writer.adopt(KIND.prologue, prefix.subarray(keyEnd));
      const known = this.#knownChunks(prologue);
      const cut = (length: number) => output.truncate(length);
      const replay: Replay = replayBatches(
        { kernels, input, secrets, start: bodyStart, limit, cut },
        writer,
        known,
      );
      return { writer, known, secrets, prologue, ...replay };
    } catch (error) {
      // Ended before the prologue was written: no more was stored.
      if (isWarpError(error, "E_TRUNCATED")) return undefined;
      throw error;
    } finally {
      input.close();
    }
  }

  /** What was written stays for `--resume` when there is something worth keeping. */
  #giveUp(): void {
    if (!(this.#output instanceof FileOutput)) return;
    const hasBatches = (this.#pipeline?.progress.stored ?? 0) > 0 || this.#request.isResume;
    if (hasBatches) this.#output.close();
    else this.#output.discard();
  }
}

function idOf(path: string, kernels: KernelSet, id: Uint8Array): boolean {
  const input = FileInput.open(path);
  try {
    return equal(readOpening(input, kernels).header.archiveId, id);
  } finally {
    input.close();
  }
}
