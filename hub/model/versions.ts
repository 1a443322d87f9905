/**
 * Versions: what a portal's tree was and is, by the packs it is made of.
 *
 * @module
 */
import { compare, equal, isZero, toHex } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { LEVELS, type Signed } from "../../actors/portal/records.ts";
import { concat } from "../../actors/base/bytes.ts";
import type { Principal } from "../auth.ts";
import { blake3Hash, bytesOf, type Hub, numberOf, type Sql } from "../hub.ts";
import { requireAccess } from "./access.ts";
import { writeAudit } from "./audit.ts";
import { requireDevice } from "./access.ts";
import { requireOpen } from "./openness.ts";
import { openSigned, requireFresh, requireSame } from "./signed.ts";

const ADDRESS_BYTES = 32;

/** What one view of a version needs; `view` is empty for the whole tree. */
export interface ViewPacks {
  view: Uint8Array<ArrayBuffer>;
  /** 32 bytes each. */
  packs: Uint8Array<ArrayBuffer>;
}

/** The hash that a version record carries: over all its packs, each once, in order. */
export function packsHash(views: readonly ViewPacks[]): Uint8Array<ArrayBuffer> {
  return blake3Hash(concat(...distinct(views)));
}

function distinct(views: readonly ViewPacks[]): Uint8Array<ArrayBuffer>[] {
  const all = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const { packs } of views) {
    for (const address of addresses(packs)) all.set(toHex(address), address);
  }
  return [...all.values()].sort(compare);
}

function* addresses(packs: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < packs.length; at += ADDRESS_BYTES) {
    yield packs.slice(at, at + ADDRESS_BYTES);
  }
}

/**
 * @returns the number of the version
 * @param address where the request comes from, for a policy that asks
 * @throws {WarpError} E_SIGNATURE, E_PROTOCOL, E_ACCESS, E_CLOSED, E_GONE, E_BUSY (someone else was first),
 *   E_NOT_FOUND (a pack that is not there, or not the account's)
 */
