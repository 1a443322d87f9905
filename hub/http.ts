/**
 * What the routes share of HTTP: the app's type, whose request it is, and from where.
 *
 * @module
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { toHex } from "../actors/base/bytes.ts";
import type { Principal } from "./auth.ts";
import type { Hub } from "./hub.ts";

export interface HubEnv {
  Bindings: { address: string };
  Variables: { who: Principal };
}
export type HubApp = OpenAPIHono<HubEnv>;

const SEEN_EVERY_MS = 10_000;
/** Accounts that are remembered. */
const SEEN_MAX = 100_000;

/** Where a request comes from: the peer, or what a proxy of ours says. */
export function addressOf(hub: Hub, c: Context<HubEnv>): string {
  const forwarded = hub.isBehindProxy ? c.req.header("x-forwarded-for") : undefined;
  return forwarded?.split(",").at(-1)?.trim() || c.env.address;
}

/** Keeps when an account was here last, not more often than policies need. */
export async function noteSeen(
  hub: Hub,
  seen: Map<string, number>,
  account: Uint8Array<ArrayBuffer>,
  nowMs: number,
): Promise<void> {
  const name = toHex(account);
  if (nowMs - (seen.get(name) ?? 0) < SEEN_EVERY_MS) return;
  if (seen.size >= SEEN_MAX) seen.clear();
  seen.set(name, nowMs);
  await hub.db.all("UPDATE accounts SET seen_ms = $1 WHERE account = $2", nowMs, account);
}
