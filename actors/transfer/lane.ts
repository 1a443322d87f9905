/**
 * Lanes: ordered, reliable, encrypted byte streams to a peer whose key TLS has checked (on the side
 * that dials). A carrier makes them; everything above sees only this.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";

export type CarrierName = "tcp" | "quic";

export interface Lane {
  readonly carrier: CarrierName;
  /** `address:port` of the other side, for messages. */
  readonly remote: string;
  /** The peer has proved who it is: from now on it is worth some work. Called once. */
  trusted(): void;
  /**
   * Waits for at least one byte; null at the end.
   * @throws {WarpError} E_PEER_GONE
   */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes everything. One at a time. @throws {WarpError} E_PEER_GONE */
  write(bytes: Bytes): Promise<void>;
  /** What was written is delivered, then the other side reads an end. */
  closeWrite(): Promise<void>;
  /** Drops everything; what waits fails. May be called twice. */
  close(): void;
}

/** The dialling end of a carrier: makes as many lanes to one peer as are wanted. */
export interface Dialer {
  readonly carrier: CarrierName;
  readonly remote: string;
  openLane(signal: AbortSignal): Promise<Lane>;
  close(): void;
}

/** The listening end: lanes of anybody, not yet authenticated. */
export interface LaneListener {
  readonly carrier: CarrierName;
  readonly port: number;
  accept(): Promise<Lane>;
  close(): void;
}
