/**
 * The two halves of a transfer as jobs on a session, whoever dialled: what the actor runs.
 *
 * @module
 */
import { basename, join } from "node:path";
import type { KernelSet } from "../../kernels/kernel.ts";
import { defaultTable } from "../../kernels/boundary/spec.ts";
import { utf8 } from "../base/bytes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { pause } from "../base/pause.ts";
import { chunkSizes, DEFAULT_CHUNK_AVG } from "../chunker/chunk_sizes.ts";
import type { ChunkerProtocol } from "../chunker/protocol.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import { ExtractTarget } from "../target/target_io.ts";
import type { Identity } from "./client_io.ts";
import { FRAME } from "./frames.ts";
import { noHoldings } from "./holdings.ts";
import { openHoldings } from "./holdings_io.ts";
import { Landing, leftoverPrefix } from "./landing.ts";
import { removeLeftovers, WorkInProgress } from "./leftovers_io.ts";
import type { RunningHash } from "./manifest.ts";
import { Pace } from "./pace.ts";
import type { SourceOptions, TransferProgress, TransferResult } from "./protocol.ts";
import { formatReceipt } from "./receipt.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import type { Session } from "./session.ts";
import { sizeOf } from "./source_size_io.ts";

const OPEN_DEADLINE_MS = 60_000;
const SLABS = 12;
/** What is over sooner needs no estimate of the time it will take. */
const TOTAL_AFTER_MS = 700;

export interface JobTools {
  kernels: KernelSet;
  identity: Identity;
  pace: (bytes: number) => Promise<void>;
  signal: AbortSignal;
}

/** Waits so that no more than `limit` bytes a second go. */
export function paceOf(limit: number | null): (bytes: number) => Promise<void> {
  if (limit === null) return () => Promise.resolve();
  const pace = new Pace(limit, () => performance.now());
  return async (bytes) => {
    const waitMs = pace.take(bytes);
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
  };
}

/** The phase of a listener that serves nobody. */
export const IDLE_PHASE = "listening";

export function noProgress(): TransferProgress {
  return {
    type: "progress",
    phase: "connecting",
    bytes: 0,
    bytesOffered: 0,
    bytesTotal: null,
    bytesMoved: 0,
    bytesSaved: 0,
    files: 0,
    wire: 0,
    carrier: null,
    lanes: 0,
  };
}

type JobResult = Omit<TransferResult, "rttMs" | "reason">;

/** Sends `sources`; `progress` is kept up to date. */
export async function sendJob(
  session: Session,
  tools: JobTools,
  chunker: ActorRef<ChunkerProtocol>,
  { sources, excludes, compression }: SourceOptions,
  transferId: Uint8Array,
  progress: TransferProgress,
  isDryRun = false,
): Promise<JobResult> {
  const { kernels, identity, pace, signal } = tools;
  const startedAt = performance.now();
  const open = {
    sources,
    excludes,
    chunk: chunkSizes(DEFAULT_CHUNK_AVG),
    table: null,
    resume: null,
    own: null,
  };
  await chunker.call("open", open, { deadlineMs: OPEN_DEADLINE_MS, signal });
  const sender = new Sender(session, {
    chunker,
    blake3: kernels.blake3,
    lz4: kernels.lz4,
    entropy: kernels.entropy,
    sha256: sha256(),
    slabs: SLABS,
    compression,
    isDryRun,
    pace,
    sign: (message) => identity.sign(message),
    signal,
  });
  const { lanes } = session;
  const ticker = setInterval(() => {
    const { bytesOffered, bytesStored, bytesWanted, bytesHad, files } = sender.sums;
    Object.assign(progress, {
      phase: "sending",
      bytes: bytesStored,
      bytesOffered,
      bytesMoved: bytesWanted,
      bytesSaved: bytesHad,
      files,
      wire: lanes.bytesWritten + lanes.bytesRead,
      carrier: lanes.carrier,
      lanes: lanes.size,
    });
  }, 50);
  const done = new AbortController();
  progress.bytesTotal = null;
  void tellTotal(session, { sources, excludes }, progress, done.signal);
  try {
    const { delivery, receiverSignature, senderSignature, problems, refused } = await sender.run(
      transferId,
    );
    const isWhole = refused === 0 && receiverSignature.some((byte) => byte !== 0);
    return {
      root: delivery.root,
      files: delivery.files,
      bytes: delivery.bytes,
      bytesMoved: sender.sums.bytesWanted,
      bytesSaved: sender.sums.bytesHad,
      wire: lanes.bytesWritten + lanes.bytesRead,
      carrier: lanes.carrier,
      lanes: lanes.size,
      receipt: isWhole ? formatReceipt({ ...delivery, receiverSignature, senderSignature }) : null,
      problems,
      refused,
      seconds: (performance.now() - startedAt) / 1000,
    };
  } finally {
    done.abort();
    clearInterval(ticker);
    await chunker.call("close", null, { deadlineMs: OPEN_DEADLINE_MS }).catch(() => {});
  }
}

