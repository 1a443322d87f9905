/**
 * A transfer from the listening side: `warp listen`, and `warp send` that waits for its receiver.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { fromHex } from "../base/bytes.ts";
import { asWarpError, isWarpError, WarpError } from "../base/errors.ts";
import { formatSigner } from "../cipher/public_keys.ts";
import { createSigner } from "../cipher/signature.ts";
import { signingSeedOfIdentity } from "../cipher/key_file.ts";
import { certificateBody } from "./certificate.ts";
import type { ChunkerPool } from "./chunker_pool.ts";
import type { Events } from "./event_queue.ts";
import type { SessionRequest } from "./handshake.ts";
import { fetchSource, IDLE_PHASE, noProgress, paceOf, receiveJob, sendJob } from "./jobs_io.ts";
import { leftoverPrefix } from "./landing.ts";
import type { LaneListener } from "./lane.ts";
import { removeAbandoned } from "./leftovers_io.ts";
import { receiveLive, sendLive } from "./live_io.ts";
import { answerProbe } from "./probe_io.ts";
import type { ServeRequest, SourceOptions, TransferProgress, TransferResult } from "./protocol.ts";
import { QuicListener } from "./quic_io.ts";
import { type IssuedTicket, type ServerSession, SessionServer } from "./server_io.ts";
import { deviceCertificate, TlsListener } from "./tls_io.ts";

const CLEAN_EVERY_MS = 3_600_000;

export interface ServeTools {
  kernels: KernelSet;
  chunkers: ChunkerPool;
  events: Events;
  progress: TransferProgress;
  signal: AbortSignal;
}

/** Until cancelled, or until the one transfer of a ticket is done. */
export async function serveJob(
  request: ServeRequest,
  tools: ServeTools,
): Promise<TransferResult | null> {
  const { events, signal } = tools;
  const seed = signingSeedOfIdentity(request.identity);
  const identity = createSigner(seed);
  const { publicKey } = identity;
  const body = certificateBody(publicKey);
  const own = deviceCertificate(publicKey, seed, (message) => identity.sign(message), body);
  seed.fill(0);
  const listeners = openListeners(request, own);
  const done = new AbortController();
  let result: TransferResult | null = null;
  let ending: WarpError | undefined;
  const ticket = issued(request, events);
  const server = new SessionServer({
    listeners,
    identity,
    admission: {
      allowed: request.allowed,
      wants: request.directory === null ? ["probe"] : ["push", "fetch", "probe"],
      tickets: ticket === null ? [] : [ticket],
    },
    serve: async (session) => {
      try {
        const outcome = await serveSession(request, tools, session, identity);
        if (outcome === null || !request.isOnce) return;
        result = outcome;
        // The peer has all it needs; its side closes first.
        setTimeout(() => done.abort(new WarpError("E_CANCELLED", "the transfer is done")), 50);
      } catch (error) {
        // Whom the ticket belongs to does not want it any more.
        if (request.isOnce && isWarpError(error, "E_CANCELLED") && !signal.aborted) {
          ending = error;
          done.abort(error);
        }
        throw error;
      }
    },
    onRefused: (remote, error) =>
      events.note("refused", `${remote} was refused: ${error.message}`, {
        remote,
        code: error.code,
      }),
    signal: AbortSignal.any([signal, done.signal]),
  });
  tools.progress.phase = IDLE_PHASE;
  const port = listeners[0]!.port;
  events.note("listening", `listening on port ${port}`, {
    port,
    key: formatSigner(publicKey),
    carriers: listeners.map(({ carrier }) => carrier).join(","),
  });
  const stopCleaning = cleanNowAndThen(request, tools);
  await server.run().finally(stopCleaning);
  if (signal.aborted && result === null) throw signal.reason;
  if (ending !== undefined && result === null) throw ending;
  return result;
}

/** Files in work whose senders do not come back must not fill the disk. */
function cleanNowAndThen({ directory, keepMs }: ServeRequest, tools: ServeTools): () => void {
  if (directory === null || keepMs === null) return () => {};
  const { events, kernels: { blake3 } } = tools;
  const clean = async (ageMs: number) => {
    try {
      const prefixOf = (id: string) => leftoverPrefix(fromHex(id), blake3);
      const transfers = await removeAbandoned(directory, ageMs, prefixOf);
      if (transfers === 0) return;
      const text = `removed what nobody resumed: ${transfers} interrupted transfer(s)`;
      events.note("abandoned", text, { transfers });
    } catch {
      // The state folder cannot be read, or somebody else was faster: next time.
    }
  };
  void clean(keepMs);
  // Of what is under way now the note is never that old.
  const timer = setInterval(() => clean(Math.max(keepMs, CLEAN_EVERY_MS)), CLEAN_EVERY_MS);
  return () => clearInterval(timer);
}

