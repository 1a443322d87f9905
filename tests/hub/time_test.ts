/** Policies in time, to the millisecond, on a clock that stands still; and once on a real one. */
import assert from "node:assert/strict";
import { type Bytes, concat } from "../../actors/base/bytes.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { SYSTEM_CLOCK } from "../../hub/hub.ts";
import { tick } from "../../hub/ticker.ts";
import {
  assertCode,
  type Caller,
  enrol,
  Listener,
  makeGroup,
  makePortal,
  random,
  setMembers,
  type TestHub,
  type TestPortal,
  VirtualClock,
  withHub,
} from "../support/hub.ts";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

async function stateOf(portal: TestPortal): Promise<unknown> {
  return (await portal.owner.do("GET", portal.path))["state"];
}

/** On a clock of its own; 2026-06-01T00:00Z is a Monday. */
async function withClock(
  body: (at: TestHub, clock: VirtualClock) => Promise<void>,
  options: Parameters<typeof withHub>[0] = {},
): Promise<void> {
  const clock = new VirtualClock();
  const limits = { tokenMs: 100 * DAY, ...options.limits };
  await withHub({ ...options, limits, clock }, (at) => body(at, clock));
}

Deno.test("a portal expires at its instant: for new downloads and for one that runs", async () => {
  await withClock(async (at, clock) => {
    const owner = await enrol(at), endMs = clock.nowMs() + 10 * MINUTE;
    const portal = await makePortal(owner, { policy: { kind: "before", at: endMs } });
    const [pack] = await portal.put(), link = await portal.link();
    const listener = await Listener.of(owner);
    clock.advance(10 * MINUTE - 1);
    await tick(at.hub);
    assert.equal(await stateOf(portal), "active");
    const lease = await portal.lease(link);
    assert.equal((await portal.pack(link, lease, pack!)).status, 200);

    clock.advance(1);
    assertCode(await portal.tryLease(link), "E_CLOSED", "a new one");
    assertCode(await portal.tryLease(link, { lease }), "E_CLOSED", "the same again");
    assertCode(await portal.pack(link, lease, pack!), "E_CLOSED", "the one that runs");
    await tick(at.hub);
    assert.equal(await stateOf(portal), "expired");
    await listener.until(() => listener.actions(portal).includes("expire"));
    await listener.stop();
    const own = await portal.lease(owner);
    assert.equal((await portal.pack(owner, own, pack!)).status, 200, "the owner is not bound");

    // Nothing opens it but a policy that opens.
    assertCode(await owner.call("POST", `${portal.path}/state`, { event: "open" }), "E_CLOSED");
    const sameAgain = portal.settingsBody({ kind: "before", at: endMs }, owner, 1);
    assertCode(
      await owner.call("POST", `${portal.path}/settings`, { settings: sameAgain, event: "extend" }),
      "E_CLOSED",
    );
    await portal.settings({ kind: "before", at: endMs + HOUR }, "extend");
    assert.equal(await stateOf(portal), "active");
    assert.equal((await portal.pack(link, lease, pack!)).status, 200, "and it goes on");
  });
});

