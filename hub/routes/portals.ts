/**
 * Portals: making, listing, settings, state, versions, log.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { GrantInfo, OwnGrantInfo, PortalInfo } from "../../actors/portal/api.ts";
import { bytes, id, signedJson, signedOf } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { GRANTEES, isAtLeast, LEVELS } from "../../actors/portal/records.ts";
import { addressOf, type HubApp } from "../http.ts";
import { bytesOf, type Hub, numberOf, numberOrNull, type Sql, textOf } from "../hub.ts";
import {
  type Access,
  type Grant,
  grantOf,
  portalOf,
  requireAccess,
  requireDevice,
} from "../model/access.ts";
import { shownState } from "../model/openness.ts";
import { archivePortal, changeSettings, changeState, createPortal } from "../model/portals.ts";
import { addVersion } from "../model/versions.ts";
import { routeOf } from "../schemas.ts";

const params = z.object({ portal: id("the portal") });

const list = routeOf("GET /v1/portals", {
  summary: "Own portals, and those granted to the account",
});
const make = routeOf("POST /v1/portals", { summary: "Makes a portal" });
const look = routeOf("GET /v1/portals/{portal}", {
  summary: "One portal as the asker may see it",
  params,
});
const archive = routeOf("DELETE /v1/portals/{portal}", {
  summary: "Archives a portal: its content is let go",
  params,
});
const settings = routeOf("POST /v1/portals/{portal}/settings", {
  summary: "Changes name and policy; `extend` also brings back what is over",
  params,
});
const setState = routeOf("POST /v1/portals/{portal}/state", {
  summary: "Opens, pauses or closes a portal",
  params,
});
const put = routeOf("POST /v1/portals/{portal}/versions", {
  summary: "Adds a version, all of whose packs are here",
  params,
});
const log = routeOf("GET /v1/portals/{portal}/log", {
  summary: "The audit log from an entry on, at most 1000 entries",
  params,
  query: z.object({ after: z.coerce.number().int().min(0).default(0) }),
});

export function portalRoutes(app: HubApp, hub: Hub): void {
  app.openapi(list, async (c) => {
    const who = c.get("who"), account = requireDevice(who), nowMs = hub.clock.nowMs();
    const rows = await hub.db.all(
      `SELECT portals.*, accounts.seen_ms AS owner_seen_ms FROM portals
       JOIN accounts ON accounts.account = portals.account
       WHERE portals.account = $1 OR portals.portal IN (
         SELECT portal FROM grants WHERE grantee = $2 AND kind = 0 AND revoked_ms IS NULL
         UNION SELECT grants.portal FROM grants JOIN members ON members.team = grants.grantee
           WHERE members.account = $3 AND kind = 2 AND revoked_ms IS NULL)
       ORDER BY portals.created_ms LIMIT 10000`,
      account,
      account,
      account,
    );
    const portals = [];
    for (const row of rows) {
      const found = portalOf(row);
      if (found.state === "archived") continue;
      const access = await requireAccess(hub.db, who, found.id, "list", nowMs, true);
      portals.push(await portalJson(hub.db, access));
    }
    return c.json({ portals }, 200);
  });
  app.openapi(make, async (c) => {
    const body = c.req.valid("json");
    const portal = await createPortal(hub, c.get("who"), {
      portal: signedOf(body.portal),
      settings: signedOf(body.settings),
      grant: { ...signedOf(body.grant.signed), wrap: bytes(body.grant.wrap) },
      isOpen: body.isOpen,
    });
    await tell(hub, portal, ["create"]);
    return c.json({ portal: toBase64Url(portal) }, 200);
  });
  app.openapi(look, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16);
    const access = await requireAccess(
      hub.db,
      c.get("who"),
      portal,
      "list",
      hub.clock.nowMs(),
      true,
    );
    // Who writes, writes for each grant's view.
    const grants = isAtLeast(access.level, "write") ? await allGrants(hub.db, portal) : null;
    return c.json({ ...await portalJson(hub.db, access), grants }, 200);
  });
  app.openapi(archive, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16);
    await archivePortal(hub, c.get("who"), portal);
    await tell(hub, portal, ["archive"]);
    return c.json({ done: true as const }, 200);
  });
  app.openapi(settings, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16);
    const { settings, event } = c.req.valid("json");
    const actions = await changeSettings(hub, c.get("who"), portal, signedOf(settings), event);
    await tell(hub, portal, actions);
    return c.json({ done: true as const }, 200);
  });
  app.openapi(setState, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16), who = c.get("who");
    await tell(hub, portal, await changeState(hub, who, portal, c.req.valid("json").event));
    const access = await requireAccess(hub.db, who, portal, "admin", hub.clock.nowMs());
    return c.json({ state: shownState(access.portal) }, 200);
  });
  app.openapi(put, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16), body = c.req.valid("json");
    const views = body.views.map(({ view, packs }) => ({
      view: view === null ? new Uint8Array() : bytes(view, 16),
      packs: bytes(packs),
    }));
    const version = await addVersion(
      hub,
      c.get("who"),
      portal,
      signedOf(body.version),
      views,
      addressOf(hub, c),
    );
    await tell(hub, portal, ["put"]);
    return c.json({ version }, 200);
  });
  app.openapi(log, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16);
    await requireAccess(hub.db, c.get("who"), portal, "admin", hub.clock.nowMs());
    const rows = await hub.db.all(
      "SELECT text, hash FROM audit WHERE portal = $1 AND entry > $2 ORDER BY entry LIMIT 1000",
      portal,
      c.req.valid("query").after,
    );
    const [newest] = await hub.db.all(
      "SELECT hash FROM audit WHERE portal = $1 ORDER BY entry DESC LIMIT 1",
      portal,
    );
    const hash = bytesOf(newest!["hash"]);
    return c.json({
      entries: rows.map((row) => ({
        text: textOf(row["text"]),
        hash: toBase64Url(bytesOf(row["hash"])),
      })),
      head: { hash: toBase64Url(hash), signature: toBase64Url(hub.secrets.signer.sign(hash)) },
    }, 200);
  });
}

/** Says what happened, to all replicas. */
export async function tell(
  hub: Hub,
  portal: Uint8Array,
  actions: readonly string[],
): Promise<void> {
  for (const action of actions) await hub.events.tell({ action, portal: toBase64Url(portal) });
}

