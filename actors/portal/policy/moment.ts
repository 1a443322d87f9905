/**
 * Instants as people read them, in a zone.
 *
 * @module
 */
import { DAY_MS, weekdayOf } from "./calendar.ts";
import { wallAt } from "./zone.ts";

export const DAY_NAMES = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;

/** Within the next six days `Mon 09:00 Europe/Paris`, else `2026-12-24 09:00 Europe/Paris`. */
export function describeMoment(ms: number, nowMs: number, zone: string): string {
  const wall = wallAt(zone, ms);
  const [date, time] = new Date(wall).toISOString().split("T") as [string, string];
  const isNear = ms > nowMs && ms - nowMs < 6 * DAY_MS;
  const day = isNear ? DAY_NAMES[weekdayOf(wall) - 1] : date;
  return `${day} ${time.slice(0, 5)} ${zone}`;
}