Deno.test("a schedule opens and closes at its minute, and says so", async () => {
  await withClock(async (at, clock) => {
    const owner = await enrol(at);
    const portal = await makePortal(owner, {
      policy: {
        kind: "weekly",
        slots: [{ days: [1, 2, 3, 4, 5], times: [[9 * 60, 18 * 60]] }],
        zone: "UTC",
      },
    });
    const [pack] = await portal.put(), reader = await portal.person("read");
    const closed = await portal.tryLease(reader);
    assertCode(closed, "E_CLOSED");
    assert.equal(closed.json["opensMs"], Date.UTC(2026, 5, 1, 9));
    clock.advance(9 * HOUR - 1);
    assertCode(await portal.tryLease(reader), "E_CLOSED");
    clock.advance(1);
    await portal.lease(reader);
    await tick(at.hub);
    clock.advance(9 * HOUR - 1);
    const lease = await portal.lease(reader);
    assert.equal((await portal.pack(reader, lease, pack!)).status, 200);
    clock.advance(1);
    assertCode(await portal.pack(reader, lease, pack!), "E_CLOSED");
    await tick(at.hub);
    assert.equal(await stateOf(portal), "active", "a schedule is not an end");
    clock.advance(15 * HOUR);
    await tick(at.hub);
    assert.equal((await portal.tryLease(reader, { lease })).status, 200, "the day after");
    const { entries } = await owner.do("GET", `${portal.path}/log`) as {
      entries: { text: string }[];
    };
    const told = entries.map(({ text }) => JSON.parse(text) as { action: string; atMs: number });
    assert.deepEqual(
      told.filter(({ action }) => action.startsWith("policy")).map((
        one,
      ) => [one.action, one.atMs]),
      [
        ["policy-open", Date.UTC(2026, 5, 1, 9)],
        ["policy-close", Date.UTC(2026, 5, 1, 18)],
        ["policy-open", Date.UTC(2026, 5, 2, 9)],
      ],
    );
  });
});

Deno.test("on a real clock it is closed, and told, within a second", async () => {
  await withHub({ clock: SYSTEM_CLOCK }, async (at) => {
    const owner = await enrol(at), endMs = Date.now() + 2000;
    const portal = await makePortal(owner, { policy: { kind: "before", at: endMs } });
    const [pack] = await portal.put(1), reader = await portal.person("read");
    const listener = await Listener.of(reader);
    const lease = await portal.lease(reader);
    assert.equal((await portal.pack(reader, lease, pack!)).status, 200);
    await listener.until(() => listener.actions(portal).includes("expire"));
    assertCode(await portal.pack(reader, lease, pack!), "E_CLOSED");
    assertCode(await portal.tryLease(reader), "E_CLOSED");
    assert.equal(await stateOf(portal), "expired");
    // When the hub saw it, which does not depend on how busy the rest of this machine is.
    const { entries } = await owner.do("GET", `${portal.path}/log`) as {
      entries: { text: string }[];
    };
    const told = entries.map(({ text }) => JSON.parse(text) as { action: string; atMs: number });
    const lateMs = told.find(({ action }) => action === "expire")!.atMs - endMs;
    assert.ok(lateMs >= 0 && lateMs < 1000, `${lateMs} ms after`);
    await listener.stop();
  });
});

Deno.test("pausing, closing and archiving cut what runs; opening lets it go on", async () => {
  await withClock(async (at) => {
    const owner = await enrol(at), portal = await makePortal(owner);
    const [pack] = await portal.put(1), reader = await portal.person("read");
    const lease = await portal.lease(reader);
    const got = () => portal.pack(reader, lease, pack!);
    await portal.state("pause");
    assertCode(await got(), "E_CLOSED");
    await portal.state("open");
    assert.equal((await got()).status, 200);
    await portal.state("close");
    assertCode(await got(), "E_CLOSED");
    assertCode(await owner.call("POST", `${portal.path}/state`, { event: "open" }), "E_CLOSED");
    await portal.settings({ kind: "all", of: [] }, "settings");
    assertCode(await got(), "E_CLOSED", "a new name opens nothing");
    await portal.settings({ kind: "all", of: [] }, "extend");
    assert.equal((await got()).status, 200);
    await portal.archive();
    assertCode(await got(), "E_GONE");
    assertCode(await portal.pack(owner, lease, pack!), "E_GONE");
  });
});

