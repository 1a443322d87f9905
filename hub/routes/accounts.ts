/**
 * Accounts and devices.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { WarpError } from "../../actors/base/errors.ts";
import { bytes, key, signedJson, signedOf } from "../../actors/portal/api_fields.ts";
import type { HubApp } from "../http.ts";
import { bytesOf, type Hub, numberOf } from "../hub.ts";
import { enrolAccount, enrolDevice, retireDevice } from "../model/accounts.ts";
import { requireDevice } from "../model/access.ts";
import { routeOf } from "../schemas.ts";

const enrol = routeOf("POST /v1/accounts", {
  summary: "Enrols an account with its first device",
  isPublic: true,
});
const addDevice = routeOf("POST /v1/devices", {
  summary: "Enrols a device, by a record that the account's key has signed",
  isPublic: true,
});
const retire = routeOf("POST /v1/retirements", { summary: "Retires a device of the own account" });
const look = routeOf("GET /v1/accounts/{account}", {
  summary: "The signed records of an account and its devices, to be checked against its key",
  params: z.object({ account: key("the account") }),
});
const usage = routeOf("GET /v1/usage", { summary: "What the own account holds" });

export function accountRoutes(app: HubApp, hub: Hub): void {
  app.openapi(enrol, async (c) => {
    const { key, account, device, invite } = c.req.valid("json");
    await enrolAccount(
      hub,
      { ...signedOf(account), key: bytes(key, 32) },
      signedOf(device),
      invite,
    );
    return c.json({ done: true as const }, 200);
  });
  app.openapi(addDevice, async (c) => {
    const { account, device } = c.req.valid("json");
    await enrolDevice(hub, signedOf(device), bytes(account, 32));
    return c.json({ done: true as const }, 200);
  });
  app.openapi(retire, async (c) => {
    const who = c.get("who");
    await retireDevice(hub, requireDevice(who), signedOf(c.req.valid("json").retire), who.key);
    return c.json({ done: true as const }, 200);
  });
  app.openapi(look, async (c) => {
    const account = bytes(c.req.valid("param").account, 32);
    const [row] = await hub.db.all("SELECT * FROM accounts WHERE account = $1", account);
    if (row === undefined) throw new WarpError("E_NOT_FOUND", "there is no such account");
    const devices = await hub.db.all(
      "SELECT * FROM devices WHERE account = $1 ORDER BY number",
      account,
    );
    return c.json({
      account: signedJson({ bytes: bytesOf(row["record"]), signature: bytesOf(row["signature"]) }),
      devices: devices.map((device) => ({
        device: signedJson({
          bytes: bytesOf(device["record"]),
          signature: bytesOf(device["signature"]),
        }),
        retire: device["retire_record"] === null ? null : signedJson({
          bytes: bytesOf(device["retire_record"]),
          signature: bytesOf(device["retire_signature"]),
        }),
      })),
    }, 200);
  });
  app.openapi(usage, async (c) => {
    const account = requireDevice(c.get("who"));
    const [row] = await hub.db.all(
      "SELECT COUNT(*) AS packs, COALESCE(SUM(bytes), 0) AS bytes FROM holdings WHERE account = $1",
      account,
    );
    return c.json({
      bytes: numberOf(row!["bytes"]),
      packs: numberOf(row!["packs"]),
      quotaBytes: hub.limits.quotaBytes,
    }, 200);
  });
}