export async function addVersion(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  signed: Signed,
  views: readonly ViewPacks[],
  address: string | null,
): Promise<number> {
  const account = requireDevice(who), nowMs = hub.clock.nowMs();
  const record = openSigned("version", signed, who.key);
  requireSame("portal", record.portal, id);
  requireFresh(record.atMs, nowMs);
  requireHeads(record.heads, views);
  requireSame("list of packs", record.packs, packsHash(views));
  await hub.db.transaction(async (sql) => {
    const access = await requireAccess(sql, who, id, "write", nowMs);
    const { portal, grant } = access;
    const known = await sql.all(
      "SELECT key FROM accessors WHERE portal = $1 AND key = $2",
      id,
      account,
    );
    const visitor = {
      who,
      grantedMs: grant?.grantedMs ?? null,
      address,
      isKnown: known.length > 0,
    };
    requireOpen(access, visitor, nowMs, portal, "write");
    await requireNext(sql, id, portal.version, portal.epoch, record);
    await requirePossession(sql, id, account, distinct(views), nowMs);
    await sql.all(
      `INSERT INTO versions (portal, version, record, signature, device, created_ms)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      id,
      record.sequence,
      signed.bytes,
      signed.signature,
      who.key,
      nowMs,
    );
    for (const { view, packs } of views) {
      for (const address of addresses(packs)) {
        await sql.all(
          `INSERT INTO pack_refs (address, portal, version, view) VALUES ($1, $2, $3, $4)
           ON CONFLICT (portal, version, view, address) DO NOTHING`,
          address,
          id,
          record.sequence,
          view,
        );
      }
    }
    await sql.all("UPDATE portals SET version = $1 WHERE portal = $2", record.sequence, id);
    await dropOld(sql, id, record.sequence - hub.limits.versionsKept);
    await writeAudit(sql, id, nowMs, who.key, "put", { version: record.sequence });
  });
  return record.sequence;
}

function requireHeads(
  heads: readonly { view: Uint8Array | null; head: Uint8Array }[],
  views: readonly ViewPacks[],
): void {
  const isSame = heads.length === views.length && heads.every(({ view, head }, i) => {
    const { view: name, packs } = views[i]!;
    if (!equal(view ?? new Uint8Array(0), name) || packs.length % ADDRESS_BYTES !== 0) return false;
    for (const address of addresses(packs)) if (equal(address, head)) return true;
    return false;
  });
  const names = new Set(views.map(({ view }) => toHex(view)));
  if (!isSame || names.size !== views.length || !names.has("")) {
    throw new WarpError("E_PROTOCOL", "the views of the version do not fit its record");
  }
}

async function requireNext(
  sql: Sql,
  id: Uint8Array<ArrayBuffer>,
  version: number,
  epoch: number,
  record: { sequence: number; epoch: number; before: Uint8Array },
): Promise<void> {
  if (record.sequence !== version + 1 || record.epoch !== epoch) {
    throw new WarpError("E_BUSY", "the portal was changed meanwhile", { hint: "try again" });
  }
  const [last] = await sql.all(
    "SELECT record FROM versions WHERE portal = $1 AND version = $2",
    id,
    version,
  );
  const isLinked = last === undefined
    ? isZero(record.before)
    : equal(record.before, blake3Hash(bytesOf(last["record"])));
  if (!isLinked) throw new WarpError("E_PROTOCOL", "the version names another one before it");
}

/** Each pack is here, and the account has uploaded it or the portal has it already. */
async function requirePossession(
  sql: Sql,
  portal: Uint8Array<ArrayBuffer>,
  account: Uint8Array<ArrayBuffer>,
  packs: readonly Uint8Array<ArrayBuffer>[],
  nowMs: number,
): Promise<void> {
  for (const address of packs) {
    // Touched, so that a collection that began meanwhile leaves it.
    const [pack] = await sql.all(
      `UPDATE packs SET touched_ms = $1 WHERE address = $2 AND state = 0 RETURNING address`,
      nowMs,
      address,
    );
    const [held] = pack === undefined ? [] : await sql.all(
      `SELECT 1 AS held FROM holdings WHERE account = $1 AND address = $2
       UNION ALL SELECT 1 AS held FROM pack_refs WHERE address = $3 AND portal = $4 LIMIT 1`,
      account,
      address,
      address,
      portal,
    );
    if (held === undefined) {
      throw new WarpError("E_NOT_FOUND", "a pack of the version is not here", {
        hint: "upload it first",
      });
    }
  }
}

async function dropOld(sql: Sql, id: Uint8Array<ArrayBuffer>, upTo: number): Promise<void> {
  if (upTo < 1) return;
  await sql.all("DELETE FROM pack_refs WHERE portal = $1 AND version <= $2", id, upTo);
  await sql.all("DELETE FROM versions WHERE portal = $1 AND version <= $2", id, upTo);
}

/** A version's record, the newest or a named one. @throws {WarpError} E_NOT_FOUND */
export async function findVersion(
  sql: Sql,
  id: Uint8Array<ArrayBuffer>,
  version: number,
): Promise<{ number: number; signed: Signed; device: Uint8Array<ArrayBuffer>; createdMs: number }> {
  const [row] = await sql.all(
    "SELECT * FROM versions WHERE portal = $1 AND version = $2",
    id,
    version,
  );
  if (row === undefined) {
    throw new WarpError("E_NOT_FOUND", "there is no such version of the portal");
  }
  return {
    number: numberOf(row["version"]),
    signed: { bytes: bytesOf(row["record"]), signature: bytesOf(row["signature"]) },
    device: bytesOf(row["device"]),
    createdMs: numberOf(row["created_ms"]),
  };
}

/** Whose device signed a version, and what lets them write. */
export async function findAuthor(
  sql: Sql,
  id: Uint8Array<ArrayBuffer>,
  device: Uint8Array<ArrayBuffer>,
): Promise<{
  account: Uint8Array<ArrayBuffer>;
  grant: Signed | null;
  grantKey: Uint8Array<ArrayBuffer> | null;
}> {
  const [row] = await sql.all(
    `SELECT devices.account, grants.record, grants.signature, grants.device FROM devices
     LEFT JOIN grants ON grants.portal = $1 AND grants.grantee = devices.account AND grants.kind = 0
       AND grants.level >= $2
     WHERE devices.device = $3 ORDER BY grants.granted_ms LIMIT 1`,
    id,
    LEVELS.indexOf("write"),
    device,
  );
  // The account's own key signs too.
  if (row === undefined) return { account: device, grant: null, grantKey: null };
  const { record, signature, device: by } = row;
  const isGranted = record instanceof Uint8Array;
  return {
    account: bytesOf(row["account"]),
    grant: isGranted ? { bytes: bytesOf(record), signature: bytesOf(signature) } : null,
    grantKey: isGranted ? bytesOf(by) : null,
  };
}
