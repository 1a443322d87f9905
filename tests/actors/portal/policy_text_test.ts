import assert from "node:assert/strict";
import fc from "fast-check";
import { isWarpError } from "../../../actors/base/errors.ts";
import { ALWAYS, type Condition, TEXT_BYTES_MAX } from "../../../actors/portal/policy/condition.ts";
import {
  checkCondition,
  decodeCondition,
  encodeCondition,
} from "../../../actors/portal/policy/decode.ts";
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
} from "../../../actors/portal/policy/duration.ts";
import { fromFlags, type PolicyFlags } from "../../../actors/portal/policy/flags.ts";
import { formatCondition } from "../../../actors/portal/policy/format.ts";
import { parseCondition } from "../../../actors/portal/policy/parse.ts";
import { condition, isConfigError, KEYS } from "./policy_support.ts";

Deno.test("what is printed is parsed as the same tree, what is encoded decoded as the same", () => {
  fc.assert(
    fc.property(condition, fc.constantFrom("UTC", "Asia/Kolkata"), (tree, zone) => {
      const text = formatCondition(tree);
      assert.deepEqual(parseCondition(text, zone), tree, text);
      assert.equal(formatCondition(parseCondition(text)), text);
      assert.deepEqual(decodeCondition(encodeCondition(tree)), tree);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("precedence: not before and before or; parentheses", () => {
  const leaf: Condition = { kind: "owner-online" };
  const parse = (text: string) => parseCondition(text.replaceAll("o", "owner online"));
  const not: Condition = { kind: "not", of: leaf };
  assert.deepEqual(parseCondition("owner online or owner online and not owner online"), {
    kind: "any",
    of: [leaf, { kind: "all", of: [leaf, not] }],
  });
  assert.deepEqual(parseCondition("(owner online or owner online) and owner online"), {
    kind: "all",
    of: [{ kind: "any", of: [leaf, leaf] }, leaf],
  });
  assert.deepEqual(parseCondition("not (owner online and owner online)"), {
    kind: "not",
    of: { kind: "all", of: [leaf, leaf] },
  });
  assert.deepEqual(parse("((o))"), leaf);
  assert.deepEqual(parseCondition("OWNER Online AND Always"), { kind: "all", of: [leaf, ALWAYS] });
});

Deno.test("dates and schedules without zone are in the local one", () => {
  const at = (text: string, zone = "Europe/Paris") => {
    const tree = parseCondition(text, zone);
    return tree.kind === "before" ? new Date(tree.at).toISOString().slice(0, -5) : tree;
  };
  assert.equal(at("before 2026-12-24"), "2026-12-23T23:00:00");
  assert.equal(at("before 2026-07-24"), "2026-07-23T22:00:00");
  assert.equal(at("before 2026-12-24T10:00"), "2026-12-24T09:00:00");
  assert.equal(at("before 2026-12-24T10:00Z"), "2026-12-24T10:00:00");
  assert.equal(at("before 2026-12-24T10:00-05:30"), "2026-12-24T15:30:00");
  assert.equal(at("before 2026-12-24 America/New_York"), "2026-12-24T05:00:00");
  const zoneOf = (text: string) => (parseCondition(text, "Asia/Kolkata") as { zone: string }).zone;
  assert.equal(zoneOf("Mon 09:00-10:00"), "Asia/Kolkata");
  assert.equal(zoneOf("Mon 09:00-10:00 Europe/Paris"), "Europe/Paris");
  assert.equal(zoneOf("every day from 2026-01-01 for 8h"), "Asia/Kolkata");
});

Deno.test("days wrap around, midnight ends a day, daily is every day", () => {
  const slots = (text: string) => (parseCondition(text) as { slots: unknown }).slots;
  assert.deepEqual(slots("Sat-Mon 22:00-00:00"), [{ days: [1, 6, 7], times: [[1320, 1440]] }]);
  assert.deepEqual(slots("daily 22:00-06:00"), [
    { days: [1, 2, 3, 4, 5, 6, 7], times: [[1320, 360]] },
  ]);
  assert.deepEqual(slots("Mon,Wed 09:00-12:00, 13:00-18:00, Sat 10:00-11:00"), [
    { days: [1, 3], times: [[540, 720], [780, 1080]] },
    { days: [6], times: [[600, 660]] },
  ]);
});

/** Text and the column that the error names. */
const WRONG: [string, number, RegExp][] = [
  ["", 1, /a condition/],
  ["foo", 1, /a condition.*found "foo"/],
  ["downloads", 10, /a number of downloads, found the end/],
  ["downloads x", 11, /a number/],
  ["downloads 0", 1, /from 1 to/],
  ["owner offline", 7, /"online"/],
  ["before soon", 8, /a date like/],
  ["before 2026-02-30", 8, /a date like/],
  ["before 2026-12-24T10:00+25:00", 8, /a date like/],
  ["before 2026-12-24 Foo/Bar", 19, /a time zone/],
  ["within 24 of creation", 8, /a duration/],
  ["within 24h creation", 12, /"of"/],
  ["within 24h of birth", 15, /creation, opening or grant/],
  ["Mon 09:00", 10, /times like/],
  ["Mon 25:00-26:00", 5, /times like/],
  ["Mon 09:00-09:00", 5, /times like/],
  ["Mon-Foo 09:00-10:00", 5, /a day/],
  ["every 2 from", 9, /days, weeks or months/],
  ["every week from 2026-01-05 for 3", 33, /a length/],
  ["every week from 2026-01-05 for 8 days", 1, /longer than/],
  ["every week from 2026-01-05 for 1 day in Foo", 41, /a time zone/],
  ["net 10.0.0.1/8", 5, /10\.0\.0\.0\/8/],
  ["net ::1,", 9, /a network/],
  ["device abc", 8, /a device key/],
  ["bytes many", 7, /a size/],
  ["(owner online", 14, /closing parenthesis, found the end/],
  ["owner online)", 13, /and, or, or the end, found "\)"/],
  ["owner online and", 17, /a condition/],
  ["owner online owner online", 14, /and, or/],
  ["owner online and not downloads 3", 22, /cannot stand under "not"/],
  ["not (owner online or bytes 3)", 22, /cannot stand under "not"/],
  ["not within 1h of opening", 5, /cannot stand under "not"/],
  ["(".repeat(40), 34, /less nesting/],
  [`${"not (owner online and ".repeat(12)}owner online${")".repeat(12)}`, 1, /levels/],
  [Array(300).fill("owner online").join(" and "), 1, /list|conditions/],
];

Deno.test("errors name the column and what was expected", () => {
  for (const [text, column, message] of WRONG) {
    assert.throws(() => parseCondition(text), (error) => {
      assert.ok(isWarpError(error, "E_CONFIG"), String(error));
      assert.match(error.message, message, text);
      assert.equal(error.details["column"], column, `${text}: ${error.message}`);
      assert.match(error.message, new RegExp(`^column ${column}: `));
      return true;
    });
  }
});

const WORDS =
  "and or not ( ) before after within every downloads < 10 bytes 5GB accessors owner online net device always 2026-12-24 24h of opening Mon - Fri , 09:00 18:00 Europe/Paris from for in until 3 days weeks times ::1 10.0.0.0/8 T Z \u0000 é \ud800"
    .split(" ");

/** Runs it; anything but a condition or E_CONFIG fails. Whether it was a condition. */
function survives(run: () => Condition): boolean {
  try {
    assert.deepEqual(checkCondition(run()), run());
    return true;
  } catch (error) {
    if (!isConfigError(error)) throw error;
    return false;
  }
}

Deno.test("garbage gives E_CONFIG, from the parser", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom(...WORDS), { maxLength: 30 }).map((words) => words.join(" ")),
    fc.tuple(condition.map(formatCondition), fc.nat(), fc.string({ maxLength: 3 })).map(
      ([text, at, piece]) => {
        const cut = at % (text.length + 1);
        return text.slice(0, cut) + piece + text.slice(cut + piece.length);
      },
    ),
  );
  let good = 0;
  fc.assert(
    fc.property(text, (text) => {
      if (survives(() => parseCondition(text))) good++;
    }),
    { numRuns: 6000 },
  );
  assert.ok(good > 100, `${good} were conditions`);
  assert.equal(survives(() => parseCondition("not ".repeat(10_000))), false);
  assert.equal(survives(() => parseCondition("a".repeat(100_000))), false);
});

Deno.test("garbage gives E_CONFIG, from the decoder", () => {
  const mutated = fc.tuple(condition.map((tree) => JSON.stringify(tree)), fc.nat(), fc.json()).map(
    ([text, at, json]) => {
      const values = [...text.matchAll(/(?<=[:[,])(?:\d+|"[^"]*"|\[\])/g)];
      if (values.length === 0) return json;
      const { 0: old, index } = values[at % values.length]!;
      return text.slice(0, index) + json + text.slice(index + old.length);
    },
  );
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json(), mutated), (text) => {
      survives(() => decodeCondition(text));
    }),
    { numRuns: 4000 },
  );
  for (const text of ["[".repeat(16_000), '{"kind":"not","of":'.repeat(800), "null", "1e999"]) {
    assert.equal(survives(() => decodeCondition(text)), false);
  }
});

Deno.test("the decoder is strict", () => {
  const key = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s";
  const slots = [{ days: [1], times: [[0, 1440]] }];
  const rule = {
    kind: "recurring",
    every: 1,
    unit: "week",
    from: "2026-01-05T00:00",
    length: 1,
    lengthUnit: "day",
    zone: "UTC",
  };
  const weekly = { kind: "weekly", slots, zone: "UTC" };
  const before = { kind: "before", at: 0 };
  const good: unknown[] = [before, weekly, rule, { ...rule, count: 100_000 }, {
    kind: "device",
    keys: [key],
  }];
  for (const value of good) assert.ok(survives(() => checkCondition(value)), JSON.stringify(value));
  const wrong: unknown[] = [
    null,
    [],
    "before",
    {},
    { kind: "toString" },
    { kind: "__proto__" },
    { ...before, extra: 1 },
    JSON.parse('{"kind":"before","at":1,"__proto__":{}}'),
    { kind: "before" },
    { kind: "before", at: -1 },
    { kind: "before", at: 1.5 },
    { kind: "before", at: "1" },
    { kind: "before", at: 253_402_300_800_000 },
    { kind: "all", of: [before] },
    { kind: "any", of: before },
    { kind: "not", of: [before] },
    { kind: "not", of: { kind: "downloads", limit: 1 } },
    { kind: "not", of: { kind: "any", of: [before, { kind: "bytes", limit: 1 }] } },
    { kind: "not", of: { kind: "within", seconds: 1, since: "opening" } },
    { kind: "downloads", limit: 0 },
    { kind: "within", seconds: 0, since: "creation" },
    { kind: "within", seconds: 1, since: "birth" },
    { ...weekly, zone: "Foo/Bar" },
    { ...weekly, slots: [] },
    { ...weekly, slots: [{ days: [], times: [[0, 1]] }] },
    { ...weekly, slots: [{ days: [2, 1], times: [[0, 1]] }] },
    { ...weekly, slots: [{ days: [1, 1], times: [[0, 1]] }] },
    { ...weekly, slots: [{ days: [8], times: [[0, 1]] }] },
    { ...weekly, slots: [{ days: [1], times: [[5, 5]] }] },
    { ...weekly, slots: [{ days: [1], times: [[5, 0]] }] },
    { ...weekly, slots: [{ days: [1], times: [[1440, 5]] }] },
    { ...weekly, slots: [{ days: [1], times: [[1, 2, 3]] }] },
    { ...rule, from: "2026-01-05" },
    { ...rule, from: "2026-02-29T00:00" },
    { ...rule, length: 8 },
    { ...rule, every: 0 },
    { ...rule, every: 1000, unit: "month", length: 1, count: 100_000 },
    { ...rule, count: 0 },
    { ...rule, until: null },
    { kind: "network", ranges: [] },
    { kind: "network", ranges: ["10.0.0.1/8"] },
    { kind: "device", keys: [key.slice(1)] },
    { kind: "device", keys: [`${key.slice(0, -1)}t`] },
    { kind: "device", keys: Array(257).fill(key) },
  ];
  for (const value of wrong) {
    assert.equal(survives(() => checkCondition(value)), false, JSON.stringify(value));
  }
  // Twice not is a counter again.
  const twice = { kind: "not", of: { kind: "not", of: { kind: "downloads", limit: 1 } } };
  assert.ok(survives(() => checkCondition(twice)));
  assert.deepEqual(checkCondition({ kind: "device", keys: ["ab".repeat(32)] }), {
    kind: "device",
    keys: [key],
  });
});

Deno.test("bounds: depth 16, 256 nodes, 16 KiB", () => {
  const leaf: Condition = { kind: "owner-online" };
  const deep = (depth: number): Condition =>
    depth === 1 ? leaf : { kind: "not", of: deep(depth - 1) };
  assert.ok(survives(() => checkCondition(deep(16))));
  assert.equal(survives(() => checkCondition(deep(17))), false);
  const wide = (count: number) => ({
    kind: "all" as const,
    of: Array<Condition>(count).fill(leaf),
  });
  assert.ok(survives(() => checkCondition(wide(255))));
  assert.equal(survives(() => checkCondition(wide(256))), false);
  const zoned = (zones: string[]) => zones.map((zone) => `Mon 09:00-10:00 ${zone}`).join(" or ");
  const zones = Intl.supportedValuesOf("timeZone");
  assert.ok(survives(() => parseCondition(zoned(zones.slice(0, 8)))));
  assert.equal(survives(() => parseCondition(zoned(zones.slice(0, 9)))), false);
  const text = JSON.stringify(leaf);
  assert.deepEqual(decodeCondition(text.padEnd(TEXT_BYTES_MAX)), leaf);
  assert.throws(() => decodeCondition(text.padEnd(TEXT_BYTES_MAX + 1)), isConfigError);
  const large = {
    kind: "any" as const,
    of: Array(9).fill({ kind: "device", keys: Array(60).fill(KEYS[0]) }),
  };
  assert.throws(() => encodeCondition(checkCondition(large)), isConfigError);
});

Deno.test("durations and sizes: what is printed is parsed, exactly", () => {
  const known: [string, number][] = [["90s", 90], ["15m", 900], ["24h", 86_400], ["7d", 604_800], [
    "2w",
    1_209_600,
  ]];
  for (const [text, seconds] of known) assert.equal(parseDuration(text), seconds);
  fc.assert(fc.property(fc.integer({ min: 1, max: 3e9 }), (n) => {
    assert.equal(parseDuration(formatDuration(n)), n);
    assert.equal(parseDuration(formatDuration(n * 3600)), n * 3600);
  }));
  fc.assert(fc.property(fc.maxSafeInteger().filter((n) => n > 0), (n) => {
    assert.equal(parseSize(formatSize(n)), n);
  }));
  for (const [text, bytes] of [["5GB", 5e9], ["1KiB", 1024], ["3TiB", 3 * 2 ** 40]] as const) {
    assert.equal(parseSize(text), bytes);
    assert.equal(formatSize(bytes), text);
  }
});

Deno.test("flags are joined; each error names its flag", () => {
  const context = { nowMs: Date.parse("2026-11-21T15:00:00.001Z"), zone: "Europe/Paris" };
  const show = (flags: PolicyFlags) => formatCondition(fromFlags(flags, context));
  assert.equal(show({}), "always");
  assert.equal(show({ expires: "24h" }), "before 2026-11-22T15:00:01Z");
  assert.equal(show({ expires: "2026-12-24" }), "before 2026-12-23T23:00Z");
  assert.equal(
    show({
      expires: "2w",
      active: "Mon-Fri 09:00-18:00",
      maxDownloads: "3",
      maxBytes: "5GB",
      when: "owner online and net ::1 or always",
    }),
    "before 2026-12-05T15:00:01Z and Mon-Fri 09:00-18:00 Europe/Paris and downloads 3 and " +
      "bytes 5GB and ((owner online and net ::1/128) or always)",
  );
  assert.equal(
    show({ maxDownloads: 3, when: "owner online and always" }),
    "downloads 3 and owner online and always",
  );
  const wrong: [PolicyFlags, RegExp][] = [
    [{ expires: "soon" }, /^--expires: column 1: expected a date/],
    [{ expires: "0s or always" }, /^--expires: /],
    [{ expires: "999999999999w" }, /^--expires: /],
    [{ active: "owner online" }, /^--active: expected schedules only/],
    [{ maxDownloads: "10 or always" }, /^--max-downloads: expected a number/],
    [{ maxDownloads: 0 }, /^--max-downloads: expected a whole number/],
    [{ maxDownloads: 1.5 }, /^--max-downloads: /],
    [{ maxBytes: "lots" }, /^--max-bytes: expected a size/],
    [{ when: "net foo" }, /^--when: column 5: /],
  ];
  for (const [flags, message] of wrong) {
    assert.throws(() => fromFlags(flags, context), (error) => {
      assert.ok(isWarpError(error, "E_CONFIG"), String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});
