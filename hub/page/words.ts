/**
 * Times, sizes and policies as sentences.
 *
 * @module
 */
import type { Condition, Since } from "../../actors/portal/policy/condition.ts";
import { decodeCondition } from "../../actors/portal/policy/decode.ts";
import { formatSize } from "../../actors/portal/policy/duration.ts";
import { formatCondition } from "../../actors/portal/policy/format.ts";
import type { State } from "../../actors/portal/lifecycle.ts";

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const COUNT = new Intl.NumberFormat();

/** Milliseconds since 1970 as date and time where the reader is. */
export function timeText(ms: number): string {
  return TIME.format(ms);
}

export function countText(count: number): string {
  return COUNT.format(count);
}

/** `1 file`, `2 files` */
export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `in 3 days`, `5 minutes ago` */
export function relativeText(ms: number, nowMs: number): string {
  const seconds = (ms - nowMs) / 1000;
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return format.format(Math.round(seconds / length), unit);
  }
  return format.format(Math.round(seconds), "second");
}

const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]] as const;

/** A portal's policy as a sentence, or what it is when it cannot be read. */
export function policyText(policy: string): string {
  try {
    const text = conditionText(decodeCondition(policy));
    return text.charAt(0).toUpperCase() + text.slice(1);
  } catch {
    return "A policy that this page does not know";
  }
}

const SINCE: Readonly<Record<Since, string>> = {
  creation: "it was made",
  opening: "its first download",
  grant: "access was given",
};

export function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case "all":
      if (condition.of.length === 0) return "always open";
      return condition.of.map(inner).join(", and ");
    case "any":
      if (condition.of.length === 0) return "never open";
      return condition.of.map(inner).join(", or ");
    case "not":
      return `not when ${inner(condition.of)}`;
    case "before":
      return `until ${timeText(condition.at)}`;
    case "after":
      return `from ${timeText(condition.at)}`;
    case "within":
      return `for ${durationText(condition.seconds)} after ${SINCE[condition.since]}`;
    case "downloads":
      return `for ${plural(condition.limit, "download")}`;
    case "accessors":
      return condition.limit === 1 ? "for one person" : `for ${countText(condition.limit)} people`;
    case "bytes":
      return `for ${formatSize(condition.limit)} of downloads`;
    case "owner-online":
      return "while its owner is online";
    case "network":
      return `from ${condition.ranges.join(", ")}`;
    case "device":
      return condition.keys.length === 1 ? "for one device" : "for certain devices";
    case "weekly":
    case "recurring":
      return formatCondition(condition);
  }
}

/** `2 weeks`, `1 day and 12 hours` */
export function durationText(seconds: number): string {
  const parts: string[] = [];
  let left = seconds;
  for (const [noun, length] of SPANS) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0) parts.push(plural(count, noun));
  }
  return parts.length === 0 ? "no time" : parts.join(" and ");
}

const SPANS = [["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60], [
  "second",
  1,
]] as const;

function inner(condition: Condition): string {
  const text = conditionText(condition);
  const isList = condition.kind === "all" || condition.kind === "any";
  return isList && condition.of.length > 1 ? `(${text})` : text;
}

/** What a portal is, to be shown as a badge. */
export function stateText(state: State, isOpen: boolean): string {
  if (state === "active") return isOpen ? "open" : "closed by policy";
  return { created: "not opened yet", paused: "paused", expired: "closed", archived: "archived" }[
    state
  ];
}

/** When that will change, or null. */
export function changeText(
  isOpen: boolean,
  changesMs: number | null,
  nowMs: number,
): string | null {
  if (changesMs === null) return null;
  const verb = isOpen ? "closes" : "opens";
  return `${verb} ${timeText(changesMs)} (${relativeText(changesMs, nowMs)})`;
}
