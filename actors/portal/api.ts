/**
 * The hub's interface: what each route takes and gives. The hub checks requests with it and publishes it as
 * OpenAPI; the client checks answers with it.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import {
  count,
  done,
  id,
  key,
  level,
  signature,
  signed,
  someBytes,
  timeMs,
  wrap,
} from "./api_fields.ts";
import { GRANTEES, KEY_BYTES } from "./records.ts";
import { STATES } from "./lifecycle.ts";

export const CHALLENGE_BYTES = 56;
/** Heads of trees of a tebibyte and more. */
export const PACK_BYTES_MAX = 64 << 20;
export const ADDRESSES_ASKED_MAX = 16_384;
/** 2^20 packs of a mebibyte are a tebibyte. */
const PACKS_MAX = 1 << 20;
const MEMBERS_MAX = 1024;
const GRANTS_MAX = 4096;
const VIEWS_MAX = 1024;
const REASON_BYTES_MAX = 16 * 1024;

const challenge = someBytes(CHALLENGE_BYTES, "the challenge");
const state = z.enum(STATES);
const newGrant = z.object({ signed, wrap });
const wraps = z.array(z.object({ grant: id("the grant"), wrap })).max(GRANTS_MAX);
const reason = someBytes(REASON_BYTES_MAX, "an age file to the owner's account");

export const ownGrant = z.object({
  grant: id("the grant"),
  level,
  view: id("the view").nullable(),
  wrap,
  group: key("the group that it is to").nullable(),
  expiresMs: timeMs.nullable(),
  reentryMs: timeMs.nullable(),
  downloads: count,
  downloadsMax: count.nullable(),
}).openapi("OwnGrant");

export const portal = z.object({
  portal: id("the portal"),
  owner: key("the owner's account"),
  record: signed,
  settings: signed,
  settingsKey: key("the device that signed the settings"),
  policy: z.string(),
  state,
  isOpen: z.boolean(),
  epoch: count,
  version: count,
  versionMs: timeMs.nullable(),
  createdMs: timeMs,
  openedMs: timeMs.nullable(),
  changesMs: timeMs.nullable(),
  downloads: count,
  bytes: count,
  accessors: count,
  level,
  grant: ownGrant.nullable(),
}).openapi("Portal");

export const grant = z.object({
  grant: id("the grant"),
  kind: z.enum(GRANTEES),
  grantee: key("account, link or group"),
  level,
  signed,
  device: key("the device that signed it"),
  wrap,
  expiresMs: timeMs.nullable(),
  reentryMs: timeMs.nullable(),
  downloads: count,
  downloadsMax: count.nullable(),
  grantedMs: timeMs,
  revokedMs: timeMs.nullable(),
}).openapi("Grant");

export const group = z.object({
  group: signed,
  groupKey: key("the device that signed the record"),
  owner: key("the account that owns it"),
  wrap: wrap.nullable().openapi({ description: "the asker's own" }),
  members: z.array(key("a member")).nullable(),
}).openapi("Group");

export const request = z.object({
  request: id("the request"),
  grant: id("the grant that it is about"),
  key: key("who asked"),
  reason,
  state: z.enum(["pending", "approved", "denied"]),
  createdMs: timeMs,
  decidedMs: timeMs.nullable(),
}).openapi("Request");

