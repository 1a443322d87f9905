/**
 * Re-entry: who had access asks for more of it, the owner approves, denies or extends.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { allows } from "../../actors/portal/lifecycle.ts";
import { LEVELS } from "../../actors/portal/records.ts";
import type { Principal } from "../auth.ts";
import { bytesOf, type Hub, numberOf, numberOrNull, textOf } from "../hub.ts";
import { requireAccess } from "./access.ts";
import { writeAudit } from "./audit.ts";
import { requireManaged } from "./access.ts";
import { mayGive } from "./grants.ts";

const PENDING_MAX = 8;
/** As in the record of a grant. */
const DOWNLOADS_MAX = 2 ** 31;
const REASON_BYTES_MAX = 16 * 1024;

export interface Reentry {
  id: Uint8Array<ArrayBuffer>;
  grant: Uint8Array<ArrayBuffer>;
  key: Uint8Array<ArrayBuffer>;
  /** An age file to the owner's account. */
  reason: Uint8Array<ArrayBuffer>;
  state: "pending" | "approved" | "denied";
  createdMs: number;
  decidedMs: number | null;
}

/** @throws {WarpError} E_NOT_FOUND, E_CONFIG (an own portal), E_CLOSED, E_GONE, E_LIMIT, E_RATE (too many are pending) */
export async function askReentry(
  hub: Hub,
  who: Principal,
  portal: Uint8Array<ArrayBuffer>,
  reason: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (reason.length > REASON_BYTES_MAX) throw new WarpError("E_LIMIT", "the reason is too long");
  const nowMs = hub.clock.nowMs(), id = hub.clock.random(16);
  // As text it must not look like an option of a command line.
  if (toBase64Url(id).startsWith("-")) id[0]! ^= 0x80;
  await hub.db.transaction(async (sql) => {
    const { portal: found, grant, level } = await requireAccess(
      sql,
      who,
      portal,
      "list",
      nowMs,
      true,
    );
    if (found.state === "archived") throw new WarpError("E_GONE", "the portal is archived");
    if (grant === null) throw new WarpError("E_CONFIG", "the portal is your own");
    if (!allows(found.state, level, "request")) {
      throw new WarpError("E_CLOSED", "the portal is not open yet");
    }
    const pending = await sql.all(
      "SELECT request FROM requests WHERE portal = $1 AND grant_id = $2 AND state = 'pending'",
      portal,
      grant.id,
    );
    if (pending.length >= PENDING_MAX) {
      throw new WarpError("E_RATE", "there are unanswered requests already");
    }
    await sql.all(
      `INSERT INTO requests (portal, request, grant_id, key, reason, state, created_ms)
       VALUES ($1, $2, $3, $4, $5, 'pending', $6)`,
      portal,
      id,
      grant.id,
      who.key,
      reason,
      nowMs,
    );
    await writeAudit(sql, portal, nowMs, who.key, "request", { request: toBase64Url(id) });
  });
  return id;
}

/** Newest first, at most 1,000. */
export async function listReentry(
  hub: Hub,
  who: Principal,
  portal: Uint8Array<ArrayBuffer>,
): Promise<Reentry[]> {
  await requireManaged(hub.db, who, portal, hub.clock.nowMs());
  const rows = await hub.db.all(
    "SELECT * FROM requests WHERE portal = $1 ORDER BY created_ms DESC LIMIT 1000",
    portal,
  );
  return rows.map((row) => ({
    id: bytesOf(row["request"]),
    grant: bytesOf(row["grant_id"]),
    key: bytesOf(row["key"]),
    reason: bytesOf(row["reason"]),
    state: textOf(row["state"]) as Reentry["state"],
    createdMs: numberOf(row["created_ms"]),
    decidedMs: numberOrNull(row["decided_ms"]),
  }));
}

export interface Decision {
  isApproved: boolean;
  /** Until when the asker may come in, whatever the policy says. */
  untilMs: number;
  /** How many downloads more; null: no limit. */
  downloads: number | null;
}

/** @throws {WarpError} E_NOT_FOUND, E_LIMIT, E_ACCESS (nobody gives again what they could not give) */
export async function decideReentry(
  hub: Hub,
  who: Principal,
  portal: Uint8Array<ArrayBuffer>,
  request: Uint8Array<ArrayBuffer>,
  decision: Decision,
): Promise<void> {
  const nowMs = hub.clock.nowMs();
  if ((decision.downloads ?? 0) > DOWNLOADS_MAX) {
    throw new WarpError("E_LIMIT", "that is more downloads than can be counted");
  }
  await hub.db.transaction(async (sql) => {
    const access = await requireManaged(sql, who, portal, nowMs);
    const state = decision.isApproved ? "approved" : "denied";
    const [row] = await sql.all(
      `UPDATE requests SET state = $1, decided_ms = $2
       WHERE portal = $3 AND request = $4 AND state = 'pending' RETURNING grant_id`,
      state,
      nowMs,
      portal,
      request,
    );
    if (row === undefined) throw new WarpError("E_NOT_FOUND", "there is no such pending request");
    if (decision.isApproved) {
      const grant = bytesOf(row["grant_id"]);
      const [given] = await sql.all(
        "SELECT level FROM grants WHERE portal = $1 AND grant_id = $2",
        portal,
        grant,
      );
      if (!mayGive(access, LEVELS[numberOf(given!["level"])]!)) {
        throw new WarpError("E_ACCESS", "you cannot grant this level, nor grant it again");
      }
      await sql.all(
        `UPDATE grants SET reentry_ms = $1, expires_ms = CASE WHEN expires_ms < $2 THEN $3
           ELSE expires_ms END, downloads_max = NULL
         WHERE portal = $4 AND grant_id = $5 AND revoked_ms IS NULL`,
        decision.untilMs,
        decision.untilMs,
        decision.untilMs,
        portal,
        grant,
      );
      if (decision.downloads !== null) {
        await sql.all(
          "UPDATE grants SET downloads_max = downloads + $1 WHERE portal = $2 AND grant_id = $3",
          decision.downloads,
          portal,
          grant,
        );
      }
    }
    await writeAudit(sql, portal, nowMs, who.key, decision.isApproved ? "approve" : "deny", {
      request: toBase64Url(request),
    });
  });
}
