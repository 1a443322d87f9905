/**
 * The side that dials: chooses a carrier, proves who it is, and opens as many lanes as pay.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { FrameLane } from "./frame_lane.ts";
import { FRAME } from "./frames.ts";
import {
  type Caps,
  clientProof,
  decodeCaps,
  decodeChallenge,
  encodeHello,
  encodeProof,
  PROTOCOL_VERSION,
  type SessionRequest,
  ticketProof,
} from "./handshake.ts";
import { type CarrierPolicy, fasterOf, planCarrier } from "./carrier_choice.ts";
import { keepFigure, readFigures } from "./carrier_figures_io.ts";
import { dialBoth, type Dialled, dialPreferred, hangUp, type Place } from "./dial_io.ts";
import type { Lane } from "./lane.ts";
import { peerTimeoutMs, silent, watchPeer } from "./liveness_io.ts";
import { fillLine } from "./measure_io.ts";
import { LaneSet, type Session } from "./session.ts";

export type { CarrierPolicy };

export interface DialTarget extends Place {
  /** Of the ticket, if that is what lets us in. */
  secret: Uint8Array | null;
}

export interface Identity {
  publicKey: Uint8Array<ArrayBuffer>;
  sign(message: Bytes): Uint8Array<ArrayBuffer>;
}

export interface ClientSession extends Session {
  /** Round trip of the handshake. */
  rttMs: number;
  /** Why this carrier: for people. */
  reason: string;
  openLane(): Promise<void>;
  /** Drops everything; what must be told was told with `control.fail`. */
  close(): void;
}

/** How long a peer may take to say what it is asked when a session begins. */
const HANDSHAKE_MS = 10_000;
/** How long each carrier is filled before a large transfer. */
const MEASURE_S = 0.3;

/**
 * Dials and proves who we are. When `signal` aborts later, the peer is told (CANCEL).
 *
 * @param isLarge whether so much is to be sent that it pays to measure the carriers first
 * @throws {WarpError} E_NETWORK, E_PEER_REFUSED, E_PEER_GONE, E_TICKET, ...
 */
export async function dialSession(
  target: DialTarget,
  identity: Identity,
  policy: CarrierPolicy,
  request: SessionRequest,
  signal: AbortSignal,
  isLarge = () => false,
): Promise<ClientSession> {
  const { dialled: { dialer, control }, reason } = await dialChosen(
    target,
    identity,
    policy,
    signal,
    isLarge,
  );
  try {
    const { frames, caps, rttMs } = await greet(control, target, identity, request, signal);
    const lanes = new LaneSet();
    lanes.add(frames);
    const stopWatch = watchPeer({ control: frames, lanes });
    const onAbort = () => void frames.fail(asWarpError(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    const openLane = async () => {
      const lane = new FrameLane(await dialer.openLane(signal));
      lane.trust();
      await lane.send(FRAME.join, [caps.token]);
      lanes.add(lane);
    };
    const close = () => {
      signal.removeEventListener("abort", onAbort);
      stopWatch();
      lanes.close();
      dialer.close();
    };
    return {
      control: frames,
      caps,
      ownKey: identity.publicKey,
      peerKey: target.key,
      lanes,
      rttMs,
      reason,
      openLane,
      close,
    };
  } catch (error) {
    control.close();
    dialer.close();
    throw error;
  }
}

interface Greeting {
  frames: FrameLane;
  caps: Caps;
  /** Round trip of the last two frames. */
  rttMs: number;
}

/** The first frames of a lane (handshake.ts), in limited time. */
async function greet(
  control: Lane,
  { key, secret }: DialTarget,
  identity: Identity,
  request: SessionRequest,
  signal: AbortSignal,
): Promise<Greeting> {
  const frames = new FrameLane(control);
  const limitMs = Math.min(HANDSHAKE_MS, peerTimeoutMs());
  const timer = setTimeout(() => frames.giveUp(silent(limitMs)), limitMs);
  const onAbort = () => control.close();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    const ownKey = identity.publicKey;
    await frames.send(FRAME.hello, encodeHello(ownKey));
    const { version, nonce } = decodeChallenge(await frames.expect(FRAME.challenge));
    if (version !== PROTOCOL_VERSION) {
      throw new WarpError("E_PROTOCOL", `the peer speaks version ${version} of the protocol`);
    }
    const signature = identity.sign(clientProof(nonce, key, ownKey));
    const ticketMac = secret === null ? null : hmac(secret, ticketProof(nonce, key, ownKey));
    await frames.send(FRAME.proof, encodeProof({ signature, ticketMac, request }));
    const sentAt = performance.now();
    const caps = decodeCaps(await frames.expect(FRAME.caps));
    frames.trust();
    return { frames, caps, rttMs: performance.now() - sentAt };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

export function hmac(key: Bytes, message: Bytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(nodeCrypto().createHmac("sha256", key).update(message).digest());
}

interface Chosen {
  dialled: Dialled;
  reason: string;
}

/** Which carrier, by what was asked for, is known, gets through, or is measured now. */
async function dialChosen(
  target: DialTarget,
  identity: Identity,
  policy: CarrierPolicy,
  signal: AbortSignal,
  isLarge: () => boolean,
): Promise<Chosen> {
  const figures = policy === "auto" ? readFigures(target.key) : {};
  const plan = planCarrier(policy, figures, policy === "auto" && isLarge(), Date.now());
  if (plan.way === "measure") return await dialMeasured(target, identity, signal);
  const { carrier, isOpen } = plan;
  const { dialled, reason } = await dialPreferred(carrier, isOpen, target, signal);
  return { dialled, reason: reason ?? plan.reason };
}

/** Both carriers, one after the other, for a moment each; the better one goes on. */
async function dialMeasured(
  target: DialTarget,
  identity: Identity,
  signal: AbortSignal,
): Promise<Chosen> {
  const { tcp, quic, reason } = await dialBoth(target, signal);
  if (tcp === undefined || quic === undefined) return { dialled: (tcp ?? quic)!, reason: reason! };
  const rates: Record<"tcp" | "quic", number> = { tcp: 0, quic: 0 };
  try {
    for (const [carrier, dialled] of [["tcp", tcp], ["quic", quic]] as const) {
      rates[carrier] = await measure(dialled, target, identity, signal);
      keepFigure(target.key, carrier, rates[carrier]);
    }
  } catch {
    // It answers no probes, or not now: that is no reason not to try what was asked for.
    signal.throwIfAborted();
  }
  const isMeasured = rates.tcp > 0 && rates.quic > 0;
  const best = isMeasured
    ? fasterOf(rates.tcp, rates.quic)
    : { carrier: "tcp" as const, reason: "TCP gets through; the peer lets nobody measure" };
  const [taken, other] = best.carrier === "tcp" ? [tcp, quic] : [quic, tcp];
  hangUp(other);
  taken.control.close();
  const control = await taken.dialer.openLane(signal);
  const why = isMeasured ? `${best.reason} just now` : best.reason;
  return { dialled: { ...taken, control }, reason: why };
}

/** Bytes a second on one lane. */
async function measure(
  { control }: Dialled,
  target: DialTarget,
  identity: Identity,
  signal: AbortSignal,
): Promise<number> {
  const { frames } = await greet(control, target, identity, { want: "probe" }, signal);
  const limitMs = peerTimeoutMs();
  const timer = setTimeout(() => frames.giveUp(silent(limitMs)), 1000 * MEASURE_S + limitMs);
  const onAbort = () => control.close();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await fillLine(frames, MEASURE_S);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    control.close();
  }
}
