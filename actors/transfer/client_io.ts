/**
 * The side that dials: chooses a carrier, proves who it is, and opens as many lanes as pay.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { FrameLane } from "./frame_lane.ts";
import { FRAME } from "./frames.ts";
import {
  clientProof,
  decodeCaps,
  decodeChallenge,
  encodeHello,
  encodeProof,
  PROTOCOL_VERSION,
  type SessionRequest,
  ticketProof,
} from "./handshake.ts";
import type { CarrierName, Dialer } from "./lane.ts";
import type { Endpoint } from "./peer_address.ts";
import { QuicDialer } from "./quic_io.ts";
import { LaneSet, type Session } from "./session.ts";
import { TlsDialer } from "./tls_io.ts";

export type CarrierPolicy = "auto" | CarrierName;

export interface DialTarget {
  endpoints: Endpoint[];
  key: Uint8Array;
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
  close(): void;
}

/** @throws {WarpError} E_NETWORK, E_PEER_REFUSED, E_TICKET, ... */
export async function dialSession(
  target: DialTarget,
  identity: Identity,
  policy: CarrierPolicy,
  request: SessionRequest,
  signal: AbortSignal,
): Promise<ClientSession> {
  const { dialer, control, reason } = await dialAny(target, policy, signal);
  const onAbort = () => control.close();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const frames = new FrameLane(control);
    const ownKey = identity.publicKey;
    await frames.send(FRAME.hello, encodeHello(ownKey));
    const { version, nonce } = decodeChallenge(await frames.expect(FRAME.challenge));
    if (version !== PROTOCOL_VERSION) {
      throw new WarpError("E_PROTOCOL", `the peer speaks version ${version} of the protocol`);
    }
    const signature = identity.sign(clientProof(nonce, target.key, ownKey));
    const ticketMac = target.secret === null
      ? null
      : hmac(target.secret, ticketProof(nonce, target.key, ownKey));
    await frames.send(FRAME.proof, encodeProof({ signature, ticketMac, request }));
    const sentAt = performance.now();
    const caps = decodeCaps(await frames.expect(FRAME.caps));
    const rttMs = performance.now() - sentAt;
    frames.trust();
    const lanes = new LaneSet();
    lanes.add(frames);
    const openLane = async () => {
      const lane = new FrameLane(await dialer.openLane(signal));
      lane.trust();
      await lane.send(FRAME.join, [caps.token]);
      lanes.add(lane);
    };
    const close = () => {
      signal.removeEventListener("abort", onAbort);
      lanes.close();
      dialer.close();
    };
    return {
      control: frames,
      caps,
      ownKey,
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
    signal.throwIfAborted();
    throw error;
  }
}

export function hmac(key: Bytes, message: Bytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(nodeCrypto().createHmac("sha256", key).update(message).digest());
}

interface Dialled {
  dialer: Dialer;
  control: Awaited<ReturnType<Dialer["openLane"]>>;
  reason: string;
}

/**
 * The first endpoint that answers. `auto` takes TCP where it gets through (TLS over TCP moves several
 * times what QUIC does here, bench/RESULTS.md), and QUIC where it does not.
 */
async function dialAny(
  target: DialTarget,
  policy: CarrierPolicy,
  signal: AbortSignal,
): Promise<Dialled> {
  const carriers: CarrierName[] = policy === "auto" ? ["tcp", "quic"] : [policy];
  let last: unknown;
  const tried: string[] = [];
  for (const carrier of carriers) {
    for (const endpoint of target.endpoints) {
      const dialer = carrier === "tcp"
        ? new TlsDialer(endpoint, target.key)
        : new QuicDialer(endpoint, target.key);
      try {
        const control = await dialer.openLane(signal);
        const reason = policy !== "auto"
          ? "as asked for"
          : carrier === "tcp"
          ? "TCP gets through, and is the faster one here"
          : `TCP does not get through (${tried.join("; ")})`;
        return { dialer, control, reason };
      } catch (error) {
        dialer.close();
        signal.throwIfAborted();
        // Somebody else with another key answers: an attack, or a new machine. Others may be right.
        // Of several silences, the first is the one to tell of.
        if (last === undefined || isWarpError(error, "E_PEER_REFUSED")) last = error;
        tried.push(error instanceof Error ? error.message : String(error));
      }
    }
  }
  throw last ?? new WarpError("E_NETWORK", "the peer has no known address");
}
