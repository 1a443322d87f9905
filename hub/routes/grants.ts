/**
 * Grants, revocations and wraps.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { bytes, id, signedOf } from "../../actors/portal/api_fields.ts";
import type { HubApp } from "../http.ts";
import type { Hub } from "../hub.ts";
import { giveGrant, replaceWraps, revokeGrants } from "../model/grants.ts";
import { routeOf } from "../schemas.ts";
import { tell } from "./portals.ts";

const params = z.object({ portal: id("the portal") });

const give = routeOf("POST /v1/portals/{portal}/grants", {
  summary: "Adds a grant with its keys",
  params,
});
const revoke = routeOf("POST /v1/portals/{portal}/revocations", {
  summary: "Ends grants and begins an epoch, with new wraps for all who stay",
  params,
});
const rewrap = routeOf("PUT /v1/portals/{portal}/wraps", {
  summary: "Replaces wraps, for new devices of grantees",
  params,
});

export function grantRoutes(app: HubApp, hub: Hub): void {
  app.openapi(give, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16), body = c.req.valid("json");
    await giveGrant(hub, c.get("who"), portal, {
      ...signedOf(body.signed),
      wrap: bytes(body.wrap),
    });
    await tell(hub, portal, ["grant"]);
    return c.json({ done: true as const }, 200);
  });
  app.openapi(revoke, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16), body = c.req.valid("json");
    await revokeGrants(hub, c.get("who"), portal, signedOf(body.revoke), wrapsOf(body.wraps));
    await tell(hub, portal, ["revoke"]);
    return c.json({ done: true as const }, 200);
  });
  app.openapi(rewrap, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16);
    await replaceWraps(hub, c.get("who"), portal, wrapsOf(c.req.valid("json").wraps));
    return c.json({ done: true as const }, 200);
  });
}

function wrapsOf(list: readonly { grant: string; wrap: string }[]) {
  return list.map(({ grant, wrap }) => ({ grant: bytes(grant, 16), wrap: bytes(wrap) }));
}
