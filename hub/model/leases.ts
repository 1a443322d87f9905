/**
 * Leases: a download that was let in. Asking and counting is one step, so that of a hundred who want the
 * last download one gets it; a lease may be used again until it ends, so that a cut download goes on.
 *
 * @module
 */
import { equal, isZero } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import type { Principal } from "../auth.ts";
import { bytesOf, type Hub, numberOf, numberOrNull, type Sql } from "../hub.ts";
import { type Access, requireAccess } from "./access.ts";
import { writeAudit } from "./audit.ts";
import { conditionOf, countsBytes, refresh, requireOpen, type Visitor } from "./openness.ts";
import { findVersion } from "./versions.ts";

const LEASE_BYTES = 16;

export interface LeaseRequest {
  /** Which version; 0: the newest. */
  version: number;
  /** A lease to go on with, if it still is one. */
  lease: Uint8Array<ArrayBuffer> | null;
  address: string | null;
}

export interface Lease {
  id: Uint8Array<ArrayBuffer>;
  version: number;
  view: Uint8Array<ArrayBuffer>;
  expiresMs: number;
  isNew: boolean;
}

/**
 * @returns the lease, and what happened to the portal by it
 * @throws {WarpError} E_NOT_FOUND, E_GONE, E_CLOSED, E_ACCESS
 */
export async function takeLease(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  request: LeaseRequest,
): Promise<{ lease: Lease; actions: string[] }> {
  const nowMs = hub.clock.nowMs();
  return await hub.db.transaction(async (sql) => {
    const access = await requireAccess(sql, who, id, "list", nowMs);
    const again = request.lease === null ? null : await findLease(sql, id, who, request.lease);
    if (again !== null && again.expiresMs > nowMs && equal(again.view, viewOf(access))) {
      requireOpen(access, { ...again.visitor, address: request.address }, nowMs, again.uses);
      const expiresMs = nowMs + hub.limits.leaseMs;
      await sql.all("UPDATE leases SET expires_ms = $1 WHERE lease = $2", expiresMs, again.id);
      return { lease: { ...again, expiresMs, isNew: false }, actions: [] };
    }
    return await newLease(hub, sql, who, access, request, nowMs);
  });
}

