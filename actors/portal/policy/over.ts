/**
 * Can a policy ever open again?
 *
 * Time is cut where a condition changes once and for all. Between two cuts only schedules come and go; each
 * is asked alone whether it opens there. So the answer "over" is certain. The other answer is not, where
 * several schedules would have to be open at once and never are.
 *
 * @module
 */
import type { Condition } from "./condition.ts";
import { type Facts, judge, type Literal, sinceOf } from "./literal.ts";
import { overAt } from "./recurring.ts";

/** Schedules asked at most; then it counts as not over. */
const ASKED_MAX = 512;

/**
 * True when a portal can never open again, by time or by use, for anyone: its last day has passed, its
 * downloads are used up. Who asks, from where, and whether the owner is there may change and do not count.
 *
 * @throws {WarpError} E_CONFIG for a zone this machine does not know
 */
export function isOver(condition: Condition, facts: Facts): boolean {
  const cuts = [...new Set([facts.nowMs, ...cutsOf(condition, facts)])]
    .filter((cut) => cut >= facts.nowMs && cut < Infinity)
    .sort((a, b) => a - b);
  const asked = { count: 0 };
  return cuts.every((fromMs, i) => {
    const toMs = cuts[i + 1] ?? Infinity;
    return !mayOpen(condition, false, { ...facts, nowMs: fromMs }, toMs, asked);
  });
}

function cutsOf(condition: Condition, facts: Facts): number[] {
  switch (condition.kind) {
    case "all":
    case "any":
      return condition.of.flatMap((one) => cutsOf(one, facts));
    case "not":
      return cutsOf(condition.of, facts);
    case "before":
    case "after":
      return [condition.at];
    case "within": {
      const sinceMs = sinceOf(condition.since, facts);
      return sinceMs === null ? [] : [sinceMs + condition.seconds * 1000];
    }
    case "recurring":
      return [overAt(condition)];
    default:
      return [];
  }
}

/** Whether it may be open at some instant from now to below `toMs`; there is no cut in between. */
function mayOpen(
  condition: Condition,
  isNegated: boolean,
  facts: Facts,
  toMs: number,
  asked: { count: number },
): boolean {
  if (condition.kind === "not") return mayOpen(condition.of, !isNegated, facts, toMs, asked);
  if (condition.kind !== "all" && condition.kind !== "any") {
    return mayLiteralOpen(condition, isNegated, facts, toMs, asked);
  }
  const may = (one: Condition) => mayOpen(one, isNegated, facts, toMs, asked);
  return (condition.kind === "all") !== isNegated
    ? condition.of.every(may)
    : condition.of.some(may);
}

function mayLiteralOpen(
  condition: Literal,
  isNegated: boolean,
  facts: Facts,
  toMs: number,
  asked: { count: number },
): boolean {
  switch (condition.kind) {
    // The caller, or another one, may fulfil them; known accessors come back.
    case "accessors":
    case "owner-online":
    case "network":
    case "device":
      return true;
    case "within":
      return sinceOf(condition.since, facts) === null || judge(condition, isNegated, facts).isOpen;
    case "weekly":
    case "recurring": {
      if (++asked.count > ASKED_MAX) return true;
      const { isOpen, changesAtMs } = judge(condition, isNegated, facts);
      return isOpen || (changesAtMs !== null && changesAtMs < toMs);
    }
    default:
      return judge(condition, isNegated, facts).isOpen;
  }
}
