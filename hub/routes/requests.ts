/**
 * Requests for re-entry.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { bytes, id } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import type { HubApp } from "../http.ts";
import type { Hub } from "../hub.ts";
import { askReentry, decideReentry, listReentry } from "../model/requests.ts";
import { routeOf } from "../schemas.ts";
import { tell } from "./portals.ts";

const params = z.object({ portal: id("the portal") });

const ask = routeOf("POST /v1/portals/{portal}/requests", {
  summary: "Asks to be let in again",
  params,
});
const list = routeOf("GET /v1/portals/{portal}/requests", {
  summary: "Requests, newest first",
  params,
});
const decide = routeOf("POST /v1/portals/{portal}/requests/{request}", {
  summary: "Approves or denies a request",
  params: z.object({ portal: id("the portal"), request: id("the request") }),
});

export function requestRoutes(app: HubApp, hub: Hub): void {
  app.openapi(ask, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16);
    const request = await askReentry(hub, c.get("who"), portal, bytes(c.req.valid("json").reason));
    await tell(hub, portal, ["request"]);
    return c.json({ request: toBase64Url(request) }, 200);
  });
  app.openapi(list, async (c) => {
    const requests = await listReentry(hub, c.get("who"), bytes(c.req.valid("param").portal, 16));
    return c.json({
      requests: requests.map((one) => ({
        request: toBase64Url(one.id),
        grant: toBase64Url(one.grant),
        key: toBase64Url(one.key),
        reason: toBase64Url(one.reason),
        state: one.state,
        createdMs: one.createdMs,
        decidedMs: one.decidedMs,
      })),
    }, 200);
  });
  app.openapi(decide, async (c) => {
    const { portal, request } = c.req.valid("param"), body = c.req.valid("json");
    const id = bytes(portal, 16);
    await decideReentry(hub, c.get("who"), id, bytes(request, 16), {
      isApproved: body.decision === "approve",
      untilMs: body.decision === "approve" ? body.untilMs : 0,
      downloads: body.decision === "approve" ? body.downloads : null,
    });
    await tell(hub, id, [body.decision]);
    return c.json({ done: true as const }, 200);
  });
}
