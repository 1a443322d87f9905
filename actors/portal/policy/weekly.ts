/**
 * Weekly schedules: open while the clock on a wall of the zone shows a time of one of the slots.
 *
 * The clock alone decides. Where it skips an hour, that hour's slots are not open; where it shows an hour
 * twice, they are open twice.
 *
 * @module
 */
import { DAY_MS, MINUTE_MS, timeOfWeek, WEEK_MS } from "./calendar.ts";
import type { Weekly } from "./condition.ts";
import { spanAt, wallAt } from "./zone.ts";

/** The state at an instant, and a bound: it stays at least until `changesAtMs`; null: for ever. */
export interface Phase {
  readonly isOpen: boolean;
  readonly changesAtMs: number | null;
}

/** Milliseconds of the week, ascending, not touching each other but perhaps around Sunday night. */
type Ranges = readonly (readonly [from: number, to: number])[];

const compiled = new WeakMap<Weekly, Ranges>();

/** A slot can be skipped by the clock, two weeks running at most; then it must have come. */
const HORIZON_MS = 5 * WEEK_MS;

/** @throws {WarpError} E_CONFIG for a zone this machine does not know */
export function weeklyPhase(weekly: Weekly, ms: number): Phase {
  const ranges = rangesOf(weekly);
  const isOpen = isIn(ranges, timeOfWeek(wallAt(weekly.zone, ms)));
  if (isWholeWeek(ranges)) return { isOpen, changesAtMs: null };
  for (let at = ms; at < ms + HORIZON_MS;) {
    const { offsetMs, toMs } = spanAt(weekly.zone, at);
    const now = timeOfWeek(at + offsetMs);
    // The next edge by this offset, or the moment from which another one counts.
    at = Math.min(at + nextEdge(ranges, now) - now, toMs);
    if (isIn(ranges, timeOfWeek(wallAt(weekly.zone, at))) !== isOpen) {
      return { isOpen, changesAtMs: at };
    }
  }
  return { isOpen, changesAtMs: ms + HORIZON_MS };
}

function isIn(ranges: Ranges, time: number): boolean {
  return ranges.some(([from, to]) => from <= time && time < to);
}

/** The first edge after a time; of the next week where this one has no more. */
function nextEdge(ranges: Ranges, time: number): number {
  for (const [from, to] of ranges) {
    if (from > time) return from;
    if (to > time) return to;
  }
  return ranges[0]![0] + WEEK_MS;
}

function isWholeWeek(ranges: Ranges): boolean {
  return ranges.length === 1 && ranges[0]![0] === 0 && ranges[0]![1] === WEEK_MS;
}

function rangesOf(weekly: Weekly): Ranges {
  const known = compiled.get(weekly);
  if (known !== undefined) return known;
  const all: [number, number][] = [];
  for (const { days, times } of weekly.slots) {
    for (const day of days) {
      for (const [from, to] of times) {
        const start = (day - 1) * DAY_MS + from * MINUTE_MS;
        const end = (day - 1) * DAY_MS + to * MINUTE_MS + (to < from ? DAY_MS : 0);
        all.push([start, Math.min(end, WEEK_MS)]);
        if (end > WEEK_MS) all.push([0, end - WEEK_MS]);
      }
    }
  }
  all.sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [from, to] of all) {
    const last = merged.at(-1);
    if (last === undefined || from > last[1]) merged.push([from, to]);
    else last[1] = Math.max(last[1], to);
  }
  compiled.set(weekly, merged);
  return merged;
}
