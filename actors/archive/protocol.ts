/**
 * What the archive actor understands. Long work is a stream: progress items, then one result.
 *
 * @module
 */
import type { FinalEntry } from "../base/entry.ts";
import type { Problem } from "../chunker/protocol.ts";
import type { ChunkSizes } from "../chunker/protocol.ts";
import type { CompressionMode } from "./plan.ts";
import type { RootRecord } from "./summary.ts";

/** How far a long operation is; sums since its start. */
export interface Progress {
  phase: string;
  bytes: number;
  bytesTotal?: number;
  files: number;
  /** Bytes after dedup and compression, as written. */
  stored: number;
  path?: Uint8Array;
}

/** An existing archive and the key that opens it. */
export interface ArchiveAccess {
  path: string;
  /** Null for a plain archive. */
  archiveKey: Uint8Array | null;
  /** Where archives that this one is based on may be, besides its own directory. */
  basePaths: string[];
}

export interface CreateRequest {
  sources: string[];
  excludes: string[];
  /** `-` is stdout. */
  output: string;
  isForce: boolean;
  isResume: boolean;
  chunk: ChunkSizes;
  compression: CompressionMode;
  archiveId: Uint8Array;
  /** Null in a plain archive. */
  archiveKey: Uint8Array | null;
  keySection: Uint8Array;
  created: number;
  bases: ArchiveAccess[];
  /** `AGE-SECRET-KEY-1...` whose signing key signs the archive. */
  signIdentity: string | null;
  memoryBytes: number;
}

export interface CreateResult {
  root: Uint8Array;
  archiveId: Uint8Array;
  totalLength: number;
  counts: RootRecord;
  problems: Problem[];
  /** What became of the device, if there was one: for people. */
  deviceNotes: string[];
  /** Calls that the device did. */
  deviceCalls: number;
}

export interface ExtractRequest extends ArchiveAccess {
  directory: string;
  /** Archive paths as bytes; empty: everything. */
  paths: Uint8Array[];
  isForce: boolean;
  isSalvage: boolean;
  isOwnerKept: boolean | null;
  isSetidKept: boolean;
  memoryBytes: number;
}

export interface ExtractResult {
  files: number;
  entries: number;
  bytes: number;
  problems: Problem[];
  /** Metadata that could not be restored. */
  warnings: { path: Uint8Array; message: string }[];
  /** Requested paths that the archive does not hold. */
  missing: Uint8Array[];
  /** Salvage only: why the archive could not be read to its end. */
  damage: string | null;
}

export interface VerifyResult {
  root: Uint8Array;
  archiveId: Uint8Array;
  totalLength: number;
  isEncrypted: boolean;
  signer: Uint8Array | null;
  /** Chunks whose content was checked as well (with a key, or plain). */
  chunks: number | null;
}

export interface DiffRow {
  path: Uint8Array;
  /** A only in the directory, D only in the archive, T type, M content, m metadata. */
  change: "A" | "D" | "T" | "M" | "m";
  what: string;
}

export type ArchiveProtocol = {
  streams: {
    create: { request: CreateRequest; item: Progress; result: CreateResult };
    extract: { request: ExtractRequest; item: Progress; result: ExtractResult };
    verify: {
      request: ArchiveAccess & { isDeep: boolean };
      item: Progress;
      result: VerifyResult;
    };
    list: {
      request: ArchiveAccess & { paths: Uint8Array[] };
      item: FinalEntry[];
      result: { missing: Uint8Array[] };
    };
    cat: { request: ArchiveAccess & { member: Uint8Array }; item: Uint8Array; result: null };
    diff: {
      request: ArchiveAccess & { directory: string; excludes: string[] };
      item: DiffRow[];
      result: { differences: number; problems: Problem[] };
    };
  };
};

export type ArchiveCommand = keyof ArchiveProtocol["streams"];

export interface ArchiveInit {
  /** Ids of the ciphers it is linked to. */
  ciphers: string[];
  /** Whether it is linked to a device; "required": to be waited for. */
  device: "none" | "optional" | "required";
  /** The command to come: its modules are loaded while the other actors start. */
  command: ArchiveCommand;
}
