import assert from "node:assert/strict";
import fc from "fast-check";
import { allOf, ALWAYS, type Condition, NEVER } from "../../../actors/portal/policy/condition.ts";
import { evaluate, type Facts, isOpen } from "../../../actors/portal/policy/evaluate.ts";
import { isOver } from "../../../actors/portal/policy/over.ts";
import { parseCondition } from "../../../actors/portal/policy/parse.ts";
import {
  BASE,
  condition,
  DAY,
  facts,
  INSTANT,
  isRecurringOpen,
  isWeeklyOpen,
  KEYS,
  MINUTE,
} from "./policy_support.ts";

const toHex = (key: string) =>
  Array.from(
    atob(key.replaceAll("-", "+").replaceAll("_", "/")),
    (c) => c.charCodeAt(0).toString(16).padStart(2, "0"),
  ).join("");

const ADDRESSES: Record<string, readonly string[]> = {
  "10.1.2.3": ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0"],
  "::ffff:10.2.2.3": ["10.0.0.0/8", "0.0.0.0/0", "::/0"],
  "192.0.2.7": ["192.0.2.7/32", "0.0.0.0/0", "::/0"],
  "2001:db8::5": ["2001:db8::/32", "::/0"],
  "::1": ["::1/128", "::/0"],
  "fe80::1%eth0": ["::/0"],
};

/** A second opinion: three values, `not` where it stands, tables in place of Intl. */
function oracle(tree: Condition, f: Facts): boolean | null {
  switch (tree.kind) {
    case "all": {
      const values = tree.of.map((one) => oracle(one, f));
      return values.includes(false) ? false : values.includes(null) ? null : true;
    }
    case "any": {
      const values = tree.of.map((one) => oracle(one, f));
      return values.includes(true) ? true : values.includes(null) ? null : false;
    }
    case "not": {
      const value = oracle(tree.of, f);
      return value === null ? null : !value;
    }
    case "before":
      return f.nowMs < tree.at;
    case "after":
      return f.nowMs >= tree.at;
    case "within":
      if (tree.since === "creation") return f.nowMs - f.createdMs < tree.seconds * 1000;
      if (tree.since === "grant") {
        return f.grantedMs === null ? null : f.nowMs - f.grantedMs < tree.seconds * 1000;
      }
      return f.openedMs === null || f.nowMs - f.openedMs < tree.seconds * 1000;
    case "weekly":
      return isWeeklyOpen(tree, f.nowMs);
    case "recurring":
      return isRecurringOpen(tree, f.nowMs);
    case "downloads":
      return f.downloads + 1 <= tree.limit;
    case "bytes":
      return f.bytes + 1 <= tree.limit;
    case "accessors":
      return f.isKnownAccessor || f.accessors + 1 <= tree.limit;
    case "owner-online":
      return f.ownerSeenMs !== null && f.nowMs < f.ownerSeenMs + 120_000;
    case "network": {
      const inside = ADDRESSES[f.address ?? ""];
      return inside === undefined ? null : tree.ranges.some((range) => inside.includes(range));
    }
    case "device":
      return f.deviceKey === null ? null : tree.keys.map(toHex).includes(f.deviceKey);
  }
}

/** Beyond this the tables say nothing. */
const END = Date.parse("2026-12-31T00:00Z");

