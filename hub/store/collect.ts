/**
 * Deletes packs that nothing refers to.
 *
 * In one transaction the row of a dead pack becomes a row of the trash; then the blob of that copy is deleted;
 * then the row of the trash. Whoever uploads the address meanwhile finds no row and begins a new copy, so
 * nobody waits, any step may be repeated, come late or never, and several may collect at once.
 *
 * A pack is dead when no row of `pack_refs` names it and it was last uploaded or touched longer ago than the
 * grace period. Who refers to a pack must, in the transaction that adds the reference, see it `stored`.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { addTrash, type PackHub, STORED } from "./packs.ts";
import type { Row, Sql } from "./sql.ts";

export interface CollectOptions {
  /** How long an upload waits for a version that refers to it, in ms. */
  graceMs: number;
  /** Runs in the transaction that lets a pack go: holdings, quotas. May run more than once. */
  dropped?: (sql: Sql, pack: { address: Bytes; bytes: number; isStored: boolean }) => Promise<void>;
}

/** Rows that are looked at, or changed, in one go: others must not wait long. */
const BATCH = 256;
/** Deletions at once: a bucket takes its time for each. */
const LANES = 8;

/**
 * Deletes all that is dead now; how many packs were let go, and their bytes.
 *
 * @throws {WarpError} E_STORE: nothing is lost, and the next collection goes on
 */
export async function collectPacks(
  hub: PackHub,
  options: CollectOptions,
): Promise<{ packs: number; bytes: number }> {
  const beforeMs = hub.clock.nowMs() - options.graceMs;
  const total = { packs: 0, bytes: 0 };
  let last: Row | undefined = { touched_ms: -1, address: new Uint8Array(0) };
  while (last !== undefined) {
    const rows = await oldPacks(hub, last, beforeMs);
    const dead = rows.filter((row) => row["is_used"] === 0);
    if (dead.length > 0) {
      const dropped = await hub.db.transaction((sql) => drop(sql, dead, beforeMs, options));
      total.packs += dropped.packs;
      total.bytes += dropped.bytes;
    }
    last = rows.length < BATCH ? undefined : rows.at(-1);
  }
  await emptyTrash(hub);
  return total;
}

/** The next rows that are old enough, whether dead or not, in an order that goes on where it ended. */
function oldPacks(hub: PackHub, last: Row, beforeMs: number): Promise<Row[]> {
  return hub.db.all(
    `SELECT address, copy, touched_ms, CASE WHEN EXISTS (
       SELECT 1 FROM pack_refs WHERE pack_refs.address = packs.address) THEN 1 ELSE 0 END AS is_used
     FROM packs WHERE (touched_ms, address) > ($1, $2) AND touched_ms < $3
     ORDER BY touched_ms, address LIMIT $4`,
    last["touched_ms"]!,
    last["address"]!,
    beforeMs,
    BATCH,
  );
}

/** Looks again, for much may have happened since, and lets go of what is still dead. */
async function drop(
  sql: Sql,
  rows: readonly Row[],
  beforeMs: number,
  { dropped }: CollectOptions,
): Promise<{ packs: number; bytes: number }> {
  const total = { packs: 0, bytes: 0 };
  for (const { address, copy } of rows as { address: Uint8Array; copy: number }[]) {
    const [row] = await sql.all(
      `DELETE FROM packs WHERE address = $1 AND copy = $2 AND touched_ms < $3
         AND NOT EXISTS (SELECT 1 FROM pack_refs WHERE pack_refs.address = packs.address)
       RETURNING bytes, state`,
      address,
      copy,
      beforeMs,
    );
    if (row === undefined) continue;
    await addTrash(sql, address, copy);
    const bytes = Number(row["bytes"]);
    await dropped?.(sql, { address, bytes, isStored: row["state"] === STORED });
    total.packs++;
    total.bytes += bytes;
  }
  return total;
}

async function emptyTrash(hub: PackHub): Promise<void> {
  for (;;) {
    const rows = await hub.db.all("SELECT address, copy FROM pack_trash LIMIT $1", BATCH) as {
      address: Uint8Array;
      copy: number;
    }[];
    if (rows.length === 0) return;
    const waiting = rows.values();
    const lane = async () => {
      for (const { address, copy } of waiting) {
        await hub.blobs.delete({ address, copy });
        await hub.db.all(
          "DELETE FROM pack_trash WHERE address = $1 AND copy = $2",
          address,
          copy,
        );
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: LANES }, lane));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

/**
 * Deletes blobs that no row names, as a crash or a power cut may leave them; how many. Lists the whole
 * blob store: once a day is plenty.
 *
 * Each blob was written after its row, and a number is never used again: one that is in the list and has no
 * row afterwards will never have one.
 *
 * @throws {WarpError} E_STORE
 */
export async function sweepBlobs(hub: PackHub): Promise<number> {
  let count = 0;
  for await (const { address, copy } of hub.blobs.list()) {
    const known = await hub.db.all(
      `SELECT copy FROM packs WHERE address = $1 AND copy = $2
       UNION ALL SELECT copy FROM pack_trash WHERE address = $1 AND copy = $2`,
      address,
      copy,
    );
    if (known.length > 0) continue;
    await hub.blobs.delete({ address, copy });
    count++;
  }
  return count;
}
