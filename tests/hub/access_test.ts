/**
 * Every route, for everyone, in every state: what docs/portal.md §3 says is what the hub does. A route that
 * is not in the tables here and there fails.
 */
import assert from "node:assert/strict";
import type { Bytes } from "../../actors/base/bytes.ts";
import { createSigner } from "../../actors/cipher/signature.ts";
import { signedJson } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { ERROR_CODES, type ErrorCode } from "../../actors/base/error_codes.ts";
import { isAtLeast, type Level, LEVELS, signRecord } from "../../actors/portal/records.ts";
import { createApp } from "../../hub/app.ts";
import { statusOf } from "../../hub/problem.ts";
import { tick } from "../../hub/ticker.ts";
import {
  type Answer,
  anyone,
  Caller,
  enrol,
  hashOf,
  makeGroup,
  makePortal,
  type Person,
  random,
  setMembers,
  type TestHub,
  TestPortal,
  VirtualClock,
  withHub,
} from "../support/hub.ts";

const STATES = ["created", "active", "over", "paused", "closed", "archived"] as const;
type State = (typeof STATES)[number];
/** Portals that are nobody's of those who ask, or none at all. */
const ELSEWHERE = ["other", "missing", "malformed"] as const;
type Place = State | (typeof ELSEWHERE)[number];

const LEVEL_OF = {
  ...{ list: "list", read: "read", write: "write", admin: "admin", owner: "owner" },
  ...{ account: "owner", link: "read", "link that lists": "list", member: "read" },
} as const satisfies Record<string, Level>;
/** Known to the hub, but not to the portal. */
const OUTSIDERS = ["stranger", "revoked", "left the group"] as const;
/** Without a token that is one. */
const NOBODIES = ["anyone", "garbage token", "stolen token", "retired device"] as const;
type Role = keyof typeof LEVEL_OF | (typeof OUTSIDERS)[number] | (typeof NOBODIES)[number];
const ROLES = [...Object.keys(LEVEL_OF), ...OUTSIDERS, ...NOBODIES] as Role[];
const isLink = (role: Role) => role.startsWith("link");
const isNobody = (role: Role) => (NOBODIES as readonly string[]).includes(role);

/** What a request came to: a code, or `ok`. */
type Outcome = ErrorCode | "ok";

interface World {
  at: TestHub;
  roles: Record<Role, Caller>;
  portals: Record<Place, TestPortal>;
  /** A lease that was taken before the portal came to its state. */
  leases: Map<string, string>;
  packs: Map<Place, Bytes>;
  group: Bytes;
}

// ---------------------------------------------------------------- routes of portals

interface PortalRoute {
  /** What follows `/v1/portals/:portal`, for this asker. */
  path?: (world: World, role: Role, place: Place) => Promise<string> | string;
  body?: (world: World, role: Role, place: Place) => unknown;
  headers?: (world: World, role: Role, place: Place) => Record<string, string>;
  /** What comes of a request that is let in, where it must leave the portal as it is. */
  done?: Outcome;
  isForDevices?: true;
  /** Puts back what a request has changed. */
  mend?: (world: World, place: Place) => Promise<void>;
}

