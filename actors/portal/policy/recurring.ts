/**
 * Windows that come again every so many days, weeks or months, counted from an anchor.
 *
 * Window k begins when the zone's clock first shows the anchor plus k periods. Its end is found likewise
 * for lengths in days and weeks, and is elapsed time after its beginning for hours and minutes.
 *
 * @module
 */
import { addUnits, parseWall, unitMs, unitsBetween } from "./calendar.ts";
import type { Recurring } from "./condition.ts";
import type { Phase } from "./weekly.ts";
import { instantOf, wallAt } from "./zone.ts";

/** Windows that touch are followed so far; the caller looks again then. */
const FOLLOWED_MAX = 32;

/** @throws {WarpError} E_CONFIG for a zone this machine does not know */
export function recurringPhase(rule: Recurring, ms: number): Phase {
  // Calendar estimates are off by one at most, windows overlap the next one at most.
  const elapsed = unitsBetween(parseWall(rule.from)!, wallAt(rule.zone, ms), rule.unit);
  const first = Math.max(0, Math.floor(elapsed / rule.every) - 2);
  let endMs: number | undefined;
  for (let k = first; k < first + FOLLOWED_MAX && k < (rule.count ?? Infinity); k++) {
    const window = windowOf(rule, k);
    if (endMs === undefined) {
      if (window.toMs <= ms || window.toMs <= window.fromMs) continue;
      if (window.fromMs > ms) return { isOpen: false, changesAtMs: window.fromMs };
      endMs = window.toMs;
    } else {
      if (window.fromMs > endMs) break;
      endMs = Math.max(endMs, window.toMs);
    }
  }
  return endMs === undefined
    ? { isOpen: false, changesAtMs: null }
    : { isOpen: true, changesAtMs: endMs };
}

/** Window k: instants from `fromMs` to below `toMs`; none where `toMs` is not above. */
export function windowOf(rule: Recurring, k: number): { fromMs: number; toMs: number } {
  const from = addUnits(parseWall(rule.from)!, k * rule.every, rule.unit);
  const fromMs = instantOf(rule.zone, from);
  const isCalendar = rule.lengthUnit === "day" || rule.lengthUnit === "week";
  const toMs = isCalendar
    ? instantOf(rule.zone, addUnits(from, rule.length, rule.lengthUnit))
    : fromMs + rule.length * unitMs(rule.lengthUnit);
  return { fromMs, toMs: Math.min(toMs, untilOf(rule)) };
}

/** The instant from which on a rule is closed for ever; infinity where it goes on. */
export function overAt(rule: Recurring): number {
  const lastMs = rule.count === undefined ? Infinity : windowOf(rule, rule.count - 1).toMs;
  return Math.min(lastMs, untilOf(rule));
}

function untilOf(rule: Recurring): number {
  return rule.until === undefined ? Infinity : instantOf(rule.zone, parseWall(rule.until)!);
}
