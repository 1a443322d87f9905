import assert from "node:assert/strict";
import fc from "fast-check";
import { isWarpError } from "../../../actors/base/errors.ts";
import {
  advance,
  allows,
  EVENT_LEVEL,
  EVENTS,
  isBound,
  type LifeEvent,
  mustAdvance,
  OPERATIONS,
  type State,
  STATES,
} from "../../../actors/portal/lifecycle.ts";
import { isAtLeast, type Level, LEVELS } from "../../../actors/portal/records.ts";

/** All transitions, in the order of EVENTS; a dash is a refusal. */
const TABLE: Record<State, string> = {
  //         open   pause  resume close   extend  expire  archive  settings
  created: "active -      -      expired created expired archived created",
  active: "active paused active expired active  expired archived active",
  paused: "active paused active expired paused  expired archived paused",
  expired: "-      -      -      expired active  expired archived expired",
  archived: "-     -      -      -       -       -       archived -",
};

Deno.test("every event in every state", () => {
  assert.deepEqual(EVENTS, [
    "open",
    "pause",
    "resume",
    "close",
    "extend",
    "expire",
    "archive",
    "settings",
  ]);
  assert.deepEqual(Object.keys(TABLE), [...STATES]);
  for (const state of STATES) {
    const row = TABLE[state].split(/\s+/);
    assert.equal(row.length, EVENTS.length);
    EVENTS.forEach((event, i) => {
      const result = advance(state, event);
      assert.equal(result.isAllowed ? result.state : "-", row[i], `${state}, ${event}`);
      if (result.isAllowed) return;
      assert.equal(result.refusal.code, state === "archived" ? "E_GONE" : "E_CLOSED");
      assert.ok(result.refusal.message.includes(state) && result.refusal.hint.length > 0);
      assert.throws(
        () => mustAdvance(state, event),
        (error) =>
          isWarpError(error, result.refusal.code) && error.message === result.refusal.message,
      );
    });
  }
});

Deno.test("nothing opens with a policy that is over", () => {
  for (const state of STATES) {
    for (const event of EVENTS) {
      const result = advance(state, event, true);
      const isOpening = event === "open" || event === "resume" || event === "extend";
      if (isOpening) assert.equal(result.isAllowed, false, `${state}, ${event}`);
      else assert.deepEqual(result, advance(state, event));
    }
  }
});

const events = fc.array(
  fc.tuple(fc.constantFrom(...EVENTS), fc.boolean()),
  { maxLength: 30 },
);

Deno.test("no path leaves archived; only open, resume and extend lead to active; events may come twice", () => {
  fc.assert(
    fc.property(fc.constantFrom(...STATES), events, (start, path) => {
      let state = start;
      for (const [event, isOverThen] of path) {
        const result = advance(state, event, isOverThen);
        const next = result.isAllowed ? result.state : state;
        if (state === "archived") assert.equal(next, "archived");
        if (next === "active" && state !== "active") {
          assert.ok(["open", "resume", "extend"].includes(event) && !isOverThen);
        }
        if (result.isAllowed && event !== "extend") {
          assert.deepEqual(advance(next, event, isOverThen), { isAllowed: true, state: next });
        }
        state = next;
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("every state can be reached from created", () => {
  const reached = new Set<State>(["created"]);
  for (const state of reached) {
    for (const event of EVENTS) {
      const result = advance(state, event);
      if (result.isAllowed) reached.add(result.state);
    }
  }
  assert.deepEqual([...reached].sort(), [...STATES].sort());
});

/** The least level for list, read, write, request, manage. */
const LEAST: Record<State, string> = {
  created: "write write write -    admin",
  active: "list  read  write list admin",
  paused: "admin admin admin list admin",
  expired: "admin admin -    list admin",
  archived: "-   -     -     -    -",
};

Deno.test("what each state lets each level do", () => {
  for (const state of STATES) {
    LEAST[state].split(/\s+/).forEach((least, i) => {
      for (const level of LEVELS) {
        const expected = least !== "-" && isAtLeast(level, least as Level);
        assert.equal(
          allows(state, level, OPERATIONS[i]!),
          expected,
          `${state} ${level} ${OPERATIONS[i]}`,
        );
      }
    });
  }
});

Deno.test("a higher level may do all that a lower one may", () => {
  for (const state of STATES) {
    for (const operation of OPERATIONS) {
      const may = LEVELS.map((level) => allows(state, level, operation));
      assert.deepEqual(may, [...may].sort(), `${state} ${operation}`);
    }
  }
});

Deno.test("recipients touch content of an active portal alone, and then the policy binds them", () => {
  for (const state of STATES) {
    for (const level of ["list", "read"] as const) {
      for (const operation of ["list", "read", "write"] as const) {
        if (!allows(state, level, operation)) continue;
        assert.equal(state, "active");
        assert.ok(isBound(state, level, operation));
      }
    }
  }
  assert.ok(isBound("active", "write", "write"));
  assert.ok(!isBound("active", "admin", "read") && !isBound("active", "owner", "read"));
  assert.ok(!isBound("active", "read", "request") && !isBound("created", "write", "write"));
});

Deno.test("who may bring events about", () => {
  const levels: Record<LifeEvent, Level | null> = {
    open: "admin",
    pause: "admin",
    resume: "admin",
    close: "admin",
    extend: "admin",
    expire: null,
    archive: "owner",
    settings: "admin",
  };
  assert.deepEqual(EVENT_LEVEL, levels);
});
