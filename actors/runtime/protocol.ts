/**
 * What an actor understands, as a type; and the envelopes that carry it between actors.
 *
 * @module
 */
import type { WireError } from "../base/errors.ts";

/** Shape of every actor's protocol. Bodies are plain, cloneable data. */
export type Protocol = {
  /** A question with one reply and a named deadline. */
  calls?: Record<string, { request: unknown; reply: unknown }>;
  /** A notice without a reply; may be dropped when the receiver dies or is full. */
  casts?: Record<string, unknown>;
  /** Many items, then one result; the caller's credit bounds the bytes in flight. */
  streams?: Record<string, { request: unknown; item: unknown; result: unknown }>;
};

export type CallsOf<P extends Protocol> = P["calls"] extends Record<string, unknown> ? P["calls"]
  : Record<never, never>;
export type CastsOf<P extends Protocol> = P["casts"] extends Record<string, unknown> ? P["casts"]
  : Record<never, never>;
export type StreamsOf<P extends Protocol> = P["streams"] extends Record<string, unknown>
  ? P["streams"]
  : Record<never, never>;

export type RequestOf<T> = T extends { request: infer R } ? R : never;
export type ReplyOf<T> = T extends { reply: infer R } ? R : never;
export type ItemOf<T> = T extends { item: infer R } ? R : never;
export type ResultOf<T> = T extends { result: infer R } ? R : never;

/** Messages on a data port, one port per linked pair. */
export type Envelope =
  | { t: "call"; id: number; op: string; body: unknown; deadlineMs: number; trace: string }
  | { t: "cast"; op: string; body: unknown; trace: string }
  | { t: "open"; id: number; op: string; body: unknown; credit: number; trace: string }
  | { t: "reply"; id: number; body: unknown }
  | { t: "fail"; id: number; error: WireError }
  | { t: "item"; id: number; body: unknown; cost: number }
  | { t: "credit"; id: number; ceiling: number }
  | { t: "end"; id: number; body: unknown }
  | { t: "cancel"; id: number };

/** Messages on the control port, supervisor to actor. */
export type ToActor =
  | {
    t: "init";
    init: unknown;
    id: string;
    generation: number;
    trace: boolean;
    stop: SharedArrayBuffer;
  }
  /** A port to a sibling that this actor may talk to, or from one that may talk to this actor. */
  | { t: "link"; name: string; port: MessagePort }
  | { t: "serve"; from: string; port: MessagePort }
  /** The sibling is gone for now: open requests to it fail, new ones wait. */
  | { t: "unlink"; name: string }
  | { t: "ping"; n: number }
  | { t: "stop" };

/** Messages on the control port, actor to supervisor. */
export type FromActor =
  | { t: "ready" }
  | { t: "failed"; error: WireError }
  | { t: "crashed"; error: WireError; recent: FlightRecord[] }
  | { t: "pong"; n: number }
  | { t: "stopped" }
  | { t: "trace"; spans: Span[] };

/** One envelope without its payload, for crash reports. */
export interface FlightRecord {
  atMs: number;
  from: string;
  t: Envelope["t"];
  op: string;
}

/** One handled message, for `--trace`. Times in ms since the epoch, fractional. */
export interface Span {
  actor: string;
  generation: number;
  from: string;
  kind: "call" | "cast" | "stream";
  op: string;
  trace: string;
  queuedAt: number;
  startedAt: number;
  endedAt: number;
  bytes: number;
  outcome: "ok" | "error" | "cancelled";
}