async function portalJson(sql: Sql, access: Access): Promise<PortalInfo> {
  const { portal, level } = access, { row } = portal;
  return {
    portal: toBase64Url(portal.id),
    owner: toBase64Url(portal.account),
    record: signedJson({ bytes: bytesOf(row["record"]), signature: bytesOf(row["signature"]) }),
    settings: signedJson({
      bytes: bytesOf(row["settings"]),
      signature: bytesOf(row["settings_signature"]),
    }),
    settingsKey: toBase64Url(bytesOf(row["settings_device"])),
    policy: portal.policy,
    state: shownState(portal),
    isOpen: row["is_open"] === 1,
    epoch: portal.epoch,
    version: portal.version,
    versionMs: await versionTime(sql, access),
    createdMs: portal.createdMs,
    openedMs: portal.openedMs,
    changesMs: numberOrNull(row["wake_ms"]),
    downloads: portal.downloads,
    bytes: portal.bytes,
    accessors: portal.accessors,
    level,
    grant: grantJson(access.grant ?? await ownersGrant(sql, access)),
  };
}

async function versionTime(sql: Sql, { portal }: Access): Promise<number | null> {
  const [row] = await sql.all(
    "SELECT created_ms FROM versions WHERE portal = $1 AND version = $2",
    portal.id,
    portal.version,
  );
  return row === undefined ? null : numberOrNull(row["created_ms"]);
}

function grantJson(grant: Grant | null): OwnGrantInfo | null {
  if (grant === null) return null;
  return {
    grant: toBase64Url(grant.id),
    level: grant.level,
    view: grant.view.length === 0 ? null : toBase64Url(grant.view),
    wrap: toBase64Url(grant.wrap),
    group: grant.team === null ? null : toBase64Url(grant.team),
    expiresMs: grant.expiresMs,
    reentryMs: grant.reentryMs,
    downloads: grant.downloads,
    downloadsMax: grant.downloadsMax,
  };
}

/** The owner's keys are in a grant to the own account. */
async function ownersGrant(sql: Sql, { portal }: Access): Promise<Grant | null> {
  const [row] = await sql.all(
    `SELECT * FROM grants WHERE portal = $1 AND grantee = $2 AND kind = 0 AND level = $3`,
    portal.id,
    portal.account,
    LEVELS.indexOf("owner"),
  );
  return row === undefined ? null : grantOf(row);
}

async function allGrants(sql: Sql, portal: Uint8Array): Promise<GrantInfo[]> {
  const rows = await sql.all(
    "SELECT * FROM grants WHERE portal = $1 ORDER BY granted_ms, grant_id",
    new Uint8Array(portal),
  );
  return rows.map((row) => {
    const grant = grantOf(row);
    return {
      grant: toBase64Url(grant.id),
      kind: GRANTEES[numberOf(row["kind"])]!,
      grantee: toBase64Url(bytesOf(row["grantee"])),
      level: grant.level,
      signed: signedJson({ bytes: bytesOf(row["record"]), signature: bytesOf(row["signature"]) }),
      device: toBase64Url(bytesOf(row["device"])),
      wrap: toBase64Url(grant.wrap),
      expiresMs: grant.expiresMs,
      reentryMs: grant.reentryMs,
      downloads: grant.downloads,
      downloadsMax: grant.downloadsMax,
      grantedMs: grant.grantedMs,
      revokedMs: row["revoked_ms"] === null ? null : numberOf(row["revoked_ms"]),
    };
  });
}