const portalRoutes: Record<string, PortalRoute> = {
  "GET /v1/portals/:portal": {},
  "POST /v1/portals/:portal/settings": {
    body: ({ portals, roles }, role, place) => ({
      settings: portals[place].settingsBody({ kind: "all", of: [] }, roles[role], 99),
      event: "settings",
    }),
    done: "E_BUSY",
  },
  "POST /v1/portals/:portal/state": {
    // The one step that each state allows to all who may take one, and that can be taken back.
    body: () => ({ event: "open" }),
    mend: async ({ at, portals }, place) => {
      if (place === "paused") await portals.paused.state("pause");
      if (place !== "created") return;
      await at.hub.db.all(
        "UPDATE portals SET state = 'created', is_open = 0 WHERE portal = $1",
        portals.created.id,
      );
    },
  },
  "POST /v1/portals/:portal/grants": {
    body: ({ portals, roles }, role, place) =>
      portals[place].grantBody(
        { kind: "link", grantee: createSigner(random(32)).publicKey, level: "read" },
        roles[role],
      ),
  },
  "POST /v1/portals/:portal/revocations": {
    body: ({ portals, roles }, role, place) => portals[place].revokeBody([], roles[role], 99),
    done: "E_BUSY",
  },
  "PUT /v1/portals/:portal/wraps": { body: () => ({ wraps: [] }) },
  "POST /v1/portals/:portal/versions": {
    body: ({ portals, roles, packs }, role, place) => {
      const portal = new TestPortal(portals[place].owner);
      Object.assign(portal, { id: portals[place].id, version: 98 });
      return portal.versionBody(
        [{ view: null, packs: [packs.get(place) ?? random(32)] }],
        roles[role],
      )
        .body;
    },
    done: "E_BUSY",
    isForDevices: true,
  },
  "POST /v1/portals/:portal/leases": { body: () => ({}) },
  "GET /v1/portals/:portal/packs/:address": {
    path: ({ packs }, _, place) => `/packs/${toBase64Url(packs.get(place) ?? random(32))}`,
    headers: ({ leases }, role, place) => ({
      "portal-lease": leases.get(`${role} ${place}`) ?? toBase64Url(random(16)),
    }),
  },
  "POST /v1/portals/:portal/requests": { body: () => ({ reason: toBase64Url(random(40)) }) },
  "GET /v1/portals/:portal/requests": {},
  "POST /v1/portals/:portal/requests/:request": {
    path: async ({ at }, _, place) => `/requests/${await pendingRequest(at, place)}`,
    body: () => ({ decision: "deny" }),
  },
  "GET /v1/portals/:portal/log": {},
  // Last, for with it all is over.
  "DELETE /v1/portals/:portal": {},
};

let world: World;

/** A request that waits: put there by hand, for not every state takes one. */
async function pendingRequest(at: TestHub, place: Place): Promise<string> {
  const id = random(16), portal = world.portals[place];
  await at.hub.db.all(
    `INSERT INTO requests (portal, request, grant_id, key, reason, state, created_ms)
     VALUES ($1, $2, $3, $4, $5, 'pending', 1)`,
    portal.id,
    id,
    portal.ownGrant,
    random(32),
    random(40),
  );
  return toBase64Url(id);
}

// ---------------------------------------------------------------- all other routes

interface OtherRoute {
  who: "anyone" | "any token" | "device";
  path?: (world: World, role: Role) => string;
  body?: (world: World, role: Role) => unknown;
  done?: (role: Role) => Outcome;
  /** It is tested elsewhere that it is a page. */
  isPage?: true;
}

const nowhere = { record: toBase64Url(random(20)), signature: toBase64Url(random(64)) };

