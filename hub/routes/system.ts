/**
 * Health, metrics, and what a client should know before it logs in.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { WARP_VERSION } from "../../actors/base/version.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import type { HubApp } from "../http.ts";
import type { Hub } from "../hub.ts";
import { routeOf } from "../schemas.ts";

const health = routeOf("GET /health", {
  summary: "Whether the hub can serve: its database answers",
  isPublic: true,
});
const about = routeOf("GET /v1/hub", { summary: "The hub's key and time", isPublic: true });
const metrics = createRoute({
  method: "get",
  path: "/metrics",
  summary: "Counters, as Prometheus reads them",
  responses: {
    200: { description: "counters", content: { "text/plain": { schema: z.string() } } },
  },
});

export function systemRoutes(app: HubApp, hub: Hub): void {
  app.openapi(health, async (c) => {
    await hub.db.all("SELECT 1 AS one");
    return c.json({ status: "ok" as const }, 200);
  });
  app.openapi(
    metrics,
    (c) => c.text(hub.metrics.text(), 200, { "content-type": "text/plain; version=0.0.4" }),
  );
  app.openapi(about, (c) =>
    c.json({
      hub: toBase64Url(hub.secrets.signer.publicKey),
      version: WARP_VERSION,
      timeMs: hub.clock.nowMs(),
      isOpen: hub.isOpen,
    }, 200));
}
