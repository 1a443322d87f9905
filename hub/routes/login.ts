/**
 * Challenges and tokens.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { bytes } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { addressOf, type HubApp } from "../http.ts";
import { login, makeChallenge } from "../auth.ts";
import type { Hub } from "../hub.ts";
import { RateLimit } from "../rate_limit.ts";
import { routeOf } from "../schemas.ts";

const challenge = routeOf("POST /v1/challenges", {
  summary: "A challenge for the key of a device or a link, to be signed within a minute",
  isPublic: true,
});
const token = routeOf("POST /v1/tokens", {
  summary: "A token for a signed challenge, bound to the key",
  isPublic: true,
});

const ADDRESSES_MAX = 100_000;

export function loginRoutes(app: HubApp, hub: Hub): void {
  // Guessing a link's password is failing to log in.
  const failures = new RateLimit({
    perSecond: 1 / hub.limits.failureRefillS,
    burst: hub.limits.failuresBurst,
    keysMax: ADDRESSES_MAX,
  });
  app.openapi(challenge, (c) => {
    const { key } = c.req.valid("json");
    return c.json({ challenge: toBase64Url(makeChallenge(hub, bytes(key))) }, 200);
  });
  app.openapi(token, async (c) => {
    const body = c.req.valid("json");
    const address = addressOf(hub, c), nowMs = hub.clock.nowMs();
    if (!failures.has(address, nowMs)) throw new WarpError("E_RATE", "too many failed logins");
    try {
      const key = bytes(body.key, 32), signed = bytes(body.signature, 64);
      const done = await login(hub, key, bytes(body.challenge), signed);
      return c.json({
        token: done.token,
        expiresMs: done.expiresMs,
        hub: toBase64Url(hub.secrets.signer.publicKey),
        signature: toBase64Url(done.hello),
        account: done.principal.account === null ? null : toBase64Url(done.principal.account),
      }, 200);
    } catch (error) {
      failures.take(address, nowMs);
      throw error;
    }
  });
}