function openListeners(request: ServeRequest, own: { cert: string; key: string }): LaneListener[] {
  const { hostname, carriers } = request;
  let { port } = request;
  const listeners: LaneListener[] = [];
  try {
    if (carriers.includes("tcp")) {
      listeners.push(TlsListener.open(hostname, port, own));
      port = listeners[0]!.port; // one number for both
    }
    if (carriers.includes("quic")) listeners.push(QuicListener.open(hostname, port, own));
    return listeners;
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
}

function issued({ ticket }: ServeRequest, events: Events): IssuedTicket | null {
  if (ticket === null) return null;
  const { secret, expires, purpose, boundTo } = ticket;
  const wants: SessionRequest["want"][] = [purpose];
  const onBound = (key: Uint8Array) =>
    events.note("bound", `the ticket now belongs to ${formatSigner(key)}`, {
      key: formatSigner(key),
    });
  return { secret, expires, wants, boundTo, onBound };
}

/** Null for what is no transfer. */
async function serveSession(
  request: ServeRequest,
  tools: ServeTools,
  session: ServerSession,
  identity: ReturnType<typeof createSigner>,
): Promise<TransferResult | null> {
  const { kernels, chunkers, events } = tools;
  const wanted = session.request;
  if (wanted.want === "probe") {
    await answerProbe(session.control);
    return null;
  }
  const peer = formatSigner(session.peerKey);
  const about = { peer, remote: session.remote, want: wanted.want };
  // A daemon's progress line is that of the last session; a single transfer has but one.
  const progress = Object.assign(tools.progress, noProgress());
  const job = { kernels, identity, pace: paceOf(request.limit), signal: session.signal };
  events.note("session", `${session.remote} (${peer}) begins: ${wanted.want}`, about);
  try {
    const result = await run();
    events.note("session-done", `${session.remote}: ${result.files} files`, {
      ...about,
      files: result.files,
      bytes: result.bytes,
      bytes_moved: result.bytesMoved,
      carrier: result.carrier,
      ...(result.receipt === null ? {} : { receipt: result.receipt }),
    });
    return { ...result, rttMs: 0, reason: "" };
  } catch (error) {
    const known = asWarpError(error);
    events.note("session-failed", `${session.remote}: ${known.message}`, {
      ...about,
      code: known.code,
    });
    throw error;
  } finally {
    Object.assign(progress, noProgress(), { phase: IDLE_PHASE });
  }

  function run() {
    switch (wanted.want) {
      case "push": {
        const { isDryRun, isForce, transferId } = wanted;
        const directory = neededDirectory(request);
        if (isForce && !isDryRun && !request.isForce) {
          throw new WarpError("E_PEER_REFUSED", "files are not replaced here", {
            hint: "the other side allows it with --force",
          });
        }
        const options = { directory, isForce, isDryRun, topName: null };
        return receiveJob(session, job, options, transferId, progress);
      }
      case "receive":
        if (request.offer === null) throw new WarpError("E_PEER_REFUSED", "nothing is offered");
        return send(request.offer, wanted.transferId);
      case "fetch": {
        const source = fetchSource(neededDirectory(request), wanted.path);
        return send({ sources: [source], excludes: [], compression: "none" }, wanted.transferId);
      }
      // What the client sends is received here.
      case "stream-send":
        return live(receiveLive);
      case "stream-receive":
        return live(sendLive);
      default:
        throw new WarpError("E_PEER_REFUSED", "this is not offered here");
    }
  }

  async function live(half: typeof sendLive): Promise<Omit<TransferResult, "rttMs" | "reason">> {
    const { bytes } = await half(session, job.pace, progress);
    return {
      root: new Uint8Array(32),
      files: 0,
      bytes,
      bytesMoved: bytes,
      bytesSaved: 0,
      wire: progress.wire,
      carrier: session.lanes.carrier,
      lanes: 1,
      receipt: null,
      problems: [],
      refused: 0,
      seconds: 0,
    };
  }

  function send(offer: SourceOptions, transferId: Uint8Array) {
    return chunkers.use((chunker) => sendJob(session, job, chunker, offer, transferId, progress));
  }
}

function neededDirectory({ directory }: ServeRequest): string {
  if (directory === null) throw new WarpError("E_PEER_REFUSED", "this is not offered here");
  return directory;
}
