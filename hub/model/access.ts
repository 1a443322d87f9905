/**
 * Who may do what to a portal: its owner's account, and whom a grant names, directly or through a group.
 *
 * @module
 */
import { type Bytes, equal } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { isAtLeast, type Level, LEVELS } from "../../actors/portal/records.ts";
import type { Principal } from "../auth.ts";
import { bytesOf, numberOf, numberOrNull, type Sql, textOf } from "../hub.ts";
import type { Row } from "../store/sql.ts";

export type PortalState = "created" | "active" | "paused" | "expired" | "archived";

export interface Portal {
  id: Uint8Array<ArrayBuffer>;
  account: Uint8Array<ArrayBuffer>;
  state: PortalState;
  /** The policy's last word: over for good. */
  isOver: boolean;
  policy: string;
  sequence: number;
  createdMs: number;
  openedMs: number | null;
  ownerSeenMs: number | null;
  epoch: number;
  version: number;
  downloads: number;
  bytes: number;
  accessors: number;
  row: Row;
}

export interface Grant {
  id: Uint8Array<ArrayBuffer>;
  level: Level;
  /** Empty: the whole tree. */
  view: Uint8Array<ArrayBuffer>;
  grantedMs: number;
  expiresMs: number | null;
  downloadsMax: number | null;
  downloads: number;
  /** Until then the policy does not count: re-entry was approved. */
  reentryMs: number | null;
  wrap: Uint8Array<ArrayBuffer>;
  /** Set where the grant is to a group: what opens the wrap. */
  team: Uint8Array<ArrayBuffer> | null;
}

export interface Access {
  portal: Portal;
  /** Null: the owner. */
  grant: Grant | null;
  level: Level;
}

const PORTAL_COLUMNS = `portals.*, accounts.seen_ms AS owner_seen_ms
  FROM portals JOIN accounts ON accounts.account = portals.account`;

export async function findPortal(sql: Sql, id: Bytes): Promise<Portal | undefined> {
  const [row] = await sql.all(
    `SELECT ${PORTAL_COLUMNS} WHERE portals.portal = $1`,
    new Uint8Array(id),
  );
  return row === undefined ? undefined : portalOf(row);
}

export function portalOf(row: Row): Portal {
  return {
    id: bytesOf(row["portal"]),
    account: bytesOf(row["account"]),
    state: textOf(row["state"]) as PortalState,
    isOver: row["is_over"] === 1,
    policy: textOf(row["policy"]),
    sequence: numberOf(row["sequence"]),
    createdMs: numberOf(row["created_ms"]),
    openedMs: numberOrNull(row["opened_ms"]),
    ownerSeenMs: numberOrNull(row["owner_seen_ms"]),
    epoch: numberOf(row["epoch"]),
    version: numberOf(row["version"]),
    downloads: numberOf(row["downloads"]),
    bytes: numberOf(row["bytes"]),
    accessors: numberOf(row["accessors"]),
    row,
  };
}

/**
 * What `who` may do to a portal. A portal that is not theirs does not exist for them.
 *
 * @param isExpiredGood also by a grant that is over: for who asks for re-entry
 * @throws {WarpError} E_NOT_FOUND; E_GONE for a grant that is over; E_ACCESS when `needed` is more than they have
 */
export async function requireAccess(
  sql: Sql,
  who: Principal,
  id: Bytes,
  needed: Level,
  nowMs: number,
  isExpiredGood = false,
): Promise<Access> {
  const portal = await findPortal(sql, id);
  if (portal === undefined) throw unknown();
  if (who.account !== null && equal(who.account, portal.account)) {
    return { portal, grant: null, level: "owner" };
  }
  const grants = await grantsOf(sql, who, portal.id);
  if (grants.length === 0) throw unknown();
  const live = grants.filter(({ expiresMs }) =>
    isExpiredGood || expiresMs === null || nowMs < expiresMs
  );
  if (live.length === 0) throw new WarpError("E_GONE", "the grant is over");
  const grant = live.reduce((best, one) => isBetter(one, best) ? one : best);
  if (!isAtLeast(grant.level, needed)) {
    throw new WarpError("E_ACCESS", `this needs the right to ${needed}`);
  }
  return { portal, grant, level: grant.level };
}

function isBetter(a: Grant, b: Grant): boolean {
  const difference = LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level);
  return difference !== 0 ? difference > 0 : a.view.length < b.view.length;
}

function unknown(): WarpError {
  return new WarpError("E_NOT_FOUND", "there is no such portal, or none for you");
}

async function grantsOf(sql: Sql, who: Principal, portal: Bytes): Promise<Grant[]> {
  const rows = who.account === null
    ? await sql.all(
      `SELECT *, NULL AS team FROM grants
       WHERE portal = $1 AND grantee = $2 AND kind = 1 AND revoked_ms IS NULL`,
      new Uint8Array(portal),
      who.key,
    )
    : await sql.all(
      `SELECT grants.*, NULL AS team FROM grants
       WHERE portal = $1 AND grantee = $2 AND kind = 0 AND revoked_ms IS NULL
       UNION ALL
       SELECT grants.*, members.team AS team FROM members CROSS JOIN grants
       WHERE grants.grantee = members.team AND portal = $3 AND members.account = $4 AND kind = 2
         AND revoked_ms IS NULL`,
      new Uint8Array(portal),
      who.account,
      new Uint8Array(portal),
      who.account,
    );
  return rows.map(grantOf);
}

export function grantOf(row: Row): Grant {
  return {
    id: bytesOf(row["grant_id"]),
    level: LEVELS[numberOf(row["level"])]!,
    view: bytesOf(row["view"]),
    grantedMs: numberOf(row["granted_ms"]),
    expiresMs: numberOrNull(row["expires_ms"]),
    downloadsMax: numberOrNull(row["downloads_max"]),
    downloads: numberOf(row["downloads"]),
    reentryMs: numberOrNull(row["reentry_ms"]),
    wrap: bytesOf(row["wrap"]),
    team: row["team"] === null || row["team"] === undefined ? null : bytesOf(row["team"]),
  };
}

/** An admin's access to a portal that is not archived. @throws {WarpError} as {@link requireAccess}, E_GONE */
export async function requireManaged(
  sql: Sql,
  who: Principal,
  id: Uint8Array,
  nowMs: number,
): Promise<Access> {
  return await requireLive(sql, who, id, nowMs, "admin");
}

/** Access to a portal that is not archived. @throws {WarpError} as {@link requireAccess}, E_GONE */
export async function requireLive(
  sql: Sql,
  who: Principal,
  id: Uint8Array,
  nowMs: number,
  needed: Level = "list",
): Promise<Access> {
  const access = await requireAccess(sql, who, id, needed, nowMs);
  if (access.portal.state === "archived") throw new WarpError("E_GONE", "the portal is archived");
  return access;
}

/** The account of a device; links own nothing. @throws {WarpError} E_ACCESS */
export function requireDevice(who: Principal): Uint8Array<ArrayBuffer> {
  if (who.account === null) throw new WarpError("E_ACCESS", "links may not do this");
  return who.account;
}
