/**
 * Trees as text: what {@link formatCondition} writes, `parseCondition` reads as the same tree.
 *
 * @module
 */
import { formatWall } from "./calendar.ts";
import type { Condition, Recurring, Slot } from "./condition.ts";
import { formatDuration, formatSize } from "./duration.ts";
import { DAY_NAMES } from "./moment.ts";

/** The text of a checked condition, on one line. Instants are in UTC. */
export function formatCondition(condition: Condition): string {
  switch (condition.kind) {
    case "all":
      return condition.of.length === 0 ? "always" : condition.of.map(inner).join(" and ");
    case "any":
      return condition.of.length === 0 ? "never" : condition.of.map(inner).join(" or ");
    case "not":
      return `not ${inner(condition.of)}`;
    case "before":
    case "after":
      return `${condition.kind} ${formatWall(condition.at)}Z`;
    case "within":
      return `within ${formatDuration(condition.seconds)} of ${condition.since}`;
    case "weekly":
      return `${condition.slots.map(formatSlot).join(", ")} ${condition.zone}`;
    case "recurring":
      return formatRecurring(condition);
    case "downloads":
    case "accessors":
      return `${condition.kind} ${condition.limit}`;
    case "bytes":
      return `bytes ${formatSize(condition.limit)}`;
    case "owner-online":
      return "owner online";
    case "network":
      return `net ${condition.ranges.join(", ")}`;
    case "device":
      return `device ${condition.keys.join(", ")}`;
  }
}

/** In parentheses where it is made of several. */
function inner(condition: Condition): string {
  const text = formatCondition(condition);
  const isList = condition.kind === "all" || condition.kind === "any";
  return isList && condition.of.length > 0 ? `(${text})` : text;
}

function formatSlot({ days, times }: Slot): string {
  return `${formatDays(days)} ${
    times.map(([from, to]) => `${formatClock(from)}-${formatClock(to)}`).join(",")
  }`;
}

/** Days in a row as a range: `Mon-Wed,Fri`. */
function formatDays(days: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const day of days) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === day - 1) last[1] = day;
    else runs.push([day, day]);
  }
  const name = (day: number) => DAY_NAMES[day - 1]!;
  return runs.map(([from, to]) => from === to ? name(from) : `${name(from)}-${name(to)}`).join(",");
}

function formatClock(minutes: number): string {
  const pad = (value: number) => String(value).padStart(2, "0");
  return `${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}

function formatRecurring(rule: Recurring): string {
  const plural = (count: number, unit: string) => `${count} ${unit}${count === 1 ? "" : "s"}`;
  const date = (wall: string) => wall.replace("T00:00", "");
  const parts = [
    rule.every === 1 ? `every ${rule.unit}` : `every ${plural(rule.every, rule.unit)}`,
    `from ${date(rule.from)}`,
    `for ${plural(rule.length, rule.lengthUnit)}`,
  ];
  if (rule.count !== undefined) parts.push(plural(rule.count, "time"));
  if (rule.until !== undefined) parts.push(`until ${date(rule.until)}`);
  return `${parts.join(" ")} in ${rule.zone}`;
}
