/**
 * What the hub actor is started with, and what it answers to its own process. Everybody else speaks HTTP.
 *
 * @module
 */
import type { HubLimits } from "./hub.ts";

export interface HubOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** `postgres://…`, or a path of an SQLite database. */
  database: string;
  /** A directory, or `s3://…`. */
  blobs: string;
  isOpen: boolean;
  isBehindProxy: boolean;
  /** PEM. */
  tls: { cert: string; key: string } | null;
  limits: Partial<HubLimits>;
}

export interface HubAddress {
  host: string;
  port: number;
  /** base64url */
  key: string;
  invite: string;
}

export type HubProtocol = {
  calls: {
    address: { request: null; reply: HubAddress };
  };
};
