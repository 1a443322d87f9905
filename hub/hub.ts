/**
 * What every route of the hub works with.
 *
 * @module
 */
import { blake3 } from "@noble/hashes/blake3.js";
import { createHash } from "node:crypto";
import type { Bytes } from "../actors/base/bytes.ts";
import { toBase64Url } from "../actors/portal/base64url.ts";
import { createSigner, type Signer } from "../actors/cipher/signature.ts";
import type { Blobs } from "./blobs/blobs.ts";
import type { ByteBudget } from "./byte_budget.ts";
import type { Events } from "./events.ts";
import type { Metrics } from "./metrics.ts";
import type { Database, Sql } from "./store/sql.ts";
import type { Traffic } from "./traffic.ts";

/** Where time and chance come from: tests bring their own. */
export interface Clock {
  nowMs(): number;
  random(length: number): Uint8Array<ArrayBuffer>;
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

export interface HubLimits {
  /** Bytes that one account may hold. */
  quotaBytes: number;
  /** Requests a second that one address may make before it has a token, and how many at once. */
  anonymousRate: number;
  anonymousBurst: number;
  /** Failed logins of one address: how many at once, and one more each so many seconds. */
  failuresBurst: number;
  failureRefillS: number;
  /** Requests a second of one token. */
  tokenRate: number;
  tokenBurst: number;
  tokenMs: number;
  leaseMs: number;
  /** An upload that nothing refers to is kept so long. */
  graceMs: number;
  /** Bytes of uploads in memory at once; further ones wait. */
  uploadBytes: number;
  /** Older versions of a portal are dropped. */
  versionsKept: number;
}

export const LIMITS_DEFAULT: Readonly<HubLimits> = {
  quotaBytes: 1 << 30,
  anonymousRate: 100,
  anonymousBurst: 2000,
  failuresBurst: 20,
  failureRefillS: 3,
  tokenRate: 2000,
  tokenBurst: 10_000,
  tokenMs: 15 * 60_000,
  leaseMs: 60 * 60_000,
  graceMs: 24 * 60 * 60_000,
  uploadBytes: 256 << 20,
  versionsKept: 10,
};

export interface Hub {
  db: Database;
  blobs: Blobs;
  clock: Clock;
  limits: HubLimits;
  events: Events;
  traffic: Traffic;
  metrics: Metrics;
  /** Memory for uploads that are on their way. */
  uploads: ByteBudget;
  /** Aborted when the hub shuts down: streams end. */
  stopping: AbortSignal;
  secrets: HubSecrets;
  /** Anyone may enrol. */
  isOpen: boolean;
  /** Addresses are taken from `X-Forwarded-For`, whose last entry a proxy of ours wrote. */
  isBehindProxy: boolean;
}

export interface HubSecrets {
  signer: Signer;
  /** Keys the challenges. */
  challengeKey: Bytes;
  invite: string;
}

/** Reads the hub's keys, or makes them where the database is new. Replicas share them. */
export async function openSecrets(db: Database, clock: Clock): Promise<HubSecrets> {
  const read = (name: string, length: number) =>
    db.transaction(async (sql) => {
      await sql.all(
        "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        name,
        clock.random(length),
      );
      const [row] = await sql.all("SELECT value FROM secrets WHERE name = $1", name);
      return bytesOf(row!["value"]);
    });
  return {
    signer: createSigner(await read("signing", 32)),
    challengeKey: await read("challenge", 32),
    invite: toBase64Url(await read("invite", 16)),
  };
}

export function sha256(...parts: Bytes[]): Uint8Array<ArrayBuffer> {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

export function blake3Hash(bytes: Bytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(blake3(new Uint8Array(bytes)));
}

/** What a column holds, whose type the schema says. */
export function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array)) throw new TypeError("a column without bytes");
  return value as Uint8Array<ArrayBuffer>;
}

export function numberOf(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("a column without a number");
  return value;
}

export function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : numberOf(value);
}

export function textOf(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("a column without text");
  return value;
}

export type { Database, Sql };
