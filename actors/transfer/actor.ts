/**
 * The transfer actor: owns the sockets, and runs the protocol on them.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { loadKernels } from "../../kernels/load.ts";
import { openSmallFiles } from "../../kernels/native/files.ts";
import { fsBackend } from "../base/fs/choose.ts";
import { signerOfIdentity } from "../cipher/key_file.ts";
import { defineActor, type HandlerContext } from "../runtime/define_actor.ts";
import { asWarpError } from "../base/errors.ts";
import { MEASURE_FROM_BYTES } from "./carrier_choice.ts";
import { dialSession } from "./client_io.ts";
import { runClient } from "./client_job_io.ts";
import { Events } from "./event_queue.ts";
import { noProgress, paceOf, receiveJob, sendJob } from "./jobs_io.ts";
import { receiveLive, sendLive } from "./live_io.ts";
import { probe } from "./probe_io.ts";
import { ChunkerPool } from "./chunker_pool.ts";
import type { TransferInit, TransferProtocol } from "./protocol.ts";
import { serveJob } from "./serve_job_io.ts";
import { isAtLeast } from "./source_size_io.ts";

interface TransferState {
  kernels: KernelSet;
  chunkers: string[];
  /** What is under way: whoever stops the actor lets it say goodbye. */
  jobs: Set<Promise<unknown>>;
}

/** A little less than the supervisor waits. */
const GOODBYE_MS = 1_700;

export const transfer = defineActor<TransferProtocol, TransferState, TransferInit>()({
  name: "transfer",
  init: async ({ chunkers }) => {
    fsBackend.useSmallFiles(openSmallFiles());
    return { kernels: await loadKernels(), chunkers, jobs: new Set() };
  },
  stop: async ({ jobs }) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise((resolve) => timer = setTimeout(resolve, GOODBYE_MS));
    await Promise.race([Promise.allSettled([...jobs]), late]);
    clearTimeout(timer);
  },
  streams: {
    async *push(state, request, cx) {
      const events = new Events();
      const progress = noProgress();
      const { transferId, isDryRun, isForce } = request;
      const work = runClient(
        request,
        { want: "push", transferId, isDryRun, isForce },
        events,
        cx.signal,
        async (session, identity, signal) => {
          const tools = { kernels: state.kernels, identity, pace: paceOf(request.limit), signal };
          const chunkers = chunkerPool(state, cx);
          return await chunkers.use((chunker) =>
            sendJob(session, tools, chunker, request, transferId, progress, isDryRun)
          );
        },
        () => !isDryRun && isAtLeast(MEASURE_FROM_BYTES, request.sources, request.excludes),
      );
      return yield* events.follow(entered(state, work), () => progress);
    },

    async *pull(state, request, cx) {
      const events = new Events();
      const progress = noProgress();
      const { transferId, path, directory, isForce } = request;
      const work = runClient(
        request,
        path === null ? { want: "receive", transferId } : { want: "fetch", transferId, path },
        events,
        cx.signal,
        async (session, identity, signal) => {
          const tools = { kernels: state.kernels, identity, pace: paceOf(request.limit), signal };
          const options = { directory, isForce, isDryRun: false, topName: lastName(path) };
          return await receiveJob(session, tools, options, transferId, progress);
        },
      );
      return yield* events.follow(entered(state, work), () => progress);
    },

    async *serve(state, request, cx) {
      const events = new Events();
      const progress = noProgress();
      const work = serveJob(request, {
        kernels: state.kernels,
        chunkers: chunkerPool(state, cx),
        events,
        progress,
        signal: cx.signal,
      });
      return yield* events.follow(entered(state, work), () => progress);
    },

    async *live(state, request, cx) {
      const events = new Events();
      const progress = noProgress();
      const identity = signerOfIdentity(request.identity);
      const { target, carrier, isSending } = request;
      const want = isSending ? "stream-send" as const : "stream-receive" as const;
      const work = (async () => {
        const session = await dialSession(target, identity, carrier, { want }, cx.signal);
        try {
          const job = isSending ? sendLive : receiveLive;
          return await job(session, paceOf(request.limit), progress);
        } catch (error) {
          await session.control.fail(asWarpError(cx.signal.aborted ? cx.signal.reason : error));
          throw error;
        } finally {
          session.close();
        }
      })();
      return yield* events.follow(entered(state, work), () => progress);
    },

    async *probe(state, request, cx) {
      const events = new Events();
      const work = probe(request, signerOfIdentity(request.identity), cx.signal);
      return yield* events.follow(entered(state, work), noProgress);
    },
  },
});

function entered<T>({ jobs }: TransferState, work: Promise<T>): Promise<T> {
  jobs.add(work);
  work.catch(() => {}).finally(() => jobs.delete(work));
  return work;
}

/** What a fetch of `path` is called; null where the far side's own directory, or a ticket, names it. */
function lastName(path: string | null): string | null {
  const parts = (path ?? "").split("/").filter((part) => part !== "" && part !== ".");
  return parts.includes("..") ? null : parts.at(-1) ?? null;
}

function chunkerPool({ chunkers }: TransferState, cx: HandlerContext): ChunkerPool {
  return new ChunkerPool(chunkers.map((name) => cx.ref(name)));
}
