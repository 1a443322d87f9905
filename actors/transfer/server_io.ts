/**
 * The side that listens: takes lanes of anybody, finds out who it is, and turns away everyone else
 * before they cause work.
 *
 * @module
 */
import { type Bytes, constantTimeEqual, equal, toHex } from "../base/bytes.ts";
import { asWarpError, isWarpError, WarpError } from "../base/errors.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { WARP_VERSION } from "../base/version.ts";
import { verifySignature } from "../cipher/signature.ts";
import { hmac, type Identity } from "./client_io.ts";
import { FrameLane } from "./frame_lane.ts";
import { bytes, fields, FRAME, malformedFrame } from "./frames.ts";
import {
  clientProof,
  decodeHello,
  decodeProof,
  encodeCaps,
  encodeChallenge,
  NONCE_BYTES,
  PROTOCOL_VERSION,
  type SessionRequest,
  ticketProof,
  TOKEN_BYTES,
} from "./handshake.ts";
import type { Lane, LaneListener } from "./lane.ts";
import { peerTimeoutMs, watchPeer } from "./liveness_io.ts";
import { LaneSet, type Session } from "./session.ts";

/** A peer that has not said who it is by then is cut off. */
const HANDSHAKE_MS = 10_000;
/** Lanes that have not proved anything; beyond this the oldest goes. */
const UNPROVED_MAX = 256;
const SESSIONS_MAX = 64;
export const LANES_MAX = 16;
export const WINDOW_PAGES = 32;

/** A ticket as its issuer knows it. */
export interface IssuedTicket {
  secret: Uint8Array;
  /** Seconds since the epoch. */
  expires: number;
  wants: readonly SessionRequest["want"][];
  /** The first that used it: nobody else may, from then on. */
  boundTo: Uint8Array | null;
  onBound(key: Uint8Array): void;
}

export interface Admission {
  /** Keys that need no ticket. */
  allowed: readonly Uint8Array[];
  /** What those may ask for. */
  wants: readonly SessionRequest["want"][];
  tickets: readonly IssuedTicket[];
}

export interface ServerSession extends Session {
  request: SessionRequest;
  remote: string;
  signal: AbortSignal;
}

export interface ServerOptions {
  listeners: LaneListener[];
  identity: Identity;
  admission: Admission;
  /** Works off a session; what it throws is told to the peer. */
  serve(session: ServerSession): Promise<void>;
  /** For logs: somebody was turned away. */
  onRefused(remote: string, error: WarpError): void;
  signal: AbortSignal;
}

interface OpenSession {
  lanes: LaneSet;
  peerKey: Uint8Array;
  transferId: string | undefined;
  controller: AbortController;
  ended: Promise<void>;
}

export class SessionServer {
  readonly #o: ServerOptions;
  readonly #unproved = new Set<Lane>();
  readonly #sessions = new Map<string, OpenSession>();

  constructor(options: ServerOptions) {
    this.#o = options;
  }

