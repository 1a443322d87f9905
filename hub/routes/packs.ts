/**
 * Uploading packs. Fetching them is in leases.ts: it needs a portal that lets one in.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { WarpError } from "../../actors/base/errors.ts";
import { API, PACK_BYTES_MAX } from "../../actors/portal/api.ts";
import { bytes, key } from "../../actors/portal/api_fields.ts";
import type { HubApp } from "../http.ts";
import type { Hub } from "../hub.ts";
import { takePack } from "../model/packs.ts";
import { requireDevice } from "../model/access.ts";
import { PROBLEMS, routeOf, SECURITY } from "../schemas.ts";

const ADDRESS_BYTES = 32;

const missing = routeOf("POST /v1/packs/missing", {
  summary: "Which of these packs the account has yet to upload: their numbers in the list",
});
const upload = createRoute({
  method: "put",
  path: "/v1/packs/{address}",
  summary: "Uploads a pack; its BLAKE3 is its address. At most 64 MiB",
  security: SECURITY,
  request: {
    params: z.object({ address: key("the pack's address") }),
    body: {
      required: true,
      content: { "application/octet-stream": { schema: z.any().openapi({ format: "binary" }) } },
    },
  },
  responses: {
    200: {
      description: "it is stored, for good",
      content: { "application/json": { schema: API["PUT /v1/packs/{address}"].answer } },
    },
    ...PROBLEMS,
  },
});

export function packRoutes(app: HubApp, hub: Hub): void {
  app.openapi(missing, async (c) => {
    const account = requireDevice(c.get("who"));
    const list = bytes(c.req.valid("json").addresses);
    if (list.length % ADDRESS_BYTES !== 0) {
      throw new WarpError("E_PROTOCOL", "an address has 32 bytes");
    }
    const missing: number[] = [];
    const nowMs = hub.clock.nowMs();
    await hub.db.transaction(async (sql) => {
      missing.length = 0;
      for (let i = 0; i < list.length / ADDRESS_BYTES; i++) {
        const address = list.slice(ADDRESS_BYTES * i, ADDRESS_BYTES * (i + 1));
        // Touched: who is told that it is here must find it here when the version comes.
        const held = await sql.all(
          `UPDATE packs SET touched_ms = $1 WHERE address = $2 AND state = 0 AND EXISTS
             (SELECT 1 FROM holdings WHERE account = $3 AND holdings.address = packs.address)
           RETURNING address`,
          nowMs,
          address,
          account,
        );
        if (held.length === 0) missing.push(i);
      }
    });
    return c.json({ missing }, 200);
  });
  app.openapi(upload, async (c) => {
    const account = requireDevice(c.get("who"));
    const address = bytes(c.req.valid("param").address, ADDRESS_BYTES);
    const told = c.req.header("content-length");
    if (told === undefined) {
      throw new WarpError("E_PROTOCOL", "the request does not say how long it is");
    }
    const length = Number(told);
    if (length > PACK_BYTES_MAX || length === 0) {
      await c.req.raw.body?.cancel();
      throw new WarpError("E_LIMIT", "a pack has one byte to 64 MiB");
    }
    const stored = await takePack(hub, account, address, c.req.raw.body, length);
    hub.metrics.count("portal_bytes_in_total", "bytes of packs uploaded", {}, stored);
    return c.json({ bytes: stored }, 200);
  });
}