async function newLease(
  hub: Hub,
  sql: Sql,
  who: Principal,
  access: Access,
  request: LeaseRequest,
  nowMs: number,
): Promise<{ lease: Lease; actions: string[] }> {
  const { portal, grant } = access;
  if (portal.version === 0) throw new WarpError("E_NOT_FOUND", "nothing was put into it yet");
  const version = request.version === 0 ? portal.version : request.version;
  await findVersion(sql, portal.id, version);
  const person = who.account ?? who.key;
  const known = await sql.all(
    "SELECT key FROM accessors WHERE portal = $1 AND key = $2",
    portal.id,
    person,
  );
  const visitor: Visitor = {
    who,
    grantedMs: grant?.grantedMs ?? null,
    address: request.address,
    isKnown: known.length > 0,
  };
  requireOpen(access, visitor, nowMs);
  const isCounted = access.level !== "owner" && access.level !== "admin" &&
    access.level !== "list";
  if (isCounted) {
    const counted = grant === null ? [] : await sql.all(
      `UPDATE grants SET downloads = downloads + 1 WHERE portal = $1 AND grant_id = $2
         AND (downloads_max IS NULL OR downloads < downloads_max) RETURNING downloads`,
      portal.id,
      grant.id,
    );
    if (counted.length === 0) {
      throw new WarpError("E_GONE", "all downloads of this grant are used");
    }
    if (!visitor.isKnown) {
      await sql.all("INSERT INTO accessors (portal, key) VALUES ($1, $2)", portal.id, person);
    }
    await sql.all(
      `UPDATE portals SET downloads = downloads + 1, accessors = accessors + $1,
         opened_ms = COALESCE(opened_ms, $2) WHERE portal = $3`,
      visitor.isKnown ? 0 : 1,
      nowMs,
      portal.id,
    );
  }
  const lease: Lease = {
    id: hub.clock.random(LEASE_BYTES),
    version,
    view: viewOf(access),
    expiresMs: nowMs + hub.limits.leaseMs,
    isNew: true,
  };
  await sql.all(
    `INSERT INTO leases (lease, portal, grant_id, key, version, view, granted_ms, downloads, accessors,
       is_known, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    lease.id,
    portal.id,
    grant?.id ?? null,
    who.key,
    version,
    lease.view,
    visitor.grantedMs,
    portal.downloads,
    portal.accessors,
    visitor.isKnown ? 1 : 0,
    lease.expiresMs,
  );
  await writeAudit(sql, portal.id, nowMs, who.key, "download", {
    version,
    grant: grant === null ? null : toBase64Url(grant.id),
  });
  const action = isCounted ? await refresh(sql, portal.id, nowMs) : null;
  return { lease, actions: action === null ? ["download"] : ["download", action] };
}

function viewOf({ grant }: Access): Uint8Array<ArrayBuffer> {
  return grant?.view ?? new Uint8Array(0);
}

interface FoundLease extends Lease {
  uses: { downloads: number; accessors: number };
  visitor: Visitor;
}

/** A lease of this key; of others there is none. */
async function findLease(
  sql: Sql,
  portal: Uint8Array<ArrayBuffer>,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
): Promise<FoundLease | null> {
  const [row] = await sql.all(
    "SELECT * FROM leases WHERE lease = $1 AND portal = $2 AND key = $3",
    id,
    portal,
    who.key,
  );
  if (row === undefined) return null;
  return {
    id,
    version: numberOf(row["version"]),
    view: bytesOf(row["view"]),
    expiresMs: numberOf(row["expires_ms"]),
    isNew: false,
    uses: { downloads: numberOf(row["downloads"]), accessors: numberOf(row["accessors"]) },
    visitor: {
      who,
      grantedMs: numberOrNull(row["granted_ms"]),
      address: null,
      isKnown: row["is_known"] === 1,
    },
  };
}

/**
 * Whether a lease gives this pack now. Everything is looked at again: state, grant and policy may have
 * changed since. Where the policy has a budget of bytes, looking and counting is one step, so that many
 * fetches at once cannot all see what is left.
 *
 * @returns the pack's size, and whether it was counted
 * @throws {WarpError} E_NOT_FOUND, E_GONE, E_CLOSED
 */
export async function requirePack(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  leaseId: Uint8Array<ArrayBuffer>,
  pack: Uint8Array<ArrayBuffer>,
  address: string | null,
): Promise<{ bytes: number; isCounted: boolean }> {
  const look = (sql: Sql) => lookAtPack(hub, sql, who, id, leaseId, pack, address);
  const { bytes, isBudgeted } = await look(hub.db);
  if (!isBudgeted) return { bytes, isCounted: false };
  await hub.db.transaction(async (sql) => {
    await look(sql);
    await sql.all("UPDATE portals SET bytes = bytes + $1 WHERE portal = $2", bytes, id);
  });
  return { bytes, isCounted: true };
}

async function lookAtPack(
  hub: Hub,
  sql: Sql,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  leaseId: Uint8Array<ArrayBuffer>,
  pack: Uint8Array<ArrayBuffer>,
  address: string | null,
): Promise<{ bytes: number; isBudgeted: boolean }> {
  const nowMs = hub.clock.nowMs();
  const access = await requireAccess(sql, who, id, "list", nowMs);
  const lease = await findLease(sql, id, who, leaseId);
  // With a grant that is over goes what it showed, though another one may still show less.
  if (lease === null || lease.expiresMs <= nowMs || !equal(lease.view, viewOf(access))) {
    throw new WarpError("E_GONE", "the download was not begun, or is over", {
      hint: "begin it again",
    });
  }
  requireOpen(access, { ...lease.visitor, address }, nowMs, lease.uses);
  const [row] = await sql.all(
    `SELECT packs.bytes FROM pack_refs JOIN packs ON packs.address = pack_refs.address
     WHERE pack_refs.portal = $1 AND pack_refs.version = $2 AND pack_refs.view = $3
       AND pack_refs.address = $4`,
    id,
    lease.version,
    lease.view,
    pack,
  );
  if (row === undefined || isZero(pack)) {
    throw new WarpError("E_NOT_FOUND", "the version has no such pack");
  }
  return {
    bytes: numberOf(row["bytes"]),
    isBudgeted: countsBytes(conditionOf(access.portal.policy)),
  };
}