  /** Until the signal aborts. */
  async run(): Promise<void> {
    const { listeners, signal } = this.#o;
    const stop = () => {
      for (const listener of listeners) listener.close();
      for (const lane of this.#unproved) lane.close();
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    await Promise.all(listeners.map((listener) => this.#acceptAll(listener)));
    await Promise.all([...this.#sessions.values()].map(({ ended }) => ended));
  }

  async #acceptAll(listener: LaneListener): Promise<void> {
    for (;;) {
      let lane: Lane;
      try {
        lane = await listener.accept();
      } catch {
        return;
      }
      if (this.#unproved.size >= UNPROVED_MAX) {
        const [oldest] = this.#unproved;
        this.#unproved.delete(oldest!);
        oldest!.close();
      }
      this.#unproved.add(lane);
      void this.#greet(lane);
    }
  }

  async #greet(lane: Lane): Promise<void> {
    const frames = new FrameLane(lane);
    const timer = setTimeout(() => lane.close(), Math.min(HANDSHAKE_MS, peerTimeoutMs()));
    try {
      const head = await frames.head();
      if (head === undefined) return lane.close();
      if (head.type === FRAME.join) return this.#join(frames, await frames.body(head));
      if (head.type !== FRAME.hello) throw malformedFrame("the peer sent a frame out of turn");
      const session = await this.#prove(frames, await frames.body(head));
      clearTimeout(timer);
      this.#unproved.delete(lane);
      await this.#begin(frames, session);
    } catch (error) {
      const known = asWarpError(error);
      if (!isWarpError(known, "E_PEER_GONE")) this.#o.onRefused(lane.remote, known);
      await frames.fail(known);
    } finally {
      clearTimeout(timer);
      this.#unproved.delete(lane);
    }
  }

  #join(frames: FrameLane, body: unknown): void {
    const token = bytes(fields(body, 1)[0], TOKEN_BYTES);
    const session = this.#sessions.get(tokenName(token));
    if (session === undefined || session.lanes.size >= LANES_MAX) return frames.close();
    frames.trust();
    session.lanes.add(frames);
  }

  /** Who is it, and may it do what it wants? @throws {WarpError} E_PEER_REFUSED, E_TICKET */
  async #prove(
    frames: FrameLane,
    body: unknown,
  ): Promise<{ request: SessionRequest; peerKey: Uint8Array }> {
    const { identity } = this.#o;
    const { version, key } = decodeHello(body);
    if (version !== PROTOCOL_VERSION) {
      throw new WarpError("E_PROTOCOL", `this device speaks version ${PROTOCOL_VERSION}`);
    }
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    await frames.send(FRAME.challenge, encodeChallenge(nonce));
    const proof = decodeProof(await frames.expect(FRAME.proof));
    if (!verifySignature(key, clientProof(nonce, identity.publicKey, key), proof.signature)) {
      throw new WarpError("E_PEER_REFUSED", "the device key was not proved");
    }
    this.#admit(key, nonce, proof.ticketMac, proof.request);
    return { request: proof.request, peerKey: key };
  }

  #admit(key: Uint8Array, nonce: Bytes, mac: Bytes | null, { want }: SessionRequest): void {
    const { admission, identity } = this.#o;
    if (mac === null) {
      const isAllowed = admission.allowed.some((one) => equal(one, key));
      if (isAllowed && admission.wants.includes(want)) return;
      throw new WarpError(
        "E_PEER_REFUSED",
        isAllowed ? "this is not offered here" : "this device does not know you",
        { hint: "the other side lets you in with --allow KEY, or gives you a ticket" },
      );
    }
    const message = ticketProof(nonce, identity.publicKey, key);
    const ticket = admission.tickets.find(({ secret }) =>
      constantTimeEqual(hmac(secret, message), mac)
    );
    if (ticket === undefined) throw new WarpError("E_TICKET", "the ticket is not valid here");
    if (Date.now() / 1000 > ticket.expires) throw new WarpError("E_TICKET", "the ticket expired");
    if (!ticket.wants.includes(want) && want !== "probe") {
      throw new WarpError("E_TICKET", "the ticket is for something else");
    }
    if (want === "probe") return;
    if (ticket.boundTo !== null && !equal(ticket.boundTo, key)) {
      throw new WarpError("E_TICKET", "the ticket was used by another device");
    }
    if (ticket.boundTo === null) {
      ticket.boundTo = new Uint8Array(key);
      ticket.onBound(ticket.boundTo);
    }
  }

  async #begin(
    frames: FrameLane,
    { request, peerKey }: { request: SessionRequest; peerKey: Uint8Array },
  ): Promise<void> {
    const transferId = "transferId" in request ? toHex(request.transferId) : undefined;
    await this.#takeOver(transferId, peerKey);
    if (this.#sessions.size >= SESSIONS_MAX) {
      throw new WarpError("E_BUSY", "this device serves as many peers as it can");
    }
    const token = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
    const caps = {
      token,
      lanesMax: LANES_MAX,
      window: WINDOW_PAGES,
      program: `warp ${WARP_VERSION}`,
    };
    const lanes = new LaneSet();
    lanes.add(frames);
    const controller = new AbortController();
    const ended = Promise.withResolvers<void>();
    const name = tokenName(token);
    const open = { lanes, peerKey, transferId, controller, ended: ended.promise };
    this.#sessions.set(name, open);
    const onAbort = () => lanes.close();
    controller.signal.addEventListener("abort", onAbort, { once: true });
    const { signal } = this.#o;
    const onStop = () => void frames.fail(asWarpError(signal.reason));
    signal.addEventListener("abort", onStop, { once: true });
    let stopWatch = () => {};
    try {
      signal.throwIfAborted();
      frames.trust();
      await frames.send(FRAME.caps, encodeCaps(caps));
      stopWatch = watchPeer({ control: frames, lanes });
      await this.#o.serve({
        control: frames,
        caps,
        ownKey: this.#o.identity.publicKey,
        peerKey,
        lanes,
        request,
        remote: frames.lane.remote,
        signal: AbortSignal.any([controller.signal, signal]),
      });
    } catch (error) {
      if (!controller.signal.aborted) await frames.fail(asWarpError(error));
    } finally {
      stopWatch();
      signal.removeEventListener("abort", onStop);
      this.#sessions.delete(name);
      lanes.close();
      ended.resolve();
    }
  }

  /** The same transfer again: its old connection is dead, and nobody has noticed yet. */
  async #takeOver(transferId: string | undefined, peerKey: Uint8Array): Promise<void> {
    for (const session of this.#sessions.values()) {
      if (transferId === undefined || session.transferId !== transferId) continue;
      if (!equal(session.peerKey, peerKey)) {
        throw new WarpError("E_PEER_REFUSED", "the transfer belongs to another device");
      }
      session.controller.abort(new WarpError("E_PEER_GONE", "the peer came back"));
      await session.ended;
    }
  }
}

/** A lookup by digest: how long it takes says nothing about the token. */
function tokenName(token: Bytes): string {
  return nodeCrypto().createHash("sha256").update(token).digest("hex");
}
