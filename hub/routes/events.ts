/**
 * Server-sent events: what changed in portals that the account may see.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { isWarpError } from "../../actors/base/errors.ts";
import { type HubApp, noteSeen } from "../http.ts";
import type { HubEvent } from "../events.ts";
import type { Hub } from "../hub.ts";
import { requireAccess } from "../model/access.ts";
import { requireDevice } from "../model/access.ts";
import { bytes } from "../../actors/portal/api_fields.ts";
import { PROBLEMS, SECURITY } from "../schemas.ts";

/** Also what keeps "owner online" true. */
const BEAT_MS = 15_000;
const BACKLOG_MAX = 1000;

const listen = createRoute({
  method: "get",
  path: "/v1/events",
  summary: "Changes as they happen; `missed` when some may have been lost",
  security: SECURITY,
  responses: {
    200: {
      description: 'events `change` with {"action", "portal"}, `missed`, `beat`',
      content: { "text/event-stream": { schema: z.string() } },
    },
    ...PROBLEMS,
  },
});

export function eventRoutes(app: HubApp, hub: Hub): void {
  app.openapi(listen, (c) => {
    const who = c.get("who"), account = requireDevice(who);
    return streamSSE(c, async (stream) => {
      const backlog: (HubEvent | null)[] = [];
      let wake = () => {};
      const stop = hub.events.subscribe((event) => {
        if (backlog.length < BACKLOG_MAX) backlog.push(event);
        else backlog[BACKLOG_MAX - 1] = null;
        wake();
      });
      stream.onAbort(() => wake());
      try {
        await stream.writeSSE({ event: "beat", data: String(hub.clock.nowMs()) });
        while (!stream.aborted && !hub.stopping.aborted) {
          const event = backlog.shift();
          if (await isRetired()) break;
          if (event === undefined) {
            await noteSeen(hub, new Map(), account, hub.clock.nowMs());
            // Told meanwhile, before there was anything to wake.
            if (backlog.length > 0 || stream.aborted) continue;
            const isBeat = await rest((resolve) => wake = resolve, hub.stopping);
            if (isBeat) await stream.writeSSE({ event: "beat", data: String(hub.clock.nowMs()) });
          } else if (event === null) {
            await stream.writeSSE({ event: "missed", data: "" });
          } else if (await isTheirs(event)) {
            await stream.writeSSE({ event: "change", data: JSON.stringify(event) });
          }
        }
      } finally {
        stop();
      }
    });

    /** A stream outlives its token, but not its device. */
    async function isRetired(): Promise<boolean> {
      const rows = await hub.db.all(
        "SELECT device FROM devices WHERE device = $1 AND retired_ms IS NOT NULL",
        who.key,
      );
      return rows.length > 0;
    }

    async function isTheirs({ portal }: HubEvent): Promise<boolean> {
      try {
        const id = bytes(portal, 16);
        await requireAccess(hub.db, who, id, "list", hub.clock.nowMs(), true);
        return true;
      } catch (error) {
        if (isWarpError(error, "E_NOT_FOUND")) return false;
        throw error;
      }
    }
  });
}

/** Waits for an event, or a while. True: nothing came. */
function rest(woken: (wake: () => void) => void, stopping: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isBeat: boolean) => {
      clearTimeout(timer);
      stopping.removeEventListener("abort", stop);
      resolve(isBeat);
    };
    const stop = () => end(false);
    const timer = setTimeout(() => end(true), BEAT_MS);
    stopping.addEventListener("abort", stop);
    if (stopping.aborted) stop();
    woken(stop);
  });
}
