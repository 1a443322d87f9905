import assert from "node:assert/strict";
import fc from "fast-check";
import type { Recurring } from "../../../actors/portal/policy/condition.ts";
import { formatWall, parseWall } from "../../../actors/portal/policy/calendar.ts";
import { recurringPhase } from "../../../actors/portal/policy/recurring.ts";
import { weeklyPhase } from "../../../actors/portal/policy/weekly.ts";
import { parseCondition } from "../../../actors/portal/policy/parse.ts";
import { evaluate } from "../../../actors/portal/policy/evaluate.ts";
import { instantOf, isZone, offsetAt, spanAt } from "../../../actors/portal/policy/zone.ts";
import {
  BASE,
  DAY,
  HOUR,
  INSTANT,
  isConfigError,
  isRecurringOpen,
  isWeeklyOpen,
  MINUTE,
  recurring,
  tableWall,
  TURNS,
  weekly,
  ZONES,
} from "./policy_support.ts";

const at = (text: string) => Date.parse(text);

Deno.test("offsets of 2026 are those written down by hand, to the second", () => {
  for (const zone of ZONES) {
    for (let ms = Date.UTC(2026, 0, 1); ms < Date.UTC(2027, 0, 1); ms += 6 * HOUR) {
      assert.equal(ms + offsetAt(zone, ms), tableWall(zone, ms), `${zone} ${ms}`);
    }
    for (const turn of TURNS) {
      for (const ms of [turn - 1000, turn - 1, turn, turn + 1]) {
        assert.equal(ms + offsetAt(zone, ms), tableWall(zone, ms), `${zone} ${ms}`);
      }
    }
  }
});

Deno.test("odd zones: seconds, half hours, skipped days, changes of history", () => {
  assert.equal(offsetAt("Africa/Monrovia", 0), -(44 * MINUTE + 30_000));
  assert.equal(offsetAt("Asia/Kathmandu", at("2026-01-01T00:00Z")), 345 * MINUTE);
  assert.equal(offsetAt("Asia/Kathmandu", at("1985-01-01T00:00Z")), 330 * MINUTE);
  assert.equal(offsetAt("Pacific/Chatham", at("2026-01-01T00:00Z")), 825 * MINUTE);
  assert.equal(offsetAt("Europe/London", at("1970-01-01T12:00Z")), HOUR);
  assert.equal(offsetAt("Europe/Moscow", at("2012-01-01T00:00Z")), 4 * HOUR);
  assert.equal(offsetAt("Europe/Moscow", at("2026-01-01T00:00Z")), 3 * HOUR);
  // Samoa went from Thursday to Saturday.
  const skipped = instantOf("Pacific/Apia", parseWall("2011-12-30T12:00")!);
  assert.equal(skipped, at("2011-12-30T10:00Z"));
  assert.equal(offsetAt("Pacific/Apia", skipped - 1), -10 * HOUR);
  assert.equal(offsetAt("Pacific/Apia", skipped), 14 * HOUR);
});

Deno.test("a clock reading is the first instant that shows it, or the one that skips it", () => {
  const wall = (text: string) => parseWall(text)!;
  assert.equal(instantOf("Europe/Paris", wall("2026-03-29T02:30")), at("2026-03-29T01:00Z"));
  assert.equal(instantOf("Europe/Paris", wall("2026-10-25T02:30")), at("2026-10-25T00:30Z"));
  assert.equal(instantOf("Europe/Paris", wall("2026-10-25T03:00")), at("2026-10-25T02:00Z"));
  assert.equal(instantOf("Australia/Lord_Howe", wall("2026-10-04T02:15")), at("2026-10-03T15:30Z"));
  assert.equal(instantOf("Africa/Cairo", wall("2026-04-24T00:00")), at("2026-04-23T22:00Z"));
  fc.assert(fc.property(fc.constantFrom(...ZONES), INSTANT, (zone, ms) => {
    const reading = tableWall(zone, ms);
    const first = instantOf(zone, reading);
    // Of the instants around, none earlier shows it.
    const earlier = [30, 60].map((minutes) => ms - minutes * MINUTE)
      .filter((one) => tableWall(zone, one) === reading);
    assert.equal(first, earlier[0] ?? ms);
  }));
});

Deno.test("spans hold one offset each and follow each other without a hole", () => {
  for (const zone of [...ZONES, "Africa/Casablanca", "Asia/Gaza"]) {
    let span = spanAt(zone, Date.UTC(2026, 0, 1));
    while (span.toMs < Date.UTC(2027, 0, 1)) {
      assert.equal(offsetAt(zone, span.toMs - 1), span.offsetMs);
      const next = spanAt(zone, span.toMs);
      assert.equal(next.fromMs, span.toMs);
      span = next;
    }
  }
});

Deno.test("zones that are none are refused", () => {
  for (
    const name of ["", "Foo/Bar", "x".repeat(1000), "+05:30", "Europe/Paris\n", "../etc", " UTC"]
  ) {
    assert.equal(isZone(name), false, name);
    assert.throws(() => spanAt(name, 0), isConfigError);
  }
  assert.ok(["UTC", "Europe/Paris", "europe/paris", "Etc/GMT+5"].every(isZone));
});

