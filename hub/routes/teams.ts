/**
 * Groups of accounts. In the database they are teams: GROUP is a word of SQL.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { WarpError } from "../../actors/base/errors.ts";
import { bytes, key, signedJson, signedOf } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import type { HubApp } from "../http.ts";
import { bytesOf, type Hub } from "../hub.ts";
import { requireDevice } from "../model/access.ts";
import { openSigned, requireSame } from "../model/signed.ts";
import { routeOf } from "../schemas.ts";

const params = z.object({ group: key("the group") });

const make = routeOf("POST /v1/groups", { summary: "Makes a group" });
const set = routeOf("PUT /v1/groups/{group}", {
  summary: "Sets the members of an own group",
  params,
});
const list = routeOf("GET /v1/groups", {
  summary: "The groups that the account owns or is in; members of the own ones",
});
const look = routeOf("GET /v1/groups/{group}", {
  summary: "The record of a group, for whoever grants to it",
  params,
});

export function teamRoutes(app: HubApp, hub: Hub): void {
  app.openapi(make, async (c) => {
    const who = c.get("who"), account = requireDevice(who);
    const own = signedOf(c.req.valid("json").group);
    const record = openSigned("group", own, who.key);
    requireSame("account", record.account, account);
    const rows = await hub.db.all(
      `INSERT INTO teams (team, account, record, signature, device) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (team) DO NOTHING RETURNING team`,
      new Uint8Array(record.group),
      account,
      own.bytes,
      own.signature,
      who.key,
    );
    if (rows.length === 0) throw new WarpError("E_EXISTS", "there is such a group already");
    return c.json({ group: toBase64Url(record.group) }, 200);
  });
  app.openapi(set, async (c) => {
    const account = requireDevice(c.get("who"));
    const team = bytes(c.req.valid("param").group, 32);
    const { members } = c.req.valid("json");
    await hub.db.transaction(async (sql) => {
      const [row] = await sql.all(
        "SELECT team FROM teams WHERE team = $1 AND account = $2",
        team,
        account,
      );
      if (row === undefined) throw new WarpError("E_NOT_FOUND", "there is no such group of yours");
      await sql.all("DELETE FROM members WHERE team = $1", team);
      for (const one of members) {
        const key = bytes(one.account, 32);
        const [known] = await sql.all("SELECT account FROM accounts WHERE account = $1", key);
        if (known === undefined) throw new WarpError("E_NOT_FOUND", "a member has no account here");
        await sql.all(
          `INSERT INTO members (team, account, wrap) VALUES ($1, $2, $3)
           ON CONFLICT (team, account) DO NOTHING`,
          team,
          key,
          bytes(one.wrap),
        );
      }
    });
    return c.json({ done: true as const }, 200);
  });
  app.openapi(list, async (c) => {
    const account = requireDevice(c.get("who"));
    const rows = await hub.db.all(
      `SELECT teams.*, members.wrap AS wrap FROM teams
       LEFT JOIN members ON members.team = teams.team AND members.account = $1
       WHERE teams.account = $2 OR members.account = $3`,
      account,
      account,
      account,
    );
    const groups = [];
    for (const row of rows) {
      const team = bytesOf(row["team"]), owner = bytesOf(row["account"]);
      const isOwn = toBase64Url(owner) === toBase64Url(account);
      const members = !isOwn
        ? null
        : await hub.db.all("SELECT account FROM members WHERE team = $1", team);
      groups.push({
        group: signedJson({ bytes: bytesOf(row["record"]), signature: bytesOf(row["signature"]) }),
        groupKey: toBase64Url(bytesOf(row["device"])),
        owner: toBase64Url(owner),
        wrap: row["wrap"] instanceof Uint8Array ? toBase64Url(row["wrap"]) : null,
        members: members?.map((one) => toBase64Url(bytesOf(one["account"]))) ?? null,
      });
    }
    return c.json({ groups }, 200);
  });
  app.openapi(look, async (c) => {
    requireDevice(c.get("who"));
    const team = bytes(c.req.valid("param").group, 32);
    const [row] = await hub.db.all("SELECT * FROM teams WHERE team = $1", team);
    if (row === undefined) throw new WarpError("E_NOT_FOUND", "there is no such group");
    return c.json({
      group: signedJson({ bytes: bytesOf(row["record"]), signature: bytesOf(row["signature"]) }),
      groupKey: toBase64Url(bytesOf(row["device"])),
      owner: toBase64Url(bytesOf(row["account"])),
    }, 200);
  });
}
