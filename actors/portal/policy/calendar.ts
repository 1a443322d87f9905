/**
 * Dates and wall clocks without a zone.
 *
 * A wall clock reading is a number: the milliseconds since 1970 that a clock in UTC would show it at.
 *
 * @module
 */
import type { LengthUnit, PeriodUnit } from "./condition.ts";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;

/** 1970-01-05 was a Monday. */
const MONDAY_MS = 4 * DAY_MS;

const WALL = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{3}))?)?)?$/;

/** `2026-12-24`, with `T10:00`, `T10:00:30` or `T10:00:30.500`; undefined for what is no such reading. */
export function parseWall(text: string): number | undefined {
  const match = WALL.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second, fraction] = match.slice(1)
    .map((part) => part === undefined ? 0 : Number(part)) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) {
    return undefined;
  }
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second, fraction);
}

/** `2026-12-24T10:00`, with seconds and their fraction only where there are any. */
export function formatWall(wall: number): string {
  const text = new Date(wall).toISOString().slice(0, -1);
  return text.replace(/\.000$/, "").replace(/^(.{16}):00$/, "$1");
}

/** From 1 to 12. */
export function daysOf(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** Milliseconds since Monday 00:00. */
export function timeOfWeek(wall: number): number {
  return ((wall - MONDAY_MS) % WEEK_MS + WEEK_MS) % WEEK_MS;
}

/** 1 Monday to 7 Sunday. */
export function weekdayOf(wall: number): number {
  return Math.floor(timeOfWeek(wall) / DAY_MS) + 1;
}

const UNIT_MS: Readonly<Record<LengthUnit, number>> = {
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
  week: WEEK_MS,
};

/** Milliseconds of a unit, of the longest month for months. */
export function unitMs(unit: LengthUnit | PeriodUnit): number {
  return unit === "month" ? 31 * DAY_MS : UNIT_MS[unit];
}

/** Goes on by calendar units. A day that its month does not have becomes the month's last. */
export function addUnits(wall: number, count: number, unit: LengthUnit | PeriodUnit): number {
  if (unit !== "month") return wall + count * UNIT_MS[unit];
  const date = new Date(wall);
  const months = date.getUTCMonth() + count;
  const year = date.getUTCFullYear() + Math.floor(months / 12);
  const month = (months % 12 + 12) % 12;
  const day = Math.min(date.getUTCDate(), daysOf(year, month + 1));
  return Date.UTC(year, month, day) + (wall % DAY_MS + DAY_MS) % DAY_MS;
}

/** Whole units from one reading to another, rounded down; months by the calendar's names alone. */
export function unitsBetween(from: number, to: number, unit: PeriodUnit): number {
  if (unit !== "month") return Math.floor((to - from) / UNIT_MS[unit]);
  const [a, b] = [new Date(from), new Date(to)];
  return (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth();
}