Deno.test("a budget of bytes is not exceeded by more than the pack that uses it up", async () => {
  await withClock(async (at) => {
    const owner = await enrol(at);
    const portal = await makePortal(owner, { policy: { kind: "bytes", limit: 10_000 } });
    const packs = await portal.put(4), readers = [];
    for (let i = 0; i < 5; i++) readers.push(await portal.person("read"));
    const leases = await Promise.all(readers.map((reader) => portal.lease(reader)));
    const answers = await Promise.all(
      readers.flatMap((reader, i) => packs.map((pack) => portal.pack(reader, leases[i]!, pack))),
    );
    // 4096 and 8192 are less than the budget, 12288 are not.
    assert.equal(answers.filter(({ status }) => status === 200).length, 3);
    assert.equal(answers.filter(({ code }) => code === "E_CLOSED").length, 17);
    const { bytes, state } = await owner.do("GET", portal.path);
    assert.equal(bytes, 3 * 4096);
    assertCode(await portal.tryLease(readers[0]!), "E_CLOSED");
    assert.equal(state, "active", "it is looked at when it is asked for");
    // The owner's own fetches count, and are not bound.
    const own = await portal.lease(owner);
    assert.equal((await portal.pack(owner, own, packs[0]!)).status, 200);
  });
});

Deno.test("downloads and accessors are counted to the last", async () => {
  await withClock(async (at) => {
    const owner = await enrol(at);
    const two = await makePortal(owner, { policy: { kind: "accessors", limit: 2 } });
    const [pack] = await two.put(1);
    const [ann, bob, eve] = [
      await two.person("read"),
      await two.person("read"),
      await two.person("read"),
    ];
    await two.lease(ann);
    await two.lease(ann);
    const lease = await two.lease(bob);
    assertCode(await two.tryLease(eve), "E_CLOSED", "a third");
    assert.equal((await two.pack(bob, lease, pack!)).status, 200);
    await two.lease(ann);
    await two.lease(await (await ann.device(2)).login());
    assert.equal((await owner.do("GET", two.path))["accessors"], 2, "a person has many devices");
    assertCode(await two.tryLease(await two.link()), "E_CLOSED", "a link is a person too");

    const once = await makePortal(owner, { policy: { kind: "downloads", limit: 1 } });
    const [only] = await once.put(1);
    await once.grant({ kind: "account", grantee: ann.account, level: "read" });
    const lister = await once.person("list");
    await once.lease(lister);
    const first = await once.lease(ann);
    assertCode(await once.tryLease(ann), "E_CLOSED");
    assert.equal(await stateOf(once), "expired", "all are used: it is over");
    assert.equal((await once.pack(ann, first, only!)).status, 200, "the last one goes on");
    const again = await once.tryLease(ann, { lease: first });
    assert.deepEqual([again.status, again.json["isNew"]], [200, false]);
  });
});

Deno.test("a lease is over after its time, and is nobody else's", async () => {
  await withClock(async (at, clock) => {
    const owner = await enrol(at), portal = await makePortal(owner);
    const [pack] = await portal.put(1), reader = await portal.person("read");
    const other = await portal.person("read");
    const lease = await portal.lease(reader);
    clock.advance(HOUR - 1);
    assert.equal((await portal.pack(reader, lease, pack!)).status, 200);
    assertCode(await portal.pack(other, lease, pack!), "E_GONE", "another's");
    assertCode(await portal.pack(reader, toBase64Url(random(16)), pack!), "E_GONE", "made up");
    assertCode(await portal.pack(reader, lease, random(32)), "E_NOT_FOUND", "not of the version");
    await portal.lease(reader, { lease });
    clock.advance(HOUR - 1);
    assert.equal((await portal.pack(reader, lease, pack!)).status, 200, "renewed");
    clock.advance(1);
    assertCode(await portal.pack(reader, lease, pack!), "E_GONE");
    const answer = await portal.tryLease(reader, { lease });
    assert.equal(answer.json["isNew"], true, "a lease that is over is a new download");
    assert.equal((await owner.do("GET", portal.path))["downloads"], 2);
  });
});

