/**
 * Grants: who else may come in, and the keys that come with it.
 *
 * @module
 */
import { equal, toHex } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { GRANTEES, isAtLeast, LEVELS, type Signed } from "../../actors/portal/records.ts";
import { WRAP_BYTES_MAX } from "../../actors/portal/wrap.ts";
import type { Principal } from "../auth.ts";
import { bytesOf, type Hub, type Sql } from "../hub.ts";
import type { Access } from "./access.ts";
import { writeAudit } from "./audit.ts";
import { requireLive, requireManaged } from "./access.ts";
import { openSigned, requireFresh, requireSame } from "./signed.ts";

const GRANTS_MAX = 4096;
const NO_VIEW = new Uint8Array(0);

export interface NewGrant extends Signed {
  wrap: Uint8Array<ArrayBuffer>;
}

export interface NewWrap {
  grant: Uint8Array<ArrayBuffer>;
  wrap: Uint8Array<ArrayBuffer>;
}

/**
 * Enters a grant that its giver has signed. Nobody gives more than they have.
 *
 * @throws {WarpError} E_SIGNATURE, E_PROTOCOL, E_ACCESS, E_EXISTS, E_LIMIT, E_NOT_FOUND (the grantee)
 */
export async function addGrant(
  sql: Sql,
  who: Principal,
  access: Access,
  signed: NewGrant,
  nowMs: number,
): Promise<void> {
  const record = openSigned("grant", signed, who.key);
  const id = access.portal.id;
  requireSame("portal", record.portal, id);
  requireFresh(record.atMs, nowMs);
  requireWrap(signed.wrap);
  const isOwn = record.kind === "account" && equal(record.grantee, access.portal.account);
  if (record.level === "owner" ? !isOwn : !mayGive(access, record.level)) {
    throw new WarpError("E_ACCESS", `you cannot grant the level ${record.level}`);
  }
  if (record.kind !== "account" && isAtLeast(record.level, "write")) {
    throw new WarpError("E_ACCESS", `a ${record.kind} can list or read, not write`);
  }
  if (record.view !== null && isAtLeast(record.level, "write")) {
    throw new WarpError("E_ACCESS", "who writes sees the whole tree");
  }
  const grantee = new Uint8Array(record.grantee);
  await requireGrantee(sql, record.kind, grantee);
  const [{ count } = { count: 0 }] = await sql.all(
    "SELECT COUNT(*) AS count FROM grants WHERE portal = $1",
    id,
  );
  if ((count as number) >= GRANTS_MAX) {
    throw new WarpError("E_LIMIT", "the portal has too many grants");
  }
  const made = await sql.all(
    `INSERT INTO grants (portal, grant_id, kind, grantee, level, view, expires_ms, downloads_max,
       record, signature, device, wrap, granted_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (portal, grant_id) DO NOTHING RETURNING grant_id`,
    id,
    new Uint8Array(record.grant),
    GRANTEES.indexOf(record.kind),
    grantee,
    LEVELS.indexOf(record.level),
    record.view === null ? NO_VIEW : new Uint8Array(record.view),
    record.expiresMs,
    record.downloads,
    signed.bytes,
    signed.signature,
    who.key,
    signed.wrap,
    nowMs,
  );
  if (made.length === 0) throw new WarpError("E_EXISTS", "there is such a grant already");
  await writeAudit(sql, id, nowMs, who.key, "grant", {
    grant: toBase64Url(record.grant),
    kind: record.kind,
    grantee: toBase64Url(record.grantee),
    level: record.level,
  });
}

/** Who may write is the owner's to say: readers check that the owner said so. */
export function mayGive({ level }: Access, given: (typeof LEVELS)[number]): boolean {
  return level === "owner" || (level === "admin" && !isAtLeast(given, "write"));
}

async function requireGrantee(
  sql: Sql,
  kind: (typeof GRANTEES)[number],
  grantee: Uint8Array<ArrayBuffer>,
): Promise<void> {
  if (kind === "link") {
    // A device's key as a link's would give that device two faces.
    const rows = await sql.all("SELECT device FROM devices WHERE device = $1", grantee);
    if (rows.length > 0) throw new WarpError("E_PROTOCOL", "the key of a link is a device's");
    return;
  }
  const rows = kind === "account"
    ? await sql.all("SELECT account FROM accounts WHERE account = $1", grantee)
    : await sql.all("SELECT team FROM teams WHERE team = $1", grantee);
  if (rows.length === 0) {
    throw new WarpError("E_NOT_FOUND", `there is no such ${kind} on this hub`);
  }
}

function requireWrap(wrap: Uint8Array): void {
  if (wrap.length === 0 || wrap.length > WRAP_BYTES_MAX) {
    throw new WarpError("E_LIMIT", "the wrap of a grant is too long");
  }
}