const otherRoutes: Record<string, OtherRoute> = {
  "GET /health": { who: "anyone" },
  "GET /metrics": { who: "anyone" },
  "GET /openapi.json": { who: "anyone" },
  "GET /": { who: "anyone", isPage: true },
  "GET /p/:portal": { who: "anyone", isPage: true },
  "GET /assets/:name": { who: "anyone", isPage: true },
  "GET /v1/hub": { who: "anyone" },
  "POST /v1/challenges": { who: "anyone", body: () => ({ key: toBase64Url(random(32)) }) },
  "POST /v1/tokens": {
    who: "anyone",
    body: () => ({
      key: toBase64Url(random(32)),
      challenge: toBase64Url(random(56)),
      signature: toBase64Url(random(64)),
    }),
    done: () => "E_AUTH",
  },
  "POST /v1/accounts": {
    who: "anyone",
    body: () => ({ key: toBase64Url(random(32)), account: nowhere, device: nowhere }),
    done: () => "E_SIGNATURE",
  },
  "POST /v1/devices": {
    who: "anyone",
    body: () => ({ account: toBase64Url(random(32)), device: nowhere }),
    done: () => "E_NOT_FOUND",
  },
  "GET /v1/accounts/:account": {
    who: "any token",
    path: ({ portals }) => `/v1/accounts/${toBase64Url(portals.active.owner.account)}`,
  },
  "GET /v1/usage": { who: "device" },
  "POST /v1/retirements": {
    who: "device",
    body: (world, role) => ({ retire: signedBy(world, role, "retire", { number: 99 }) }),
    done: () => "E_NOT_FOUND",
  },
  "POST /v1/groups": {
    who: "device",
    body: (world, role) => ({
      group: signedBy(world, role, "group", {
        group: random(32),
        recipient: world.portals.active.owner.ring.deviceRecipient,
        sealedName: random(92),
      }),
    }),
  },
  "GET /v1/groups": { who: "device" },
  "GET /v1/groups/:group": {
    who: "device",
    path: ({ group }) => `/v1/groups/${toBase64Url(group)}`,
  },
  "PUT /v1/groups/:group": {
    who: "device",
    path: ({ group }) => `/v1/groups/${toBase64Url(group)}`,
    body: ({ roles }) => ({
      members: [{
        account: toBase64Url((roles.member as Person).account),
        wrap: toBase64Url(random(64)),
      }],
    }),
    done: (role) => role === "owner" || role === "account" ? "ok" : "E_NOT_FOUND",
  },
  "POST /v1/packs/missing": {
    who: "device",
    body: () => ({ addresses: toBase64Url(random(64)) }),
  },
  "PUT /v1/packs/:address": {
    who: "device",
    path: () => `/v1/packs/${toBase64Url(hashOf(PACK))}`,
    body: () => PACK,
  },
  "GET /v1/portals": { who: "device" },
  "POST /v1/portals": {
    who: "device",
    body: (world, role) => {
      const { at, signer } = world.roles[role];
      const person = { at, signer, account: accountOf(world, role) } as unknown as Person;
      return new TestPortal(person).createBody('{"kind":"all","of":[]}', true);
    },
  },
  "GET /v1/events": { who: "device" },
};

const PACK = random(100);

/** What a role's record says its account is. */
function accountOf({ roles }: World, role: Role): Bytes {
  if (role === "account") return (roles.owner as Person).account;
  return (roles[role] as Person).account ?? random(32);
}

function signedBy(
  world: World,
  role: Role,
  kind: "retire" | "group",
  record: Record<string, unknown>,
) {
  const { signer } = world.roles[role];
  const account = accountOf(world, role), atMs = world.at.clock.nowMs();
  return signedJson(
    signRecord(kind, { account, atMs, ...record } as never, (message) => signer.sign(message)),
  );
}

// ---------------------------------------------------------------- the tables of the documentation

const documentation = Deno.readTextFileSync(new URL("../../docs/portal.md", import.meta.url));
const section = documentation.slice(
  documentation.indexOf("## 3."),
  documentation.indexOf("## 4."),
);
const rows = section.split("\n").filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
const routesIn = (cell: string) =>
  [...cell.matchAll(/`([A-Z]+ [^`]+)`/g)].map((match) => match[1]!);

interface Rule {
  level: Level;
  outcomes: Record<State, Outcome>;
}
const rules = new Map<string, Rule[]>();
for (const [route, level, ...cells] of rows.filter((cells) => cells.length === 8)) {
  const outcomes = Object.fromEntries(
    STATES.map((state, i) => [state, cells[i]]),
  ) as Rule["outcomes"];
  for (const outcome of Object.values(outcomes)) {
    assert.ok(outcome === "ok" || Object.hasOwn(ERROR_CODES, outcome), `${route}: ${outcome}`);
  }
  assert.ok((LEVELS as readonly string[]).includes(level!), `${route}: ${level}`);
  const [name] = routesIn(route!);
  rules.set(name!, [...rules.get(name!) ?? [], { level: level as Level, outcomes }]);
}

function expected(route: string, role: Role, place: Place): Outcome {
  if (isNobody(role)) return "E_AUTH";
  if (place === "malformed") return "E_PROTOCOL";
  if (isLink(role) && portalRoutes[route]!.isForDevices) return "E_ACCESS";
  if (!Object.hasOwn(LEVEL_OF, role) || place === "other" || place === "missing") {
    return "E_NOT_FOUND";
  }
  const level = LEVEL_OF[role as keyof typeof LEVEL_OF];
  const rule = rules.get(route)!.filter((rule) => isAtLeast(level, rule.level)).at(-1);
  return rule === undefined ? "E_ACCESS" : rule.outcomes[place as State];
}

Deno.test("the documentation and the hub name the same routes", async () => {
  await withHub({}, async (at) => {
    const served = createApp(at.hub).routes
      .filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`);
    const told = rows.filter((cells) => cells.length === 3).flatMap(([cell]) => routesIn(cell!));
    const tested = [...Object.keys(portalRoutes), ...Object.keys(otherRoutes)];
    assert.deepEqual([...new Set(served)].sort(), tested.sort());
    assert.deepEqual(told.sort(), tested.sort());
    assert.deepEqual([...rules.keys()].sort(), Object.keys(portalRoutes).sort());
    // What is not there is not there for strangers, and they are not told so.
    for (const path of ["/v1/nothing", "/v1", "/v1/portals/x/y", "/v1/hub/"]) {
      const answer = await anyone(at, "GET", path);
      assert.equal(answer.status, 401, path);
    }
    const owner = await enrol(at);
    assert.equal((await owner.call("GET", "/v1/nothing")).code, "E_NOT_FOUND");
    assert.equal((await owner.call("PATCH", "/v1/usage")).code, "E_NOT_FOUND");
    assert.equal((await anyone(at, "GET", "/nothing")).code, "E_NOT_FOUND");
  });
});