/** Finds out how much there is, beside the sending, and tells the peer: for people on both sides. */
async function tellTotal(
  { control }: Session,
  { sources, excludes }: Pick<SourceOptions, "sources" | "excludes">,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pause(TOTAL_AFTER_MS, signal);
    const size = await sizeOf(sources, excludes, signal);
    if (size === null) return;
    progress.bytesTotal = size.bytes;
    await control.send(FRAME.total, [size.files, size.bytes]);
  } catch {
    // Patterns that the chunker refuses as well, or a peer that has gone: others say so.
  }
}

export interface ReceiveOptions {
  directory: string;
  isForce: boolean;
  isDryRun: boolean;
  /** The only name at the top that may come; null: any. */
  topName: string | null;
}

/** Receives into a directory; `progress` is kept up to date. */
export async function receiveJob(
  session: Session,
  tools: JobTools,
  { directory, isForce, isDryRun, topName }: ReceiveOptions,
  transferId: Uint8Array,
  progress: TransferProgress,
): Promise<JobResult> {
  const { kernels, identity, pace, signal } = tools;
  const startedAt = performance.now();
  const target = ExtractTarget.open(directory, { force: isForce, isReadOnly: isDryRun });
  const work = isDryRun ? undefined : new WorkInProgress(transferId, directory);
  const { min, max } = chunkSizes(DEFAULT_CHUNK_AVG);
  let landing!: Landing;
  const receiver = new Receiver(
    session,
    {
      blake3: kernels.blake3,
      lz4: kernels.lz4,
      sha256: sha256(),
      pace,
      breathe: () => new Promise((resolve) => setTimeout(resolve, 0)),
      sign: (message) => identity.sign(message),
      time: () => Math.floor(Date.now() / 1000),
      signal,
    },
    (hooks) =>
      landing = new Landing({
        target,
        holdings: openHoldings(directory) ?? noHoldings,
        blake3: kernels.blake3,
        boundary: kernels.boundary,
        params: { avgBits: Math.log2(DEFAULT_CHUNK_AVG), min, max, table: defaultTable() },
        transferId,
        isForce,
        isDryRun,
        topName: topName === null ? null : utf8(topName),
        onTop: (top) => work?.touch(top),
        ...hooks,
      }),
  );
  const { lanes } = session;
  const prefix = leftoverPrefix(transferId, kernels.blake3);
  const update = () =>
    Object.assign(progress, {
      phase: "receiving",
      bytes: landing.bytesHad + landing.bytesCame,
      bytesOffered: receiver.bytesOffered,
      bytesTotal: receiver.bytesTotal,
      bytesMoved: landing.bytesCame,
      bytesSaved: landing.bytesHad,
      files: landing.files,
      wire: lanes.bytesWritten + lanes.bytesRead,
      carrier: lanes.carrier,
      lanes: lanes.size,
    });
  const ticker = setInterval(update, 50);
  try {
    const { receipt, delivery } = await receiver.run(transferId, isDryRun);
    update();
    if (work?.isResumed) await removeLeftovers({ directory, tops: work.tops }, prefix);
    work?.done();
    return {
      root: delivery.root,
      files: delivery.files,
      bytes: delivery.bytes,
      bytesMoved: landing.bytesCame,
      bytesSaved: landing.bytesHad,
      wire: progress.wire,
      carrier: lanes.carrier,
      lanes: lanes.size,
      receipt: receipt === null ? null : formatReceipt(receipt),
      problems: landing.problems,
      refused: landing.problems.length,
      seconds: (performance.now() - startedAt) / 1000,
    };
  } catch (error) {
    // The lanes end, so that nothing is written any more; what is in work waits for the next run.
    await session.control.fail(
      isWarpError(error) ? error : new WarpError("E_INTERNAL", "the receiver failed"),
    );
    lanes.close();
    await receiver.settled();
    landing.suspend();
    throw error;
  } finally {
    clearInterval(ticker);
    work?.close();
    landing.release();
  }
}

/** Where a fetch may lead: under `directory`, however its links point. @throws {WarpError} */
export function fetchSource(directory: string, path: string): string {
  const root = Deno.realPathSync(directory);
  let real: string;
  try {
    real = Deno.realPathSync(join(root, "/", path));
  } catch {
    throw new WarpError("E_NOT_FOUND", "there is nothing of this name");
  }
  if (real !== root && !real.startsWith(root === "/" ? "/" : `${root}/`)) {
    throw new WarpError("E_NOT_FOUND", "there is nothing of this name");
  }
  // What arrives must have the name that was asked for.
  const wanted = path.split("/").filter((part) => part !== "" && part !== ".").at(-1);
  if (wanted !== undefined && wanted !== ".." && basename(real) !== wanted) {
    throw new WarpError("E_NOT_FOUND", "this is a symbolic link: fetch what it leads to");
  }
  return real;
}

function sha256(): RunningHash {
  return nodeCrypto().createHash("sha256");
}
