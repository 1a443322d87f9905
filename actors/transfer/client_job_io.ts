/**
 * A transfer from the dialling side: connects, opens more lanes while they pay, and dials again when
 * the connection is lost.
 *
 * @module
 */
import { asWarpError, isWarpError, WarpError } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import { signerOfIdentity } from "../cipher/key_file.ts";
import { keepFigure } from "./carrier_figures_io.ts";
import { type ClientSession, dialSession, type Identity } from "./client_io.ts";
import { MiB } from "../base/units.ts";
import type { Events } from "./event_queue.ts";
import type { SessionRequest } from "./handshake.ts";
import type { DialRequest, TransferResult } from "./protocol.ts";

/** Below this round trip two lanes fill what there is. */
const NEAR_MS = 3;
const LANES_NEAR = 2;
/** TCP with BBR fills a long line with few lanes, and loses by more: bench/RESULTS.md. */
const LANES_TCP = 3;
const LANES_QUIC = 12;
const GROW_EVERY_MS = 400;
/** Lanes are added while that brings at least this much. */
const GAIN_MIN = 1.05;
/** What moved less says little about its carrier. */
const FIGURE_FROM_BYTES = 32 * MiB;
const BACK_OFF_MS = [200, 500, 1000, 2000, 4000];

type Job = (
  session: ClientSession,
  identity: Identity,
  signal: AbortSignal,
) => Promise<Omit<TransferResult, "rttMs" | "reason">>;

export async function runClient(
  request: DialRequest,
  want: SessionRequest,
  events: Events,
  signal: AbortSignal,
  job: Job,
  /** Whether so much is to be sent that the carriers are worth measuring. */
  isLarge = () => false,
): Promise<TransferResult> {
  const identity = signerOfIdentity(request.identity);
  let lostAt: number | undefined;
  for (let attempt = 0;; attempt++) {
    let session: ClientSession | undefined;
    const connectedAt = performance.now();
    const isFirst = attempt === 0;
    try {
      const { target, carrier: policy } = request;
      const mayMeasure = () => isFirst && isLarge();
      session = await dialSession(target, identity, policy, want, signal, mayMeasure);
      const { carrier, remote } = session.control.lane;
      events.note("connected", `connected to ${remote} over ${carrier}: ${session.reason}`, {
        remote,
        carrier,
        reason: session.reason,
        rtt_ms: session.rttMs,
      });
      const stop = growLanes(session);
      try {
        const result = await job(session, identity, signal);
        if (request.limit === null) keepRate(target.key, result);
        return { ...result, rttMs: session.rttMs, reason: session.reason };
      } finally {
        stop();
      }
    } catch (error) {
      // The peer need not find out by itself.
      await session?.control.fail(asWarpError(signal.aborted ? signal.reason : error));
      signal.throwIfAborted();
      const known = asWarpError(error);
      const hadSession = session !== undefined;
      // A session that lasted was no failure to connect: the clock starts anew.
      if (hadSession && performance.now() - connectedAt > 2_000) attempt = 0;
      if (hadSession) lostAt = performance.now();
      if (!mayRetry(known, hadSession || lostAt !== undefined)) throw error;
      if (performance.now() - (lostAt ?? connectedAt) > request.retryMs) {
        throw lostAt !== undefined && isWarpError(known, "E_NETWORK") ? lost(known) : error;
      }
      const waitMs = BACK_OFF_MS[Math.min(attempt, BACK_OFF_MS.length - 1)]!;
      events.note("reconnecting", `${known.message}; trying again`, { wait_ms: waitMs });
      await pause(waitMs, signal);
    } finally {
      session?.close();
    }
  }
}

/** It was there, and did not come back. */
function lost(cause: WarpError): WarpError {
  return new WarpError("E_PEER_GONE", `the connection was lost, and ${cause.message}`, { cause });
}

/** A transfer is a measurement, if most of it travelled. */
function keepRate(peerKey: Uint8Array, result: Omit<TransferResult, "rttMs" | "reason">): void {
  const { bytes, bytesMoved, wire, seconds, carrier } = result;
  if (bytesMoved < FIGURE_FROM_BYTES || bytesMoved < bytes / 2) return;
  keepFigure(peerKey, carrier, wire / seconds);
}

/** What is lost may come back; what was refused, or is wrong, stays so. */
function mayRetry({ code, details }: WarpError, wasConnected: boolean): boolean {
  if (details["at"] === "peer") return code === "E_BUSY" || code === "E_PEER_GONE";
  return code === "E_PEER_GONE" || (wasConnected && code === "E_NETWORK");
}

/**
 * Over QUIC, more lanes as long as each step brings more: the window of a stream, which cannot be set,
 * is what limits it on a long path.
 */
function growLanes(session: ClientSession): () => void {
  const { lanes, rttMs, caps, openLane } = session;
  const isNear = rttMs < NEAR_MS, isTcp = lanes.carrier === "tcp";
  const start = Math.min(caps.lanesMax, isNear ? LANES_NEAR : isTcp ? LANES_TCP : LANES_QUIC);
  for (let i = 1; i < start; i++) openLane().catch(() => {});
  if (isNear || isTcp) return () => {};
  let moved = 0, rate = 0;
  const timer = setInterval(() => {
    const now = lanes.bytesWritten + lanes.bytesRead;
    const current = now - moved;
    moved = now;
    const isWorthIt = current > rate * GAIN_MIN && current > 0;
    if (isWorthIt && lanes.size < caps.lanesMax) {
      openLane().catch(() => {});
      openLane().catch(() => {});
    }
    rate = Math.max(rate, current);
  }, GROW_EVERY_MS);
  return () => clearInterval(timer);
}