// ---------------------------------------------------------------- the world

async function makeWorld(at: TestHub, clock: VirtualClock): Promise<World> {
  const owner = await enrol(at), other = await enrol(at);
  const people = {} as Record<Role, Person>;
  for (const role of ["list", "read", "write", "admin", "member", ...OUTSIDERS] as Role[]) {
    people[role] = await enrol(at);
  }
  const member = people.member.account, left = people["left the group"].account;
  const group = await makeGroup(owner, [member, left]);
  const links = [createSigner(random(32)), createSigner(random(32))] as const;
  const portals = {} as Record<Place, TestPortal>, packs = new Map<Place, Bytes>();
  const endMs = clock.nowMs() + 60_000, leases = new Map<string, string>();
  const callers: [Role, Caller][] = [
    ["owner", owner],
    ["account", new Caller(at, { publicKey: owner.account, sign: (m) => owner.secrets.sign(m) })],
    ["link", new Caller(at, links[0])],
    ["link that lists", new Caller(at, links[1])],
    ...Object.entries(people) as [Role, Person][],
  ];
  for (const state of STATES) {
    const policy = state === "over"
      ? { kind: "before", at: endMs } as const
      : { kind: "all", of: [] } as const;
    const portal = portals[state] = await makePortal(owner, {
      policy,
      isOpen: state !== "created",
    });
    for (const level of ["list", "read", "write", "admin"] as const) {
      await portal.grant({ kind: "account", grantee: people[level].account, level });
    }
    await portal.grant({ kind: "link", grantee: links[0].publicKey, level: "read" });
    await portal.grant({ kind: "link", grantee: links[1].publicKey, level: "list" });
    await portal.grant({ kind: "group", grantee: group, level: "read" });
    const gone = await portal.grant({
      ...{ kind: "account", level: "admin" },
      grantee: people.revoked.account,
    });
    const [pack] = await portal.put(1);
    packs.set(state, pack!);
    for (const [role, caller] of callers) {
      const answer = await portal.tryLease(caller);
      if (answer.status === 200) leases.set(`${role} ${state}`, answer.json["lease"] as string);
    }
    await portal.revoke([gone]);
  }
  await setMembers(owner, group, [member]);
  await portals.paused.state("pause");
  await portals.closed.state("close");
  await portals.archived.archive();
  portals.other = await makePortal(other);
  portals.missing = new TestPortal(other);
  portals.malformed = new TestPortal(other);
  Object.defineProperty(portals.malformed, "text", { value: "not an id" });
  clock.advance(60_000);
  await tick(at.hub);

  const roles = Object.fromEntries(callers) as Record<Role, Caller>;
  const nobody = (token: string | undefined, signer = owner.signer) =>
    Object.assign(new Caller(at, signer), { token });
  const retired = await (await owner.device(2)).login();
  await owner.do("POST", "/v1/retirements", owner.retireBody(2));
  roles["retired device"] = retired;
  roles["garbage token"] = nobody(toBase64Url(random(32)));
  roles["stolen token"] = nobody(owner.token, createSigner(random(32)));
  roles.anyone = nobody(undefined);
  return { at, roles, portals, leases, packs, group };
}

