import fc from "fast-check";
import type { Condition, Recurring, Weekly } from "../../../actors/portal/policy/condition.ts";
import { checkCondition } from "../../../actors/portal/policy/decode.ts";
import type { Facts } from "../../../actors/portal/policy/evaluate.ts";
import { isWarpError } from "../../../actors/base/errors.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Offsets of 2026 in minutes, from an instant on: written down by hand, not asked of Intl. */
const OFFSETS: Record<string, [string, number][]> = {
  "Europe/Paris": [["2025-12-01T00:00Z", 60], ["2026-03-29T01:00Z", 120], [
    "2026-10-25T01:00Z",
    60,
  ]],
  "America/New_York": [
    ["2025-12-01T00:00Z", -300],
    ["2026-03-08T07:00Z", -240],
    ["2026-11-01T06:00Z", -300],
  ],
  "Australia/Lord_Howe": [
    ["2025-12-01T00:00Z", 660],
    ["2026-04-04T15:00Z", 630],
    ["2026-10-03T15:30Z", 660],
  ],
  "Asia/Kolkata": [["2025-12-01T00:00Z", 330]],
};
export const ZONES = Object.keys(OFFSETS);
/** Where the clocks change, and a day on which none does. */
export const TURNS = [
  ...Object.values(OFFSETS).flatMap((list) => list.slice(1).map(([at]) => Date.parse(at))),
  Date.parse("2026-07-15T12:00Z"),
];

const TABLES = new Map(
  Object.entries(OFFSETS).map((
    [zone, list],
  ) => [zone, list.map(([at, offset]) => [Date.parse(at), offset * MINUTE] as const)]),
);

export function tableWall(zone: string, ms: number): number {
  return ms + TABLES.get(zone)!.findLast(([from]) => from <= ms)![1];
}

/** A second opinion on weekly schedules: looks at each slot as a person would. */
export function isWeeklyOpen({ slots, zone }: Weekly, ms: number): boolean {
  const wall = new Date(tableWall(zone, ms));
  const minute = wall.getUTCHours() * 60 + wall.getUTCMinutes();
  const today = wall.getUTCDay() || 7;
  const yesterday = today === 1 ? 7 : today - 1;
  return slots.some(({ days, times }) =>
    times.some(([from, to]) =>
      from < to
        ? days.includes(today) && minute >= from && minute < to
        : (days.includes(today) && minute >= from) || (days.includes(yesterday) && minute < to)
    )
  );
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Walls, within 2026 and 2027, at which windows begin. Neither year is a leap year. */
function startWalls(rule: Recurring): number[] {
  const anchor = Date.parse(`${rule.from}Z`);
  const [year, month, day] = rule.from.slice(0, 10).split("-").map(Number) as [
    number,
    number,
    number,
  ];
  const walls: number[] = [];
  for (let k = 0; k < (rule.count ?? 1000) && k < 1000; k++) {
    if (rule.unit === "month") {
      const index = month - 1 + k * rule.every;
      const last = MONTH_DAYS[index % 12]!;
      const date = Date.UTC(year + Math.floor(index / 12), index % 12, Math.min(day, last));
      walls.push(date + anchor % DAY);
    } else walls.push(anchor + k * rule.every * (rule.unit === "week" ? 7 : 1) * DAY);
  }
  return walls;
}

const LENGTHS = { minute: MINUTE, hour: HOUR, day: DAY, week: 7 * DAY };

/** A second opinion on recurring windows; good for walls that are never skipped nor shown twice. */
export function isRecurringOpen(rule: Recurring, ms: number): boolean {
  const wall = tableWall(rule.zone, ms);
  if (rule.until !== undefined && wall >= Date.parse(`${rule.until}Z`)) return false;
  const length = rule.length * LENGTHS[rule.lengthUnit];
  return startWalls(rule).some((start) => {
    if (wall < start) return false;
    if (rule.lengthUnit === "day" || rule.lengthUnit === "week") return wall < start + length;
    // The instant of the beginning, by trying offsets in half hours.
    for (let offset = -24; offset <= 28; offset++) {
      const begin = start - offset * 30 * MINUTE;
      if (begin > Date.parse("2025-12-02T00:00Z") && tableWall(rule.zone, begin) === start) {
        return ms < begin + length;
      }
    }
    return false;
  });
}

const zone = fc.constantFrom(...ZONES);
const pad = (value: number) => String(value).padStart(2, "0");
const clock = fc.oneof(fc.integer({ min: 0, max: 47 }).map((n) => n * 30), fc.nat(1439));
const times = fc.tuple(clock, clock).filter(([from, to]) => from !== to)
  .map(([from, to]) => [from, to === 0 ? 1440 : to] as const);
const slot = fc.record({
  days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 }).map((days) => days.sort()),
  times: fc.array(times, { minLength: 1, maxLength: 3 }),
});
export const weekly: fc.Arbitrary<Weekly> = fc.record({
  kind: fc.constant("weekly" as const),
  slots: fc.array(slot, { minLength: 1, maxLength: 3 }),
  zone,
});