Deno.test("a policy is open when the oracle says so, never else; a closed one says why", () => {
  fc.assert(
    fc.property(condition, facts, (tree, f) => {
      const outcome = evaluate(tree, f);
      assert.equal(outcome.isOpen, oracle(tree, f) === true);
      assert.equal(isOpen(tree, f), outcome.isOpen);
      assert.equal(outcome.reason === null, outcome.isOpen);
      if (outcome.reason !== null) assert.match(outcome.reason, /^.{5,100}$/);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("nothing changes before changesAtMs", () => {
  fc.assert(
    fc.property(
      condition,
      facts,
      fc.array(fc.nat(1_000_000), { minLength: 30 }),
      (tree, f, parts) => {
        const outcome = evaluate(tree, f);
        const { changesAtMs } = outcome;
        assert.ok(changesAtMs === null || changesAtMs > f.nowMs);
        const end = Math.min(changesAtMs ?? Infinity, END);
        const same = (nowMs: number) =>
          assert.equal(
            oracle(tree, { ...f, nowMs }) === true,
            outcome.isOpen,
            `${new Date(nowMs)}`,
          );
        for (const part of parts) same(f.nowMs + Math.floor((end - f.nowMs) * part / 1_000_001));
        same(end - 1);
        for (let ms = f.nowMs; ms < Math.min(end, f.nowMs + 2 * DAY); ms += 15 * MINUTE) same(ms);
      },
    ),
    { numRuns: 800 },
  );
});

Deno.test("changesAtMs is a change, but where windows follow each other without a break", () => {
  let changes = 0, others = 0;
  fc.assert(
    fc.property(condition, facts, (tree, f) => {
      const { isOpen: before, changesAtMs } = evaluate(tree, f);
      if (changesAtMs === null || changesAtMs >= END) return;
      if ((oracle(tree, { ...f, nowMs: changesAtMs }) === true) === before) others++;
      else changes++;
    }),
    { numRuns: 1000 },
  );
  assert.ok(changes > 20 * others, `${changes} changes, ${others} others`);
});

Deno.test("using more never opens what was closed", () => {
  fc.assert(
    fc.property(condition, facts, fc.nat(5), fc.nat(5), fc.nat(5), (tree, f, a, b, c) => {
      const more = {
        ...f,
        downloads: f.downloads + a,
        bytes: f.bytes + b,
        accessors: f.accessors + c,
        openedMs: f.openedMs ?? f.createdMs,
      };
      if (!isOpen(tree, f)) assert.equal(isOpen(tree, more), false);
      if (isOver(tree, f)) assert.equal(isOver(tree, more), true);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("what is over stays closed whatever the time, the use and the caller", () => {
  let over = 0;
  fc.assert(
    fc.property(
      condition,
      facts,
      facts,
      fc.array(INSTANT, { maxLength: 20 }),
      (tree, f, g, instants) => {
        if (!isOver(tree, f)) return;
        over++;
        for (const nowMs of [f.nowMs, ...instants].filter((ms) => ms >= f.nowMs)) {
          const later: Facts = {
            ...g,
            nowMs,
            createdMs: f.createdMs,
            openedMs: f.openedMs ?? Math.min(nowMs, Math.max(f.nowMs, g.nowMs)),
            grantedMs: f.grantedMs ?? nowMs,
            downloads: f.downloads + g.downloads,
            bytes: f.bytes + g.bytes,
          };
          assert.equal(isOpen(tree, later), false);
          assert.equal(isOpen(tree, { ...f, nowMs }), false);
        }
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(over > 50, `${over} of them were over`);
});

Deno.test("all, any and not keep their laws", () => {
  fc.assert(
    fc.property(condition, condition, facts, (a, b, f) => {
      const open = (tree: Condition) => evaluate(tree, f).isOpen;
      const pair = [a, b];
      assert.equal(open({ kind: "all", of: pair }), open(a) && open(b));
      assert.equal(open({ kind: "any", of: pair }), open(a) || open(b));
      assert.equal(open({ kind: "all", of: [b, a] }), open({ kind: "all", of: pair }));
      assert.equal(open({ kind: "not", of: { kind: "not", of: a } }), open(a));
      assert.equal(open(allOf(a, ALWAYS, b)), open(a) && open(b));
      // Both closed is possible, where something is not known; both open is not.
      assert.ok(!(open(a) && open({ kind: "not", of: a })));
      const not = (tree: Condition): Condition => ({ kind: "not", of: tree });
      assert.equal(
        open(not({ kind: "all", of: pair })),
        open({ kind: "any", of: pair.map(not) }),
      );
    }),
    { numRuns: 1000 },
  );
  assert.equal(evaluate(ALWAYS, BASE).isOpen, true);
  assert.equal(evaluate({ kind: "not", of: NEVER }, BASE).isOpen, true);
  assert.equal(evaluate(NEVER, BASE).isOpen, false);
});

Deno.test("what is not known opens neither a condition nor its opposite", () => {
  for (const text of ["net ::/0", `device ${KEYS[0]}`, "within 1d of grant"]) {
    for (const tree of [parseCondition(text), parseCondition(`not ${text}`)]) {
      assert.equal(evaluate(tree, BASE).isOpen, false);
      assert.match(evaluate(tree, BASE).reason!, /not known/);
    }
  }
});

Deno.test("reasons", () => {
  const now = "2026-06-05T17:00Z"; // a Friday
  const say = (text: string, more: Partial<Facts> = {}) =>
    evaluate(parseCondition(text), { ...BASE, nowMs: Date.parse(now), ...more }).reason;
  assert.equal(say("Mon-Fri 09:00-18:00 Europe/Paris"), "opens Mon 09:00 Europe/Paris");
  assert.equal(say("downloads 10", { downloads: 10 }), "10 of 10 downloads are used");
  assert.equal(say("downloads 1", { downloads: 1 }), "the only download is used");
  assert.equal(say("bytes 5GB", { bytes: 5e9 }), "5GB of 5GB are used");
  assert.equal(say("before 2026-06-01"), "closed since 2026-06-01 00:00 UTC");
  assert.equal(say("after 2026-06-30"), "opens 2026-06-30 00:00 UTC");
  assert.equal(say("owner online"), "the owner is not online");
  assert.equal(
    say("net 10.0.0.0/8", { address: "192.0.2.1" }),
    "192.0.2.1 is in none of the networks let in",
  );
  // Of several, what opens last counts; what never does, most.
  assert.equal(say("after 2026-06-06 and Mon 09:00-18:00"), "opens Mon 09:00 UTC");
  assert.equal(
    say("after 2026-06-06 and downloads 2", { downloads: 2 }),
    "2 of 2 downloads are used",
  );
  assert.equal(say("after 2026-06-06 or Mon 09:00-18:00"), "opens Sat 00:00 UTC");
  assert.equal(say("before 2026-06-07 and Mon 09:00-18:00"), "it does not open any more");
  assert.equal(
    evaluate(
      parseCondition("after 2026-06-06"),
      { ...BASE, nowMs: Date.parse(now) },
      "Europe/Paris",
    ).reason,
    "opens Sat 02:00 Europe/Paris",
  );
});

Deno.test("over: by time, by use, by both together; not by who asks", () => {
  const over = (text: string, more: Partial<Facts> = {}) =>
    isOver(parseCondition(text), { ...BASE, ...more });
  assert.ok(over("before 2026-06-01"));
  assert.ok(!over("before 2026-06-02"));
  assert.ok(over("downloads 3", { downloads: 3 }));
  assert.ok(!over("downloads 3 or before 2026-06-02", { downloads: 3 }));
  assert.ok(over("downloads 3 and after 2026-07-01", { downloads: 3 }));
  assert.ok(over("after 2026-07-01 and before 2026-06-20"));
  // Monday noon: the next Sunday is too late.
  assert.ok(over("Sun 09:00-18:00 and before 2026-06-07"));
  assert.ok(over("Sun 09:00-18:00 and before 2026-06-07T09:00"));
  assert.ok(!over("Sun 09:00-18:00 and before 2026-06-07T09:01"));
  assert.ok(over("every day from 2026-05-01 for 1 day 10 times"));
  assert.ok(!over("not every day from 2026-05-01 for 1 day 10 times"));
  assert.ok(!over("within 1h of opening"));
  assert.ok(over("within 1h of opening", { openedMs: BASE.nowMs - 3_600_000 }));
  assert.ok(!over("accessors 1", { accessors: 1 }), "the one may come back");
  assert.ok(!over("owner online and net ::1 and not net 10.0.0.0/8"));
  assert.ok(over("never"));
  assert.ok(!over("always"));
});
