/**
 * The JSON text of a policy: how the hub stores it and how it is signed.
 *
 * Strict: no unknown keys, no other types, no number out of range, no list that means nothing. Device keys
 * and networks may be written in several ways and come out in one.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { WarpError } from "../../base/errors.ts";
import { addUnits, formatWall, parseWall, unitMs } from "./calendar.ts";
import {
  type Condition,
  COUNT_MAX,
  DEPTH_MAX,
  EVERY_MAX,
  INSTANT_MAX,
  LENGTH_MAX,
  type LengthUnit,
  LIST_MAX,
  NODES_MAX,
  type PeriodUnit,
  type Recurring,
  SECONDS_MAX,
  type Since,
  type Slot,
  SLOTS_MAX,
  TEXT_BYTES_MAX,
  ZONES_MAX,
} from "./condition.ts";
import { normalDeviceKey } from "./device_key.ts";
import { formatNetwork, parseNetwork, suggestNetwork } from "./network.ts";
import { isZone, ZONE_NAME_MAX } from "./zone.ts";

/** @throws {WarpError} E_CONFIG for anything that is no policy, with the place in `details.path` */
export function decodeCondition(text: string): Condition {
  if (text.length > TEXT_BYTES_MAX || utf8(text).length > TEXT_BYTES_MAX) throw tooLong();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong("$", "this is not JSON");
  }
  return checkCondition(value);
}

/**
 * The JSON text of a condition.
 *
 * @throws {WarpError} E_CONFIG for one that {@link decodeCondition} would not take back
 */
export function encodeCondition(condition: Condition): string {
  const text = JSON.stringify(checkCondition(condition));
  if (utf8(text).length > TEXT_BYTES_MAX) throw tooLong();
  return text;
}

/**
 * A parsed JSON value as a condition, in its one form.
 *
 * @throws {WarpError} E_CONFIG for anything that is no policy, with the place in `details.path`
 */
export function checkCondition(value: unknown): Condition {
  const seen = { nodes: 0, zones: new Set<string>() };
  return check(value, { path: "$", depth: 1, isNegated: false, seen });
}

interface Seen {
  nodes: number;
  readonly zones: Set<string>;
}

interface Place {
  readonly path: string;
  readonly depth: number;
  /** Under an odd number of `not`. */
  readonly isNegated: boolean;
  /** In the whole tree so far. */
  readonly seen: Seen;
}

function check(value: unknown, place: Place): Condition {
  const { path } = place;
  if (place.depth > DEPTH_MAX) throw wrong(path, `more than ${DEPTH_MAX} levels`);
  if (++place.seen.nodes > NODES_MAX) throw wrong(path, `more than ${NODES_MAX} conditions`);
  const item = record(value, path);
  const { kind } = item;
  switch (kind) {
    case "all":
    case "any": {
      keys(item, path, ["kind", "of"]);
      const of = list(item["of"], `${path}.of`, 0, NODES_MAX);
      if (of.length === 1) {
        throw wrong(`${path}.of`, `"${kind}" of one: write that one in its place`);
      }
      return {
        kind,
        of: of.map((one, i) =>
          check(one, { ...place, path: `${path}.of[${i}]`, depth: place.depth + 1 })
        ),
      };
    }
    case "not": {
      keys(item, path, ["kind", "of"]);
      const inner = { ...place, path: `${path}.of`, depth: place.depth + 1 };
      return { kind, of: check(item["of"], { ...inner, isNegated: !place.isNegated }) };
    }
    case "before":
    case "after":
      keys(item, path, ["kind", "at"]);
      return { kind, at: integer(item["at"], `${path}.at`, 0, INSTANT_MAX) };
    case "within": {
      keys(item, path, ["kind", "seconds", "since"]);
      const seconds = integer(item["seconds"], `${path}.seconds`, 1, SECONDS_MAX);
      const since = oneOf<Since>(item["since"], `${path}.since`, ["creation", "opening", "grant"]);
      if (since === "opening") refuseNegated(place, "within … of opening");
      return { kind, seconds, since };
    }
    case "weekly":
      keys(item, path, ["kind", "slots", "zone"]);
      return {
        kind,
        slots: list(item["slots"], `${path}.slots`, 1, SLOTS_MAX)
          .map((one, i) => slot(one, `${path}.slots[${i}]`)),
        zone: zone(item["zone"], `${path}.zone`, place.seen),
      };
    case "recurring":
      return recurring(item, path, place.seen);
    case "downloads":
    case "bytes":
    case "accessors":
      keys(item, path, ["kind", "limit"]);
      refuseNegated(place, kind);
      return { kind, limit: integer(item["limit"], `${path}.limit`, 1, Number.MAX_SAFE_INTEGER) };
    case "owner-online":
      keys(item, path, ["kind"]);
      return { kind };
    case "network":
      keys(item, path, ["kind", "ranges"]);
      return {
        kind,
        ranges: list(item["ranges"], `${path}.ranges`, 1, LIST_MAX)
          .map((one, i) => network(one, `${path}.ranges[${i}]`)),
      };
    case "device":
      keys(item, path, ["kind", "keys"]);
      return {
        kind,
        keys: list(item["keys"], `${path}.keys`, 1, LIST_MAX)
          .map((one, i) => deviceKey(one, `${path}.keys[${i}]`)),
      };
    default:
      throw wrong(`${path}.kind`, "this is no kind of condition");
  }
}