Deno.test("a grant ends at its instant, and what it showed goes with it", async () => {
  await withClock(async (at, clock) => {
    const owner = await enrol(at), portal = await makePortal(owner), view = random(16);
    const packs: Bytes[] = [];
    for (let i = 0; i < 3; i++) packs.push(await owner.upload(random(4096)));
    const [head, secret, shown] = packs as [Bytes, Bytes, Bytes];
    await portal.add([{ view: null, packs: [head, secret] }, { view, packs: [shown] }]);
    const reader = await portal.person("read", { expiresMs: clock.nowMs() + HOUR });
    await portal.grant({ kind: "account", grantee: reader.account, level: "read", view });
    const wide = await portal.lease(reader);
    assert.equal((await portal.pack(reader, wide, secret)).status, 200);
    assertCode(await portal.pack(reader, wide, shown), "E_NOT_FOUND", "of the other view");
    clock.advance(HOUR - 1);
    assert.equal((await portal.pack(reader, wide, secret)).status, 200);
    clock.advance(1);
    assertCode(await portal.pack(reader, wide, secret), "E_GONE", "the grant is over");
    const narrow = await portal.lease(reader, { lease: wide });
    assert.notEqual(narrow, wide);
    assert.equal((await portal.pack(reader, narrow, shown)).status, 200);
    assertCode(await portal.pack(reader, narrow, secret), "E_NOT_FOUND");

    const link = await portal.link("read", { expiresMs: clock.nowMs() + 1000 });
    await portal.lease(link);
    clock.advance(1000);
    assertCode(await portal.tryLease(link), "E_GONE");
    assert.equal((await link.call("GET", portal.path)).status, 200, "to ask for more of it");

    // Who leaves a group leaves its leases.
    const member = await enrol(at), group = await makeGroup(owner, [member.account]);
    await portal.grant({ kind: "group", grantee: group, level: "read" });
    await portal.grant({ kind: "account", grantee: member.account, level: "read", view });
    const all = await portal.lease(member);
    assert.equal((await portal.pack(member, all, secret)).status, 200);
    await setMembers(owner, group, []);
    assertCode(await portal.pack(member, all, secret), "E_GONE");
  });
});

Deno.test("networks are those of the peer, and of a proxy's header only behind a proxy", async () => {
  const policy = { kind: "network", ranges: ["10.0.0.0/8"] } as const;
  for (const isBehindProxy of [false, true]) {
    await withClock(async (at) => {
      const owner = await enrol(at), portal = await makePortal(owner, { policy });
      const [pack] = await portal.put(1), reader = await portal.person("read");
      const from = (address: string) =>
        reader.call("POST", `${portal.path}/leases`, {}, {
          headers: { "x-forwarded-for": address },
        });
      assertCode(await portal.tryLease(reader), "E_CLOSED", "loopback");
      assertCode(await from("192.0.2.1"), "E_CLOSED");
      assertCode(await from("10.1.2.3, 192.0.2.1"), "E_CLOSED", "what the client wrote itself");
      const answer = await from("192.0.2.1, 10.1.2.3");
      if (!isBehindProxy) return assertCode(answer, "E_CLOSED", "there is no proxy");
      assert.equal(answer.status, 200);
      const lease = answer.json["lease"] as string;
      const inside = { "x-forwarded-for": "10.200.0.1" };
      assert.equal((await portal.pack(reader, lease, pack!, inside)).status, 200);
      assertCode(await portal.pack(reader, lease, pack!), "E_CLOSED", "carried outside");
      for (
        const odd of ["", ",", "10.1.2.3.4", "::ffff:192.0.2.1", "10.1.2.3:80", "x".repeat(500)]
      ) {
        assertCode(await from(odd), "E_CLOSED", odd);
      }
    }, { isBehindProxy });
  }
  // The same for who may guess: each address has a bucket of its own.
  await withClock(async (at) => {
    const ann = await enrol(at);
    const guess = async (address: string, caller: Caller) => {
      const challenge = await caller.challenge();
      const body = { key: caller.key, challenge, signature: toBase64Url(random(64)) };
      return await ann.call("POST", "/v1/tokens", body, {
        headers: { "x-forwarded-for": address },
      });
    };
    assertCode(await guess("192.0.2.1", ann), "E_AUTH");
    assertCode(await guess("192.0.2.1", ann), "E_RATE");
    assertCode(await guess("192.0.2.2", ann), "E_AUTH");
    assertCode(await guess("192.0.2.3, 192.0.2.1", ann), "E_RATE");
  }, { isBehindProxy: true, limits: { failuresBurst: 1, failureRefillS: 100 } });
});

