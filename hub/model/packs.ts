/**
 * Packs of accounts: who has uploaded what, within the quota.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { type Hub, numberOf, type Sql } from "../hub.ts";
import { receive } from "../receive.ts";
import { uploadPack } from "../store/packs.ts";

/**
 * Stores an upload and counts it to the account, once.
 *
 * @param bytes how long the client says it is
 * @returns how long it is
 * @throws {WarpError} E_QUOTA, E_PROTOCOL (it was cut), E_DEADLINE, E_INTEGRITY, E_LIMIT, E_DISK_FULL, E_STORE
 */
export async function takePack(
  hub: Hub,
  account: Uint8Array<ArrayBuffer>,
  address: Uint8Array<ArrayBuffer>,
  content: ReadableStream<Uint8Array> | null,
  bytes: number,
): Promise<number> {
  const { quotaBytes } = hub.limits;
  const [row] = await hub.db.all("SELECT bytes FROM accounts WHERE account = $1", account);
  // Said before the bytes are taken, and looked at again when they are counted.
  if (numberOf(row!["bytes"]) + bytes > quotaBytes && !await isHeld(hub, account, address)) {
    await content?.cancel();
    throw overQuota(quotaBytes);
  }
  const giveBack = await hub.uploads.take(bytes);
  try {
    const done = await uploadPack(hub, address, await receive(content, bytes), {
      bytesMax: bytes,
      stored: (sql, stored) => count(sql, account, address, stored, quotaBytes),
    });
    return done.bytes;
  } finally {
    giveBack();
  }
}

async function isHeld(
  hub: Hub,
  account: Uint8Array<ArrayBuffer>,
  address: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const rows = await hub.db.all(
    "SELECT bytes FROM holdings WHERE account = $1 AND address = $2",
    account,
    address,
  );
  return rows.length > 0;
}

async function count(
  sql: Sql,
  account: Uint8Array<ArrayBuffer>,
  address: Uint8Array<ArrayBuffer>,
  bytes: number,
  quotaBytes: number,
): Promise<void> {
  const made = await sql.all(
    `INSERT INTO holdings (account, address, bytes) VALUES ($1, $2, $3)
     ON CONFLICT (account, address) DO NOTHING RETURNING bytes`,
    account,
    address,
    bytes,
  );
  if (made.length === 0) return;
  const counted = await sql.all(
    "UPDATE accounts SET bytes = bytes + $1 WHERE account = $2 AND bytes <= $3 RETURNING bytes",
    bytes,
    account,
    quotaBytes - bytes,
  );
  if (counted.length === 0) throw overQuota(quotaBytes);
}

function overQuota(quotaBytes: number): WarpError {
  return new WarpError("E_QUOTA", "the account's space on the hub is full", {
    hint: "archive portals that are over: `warp portal close --archive NAME`",
    details: { quotaBytes },
  });
}

/** Gives back the space of a pack that is collected. */
export async function dropHoldings(sql: Sql, { address }: { address: Bytes }): Promise<void> {
  const rows = await sql.all(
    "DELETE FROM holdings WHERE address = $1 RETURNING account, bytes",
    new Uint8Array(address),
  );
  for (const row of rows) {
    await sql.all(
      "UPDATE accounts SET bytes = bytes - $1 WHERE account = $2",
      row["bytes"]!,
      row["account"]!,
    );
  }
}
