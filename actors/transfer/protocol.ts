/**
 * What the transfer actor understands. Long work is a stream: events, then one result.
 *
 * @module
 */
import type { Problem } from "../chunker/protocol.ts";
import type { CarrierPolicy, DialTarget } from "./client_io.ts";
import type { CarrierName } from "./lane.ts";
import type { TicketPurpose } from "./ticket.ts";

/** How far a transfer is; sums since its start. */
export interface TransferProgress {
  type: "progress";
  phase: string;
  /** Content settled at the receiver, of what was announced so far. */
  bytes: number;
  bytesOffered: number;
  /** What there is in all, by a look at the sources; null: not known, or not yet. */
  bytesTotal: number | null;
  /** Content that had to travel, and content that was there already. */
  bytesMoved: number;
  bytesSaved: number;
  files: number;
  /** Bytes on the lanes, all in all. */
  wire: number;
  carrier: CarrierName | null;
  lanes: number;
}

/** Something that happened, for people and for `--json`. */
export interface TransferNote {
  type: "note";
  event:
    | "connected"
    | "reconnecting"
    | "listening"
    | "bound"
    | "refused"
    | "session"
    | "session-done"
    | "session-failed"
    | "abandoned";
  text: string;
  details: Record<string, string | number | boolean>;
}

export type TransferEvent = TransferProgress | TransferNote;

export interface TransferResult {
  root: Uint8Array;
  files: number;
  bytes: number;
  /** Chunks that had to travel, and those that were there already; small files count as neither. */
  bytesMoved: number;
  bytesSaved: number;
  wire: number;
  carrier: CarrierName;
  /** Why this carrier; "" where the other side chose it. */
  reason: string;
  lanes: number;
  /** JSON, as kept; null when something was refused, and after a dry run. */
  receipt: string | null;
  problems: Problem[];
  /** Files that the other side could not take. */
  refused: number;
  rttMs: number;
  seconds: number;
}

/** What both directions of a client need. */
export interface DialRequest {
  target: DialTarget;
  carrier: CarrierPolicy;
  /** `AGE-SECRET-KEY-1...`: the device key is derived from it. */
  identity: string;
  transferId: Uint8Array;
  /** Bytes per second; null: as fast as it goes. */
  limit: number | null;
  /** How long to try again after the connection is lost. */
  retryMs: number;
}

export interface SourceOptions {
  sources: string[];
  excludes: string[];
  compression: "none" | "lz4";
}

export interface ServeRequest {
  identity: string;
  hostname: string;
  port: number;
  carriers: CarrierName[];
  /** Pushes land in it, fetches come from it; null: neither. */
  directory: string | null;
  isForce: boolean;
  allowed: Uint8Array[];
  /** What the holder of the ticket gets, or may push into the directory. */
  ticket: {
    secret: Uint8Array;
    expires: number;
    purpose: TicketPurpose;
    boundTo: Uint8Array | null;
  } | null;
  /** What a receive ticket stands for. */
  offer: SourceOptions | null;
  /** Ends when the ticket's transfer is done. */
  isOnce: boolean;
  limit: number | null;
  /** How long what was interrupted waits for its sender, in ms; null: for ever. */
  keepMs: number | null;
}

export interface ProbeResult {
  carrier: CarrierName;
  reason: string;
  remote: string;
  program: string;
  lanesMax: number;
  /** Smallest and median of the pings. */
  rttMinMs: number;
  rttMs: number;
  bytesPerSecond: number;
}

export type TransferProtocol = {
  streams: {
    push: {
      request: DialRequest & SourceOptions & { isDryRun: boolean; isForce: boolean };
      item: TransferEvent;
      result: TransferResult;
    };
    pull: {
      request: DialRequest & { path: string | null; directory: string; isForce: boolean };
      item: TransferEvent;
      result: TransferResult;
    };
    serve: { request: ServeRequest; item: TransferEvent; result: TransferResult | null };
    /** Standard input to the peer, or what it sends to standard output. */
    live: {
      request: Omit<DialRequest, "transferId" | "retryMs"> & { isSending: boolean };
      item: TransferEvent;
      result: { bytes: number };
    };
    probe: {
      request: Omit<DialRequest, "transferId" | "retryMs" | "limit"> & { seconds: number };
      item: TransferEvent;
      result: ProbeResult;
    };
  };
};

export interface TransferInit {
  /** Ids of the chunkers it is linked to: one a sending session. */
  chunkers: string[];
}
