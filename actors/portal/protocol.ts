/**
 * What the portal actor understands: putting trees into portals and getting them out. Everything else is a
 * request or two, and made where the command runs.
 *
 * @module
 */
import type { Problem } from "../chunker/protocol.ts";

/** How to speak to a hub, and with which keys. Secret. */
export interface HubAccess {
  url: string;
  /** The pinned key; null: believed. */
  hubKey: Uint8Array | null;
  /** Ed25519: of the device, or the link. */
  signingSeed: Uint8Array;
  /** age identities that may open what is wrapped. */
  identities: string[];
  /** The account that the key is of; null for a link. */
  account: Uint8Array | null;
  /** The domain of the account's own portals; null for a link. */
  convergenceSecret: Uint8Array | null;
}

export interface PutRequest {
  access: HubAccess;
  /** base64url */
  portal: string;
  sources: string[];
  excludes: string[];
}

export interface GetRequest {
  access: HubAccess;
  portal: string;
  directory: string;
  isForce: boolean;
  /** 0: the newest. */
  version: number;
  /** A lease of an earlier run, base64url. */
  lease: string | null;
}

export interface PortalProgress {
  type: "progress";
  phase: "reading" | "sending" | "fetching";
  bytes: number;
  /** Null: not known. */
  bytesTotal: number | null;
  /** Content that was here, or there, already. */
  bytesSaved: number;
  bytesMoved: number;
  files: number;
}

/** A lease was given: what a later run goes on with. */
export interface LeaseNote {
  type: "lease";
  lease: string;
  version: number;
}

export interface PutResult {
  version: number;
  isUnchanged: boolean;
  files: number;
  bytes: number;
  bytesNew: number;
  /** Packs sent, and their bytes. */
  packsSent: number;
  bytesSent: number;
  problems: Problem[];
  seconds: number;
}

export interface GetResult {
  version: number;
  files: number;
  bytes: number;
  /** Content that was in the directory already. */
  bytesHad: number;
  bytesFetched: number;
  problems: Problem[];
  seconds: number;
}

/** Gives grants that came after the newest version their views of it. */
export interface PublishRequest {
  access: HubAccess;
  /** base64url */
  portal: string;
}

export type PortalProtocol = {
  calls: {
    publish: { request: PublishRequest; reply: { version: number } };
  };
  streams: {
    put: { request: PutRequest; item: PortalProgress; result: PutResult };
    get: { request: GetRequest; item: PortalProgress | LeaseNote; result: GetResult };
  };
};
