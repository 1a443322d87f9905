/**
 * Who is there: the first frames of a session (docs/protocol.md §4).
 *
 *     client → HELLO      [version, client key]
 *     server → CHALLENGE  [version, nonce]
 *     client → PROOF      [signature, ticket proof or null, request]
 *     server → CAPS       [lane token, lanes at most, reply]
 *
 * TLS has shown the client that the server holds the key it was dialled by. The client signs the
 * server's nonce together with that key: a server that is talked to cannot pass the proof on to another
 * one, and nothing can be replayed. A ticket's secret never travels; a MAC under it does.
 *
 * @module
 */
import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { bytes, fields, malformedFrame, shortText, uint } from "./frames.ts";

export const PROTOCOL_VERSION = 1;
export const NONCE_BYTES = 32;
export const TOKEN_BYTES = 32;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const MAC_BYTES = 32;
const PATH_CHARACTERS_MAX = 4096;
/** What a server may grant: a client that receives holds as many pages as the server's window says. */
const LANES_MAX = 64;
const WINDOW_PAGES_MAX = 64;

const PROOF_LABEL = utf8("warp/transfer/client-proof/v1\0");
const TICKET_LABEL = utf8("warp/transfer/ticket-proof/v1\0");

/** What a client wants of a server. */
export type SessionRequest =
  /** The client sends files. */
  | { want: "push"; transferId: Uint8Array; isDryRun: boolean; isForce: boolean }
  /** The client receives what the ticket stands for. */
  | { want: "receive"; transferId: Uint8Array }
  /** The client receives what lies at `path`. */
  | { want: "fetch"; transferId: Uint8Array; path: string }
  | { want: "probe" }
  /** The client sends, or receives, one endless stream. */
  | { want: "stream-send" | "stream-receive" };

const WANTS = ["push", "receive", "fetch", "probe", "stream-send", "stream-receive"] as const;
export const TRANSFER_ID_BYTES = 16;

/** What the client signs. */
export function clientProof(nonce: Bytes, serverKey: Bytes, clientKey: Bytes): Uint8Array {
  return concat(PROOF_LABEL, nonce, serverKey, clientKey);
}

/** What is authenticated under a ticket's secret, as HMAC-SHA256. */
export function ticketProof(nonce: Bytes, serverKey: Bytes, clientKey: Bytes): Uint8Array {
  return concat(TICKET_LABEL, nonce, serverKey, clientKey);
}

export function encodeHello(key: Bytes): unknown {
  return [PROTOCOL_VERSION, key];
}

export function decodeHello(body: unknown): { version: number; key: Uint8Array } {
  const [version, key] = fields(body, 2);
  return { version: uint(version, 65535), key: bytes(key, KEY_BYTES) };
}

export function encodeChallenge(nonce: Bytes): unknown {
  return [PROTOCOL_VERSION, nonce];
}

export function decodeChallenge(body: unknown): { version: number; nonce: Uint8Array } {
  const [version, nonce] = fields(body, 2);
  return { version: uint(version, 65535), nonce: bytes(nonce, NONCE_BYTES) };
}

export interface Proof {
  signature: Uint8Array;
  ticketMac: Uint8Array | null;
  request: SessionRequest;
}

export function encodeProof({ signature, ticketMac, request }: Proof): unknown {
  return [signature, ticketMac, encodeRequest(request)];
}

export function decodeProof(body: unknown): Proof {
  const [signature, mac, request] = fields(body, 3);
  return {
    signature: bytes(signature, SIGNATURE_BYTES),
    ticketMac: mac === null ? null : bytes(mac, MAC_BYTES),
    request: decodeRequest(request),
  };
}

function encodeRequest(request: SessionRequest): unknown[] {
  const kind = WANTS.indexOf(request.want);
  switch (request.want) {
    case "push":
      return [kind, request.transferId, Number(request.isDryRun) | Number(request.isForce) << 1];
    case "receive":
      return [kind, request.transferId];
    case "fetch":
      return [kind, request.transferId, request.path];
    default:
      return [kind];
  }
}

function decodeRequest(value: unknown): SessionRequest {
  const kind = Array.isArray(value) ? uint(value[0], WANTS.length - 1) : -1;
  const want = WANTS[kind];
  switch (want) {
    case "push": {
      const [, id, flags] = fields(value, 3);
      const bits = uint(flags, 3);
      const transferId = bytes(id, TRANSFER_ID_BYTES);
      return { want, transferId, isDryRun: (bits & 1) !== 0, isForce: (bits & 2) !== 0 };
    }
    case "receive": {
      const [, id] = fields(value, 2);
      return { want, transferId: bytes(id, TRANSFER_ID_BYTES) };
    }
    case "fetch": {
      const [, id, path] = fields(value, 3);
      const transferId = bytes(id, TRANSFER_ID_BYTES);
      return { want, transferId, path: shortText(path, PATH_CHARACTERS_MAX) };
    }
    case "probe":
    case "stream-send":
    case "stream-receive":
      fields(value, 1);
      return { want };
    default:
      fields(value, -1);
      throw new Error("unreachable");
  }
}

/** What the server grants. */
export interface Caps {
  /** Opens further lanes of this session. */
  token: Uint8Array;
  /** Lanes in all. */
  lanesMax: number;
  /** Manifest pages that may be open at once: the receiver's credit. */
  window: number;
  /** Program and version, for people. */
  program: string;
}

export function encodeCaps({ token, lanesMax, window, program }: Caps): unknown {
  return [token, lanesMax, window, program];
}

export function decodeCaps(body: unknown): Caps {
  const [token, lanesMax, window, program] = fields(body, 4);
  return {
    token: bytes(token, TOKEN_BYTES),
    lanesMax: uint(lanesMax, LANES_MAX),
    window: atLeastOne(uint(window, WINDOW_PAGES_MAX)),
    program: shortText(program, 64),
  };
}

/** With a window of nothing a sender would wait for ever. */
function atLeastOne(value: number): number {
  if (value < 1) throw malformedFrame();
  return value;
}
