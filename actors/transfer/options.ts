/**
 * What the transfer commands are told: the parsed command line, with every value checked.
 *
 * @module
 */
import type { CarrierPolicy } from "./client_io.ts";

export interface PeerOptions {
  /** Key file; undefined: the default one, made when it is missing. */
  identityFile: string | undefined;
  carrier: CarrierPolicy;
}

export interface MoveOptions extends PeerOptions {
  /** Bytes per second. */
  limit: number | undefined;
  isForce: boolean;
  /** Seconds to try again after the connection is lost. */
  retryS: number;
  receiptFile: string | undefined;
}

export interface SendOptions extends MoveOptions, ServeOptions {
  /** The last one may be the destination. */
  words: readonly string[];
  excludes: readonly string[];
  compression: "none" | "lz4";
}

/** How to be reached. */
export interface ServeOptions {
  host: string;
  port: number | undefined;
  /** `HOST:PORT` to be written on tickets instead of this machine's addresses. */
  advertise: readonly string[];
  /** How long a ticket is good for, in seconds. */
  expiresS: number;
}

export interface ListenOptions extends ServeOptions, PeerOptions {
  directory: string;
  allowed: readonly string[];
  isForce: boolean;
  isTicketWanted: boolean;
  keepS: number;
  limit: number | undefined;
}

export interface ReceiveOptions extends MoveOptions {
  ticket: string;
  directory: string;
}

export interface FetchOptions extends MoveOptions {
  /** `PEER/PATH`. */
  source: string;
  directory: string;
}

export interface PlanOptions extends PeerOptions {
  words: readonly string[];
  excludes: readonly string[];
}

export interface ProbeOptions extends PeerOptions {
  peer: string;
  seconds: number;
}

export interface ResumeOptions {
  id: string | undefined;
  isForget: boolean;
}

/** `warp stream send` and `warp stream receive`. */
export interface LiveOptions extends ServeOptions, PeerOptions {
  /** Undefined: a ticket is printed, and the other side dials. */
  peer: string | undefined;
  limit: number | undefined;
}