/** From 04:00 on: no zone of the table changes its clock in these hours. */
const wall = fc.record({
  month: fc.integer({ min: 1, max: 12 }),
  day: fc.integer({ min: 1, max: 31 }),
  minutes: fc.integer({ min: 240, max: 1439 }),
}).map(({ month, day, minutes }) =>
  `2026-${pad(month)}-${pad(Math.min(day, MONTH_DAYS[month - 1]!))}T${
    pad(Math.floor(minutes / 60))
  }:${pad(minutes % 60)}`
);
const PERIOD_DAYS = { day: 1, week: 7, month: 31 };
export const recurring: fc.Arbitrary<Recurring> = fc.record({
  kind: fc.constant("recurring" as const),
  every: fc.integer({ min: 1, max: 20 }),
  unit: fc.constantFrom("day" as const, "week" as const, "month" as const),
  from: wall,
  length: fc.integer({ min: 1, max: 40 }),
  lengthUnit: fc.constantFrom("minute" as const, "hour" as const, "day" as const, "week" as const),
  count: fc.integer({ min: 1, max: 30 }),
  until: wall,
  zone,
}, { requiredKeys: ["kind", "every", "unit", "from", "length", "lengthUnit", "zone"] })
  .map((rule) => {
    const most = rule.every * PERIOD_DAYS[rule.unit] * DAY / LENGTHS[rule.lengthUnit];
    return most < 1
      ? { ...rule, lengthUnit: "hour" as const, length: Math.min(rule.length, 24) }
      : { ...rule, length: Math.min(rule.length, Math.floor(most)) };
  });

export const INSTANT = fc.oneof(
  fc.integer({ min: Date.UTC(2026, 0, 2) / MINUTE, max: Date.UTC(2026, 11, 30) / MINUTE }),
  fc.tuple(fc.constantFrom(...TURNS), fc.integer({ min: -3000, max: 3000 }))
    .map(([turn, minutes]) => turn / MINUTE + minutes),
).map((minutes) => minutes * MINUTE);

export const KEYS = ["11", "22", "33"].map((byte) => byte.repeat(32));
const RANGES = [
  "10.0.0.0/8",
  "10.1.0.0/16",
  "192.0.2.7/32",
  "2001:db8::/32",
  "::1/128",
  "::/0",
  "0.0.0.0/0",
];
const limit = fc.integer({ min: 1, max: 6 });

const timeless: fc.Arbitrary<Condition> = fc.oneof(
  fc.constant<Condition>({ kind: "owner-online" }),
  fc.uniqueArray(fc.constantFrom(...RANGES), { minLength: 1, maxLength: 3 })
    .map((ranges): Condition => ({ kind: "network", ranges })),
  fc.uniqueArray(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 2 })
    .map((keys): Condition => ({ kind: "device", keys })),
);
const counters: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("downloads" as const, "bytes" as const, "accessors" as const),
    limit,
  }),
  fc.record({
    kind: fc.constant("within" as const),
    seconds: fc.integer({ min: 1, max: 20_000_000 }),
    since: fc.constant("opening" as const),
  }),
);
const timed: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ kind: fc.constantFrom("before" as const, "after" as const), at: INSTANT }),
  fc.record({
    kind: fc.constant("within" as const),
    seconds: fc.integer({ min: 1, max: 20_000_000 }),
    since: fc.constantFrom("creation" as const, "grant" as const),
  }),
  weekly,
  recurring,
);

function tree(isNegated: boolean, depth: number): fc.Arbitrary<Condition> {
  const leaf = isNegated ? fc.oneof(timed, timeless) : fc.oneof(timed, timed, timeless, counters);
  if (depth === 0) return leaf;
  const inner = tree(isNegated, depth - 1);
  const of = fc.array(inner, { maxLength: 4 }).filter((list) => list.length !== 1);
  return fc.oneof(
    { weight: 3, arbitrary: leaf },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom("all" as const, "any" as const), of }),
    },
    {
      weight: 1,
      arbitrary: tree(!isNegated, depth - 1).map((of): Condition => ({ kind: "not", of })),
    },
  );
}

/** Trees that the decoder takes, in its form. */
export const condition: fc.Arbitrary<Condition> = tree(false, 3).map(checkCondition);

export const facts: fc.Arbitrary<Facts> = fc.record({
  nowMs: INSTANT,
  createdMs: INSTANT,
  openedMs: fc.option(INSTANT),
  grantedMs: fc.option(INSTANT),
  downloads: fc.nat(8),
  bytes: fc.nat(8),
  accessors: fc.nat(8),
  isKnownAccessor: fc.boolean(),
  ownerSeenMs: fc.option(INSTANT),
  address: fc.option(
    fc.constantFrom(
      "10.1.2.3",
      "::ffff:10.2.2.3",
      "192.0.2.7",
      "2001:db8::5",
      "::1",
      "fe80::1%eth0",
      "x",
    ),
  ),
  deviceKey: fc.option(fc.constantFrom(...KEYS, "44".repeat(32))),
}).map((facts) => ({
  ...facts,
  ownerSeenMs: facts.ownerSeenMs === null ? null : Math.min(facts.ownerSeenMs, facts.nowMs),
}));

export const BASE: Facts = {
  nowMs: Date.parse("2026-06-01T12:00Z"),
  createdMs: Date.parse("2026-06-01T00:00Z"),
  openedMs: null,
  grantedMs: null,
  downloads: 0,
  bytes: 0,
  accessors: 0,
  isKnownAccessor: false,
  ownerSeenMs: null,
  address: null,
  deviceKey: null,
};

export function isConfigError(error: unknown): boolean {
  return isWarpError(error, "E_CONFIG");
}