Deno.test("weekly schedules are open when a person with a table of offsets says so, minute by minute", () => {
  fc.assert(
    fc.property(weekly, fc.constantFrom(...TURNS), (rule, turn) => {
      for (let ms = turn - 26 * HOUR; ms < turn + 26 * HOUR; ms += MINUTE) {
        if (weeklyPhase(rule, ms).isOpen !== isWeeklyOpen(rule, ms)) {
          assert.fail(`${JSON.stringify(rule)} at ${new Date(ms).toISOString()}`);
        }
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("weekly schedules change exactly when they say, and not before", () => {
  fc.assert(
    fc.property(weekly, INSTANT, (rule, now) => {
      const { isOpen, changesAtMs } = weeklyPhase(rule, now);
      const end = Math.min(changesAtMs ?? Infinity, at("2026-12-31T00:00Z"), now + 20 * DAY);
      for (let ms = now; ms < end; ms += MINUTE) {
        if (isWeeklyOpen(rule, ms) !== isOpen) assert.fail(`changes at ${new Date(ms)}`);
      }
      if (changesAtMs !== null) assert.equal(isWeeklyOpen(rule, changesAtMs), !isOpen);
    }),
    { numRuns: 200 },
  );
});

Deno.test("a slot in the hour that is skipped waits a week; one in the hour that comes twice opens twice", () => {
  const rule = parseCondition("Sun 02:15-02:45 Europe/Paris");
  const phase = (text: string) => evaluate(rule, { ...BASE, nowMs: at(text) }).changesAtMs;
  assert.equal(phase("2026-03-28T12:00Z"), at("2026-04-05T00:15Z"));
  assert.equal(phase("2026-10-24T12:00Z"), at("2026-10-25T00:15Z"));
  assert.equal(phase("2026-10-25T00:15Z"), at("2026-10-25T00:45Z"));
  assert.equal(phase("2026-10-25T00:45Z"), at("2026-10-25T01:15Z"));
  // The clock goes from 01:59 to 03:00 within an open slot: it closes an hour sooner.
  const night = parseCondition("Sat 22:00-06:00 Europe/Paris");
  assert.equal(
    evaluate(night, { ...BASE, nowMs: at("2026-03-28T21:00Z") }).changesAtMs,
    at("2026-03-29T04:00Z"),
  );
  const whole = parseCondition("Mon-Sun 00:00-24:00 America/New_York");
  assert.equal(evaluate(whole, BASE).changesAtMs, null);
});

Deno.test("recurring windows are open when a person with a calendar says so", () => {
  fc.assert(
    fc.property(
      recurring,
      fc.array(INSTANT, { minLength: 20, maxLength: 20 }),
      (rule, instants) => {
        for (const ms of instants) {
          const { isOpen } = recurringPhase(rule, ms);
          if (isOpen !== isRecurringOpen(rule, ms)) {
            assert.fail(`${JSON.stringify(rule)} at ${new Date(ms).toISOString()}`);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
});

Deno.test("recurring windows do not change before they say", () => {
  fc.assert(
    fc.property(recurring, INSTANT, (rule, now) => {
      const { isOpen, changesAtMs } = recurringPhase(rule, now);
      assert.ok(changesAtMs === null || changesAtMs > now);
      const end = Math.min(changesAtMs ?? Infinity, at("2026-12-31T00:00Z"));
      for (let i = 0; i < 40; i++) {
        const ms = now + Math.floor((end - now) * i / 40 / MINUTE) * MINUTE;
        assert.equal(isRecurringOpen(rule, ms), isOpen, new Date(ms).toISOString());
      }
      if (changesAtMs === null || changesAtMs >= at("2026-12-31T00:00Z")) return;
      assert.equal(isRecurringOpen(rule, changesAtMs - MINUTE), isOpen);
      // Only where window follows window without a break is it a moment to look again.
      if (!isOpen) assert.ok(isRecurringOpen(rule, changesAtMs));
    }),
    { numRuns: 400 },
  );
});

Deno.test("days of a window are the calendar's, hours are elapsed; months have their last day", () => {
  const rule = (text: string) => parseCondition(text) as Recurring;
  const ends = (text: string, now: string) => recurringPhase(rule(text), at(now)).changesAtMs;
  const paris = (length: string) =>
    `every week from 2026-03-28T12:00 for ${length} in Europe/Paris`;
  assert.equal(ends(paris("1 day"), "2026-03-28T12:00Z"), at("2026-03-29T10:00Z"));
  assert.equal(ends(paris("24 hours"), "2026-03-28T12:00Z"), at("2026-03-29T11:00Z"));
  const monthly = "every month from 2026-01-31 for 1 day in UTC";
  assert.equal(ends(monthly, "2026-02-01T00:00Z"), at("2026-02-28T00:00Z"));
  assert.equal(ends(monthly, "2026-03-01T00:00Z"), at("2026-03-31T00:00Z"));
  assert.equal(ends(`${monthly.slice(0, -7)} until 2026-03-31 in UTC`, "2026-03-01T00:00Z"), null);
  assert.equal(
    ends("every day from 2026-01-01 for 1 day 2 times in UTC", "2026-01-01T00:00Z"),
    at("2026-01-03T00:00Z"),
  );
});

Deno.test("wall clocks: what is written is read again, what does not exist is refused", () => {
  fc.assert(fc.property(fc.nat(253_402_300_799_999), (wall) => {
    assert.equal(parseWall(formatWall(wall)), wall);
  }));
  for (
    const text of [
      "2026-02-29",
      "2026-13-01",
      "2026-00-10",
      "2026-01-00",
      "1969-12-31",
      "2026-1-1",
      "2026-01-01T24:00",
      "2026-01-01T10",
      "2026-01-01T10:60",
      "",
    ]
  ) {
    assert.equal(parseWall(text), undefined, text);
  }
  assert.equal(parseWall("2028-02-29"), Date.UTC(2028, 1, 29));
});