/** @throws {WarpError} as {@link addGrant} */
export async function giveGrant(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  grant: NewGrant,
): Promise<void> {
  const nowMs = hub.clock.nowMs();
  await hub.db.transaction(async (sql) => {
    await addGrant(sql, who, await requireManaged(sql, who, id, nowMs), grant, nowMs);
  });
}

/**
 * Ends grants and begins an epoch, in one step: whoever stays has a wrap with the new epoch's key, whoever
 * goes has none.
 *
 * @throws {WarpError} E_SIGNATURE, E_PROTOCOL, E_ACCESS, E_BUSY, E_NOT_FOUND
 */
export async function revokeGrants(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  signed: Signed,
  wraps: readonly NewWrap[],
): Promise<void> {
  const nowMs = hub.clock.nowMs();
  const record = openSigned("revoke", signed, who.key);
  requireSame("portal", record.portal, id);
  requireFresh(record.atMs, nowMs);
  await hub.db.transaction(async (sql) => {
    const access = await requireManaged(sql, who, id, nowMs);
    if (record.epoch !== access.portal.epoch + 1) {
      throw new WarpError("E_BUSY", "the grants were changed meanwhile", { hint: "try again" });
    }
    const rows = await sql.all(
      "SELECT grant_id, level FROM grants WHERE portal = $1 AND revoked_ms IS NULL",
      id,
    );
    const levels = new Map(rows.map((row) => [toHex(bytesOf(row["grant_id"])), row["level"]]));
    for (const grant of record.grants) {
      const level = levels.get(toHex(grant));
      if (level === undefined) throw new WarpError("E_NOT_FOUND", "there is no such grant");
      if (!mayGive(access, LEVELS[level as number]!) || LEVELS[level as number] === "owner") {
        throw new WarpError("E_ACCESS", "you cannot revoke this grant");
      }
      levels.delete(toHex(grant));
      await sql.all(
        "UPDATE grants SET revoked_ms = $1, wrap = $2 WHERE portal = $3 AND grant_id = $4",
        nowMs,
        NO_VIEW,
        id,
        new Uint8Array(grant),
      );
      await sql.all(
        "DELETE FROM leases WHERE portal = $1 AND grant_id = $2",
        id,
        new Uint8Array(grant),
      );
    }
    const named = new Set(wraps.map(({ grant }) => toHex(grant)));
    const isWhole = named.size === levels.size && [...levels.keys()].every((key) => named.has(key));
    if (!isWhole) {
      throw new WarpError("E_BUSY", "the grants were changed meanwhile", { hint: "try again" });
    }
    await storeWraps(sql, id, wraps);
    await sql.all("UPDATE portals SET epoch = $1 WHERE portal = $2", record.epoch, id);
    await writeAudit(sql, id, nowMs, who.key, "revoke", {
      grants: record.grants.map(toBase64Url).join(","),
      epoch: record.epoch,
    });
  });
}

async function storeWraps(
  sql: Sql,
  portal: Uint8Array<ArrayBuffer>,
  wraps: readonly NewWrap[],
): Promise<void> {
  for (const { grant, wrap } of wraps) {
    requireWrap(wrap);
    const rows = await sql.all(
      `UPDATE grants SET wrap = $1
       WHERE portal = $2 AND grant_id = $3 AND revoked_ms IS NULL RETURNING grant_id`,
      wrap,
      portal,
      grant,
    );
    if (rows.length === 0) throw new WarpError("E_NOT_FOUND", "there is no such grant");
  }
}

/** New wraps of the same keys, when a grantee has other devices now. */
export async function replaceWraps(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  wraps: readonly NewWrap[],
): Promise<void> {
  const nowMs = hub.clock.nowMs();
  await hub.db.transaction(async (sql) => {
    if (await areOwn(sql, who, id, wraps)) await requireLive(sql, who, id, nowMs);
    else await requireManaged(sql, who, id, nowMs);
    await storeWraps(sql, id, wraps);
    await writeAudit(sql, id, nowMs, who.key, "rewrap", { grants: wraps.length });
  });
}

/** Whether all of these grants are to the asker's account: anyone may wrap their own keys anew. */
async function areOwn(
  sql: Sql,
  who: Principal,
  portal: Uint8Array<ArrayBuffer>,
  wraps: readonly NewWrap[],
): Promise<boolean> {
  // No grant at all is nobody's own.
  if (who.account === null || wraps.length === 0) return false;
  for (const { grant } of wraps) {
    const rows = await sql.all(
      `SELECT grant_id FROM grants WHERE portal = $1 AND grant_id = $2 AND grantee = $3 AND kind = 0
         AND revoked_ms IS NULL`,
      portal,
      grant,
      who.account,
    );
    if (rows.length === 0) return false;
  }
  return true;
}