Deno.test("while the owner is online: two minutes from when the hub last heard of them", async () => {
  await withClock(async (at, clock) => {
    const owner = await enrol(at);
    const portal = await makePortal(owner, { policy: { kind: "owner-online" } });
    const [pack] = await portal.put(1), reader = await portal.person("read");
    clock.advance(DAY);
    assertCode(await portal.tryLease(reader), "E_CLOSED");
    await owner.do("GET", "/v1/usage");
    const lease = await portal.lease(reader);
    clock.advance(2 * MINUTE - 1);
    assert.equal((await portal.pack(reader, lease, pack!)).status, 200);
    clock.advance(1);
    assertCode(await portal.pack(reader, lease, pack!), "E_CLOSED");
    // Whoever listens is there as well.
    const listener = await Listener.of(owner);
    await portal.lease(reader);
    await listener.stop();
  });
});

Deno.test("whoever was let in once may ask again, and is let in as long as the owner says", async () => {
  await withClock(async (at, clock) => {
    const owner = await enrol(at), endMs = clock.nowMs() + HOUR;
    const portal = await makePortal(owner, { policy: { kind: "before", at: endMs } });
    const [pack] = await portal.put(1);
    const reader = await portal.person("read", { downloads: 1, expiresMs: endMs + HOUR });
    await portal.lease(reader);
    assertCode(await portal.tryLease(reader), "E_GONE", "one download");
    clock.advance(DAY);
    assertCode(await portal.tryLease(reader), "E_GONE");
    const reason = { reason: toBase64Url(random(100)) };
    const asked = await reader.do("POST", `${portal.path}/requests`, reason);
    const target = `${portal.path}/requests/${asked["request"]}`;
    const decision = { decision: "approve", untilMs: clock.nowMs() + HOUR, downloads: 1 };
    const tooMany = { ...decision, downloads: Number.MAX_SAFE_INTEGER };
    assertCode(await owner.call("POST", target, tooMany), "E_LIMIT");
    await owner.do("POST", target, decision);
    assertCode(await owner.call("POST", target, decision), "E_NOT_FOUND", "decided already");
    const lease = await portal.lease(reader);
    assertCode(await portal.tryLease(reader), "E_GONE", "one download more");
    clock.advance(HOUR - 1);
    await portal.lease(reader, { lease });
    assert.equal((await portal.pack(reader, lease, pack!)).status, 200);
    clock.advance(1);
    assertCode(await portal.pack(reader, lease, pack!), "E_GONE");
    assertCode(await portal.tryLease(await portal.person("read")), "E_CLOSED", "nobody else");

    // An admin cannot make an admin, nor the own grant longer.
    const open = await makePortal(owner);
    const admin = await open.person("admin", { expiresMs: clock.nowMs() + 1000 });
    const own = await admin.do("POST", `${open.path}/requests`, reason);
    const mine = `${open.path}/requests/${own["request"]}`;
    assertCode(await admin.call("POST", mine, decision), "E_ACCESS");
    assertCode(await reader.call("POST", `${open.path}/requests`, reason), "E_NOT_FOUND");
    for (let i = 1; i < 8; i++) await admin.do("POST", `${open.path}/requests`, reason);
    assertCode(await admin.call("POST", `${open.path}/requests`, reason), "E_RATE");
    await admin.do("POST", mine, { decision: "deny" });
    await owner.do("POST", `${portal.path}/leases`, {});
  });
});