async function ask(
  { at, roles }: World,
  role: Role,
  method: string,
  target: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  if (role === "anyone") return await anyone(at, method, target, body, headers);
  if (target === "/v1/events") return await openEvents(at, roles[role]);
  return await roles[role].call(method, target, body, { headers });
}

/** Its beginning: a stream has no end. */
async function openEvents(at: TestHub, caller: Caller): Promise<Answer> {
  if (caller.token === undefined) await caller.login();
  const stop = new AbortController();
  const response = await fetch(`${at.url}/v1/events`, {
    headers: caller.proof("GET", "/v1/events", new Uint8Array()),
    signal: stop.signal,
  });
  const type = response.headers.get("content-type") ?? "";
  const isProblem = type.startsWith("application/problem+json");
  const json = isProblem ? await response.json() : {};
  if (!isProblem) await response.body!.cancel();
  const code = isProblem ? json.code as string : undefined;
  const { status, headers } = response;
  return { status, type, json, code, headers, bytes: new Uint8Array() };
}

/** Undefined: as it should be. */
function difference(answer: Answer, outcome: Outcome): string | undefined {
  const status = outcome === "ok" ? 200 : statusOf(outcome);
  const code = outcome === "ok" ? undefined : outcome;
  if (answer.status === status && answer.code === code) return undefined;
  return `${answer.status} ${answer.code ?? ""} and not ${status} ${outcome}: ${
    JSON.stringify(answer.json).slice(0, 200)
  }`;
}

Deno.test("every route does for everyone, in every state, what the documentation says", async () => {
  const clock = new VirtualClock(), day = 86_400_000;
  const limits = { tokenMs: day, leaseMs: day, anonymousBurst: 100_000, failuresBurst: 1000 };
  await withHub({ clock, limits }, async (at) => {
    world = await makeWorld(at, clock);
    const wrong: string[] = [];
    let count = 0;
    for (const [route, how] of Object.entries(otherRoutes)) {
      if (how.isPage) continue;
      const [method, path] = route.split(" ") as [string, string];
      for (const role of ROLES) {
        const target = how.path?.(world, role) ?? path;
        const answer = await ask(world, role, method, target, how.body?.(world, role));
        const outcome = how.who === "anyone"
          ? how.done?.(role) ?? "ok"
          : isNobody(role)
          ? "E_AUTH"
          : how.who === "device" && isLink(role)
          ? "E_ACCESS"
          : how.done?.(role) ?? "ok";
        const found = difference(answer, outcome);
        if (found !== undefined) wrong.push(`${route}, ${role}: ${found}`);
        count++;
      }
    }
    for (const [route, how] of Object.entries(portalRoutes)) {
      const method = route.split(" ")[0]!;
      for (const place of [...STATES, ...ELSEWHERE]) {
        // Who owns it comes last: by DELETE all is over.
        const order = [...ROLES].sort((a, b) =>
          Number(expected(route, a, place) === "ok") - Number(expected(route, b, place) === "ok")
        );
        await Promise.all(order.map(async (role) => {
          const path = await how.path?.(world, role, place) ??
            route.slice(`${method} /v1/portals/:portal`.length);
          const answer = await ask(
            world,
            role,
            method,
            encodeURI(world.portals[place].path + path),
            how.body?.(world, role, place),
            how.headers?.(world, role, place),
          );
          const rule = expected(route, role, place);
          const found = difference(answer, rule === "ok" ? how.done ?? "ok" : rule);
          if (found !== undefined) wrong.push(`${route}, ${role}, ${place}: ${found}`);
          count++;
        }));
        await how.mend?.(world, place);
      }
    }
    assert.deepEqual(wrong, []);
    assert.equal(
      count,
      ROLES.length * (Object.values(otherRoutes).filter(({ isPage }) => !isPage).length +
        Object.keys(portalRoutes).length * (STATES.length + ELSEWHERE.length)),
    );
  });
});

