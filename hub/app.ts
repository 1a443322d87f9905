/**
 * The hub's routes, behind one gate: what is not named public needs a token and a proof.
 *
 * @module
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { asWarpError, isWarpError, WarpError } from "../actors/base/errors.ts";
import { WARP_VERSION } from "../actors/base/version.ts";
import { authenticate, type Principal, rateKey } from "./auth.ts";
import { addressOf, type HubApp, type HubEnv, noteSeen } from "./http.ts";
import type { Hub } from "./hub.ts";
import { problem } from "./problem.ts";
import { RateLimit } from "./rate_limit.ts";
import { receive } from "./receive.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { eventRoutes } from "./routes/events.ts";
import { loginRoutes } from "./routes/login.ts";
import { packRoutes } from "./routes/packs.ts";
import { pageRoutes } from "./routes/pages.ts";
import { grantRoutes } from "./routes/grants.ts";
import { leaseRoutes } from "./routes/leases.ts";
import { portalRoutes } from "./routes/portals.ts";
import { requestRoutes } from "./routes/requests.ts";
import { systemRoutes } from "./routes/system.ts";
import { teamRoutes } from "./routes/teams.ts";

const JSON_BYTES_MAX = 1 << 20;
/** Lists of packs and of wraps. */
const LONG_BYTES_MAX = 64 << 20;
const KEYS_MAX = 100_000;

/** Method and path of what needs no token. */
const PUBLIC = new Set([
  "POST /v1/challenges",
  "POST /v1/tokens",
  "POST /v1/accounts",
  "POST /v1/devices",
  "GET /v1/hub",
]);

export function createApp(hub: Hub): HubApp {
  const app: HubApp = new OpenAPIHono<HubEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const where = issue === undefined ? "" : ` at "${issue.path.join(".").slice(0, 100)}"`;
      throw new WarpError("E_PROTOCOL", `the request is malformed${where}`, {
        ...(issue === undefined ? {} : { hint: issue.message.slice(0, 200) }),
      });
    },
  });
  app.onError((error, c) => {
    const known = isWarpError(error) ? error : httpError(error) ?? asWarpError(error);
    if (known.code === "E_INTERNAL") hub.metrics.count("portal_faults_total", "bugs of the hub");
    return problem(c, known);
  });
  app.notFound((c) => problem(c, new WarpError("E_NOT_FOUND", "there is nothing here")));
  app.use("*", measured(hub));
  app.use("/v1/*", gate(hub));
  for (const add of [systemRoutes, loginRoutes, accountRoutes, teamRoutes, packRoutes]) {
    add(app, hub);
  }
  for (const add of [portalRoutes, grantRoutes, leaseRoutes, requestRoutes]) add(app, hub);
  eventRoutes(app, hub);
  pageRoutes(app, hub);
  app.openAPIRegistry.registerComponent("securitySchemes", "portal", {
    type: "apiKey",
    in: "header",
    name: "Authorization",
    description:
      "`Portal TOKEN`, and in `Portal-Proof` a signature over the request (docs/crypto.md §5)",
  });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "Portal hub",
      version: WARP_VERSION,
      description: "Coordinates portals without being able to read them (docs/portal.md).",
    },
  });
  return app;
}

/** What Hono throws for JSON that is none (400), and for what does not say that it is JSON (415). */
function httpError(error: unknown): WarpError | undefined {
  const status = (error as { status?: unknown }).status;
  return status === 400 || status === 415
    ? new WarpError("E_PROTOCOL", "the request is malformed, or not said to be JSON")
    : undefined;
}

function gate(hub: Hub): MiddlewareHandler<HubEnv> {
  const { anonymousRate, anonymousBurst, tokenRate, tokenBurst } = hub.limits;
  const anonymous = new RateLimit({
    perSecond: anonymousRate,
    burst: anonymousBurst,
    keysMax: KEYS_MAX,
  });
  const known = new RateLimit({ perSecond: tokenRate, burst: tokenBurst, keysMax: KEYS_MAX });
  const seen = new Map<string, number>();
  return async (c, next) => {
    const url = URL.parse(c.req.url);
    if (url === null) throw new WarpError("E_PROTOCOL", "the request's address is malformed");
    const nowMs = hub.clock.nowMs(), address = addressOf(hub, c);
    const isStream = c.req.method === "PUT" && url.pathname.startsWith("/v1/packs/");
    if (!anonymous.has(address, nowMs)) throw tooOften();
    if (PUBLIC.has(`${c.req.method} ${url.pathname}`)) {
      anonymous.take(address, nowMs);
      await readBody(c, JSON_BYTES_MAX);
      return await next();
    }
    let who: Principal, giveBack = () => {};
    try {
      who = await authenticate(hub, {
        method: c.req.method,
        target: url.pathname + url.search,
        authorization: c.req.header("authorization"),
        proof: c.req.header("portal-proof"),
        body: async () => {
          if (isStream) return new Uint8Array();
          const told = Math.min(lengthOf(c) ?? 0, LONG_BYTES_MAX);
          if (told > JSON_BYTES_MAX) giveBack = await hub.uploads.take(told);
          return await readBody(c, LONG_BYTES_MAX);
        },
      });
    } catch (error) {
      giveBack();
      anonymous.take(address, nowMs);
      throw error;
    }
    try {
      if (!known.take(rateKey(who), nowMs)) throw tooOften();
      c.set("who", who);
      if (who.account !== null) await noteSeen(hub, seen, who.account, nowMs);
      return await next();
    } finally {
      giveBack();
    }
  };
}

function tooOften(): WarpError {
  return new WarpError("E_RATE", "too many requests");
}

/** The body, which Hono keeps for the route. One that does not say its length may not be a long one. */
async function readBody(c: Context<HubEnv>, most: number): Promise<Uint8Array> {
  if (c.req.method === "GET" || c.req.method === "HEAD") return new Uint8Array();
  const told = lengthOf(c);
  if (told !== null && told > most) throw tooLong();
  const body = await receive(c.req.raw.body, told ?? Math.min(most, JSON_BYTES_MAX));
  // Hono has promises here, whatever its types say.
  const kept = Promise.resolve(new Uint8Array(body).buffer);
  c.req.bodyCache.arrayBuffer = kept as unknown as ArrayBuffer;
  return body;
}

/** What a request says of its length; null: nothing, or nonsense. */
function lengthOf(c: Context<HubEnv>): number | null {
  const told = c.req.header("content-length") ?? "";
  return /^\d{1,15}$/.test(told) ? Number(told) : null;
}

function tooLong(): WarpError {
  return new WarpError("E_LIMIT", "the request is too long");
}

function measured(hub: Hub): MiddlewareHandler<HubEnv> {
  return async (c, next) => {
    const start = performance.now();
    await next();
    const route = c.req.routePath;
    hub.metrics.time(route, (performance.now() - start) / 1000);
    hub.metrics.count("portal_requests_total", "requests answered", {
      method: c.req.method,
      route,
      status: String(c.res.status),
    });
    c.res.headers.set("x-content-type-options", "nosniff");
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}
