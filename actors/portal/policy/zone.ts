/**
 * Time zones, as Intl knows them: the offset at an instant, the instant of a wall clock reading.
 *
 * Intl only tells what the clock shows at an instant. Changes of the offset are found by looking at the
 * clock once a day and halving; no zone has ever changed its offset twice within a day. What was found is
 * kept by zone and by piece of 32 days, within bounds.
 *
 * @module
 */
import { WarpError } from "../../base/errors.ts";
import { DAY_MS, HOUR_MS } from "./calendar.ts";

/** Part of a zone's time in which its offset stays: instants from `fromMs` to below `toMs`. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  /** Clock minus UTC, milliseconds, whole seconds. */
  readonly offsetMs: number;
}

const NAME = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/;
export const ZONE_NAME_MAX = 64;

const ZONES_MAX = 128;
const PIECES_MAX = 256;
const PIECE_MS = 32 * DAY_MS;

/** Where Intl's years have no eras and dates are far from the end of time. */
const INSTANT_LOW = Date.UTC(1000, 0, 1);
const INSTANT_HIGH = Date.UTC(20_000, 0, 1);
/** No clock was ever further off UTC: Manila had -15:56 until 1844. */
const OFFSET_MAX_MS = 16 * HOUR_MS;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  /** Spans by the number of their piece. */
  readonly pieces: Map<number, readonly Span[]>;
}

/** By name in lower case: how it is written would be a way to fill the memory. */
const zones = new Map<string, Zone>();

/** Whether this machine knows a zone of that name. */
export function isZone(name: string): boolean {
  return find(name) !== undefined;
}

/** @throws {WarpError} E_CONFIG for a zone this machine does not know */
export function offsetAt(zone: string, ms: number): number {
  return spanAt(zone, ms).offsetMs;
}

/** What the zone's clock shows. @throws {WarpError} E_CONFIG for a zone this machine does not know */
export function wallAt(zone: string, ms: number): number {
  return ms + offsetAt(zone, ms);
}

/**
 * The span around an instant. It may end where the offset does not change: ask again there.
 *
 * @throws {WarpError} E_CONFIG for a zone this machine does not know
 */
export function spanAt(zone: string, ms: number): Span {
  if (ms < INSTANT_LOW) return { ...spanAt(zone, INSTANT_LOW), fromMs: -Infinity };
  if (ms > INSTANT_HIGH) return { ...spanAt(zone, INSTANT_HIGH), toMs: Infinity };
  const found = find(zone);
  if (found === undefined) {
    throw new WarpError(
      "E_CONFIG",
      `"${zone.slice(0, ZONE_NAME_MAX)}" is not a time zone known here`,
    );
  }
  const number = Math.floor(ms / PIECE_MS);
  let spans = found.pieces.get(number);
  if (spans === undefined) {
    spans = explore(found.format, number * PIECE_MS);
    remember(found.pieces, number, spans, PIECES_MAX);
  }
  return spans.find(({ toMs }) => ms < toMs)!;
}

/**
 * The first instant at which the zone's clock shows this; where the clock skips over it, that instant.
 *
 * @throws {WarpError} E_CONFIG for a zone this machine does not know
 */
export function instantOf(zone: string, wall: number): number {
  let span = spanAt(zone, wall - OFFSET_MAX_MS);
  for (;;) {
    const instant = wall - span.offsetMs;
    if (instant < span.toMs) return Math.max(instant, span.fromMs);
    span = spanAt(zone, span.toMs);
  }
}

function find(name: string): Zone | undefined {
  if (name.length > ZONE_NAME_MAX || !NAME.test(name)) return undefined;
  const key = name.toLowerCase();
  const known = zones.get(key);
  if (known !== undefined) return known;
  try {
    const format = new Intl.DateTimeFormat("en", {
      timeZone: name,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    const zone: Zone = { format, pieces: new Map() };
    remember(zones, key, zone, ZONES_MAX);
    return zone;
  } catch {
    return undefined;
  }
}

/** Adds to a cache; the oldest entry makes room. */
function remember<K, V>(cache: Map<K, V>, key: K, value: V, max: number): void {
  if (cache.size >= max) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest);
      break;
    }
  }
  cache.set(key, value);
}

/** All spans of a piece. */
function explore(format: Intl.DateTimeFormat, startMs: number): Span[] {
  const spans: Span[] = [];
  let fromMs = startMs;
  let offsetMs = look(format, startMs);
  for (let day = startMs; day < startMs + PIECE_MS; day += DAY_MS) {
    const next = look(format, day + DAY_MS);
    if (next === offsetMs) continue;
    const toMs = firstChange(format, day, day + DAY_MS, offsetMs);
    if (toMs >= startMs + PIECE_MS) break;
    spans.push({ fromMs, toMs, offsetMs });
    fromMs = toMs;
    offsetMs = next;
  }
  spans.push({ fromMs, toMs: startMs + PIECE_MS, offsetMs });
  return spans;
}

/** The second in `(low, high]` from which on the offset is another one. */
function firstChange(format: Intl.DateTimeFormat, low: number, high: number, offsetMs: number) {
  while (high - low > 1000) {
    const middle = low + Math.floor((high - low) / 2000) * 1000;
    if (look(format, middle) === offsetMs) low = middle;
    else high = middle;
  }
  return high;
}

/** The offset at a whole second, read off the clock. */
function look(format: Intl.DateTimeFormat, ms: number): number {
  const at = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 };
  for (const { type, value } of format.formatToParts(ms)) {
    if (type in at) at[type as keyof typeof at] = Number(value);
  }
  return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second) - ms;
}