/** Nothing that is used up may open a portal: more use never opens what less use does not. */
function refuseNegated({ path, isNegated }: Place, what: string): void {
  if (isNegated) throw wrong(path, `"${what}" cannot stand under "not": use would open the portal`);
}

function slot(value: unknown, path: string): Slot {
  const item = record(value, path);
  keys(item, path, ["days", "times"]);
  const days = list(item["days"], `${path}.days`, 1, 7)
    .map((one, i) => integer(one, `${path}.days[${i}]`, 1, 7));
  if (days.some((day, i) => i > 0 && day <= days[i - 1]!)) {
    throw wrong(`${path}.days`, "days ascend from 1, Monday, to 7, Sunday");
  }
  const times = list(item["times"], `${path}.times`, 1, SLOTS_MAX).map((one, i) => {
    const at = `${path}.times[${i}]`;
    const pair = list(one, at, 2, 2);
    const from = integer(pair[0], `${at}[0]`, 0, 1439);
    const to = integer(pair[1], `${at}[1]`, 1, 1440);
    if (from === to) throw wrong(at, "a range of no time; a whole day is [0, 1440]");
    return [from, to] as const;
  });
  return { days, times };
}

function recurring(item: Record<string, unknown>, path: string, seen: Seen): Recurring {
  const required = ["kind", "every", "unit", "from", "length", "lengthUnit", "zone"];
  keys(item, path, required, ["count", "until"]);
  const every = integer(item["every"], `${path}.every`, 1, EVERY_MAX);
  const unit = oneOf<PeriodUnit>(item["unit"], `${path}.unit`, ["day", "week", "month"]);
  const from = wall(item["from"], `${path}.from`);
  const length = integer(item["length"], `${path}.length`, 1, LENGTH_MAX);
  const lengthUnit = oneOf<LengthUnit>(item["lengthUnit"], `${path}.lengthUnit`, [
    "minute",
    "hour",
    "day",
    "week",
  ]);
  if (length * unitMs(lengthUnit) > every * unitMs(unit)) {
    throw wrong(`${path}.length`, "a window is longer than the time from one to the next");
  }
  const zoneName = zone(item["zone"], `${path}.zone`, seen);
  const rule: Recurring = {
    kind: "recurring",
    every,
    unit,
    from,
    length,
    lengthUnit,
    zone: zoneName,
  };
  const bounds: { count?: number; until?: string } = {};
  if (item["count"] !== undefined) {
    const count = integer(item["count"], `${path}.count`, 1, COUNT_MAX);
    const end = addUnits(parseWall(from)!, count * every, unit);
    if (!(end <= INSTANT_MAX)) {
      throw wrong(`${path}.count`, "the last window is after the year 9999");
    }
    bounds.count = count;
  }
  if (item["until"] !== undefined) bounds.until = wall(item["until"], `${path}.until`);
  return { ...rule, ...bounds };
}

function wall(value: unknown, path: string): string {
  const ms = typeof value === "string" && value.length === 16 ? parseWall(value) : undefined;
  if (ms === undefined || formatWall(ms) !== value) {
    throw wrong(path, "expected a date and time like 2026-01-05T00:00");
  }
  return value;
}

function zone(value: unknown, path: string, { zones }: Seen): string {
  if (typeof value === "string" && value.length <= ZONE_NAME_MAX) {
    zones.add(value.toLowerCase());
    if (zones.size > ZONES_MAX) throw wrong(path, `more than ${ZONES_MAX} time zones`);
    if (isZone(value)) return value;
  }
  throw wrong(path, "expected a time zone like Europe/Paris");
}

function network(value: unknown, path: string): string {
  const found = typeof value === "string" ? parseNetwork(value) : undefined;
  if (found === undefined) throw wrong(path, "expected a network like 10.0.0.0/8 or 2001:db8::/32");
  if (found !== "bits") return formatNetwork(found);
  const meant = suggestNetwork(value as string);
  throw wrong(path, `this has bits after its prefix; the network is ${meant}`);
}

function deviceKey(value: unknown, path: string): string {
  const key = typeof value === "string" ? normalDeviceKey(value) : undefined;
  if (key === undefined) throw wrong(path, "expected a device key, 32 bytes in hex or base64url");
  return key;
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw wrong(path, "expected an object");
}

function keys(
  item: Record<string, unknown>,
  path: string,
  required: readonly string[],
  optional: readonly string[] = [],
): void {
  for (const key of required) {
    if (!Object.hasOwn(item, key)) throw wrong(path, `"${key}" is missing`);
  }
  const known = Object.keys(item).every((key) => required.includes(key) || optional.includes(key));
  if (!known) throw wrong(path, `it has other keys than ${[...required, ...optional].join(", ")}`);
}

function list(value: unknown, path: string, min: number, max: number): readonly unknown[] {
  if (Array.isArray(value) && value.length >= min && value.length <= max) return value;
  throw wrong(path, `expected a list of ${min === max ? min : `${min} to ${max}`}`);
}

function integer(value: unknown, path: string, min: number, max: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw wrong(path, `expected a whole number from ${min} to ${max}`);
}

function oneOf<T extends string>(value: unknown, path: string, names: readonly T[]): T {
  const found = names.find((name) => name === value);
  if (found === undefined) throw wrong(path, `expected one of ${names.join(", ")}`);
  return found;
}

function wrong(path: string, message: string): WarpError {
  return new WarpError("E_CONFIG", `policy, at ${path}: ${message}`, { details: { path } });
}

function tooLong(): WarpError {
  return wrong("$", `it is longer than ${TEXT_BYTES_MAX} bytes`);
}
