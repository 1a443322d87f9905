/**
 * Portals, their settings and their state.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import type { Signed } from "../../actors/portal/records.ts";
import type { Principal } from "../auth.ts";
import type { Hub } from "../hub.ts";
import { findPortal, requireAccess, requireDevice, requireManaged } from "./access.ts";
import { writeAudit } from "./audit.ts";
import { addGrant, type NewGrant } from "./grants.ts";
import { conditionOf, refresh, stateAfter } from "./openness.ts";
import { openSigned, requireFresh, requireSame } from "./signed.ts";

const PORTALS_MAX = 10_000;

export interface NewPortal {
  portal: Signed;
  settings: Signed;
  /** The owner's own grant: its wrap brings the first epoch's key. */
  grant: NewGrant;
  isOpen: boolean;
}

/** @throws {WarpError} E_SIGNATURE, E_PROTOCOL, E_CONFIG, E_EXISTS, E_LIMIT, E_CLOCK */
export async function createPortal(
  hub: Hub,
  who: Principal,
  { portal: signed, settings, grant, isOpen }: NewPortal,
): Promise<Uint8Array<ArrayBuffer>> {
  const account = requireDevice(who), nowMs = hub.clock.nowMs();
  const record = openSigned("portal", signed, who.key);
  requireSame("account", record.account, account);
  requireFresh(record.atMs, nowMs);
  const first = openSigned("settings", settings, who.key);
  const id = new Uint8Array(record.portal);
  requireSame("portal", first.portal, id);
  conditionOf(first.policy);
  await hub.db.transaction(async (sql) => {
    const [{ count } = { count: 0 }] = await sql.all(
      "SELECT COUNT(*) AS count FROM portals WHERE account = $1",
      account,
    );
    if ((count as number) >= PORTALS_MAX) {
      throw new WarpError("E_LIMIT", "the account has too many portals");
    }
    const made = await sql.all(
      `INSERT INTO portals (portal, account, record, signature, settings, settings_signature,
         settings_device, sequence, policy, state, created_ms, epoch)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)
       ON CONFLICT (portal) DO NOTHING RETURNING portal`,
      id,
      account,
      signed.bytes,
      signed.signature,
      settings.bytes,
      settings.signature,
      who.key,
      first.sequence,
      first.policy,
      isOpen ? "active" : "created",
      nowMs,
    );
    if (made.length === 0) throw new WarpError("E_EXISTS", "there is such a portal already");
    const found = (await findPortal(sql, id))!;
    await addGrant(sql, who, { portal: found, grant: null, level: "owner" }, grant, nowMs);
    await writeAudit(sql, id, nowMs, who.key, "create");
    if (isOpen) await writeAudit(sql, id, nowMs, who.key, "open");
    await refresh(sql, id, nowMs);
  });
  return id;
}

/** @throws {WarpError} E_SIGNATURE, E_PROTOCOL, E_CONFIG, E_CLOSED, E_BUSY (someone else was first) */
export async function changeSettings(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  signed: Signed,
  event: "settings" | "extend",
): Promise<string[]> {
  const nowMs = hub.clock.nowMs();
  const record = openSigned("settings", signed, who.key);
  requireSame("portal", record.portal, id);
  requireFresh(record.atMs, nowMs);
  conditionOf(record.policy);
  return await hub.db.transaction(async (sql) => {
    const { portal } = await requireManaged(sql, who, id, nowMs);
    if (record.sequence !== portal.sequence + 1) {
      throw new WarpError("E_BUSY", "the settings were changed meanwhile", { hint: "try again" });
    }
    await sql.all(
      `UPDATE portals SET settings = $1, settings_signature = $2, settings_device = $3,
         sequence = $4, policy = $5, state = $6 WHERE portal = $7`,
      signed.bytes,
      signed.signature,
      who.key,
      record.sequence,
      record.policy,
      stateAfter(portal, event, record.policy, nowMs),
      id,
    );
    await writeAudit(sql, id, nowMs, who.key, event, { sequence: record.sequence });
    const action = await refresh(sql, id, nowMs);
    return action === null ? [event] : [event, action];
  });
}

export type StateEvent = "open" | "pause" | "close";

/** @throws {WarpError} E_ACCESS, E_GONE, and E_CLOSED for a step that state or policy do not allow */
export async function changeState(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
  event: StateEvent,
): Promise<string[]> {
  const nowMs = hub.clock.nowMs();
  return await hub.db.transaction(async (sql) => {
    const { portal } = await requireManaged(sql, who, id, nowMs);
    const state = stateAfter(portal, event, portal.policy, nowMs);
    await sql.all(
      "UPDATE portals SET state = $1 WHERE portal = $2",
      state,
      id,
    );
    await writeAudit(sql, id, nowMs, who.key, event);
    const action = await refresh(sql, id, nowMs);
    return action === null ? [event] : [event, action];
  });
}

/** Archives a portal: its versions are let go, and with them packs that nothing else refers to. */
export async function archivePortal(
  hub: Hub,
  who: Principal,
  id: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const nowMs = hub.clock.nowMs();
  await hub.db.transaction(async (sql) => {
    const { portal } = await requireAccess(sql, who, id, "owner", nowMs);
    if (portal.state === "archived") return;
    await sql.all("DELETE FROM pack_refs WHERE portal = $1", id);
    await sql.all("DELETE FROM leases WHERE portal = $1", id);
    await sql.all(
      "UPDATE portals SET state = 'archived', is_open = 0, wake_ms = NULL WHERE portal = $1",
      id,
    );
    await writeAudit(sql, id, nowMs, who.key, "archive");
  });
}