/** `body` is what the route takes as JSON, `answer` what it gives. */
export const API = {
  "GET /health": { answer: z.object({ status: z.literal("ok") }) },
  "GET /v1/hub": {
    answer: z.object({
      hub: key("the hub's key"),
      version: z.string(),
      timeMs,
      isOpen: z.boolean(),
    }),
  },
  "POST /v1/challenges": {
    body: z.object({ key: key("the client's key") }),
    answer: z.object({ challenge }),
  },
  "POST /v1/tokens": {
    body: z.object({ key: key("the client's key"), challenge, signature }),
    answer: z.object({
      token: z.string().length(43).regex(/^[\w-]*$/),
      expiresMs: timeMs,
      hub: key("the hub's key"),
      signature: signature.openapi({ description: "the hub's, over key and challenge" }),
      account: key("the account; null for a link").nullable(),
    }),
  },
  "POST /v1/accounts": {
    body: z.object({
      key: key("the account"),
      account: signed,
      device: signed,
      invite: z.string().max(100).optional(),
    }),
    answer: done,
  },
  "POST /v1/devices": {
    body: z.object({ account: key("the account"), device: signed }),
    answer: done,
  },
  "POST /v1/retirements": { body: z.object({ retire: signed }), answer: done },
  "GET /v1/accounts/{account}": {
    answer: z.object({
      account: signed,
      devices: z.array(z.object({ device: signed, retire: signed.nullable() })),
    }),
  },
  "GET /v1/usage": { answer: z.object({ bytes: count, packs: count, quotaBytes: count }) },
  "POST /v1/groups": {
    body: z.object({ group: signed }),
    answer: z.object({ group: key("the group") }),
  },
  "PUT /v1/groups/{group}": {
    body: z.object({
      members: z.array(z.object({ account: key("the member"), wrap })).max(MEMBERS_MAX),
    }),
    answer: done,
  },
  "GET /v1/groups": { answer: z.object({ groups: z.array(group) }) },
  "GET /v1/groups/{group}": {
    answer: z.object({
      group: signed,
      groupKey: key("the device that signed the record"),
      owner: key("its owner"),
    }),
  },
  "POST /v1/packs/missing": {
    body: z.object({
      addresses: someBytes(ADDRESSES_ASKED_MAX * KEY_BYTES, "addresses, 32 bytes each"),
    }),
    answer: z.object({ missing: z.array(count) }),
  },
  "PUT /v1/packs/{address}": { answer: z.object({ bytes: count }) },
  "GET /v1/portals": { answer: z.object({ portals: z.array(portal) }) },
  "POST /v1/portals": {
    body: z.object({ portal: signed, settings: signed, grant: newGrant, isOpen: z.boolean() }),
    answer: z.object({ portal: id("the portal") }),
  },
  "GET /v1/portals/{portal}": { answer: portal.extend({ grants: z.array(grant).nullable() }) },
  "DELETE /v1/portals/{portal}": { answer: done },
  "POST /v1/portals/{portal}/settings": {
    body: z.object({ settings: signed, event: z.enum(["settings", "extend"]) }),
    answer: done,
  },
  "POST /v1/portals/{portal}/state": {
    body: z.object({ event: z.enum(["open", "pause", "close"]) }),
    answer: z.object({ state }),
  },
  "POST /v1/portals/{portal}/grants": { body: newGrant, answer: done },
  "POST /v1/portals/{portal}/revocations": {
    body: z.object({ revoke: signed, wraps }),
    answer: done,
  },
  "PUT /v1/portals/{portal}/wraps": { body: z.object({ wraps }), answer: done },
  "POST /v1/portals/{portal}/versions": {
    body: z.object({
      version: signed,
      views: z.array(z.object({
        view: id("the view").nullable(),
        packs: someBytes(PACKS_MAX * KEY_BYTES, "addresses, 32 bytes each"),
      })).min(1).max(VIEWS_MAX),
    }),
    answer: z.object({ version: count }),
  },
  "POST /v1/portals/{portal}/leases": {
    body: z.object({
      version: count.default(0).openapi({ description: "0: the newest" }),
      lease: id("a lease to go on with").optional(),
    }),
    answer: z.object({
      lease: id("the lease"),
      isNew: z.boolean(),
      expiresMs: timeMs,
      version: signed,
      versionKey: key("the device that signed the version"),
      author: z.object({
        account: key("whose device it is"),
        grant: signed.nullable().openapi({ description: "the owner's; null: it is the owner" }),
        grantKey: key("the owner's device that signed the grant").nullable(),
      }),
      view: id("the view that it gives").nullable(),
    }),
  },
  "POST /v1/portals/{portal}/requests": {
    body: z.object({ reason }),
    answer: z.object({ request: id("the request") }),
  },
  "GET /v1/portals/{portal}/requests": { answer: z.object({ requests: z.array(request) }) },
  "POST /v1/portals/{portal}/requests/{request}": {
    body: z.discriminatedUnion("decision", [
      z.object({ decision: z.literal("approve"), untilMs: timeMs, downloads: count.nullable() }),
      z.object({ decision: z.literal("deny") }),
    ]),
    answer: done,
  },
  "GET /v1/portals/{portal}/log": {
    answer: z.object({
      entries: z.array(z.object({ text: z.string(), hash: key("SHA-256 of the entry") })),
      head: z.object({ hash: key("hash of the newest entry"), signature }),
    }),
  },
} as const;

export type Api = typeof API;
export type Route = keyof Api;
export type BodyOf<R extends Route> = Api[R] extends { body: infer S extends z.ZodType }
  ? z.input<S>
  : undefined;
export type AnswerOf<R extends Route> = z.output<Api[R]["answer"]>;
export type PortalInfo = z.infer<typeof portal>;
export type GrantInfo = z.infer<typeof grant>;
export type OwnGrantInfo = z.infer<typeof ownGrant>;
export type GroupInfo = z.infer<typeof group>;
export type RequestInfo = z.infer<typeof request>;
