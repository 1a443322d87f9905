/**
 * Which packs the hub holds, and in which copy: what keeps the database and the blob store in step.
 *
 * A row is there before its blob is, and says `claimed` until the blob survives a power cut. The copy's number
 * is drawn with the row and never used again, so a row and a blob belong to each other or have nothing to do
 * with each other; collect.ts builds on that.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { type BlobName, type Blobs, type ByteRange, readContent } from "../blobs/blobs.ts";
import type { Database, Sql } from "./sql.ts";

/** States of a row in `packs`. */
export const STORED = 0, CLAIMED = 1;

/**
 * The tables, as statements of a migration. Beside them stands `pack_refs`, which is the hub's: a row for each
 * use of an `address`, with an index on it.
 */
export const PACK_TABLES: readonly string[] = [
  `CREATE TABLE packs (
    address {bytes} PRIMARY KEY, copy {bigint} NOT NULL, bytes {bigint} NOT NULL,
    touched_ms {bigint} NOT NULL, state {bigint} NOT NULL)`,
  `CREATE INDEX packs_touched ON packs (touched_ms, address)`,
  `CREATE TABLE pack_trash (
    address {bytes} NOT NULL, copy {bigint} NOT NULL, PRIMARY KEY (address, copy))`,
];

/** What the functions here work with: a part of the hub. */
export interface PackHub {
  readonly db: Database;
  readonly blobs: Blobs;
  readonly clock: { nowMs(): number; random(length: number): Uint8Array };
}

export interface UploadOptions {
  /** Longest pack, in bytes. */
  bytesMax: number;
  /** Runs in the transaction in which the pack becomes stored: quotas, holdings. May run more than once. */
  stored?: (sql: Sql, bytes: number) => Promise<void>;
}

/** An upload slower than the grace period loses its row to the collector each time. */
const TRIES_MAX = 8;

/**
 * Stores a pack. Idempotent; several at once may upload the same, and a collector may run.
 *
 * @throws {WarpError} as `Blobs.put` and `Database.transaction`; what `stored` throws
 */
export async function uploadPack(
  hub: PackHub,
  address: Bytes,
  content: Bytes | ReadableStream<Uint8Array>,
  { bytesMax, stored }: UploadOptions,
): Promise<{ bytes: number; isNew: boolean }> {
  const bytes = await readContent(content, bytesMax);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const copy = await claim(hub, address, bytes.length);
    const done = await hub.blobs.put({ address, copy }, bytes, { bytesMax });
    const isStored = await hub.db.transaction(async (sql) => {
      const rows = await sql.all(
        `UPDATE packs SET state = $1, bytes = $2, touched_ms = $3 WHERE address = $4 AND copy = $5
         RETURNING copy`,
        STORED,
        bytes.length,
        hub.clock.nowMs(),
        address,
        copy,
      );
      if (rows.length === 0) await addTrash(sql, address, copy);
      else await stored?.(sql, bytes.length);
      return rows.length > 0;
    });
    if (isStored) return done;
  }
  throw new WarpError("E_STORE", "the pack was collected while it was uploaded");
}

/** The copy to write: that of the row that is there, or of a new one. */
async function claim(hub: PackHub, address: Bytes, bytes: number): Promise<number> {
  const draw = hub.clock.random(6);
  const [row] = await hub.db.all(
    `INSERT INTO packs (address, copy, bytes, touched_ms, state) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (address) DO UPDATE SET touched_ms = CASE
       WHEN packs.touched_ms < excluded.touched_ms THEN excluded.touched_ms
       ELSE packs.touched_ms END
     RETURNING copy`,
    address,
    draw.reduce((number, byte) => number * 256 + byte, 0),
    bytes,
    hub.clock.nowMs(),
    CLAIMED,
  );
  return Number(row!["copy"]);
}

/** A copy that no row names any more: the collector deletes it. */
export async function addTrash(sql: Sql, address: Bytes, copy: number): Promise<void> {
  await sql.all(
    "INSERT INTO pack_trash (address, copy) VALUES ($1, $2) ON CONFLICT (address, copy) DO NOTHING",
    address,
    copy,
  );
}

/**
 * A stored pack, or a range of it; `bytes` is the size of the whole. Undefined when it is not here.
 *
 * @throws {WarpError} E_STORE (gone, or the blob is lost though it should be here), E_INTEGRITY
 */
export function readPack(
  { db, blobs }: Pick<PackHub, "db" | "blobs">,
  address: Bytes,
  range?: ByteRange,
): Promise<{ bytes: number; body: Uint8Array<ArrayBuffer> } | undefined> {
  return find(db, address, (name) => blobs.get(name, range));
}

interface SentPack {
  bytes: number;
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** A stored pack to be sent on: as a stream where the store has one. As {@link readPack} otherwise. */
export function sendPack(
  { db, blobs }: Pick<PackHub, "db" | "blobs">,
  address: Bytes,
): Promise<SentPack | undefined> {
  return find<SentPack>(db, address, (name) => blobs.stream?.(name) ?? blobs.get(name));
}

async function find<T>(
  db: Sql,
  address: Bytes,
  get: (name: BlobName) => Promise<T | undefined>,
): Promise<T | undefined> {
  for (let before = -1;;) {
    const [row] = await db.all(
      "SELECT copy FROM packs WHERE address = $1 AND state = $2",
      address,
      STORED,
    );
    if (row === undefined) return undefined;
    const copy = Number(row["copy"]);
    // Collected and uploaded anew between the two questions: another copy now.
    if (copy === before) throw new WarpError("E_STORE", "the blob of a pack is missing");
    const found = await get({ address, copy });
    if (found !== undefined) return found;
    before = copy;
  }
}