Deno.test("nobody changes a portal, or its log, by a list of nothing", async () => {
  await withHub({}, async (at) => {
    const owner = await enrol(at), eve = await enrol(at), portal = await makePortal(owner);
    const missing = new TestPortal(owner);
    for (const { path } of [portal, missing]) {
      const answer = await eve.call("PUT", `${path}/wraps`, { wraps: [] });
      assert.equal(answer.code, "E_NOT_FOUND");
    }
    const rows = await at.hub.db.all("SELECT text FROM audit WHERE text LIKE '%rewrap%'");
    assert.deepEqual(rows, []);
    // One's own grants, and no one else's.
    const reader = await portal.person("read"), other = await portal.person("read");
    const grants = [...portal.grants.values()].map(toBase64Url);
    const wrap = toBase64Url(random(64));
    const replaced = (by: Caller, ...names: number[]) =>
      by.call("PUT", `${portal.path}/wraps`, {
        wraps: names.map((i) => ({ grant: grants[i]!, wrap })),
      });
    assert.equal((await replaced(reader, 1)).status, 200);
    for (const names of [[0], [2], [1, 2]]) {
      assert.equal((await replaced(reader, ...names)).code, "E_ACCESS", String(names));
    }
    assert.equal((await replaced(owner, 0, 1, 2)).status, 200);
    await portal.revoke([[...portal.grants.values()][1]!]);
    assert.equal((await replaced(reader, 1)).code, "E_NOT_FOUND");
    await portal.archive();
    assert.equal((await replaced(other, 2)).code, "E_GONE");
  });
});

Deno.test("nobody gives, or takes away, more than they have", async () => {
  await withHub({}, async (at) => {
    const owner = await enrol(at), portal = await makePortal(owner);
    const admin = await portal.person("admin"), writer = await portal.person("write");
    const friend = await enrol(at);
    const give = async (level: Level, by: Caller, kind: "account" | "link" = "account") => {
      const grantee = kind === "link" ? createSigner(random(32)).publicKey : friend.account;
      const body = portal.grantBody({ kind, grantee, level }, by);
      return (await by.call("POST", `${portal.path}/grants`, body)).code ?? "ok";
    };
    const given: Record<string, string[]> = {};
    for (const [name, by] of Object.entries({ owner, admin, writer })) {
      given[name] = await Promise.all(LEVELS.map((level) => give(level, by)));
      given[`${name}'s link`] = await Promise.all(LEVELS.map((level) => give(level, by, "link")));
    }
    const no = "E_ACCESS";
    assert.deepEqual(given, {
      owner: ["ok", "ok", "ok", "ok", no],
      "owner's link": ["ok", "ok", no, no, no],
      admin: ["ok", "ok", no, no, no],
      "admin's link": ["ok", "ok", no, no, no],
      writer: [no, no, no, no, no],
      "writer's link": [no, no, no, no, no],
    });
    const info = await owner.do("GET", portal.path);
    const grants = info["grants"] as { grant: string; level: Level }[];
    for (const { grant, level } of grants) {
      const id = Uint8Array.fromBase64(grant, { alphabet: "base64url" });
      if (level === "owner") {
        const body = portal.revokeBody([id], owner);
        const answer = await owner.call("POST", `${portal.path}/revocations`, body);
        assert.equal(answer.code, "E_ACCESS", "the owner stays");
      } else if (isAtLeast(level, "write")) {
        const body = portal.revokeBody([id], admin);
        const answer = await admin.call("POST", `${portal.path}/revocations`, body);
        assert.equal(answer.code, "E_ACCESS", level);
      }
    }
    // A record that was kept back, and one about another portal.
    const kept = portal.grantBody({ kind: "account", grantee: friend.account, level: "read" });
    const elsewhere = await makePortal(owner);
    const answer = await owner.call("POST", `${elsewhere.path}/grants`, kept);
    assert.equal(answer.code, "E_PROTOCOL");
    (at.clock as VirtualClock).advance(10 * 60_000 + 1);
    const late = await owner.call("POST", `${portal.path}/grants`, kept);
    assert.equal(late.code, "E_CLOCK");
  });
});
