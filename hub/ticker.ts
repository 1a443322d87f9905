/**
 * The hub's clock: looks at portals again when their policies say so, and sweeps what is over.
 *
 * @module
 */
import { asWarpError } from "../actors/base/errors.ts";
import type { Log } from "../actors/base/log.ts";
import { toBase64Url } from "../actors/portal/base64url.ts";
import { bytesOf, type Hub } from "./hub.ts";
import { refresh } from "./model/openness.ts";
import { dropHoldings } from "./model/packs.ts";
import { collectPacks } from "./store/collect.ts";

/** Well below the second in which an expiry must take effect. */
const TICK_MS = 250;
const SWEEP_MS = 60_000;
const WOKEN_MAX = 1000;

/** Portals whose policy changes its mind by now. @returns what happened */
export async function tick(hub: Hub): Promise<number> {
  const nowMs = hub.clock.nowMs();
  const rows = await hub.db.all(
    "SELECT portal FROM portals WHERE wake_ms <= $1 ORDER BY wake_ms LIMIT $2",
    nowMs,
    WOKEN_MAX,
  );
  for (const row of rows) {
    const portal = bytesOf(row["portal"]);
    const action = await hub.db.transaction((sql) => refresh(sql, portal, nowMs));
    if (action !== null) await hub.events.tell({ action, portal: toBase64Url(portal) });
  }
  return rows.length;
}

/** Drops tokens, nonces and leases that are over, and packs that nothing refers to. */
export async function sweep(hub: Hub): Promise<void> {
  const nowMs = hub.clock.nowMs();
  await hub.db.all("DELETE FROM tokens WHERE expires_ms < $1", nowMs);
  await hub.db.all("DELETE FROM nonces WHERE expires_ms < $1", nowMs);
  await hub.db.all("DELETE FROM leases WHERE expires_ms < $1", nowMs);
  const { packs } = await collectPacks(hub, {
    graceMs: hub.limits.graceMs,
    dropped: dropHoldings,
  });
  hub.metrics.count("portal_packs_collected_total", "packs deleted", {}, packs);
}

/** Runs both until the signal. */
export async function runTicker(hub: Hub, log: Log, signal: AbortSignal): Promise<void> {
  let sweptMs = hub.clock.nowMs();
  while (!signal.aborted) {
    try {
      await hub.traffic.flush();
      await tick(hub);
      if (hub.clock.nowMs() - sweptMs >= SWEEP_MS) {
        sweptMs = hub.clock.nowMs();
        await sweep(hub);
      }
    } catch (error) {
      // The store may come back; until then requests say so too.
      log("warn", "tick", { error: asWarpError(error).code });
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, TICK_MS);
      signal.addEventListener("abort", done, { once: true });
      function done() {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}