Deno.test("writers are bound by state and policy as the table of docs/policy.md has it", async () => {
  await withClock(async (at, clock) => {
    const owner = await enrol(at), openMs = clock.nowMs() + HOUR;
    const policy = { kind: "after", at: openMs } as const;
    const portal = await makePortal(owner, { policy, isOpen: false });
    const writer = await portal.person("write"), reader = await portal.person("read");
    await portal.put(1, writer);
    await portal.lease(writer);
    assertCode(await portal.tryLease(reader), "E_CLOSED", "not open yet");
    const reason = { reason: toBase64Url(random(10)) };
    assertCode(await reader.call("POST", `${portal.path}/requests`, reason), "E_CLOSED");
    await portal.state("open");
    const pack = await writer.upload(random(4096));
    const put = (by: Caller) =>
      by.call(
        "POST",
        `${portal.path}/versions`,
        portal.versionBody([{ view: null, packs: [pack] }], by).body,
      );
    assertCode(await put(writer), "E_CLOSED", "by policy");
    assertCode(await portal.tryLease(writer), "E_CLOSED");
    assertCode(await put(reader), "E_ACCESS");
    clock.advance(HOUR);
    await portal.put(1, writer);
    await portal.state("pause");
    assertCode(await put(writer), "E_CLOSED", "paused");
    assertCode(await portal.tryLease(writer), "E_CLOSED");
    await portal.put(1);
    await portal.state("close");
    assertCode(await put(owner), "E_CLOSED", "nobody writes when it is over");
    await portal.lease(owner);
    await portal.archive();
    assertCode(await put(owner), "E_GONE");
  });
});

Deno.test("packs of versions that are gone go after their grace, live ones stay", async () => {
  const { sweep } = await import("../../hub/ticker.ts");
  await withClock(async (at, clock) => {
    const owner = await enrol(at), friend = await enrol(at), portal = await makePortal(owner);
    const held = async (packs: readonly Bytes[], by: Caller = owner) => {
      const addresses = toBase64Url(concat(...packs));
      const { missing } = await by.do("POST", "/v1/packs/missing", { addresses });
      return packs.length - (missing as number[]).length;
    };
    const usage = async (by: Caller = owner) => (await by.do("GET", "/v1/usage"))["bytes"];
    const first = await portal.put(2), second = await portal.put(2);
    await portal.lease(owner, { version: 1 });
    const third = await portal.put(2);
    assertCode(await portal.tryLease(owner, { version: 1 }), "E_NOT_FOUND", "two are kept");
    const shared = random(4096), alone = await owner.upload(shared);
    await friend.upload(shared);
    assert.equal(await usage(), 7 * 4096);

    clock.advance(HOUR);
    await sweep(at.hub);
    assert.equal(await usage(), 7 * 4096, "to the last millisecond of the grace");
    const asked = await owner.upload(random(4096));
    clock.advance(1);
    await sweep(at.hub);
    assert.equal(await usage(), 5 * 4096, "what was asked for or put just now is younger");
    assert.equal(await usage(friend), 0);
    assert.equal(await held([...first, alone]), 0);
    assert.equal(await held([...second, ...third, asked]), 5);
    assert.equal((await at.hub.blobs.usage()).blobs, 5);
    const lease = await portal.lease(owner);
    for (const pack of third) assert.equal((await portal.pack(owner, lease, pack)).status, 200);

    clock.advance(30 * MINUTE);
    assert.equal(await held([asked]), 1, "who is told that it is here finds it here");
    clock.advance(31 * MINUTE);
    await sweep(at.hub);
    assert.equal(await held([asked]), 1);
    await portal.archive();
    clock.advance(HOUR + 1);
    await sweep(at.hub);
    assert.equal(await usage(), 0);
    assert.deepEqual(await at.hub.blobs.usage(), { blobs: 0, bytes: 0 });
    assert.equal((await at.hub.db.all("SELECT address FROM packs")).length, 0);
    assert.equal((await at.hub.db.all("SELECT address FROM holdings")).length, 0);
    // What is over is swept as well.
    clock.advance(100 * DAY);
    await sweep(at.hub);
    for (const table of ["tokens", "nonces", "leases"]) {
      assert.equal((await at.hub.db.all(`SELECT * FROM ${table}`)).length, 0, table);
    }
  }, { limits: { versionsKept: 2, graceMs: HOUR } });
});
