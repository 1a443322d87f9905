/**
 * Downloads: leases, and the packs that they give.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { WarpError } from "../../actors/base/errors.ts";
import { bytes, id, key, signedJson } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { addressOf, type HubApp } from "../http.ts";
import type { Hub } from "../hub.ts";
import { requirePack, takeLease } from "../model/leases.ts";
import { findAuthor, findVersion } from "../model/versions.ts";
import { PROBLEMS, routeOf, SECURITY } from "../schemas.ts";
import { readPack, sendPack } from "../store/packs.ts";
import { tell } from "./portals.ts";

const take = routeOf("POST /v1/portals/{portal}/leases", {
  summary: "Asks for a download, or goes on with one",
  params: z.object({ portal: id("the portal") }),
});
const fetchPack = createRoute({
  method: "get",
  path: "/v1/portals/{portal}/packs/{address}",
  summary: "A pack of the version that a lease is for",
  security: SECURITY,
  request: {
    params: z.object({ portal: id("the portal"), address: key("the pack's address") }),
    headers: z.object({ "portal-lease": id("the lease") }),
  },
  responses: {
    200: {
      description: "the pack",
      content: { "application/octet-stream": { schema: z.any().openapi({ format: "binary" }) } },
    },
    ...PROBLEMS,
  },
});

/** From here on a pack goes out as it is read; a shorter one is read in one go, which costs less. */
const STREAM_FROM = 128 * 1024;

export function leaseRoutes(app: HubApp, hub: Hub): void {
  app.openapi(take, async (c) => {
    const portal = bytes(c.req.valid("param").portal, 16), body = c.req.valid("json");
    const { lease, actions } = await takeLease(hub, c.get("who"), portal, {
      version: body.version,
      lease: body.lease === undefined ? null : bytes(body.lease, 16),
      address: addressOf(hub, c),
    });
    await tell(hub, portal, actions);
    const version = await findVersion(hub.db, portal, lease.version);
    const { account, grant, grantKey } = await findAuthor(hub.db, portal, version.device);
    return c.json({
      lease: toBase64Url(lease.id),
      isNew: lease.isNew,
      expiresMs: lease.expiresMs,
      version: signedJson(version.signed),
      versionKey: toBase64Url(version.device),
      author: {
        account: toBase64Url(account),
        grant: grant === null ? null : signedJson(grant),
        grantKey: grantKey === null ? null : toBase64Url(grantKey),
      },
      view: lease.view.length === 0 ? null : toBase64Url(lease.view),
    }, 200);
  });
  app.openapi(fetchPack, async (c) => {
    const { portal, address } = c.req.valid("param");
    const id = bytes(portal, 16), pack = bytes(address, 32);
    const lease = bytes(c.req.valid("header")["portal-lease"], 16);
    const where = addressOf(hub, c);
    const { bytes: size, isCounted } = await requirePack(
      hub,
      c.get("who"),
      id,
      lease,
      pack,
      where,
    );
    if (!isCounted) await hub.traffic.add(id, size);
    const content = await (size < STREAM_FROM ? readPack : sendPack)(hub, pack);
    if (content === undefined) throw new WarpError("E_STORE", "a pack is not in the blob store");
    hub.metrics.count("portal_bytes_out_total", "bytes of packs fetched", {}, content.bytes);
    return c.body(content.body, 200, {
      "content-type": "application/octet-stream",
      "content-length": String(content.bytes),
    });
  });
}
