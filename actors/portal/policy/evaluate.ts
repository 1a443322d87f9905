/**
 * Is a portal open, why not, and when can that change? docs/policy.md says what each condition means.
 *
 * `not` is moved down to the single conditions (literal.ts) on the way; above them are only all and any.
 *
 * @module
 */
import type { Condition } from "./condition.ts";
import { type Facts, judge, type Verdict } from "./literal.ts";
import { describeMoment } from "./moment.ts";

export type { Facts };

export interface Evaluation {
  readonly isOpen: boolean;
  /** A short sentence on why it is closed; null while it is open. */
  readonly reason: string | null;
  /**
   * With all other facts as they are, the outcome stays at least until this instant, and almost always
   * changes at it; null: it stays for ever. Milliseconds since 1970, after `nowMs`.
   */
  readonly changesAtMs: number | null;
}

/** Instants that are looked at in search of a real change; after these the caller looks again. */
const STEPS_MAX = 32;

/**
 * @param zone in which instants are told that belong to no zone
 * @throws {WarpError} E_CONFIG for a zone this machine does not know
 */
export function evaluate(condition: Condition, facts: Facts, zone = "UTC"): Evaluation {
  const verdict = combine(condition, false, facts);
  const { isOpen } = verdict;
  let { changesAtMs } = verdict;
  let isChange = false;
  for (let step = 0; step < STEPS_MAX && changesAtMs !== null && !isChange; step++) {
    const next = combine(condition, false, { ...facts, nowMs: changesAtMs });
    isChange = next.isOpen !== isOpen;
    if (!isChange) changesAtMs = next.changesAtMs;
  }
  if (isOpen) return { isOpen, reason: null, changesAtMs };
  const opening: Opening = { atMs: changesAtMs, isCertain: isChange };
  return { isOpen, reason: tell(verdict.why, opening, facts.nowMs, zone), changesAtMs };
}

/** When the whole opens, which may be later than its parts do; null: never, by time alone. */
interface Opening {
  readonly atMs: number | null;
  /** Or not before then. */
  readonly isCertain: boolean;
}

/** {@link evaluate} without reason and change: for each piece that is served. */
export function isOpen(condition: Condition, facts: Facts): boolean {
  return holds(condition, false, facts);
}

function holds(condition: Condition, isNegated: boolean, facts: Facts): boolean {
  if (condition.kind === "not") return holds(condition.of, !isNegated, facts);
  if (condition.kind !== "all" && condition.kind !== "any") {
    return judge(condition, isNegated, facts).isOpen;
  }
  return (condition.kind === "all") !== isNegated
    ? condition.of.every((one) => holds(one, isNegated, facts))
    : condition.of.some((one) => holds(one, isNegated, facts));
}

function combine(condition: Condition, isNegated: boolean, facts: Facts): Verdict {
  if (condition.kind === "not") return combine(condition.of, !isNegated, facts);
  if (condition.kind !== "all" && condition.kind !== "any") {
    return judge(condition, isNegated, facts);
  }
  const isAll = (condition.kind === "all") !== isNegated;
  const parts = condition.of.map((one) => combine(one, isNegated, facts));
  return isAll ? combineAll(parts) : combineAny(parts);
}

/** Open while every part is; it opens when the last closed part does, at the earliest. */
function combineAll(parts: readonly Verdict[]): Verdict {
  const closed = parts.filter(({ isOpen }) => !isOpen);
  if (closed.length === 0) {
    return { isOpen: true, changesAtMs: earliest(parts), why: null };
  }
  const last = closed.reduce((a, b) => untilOf(b) > untilOf(a) ? b : a);
  return { isOpen: false, changesAtMs: last.changesAtMs, why: last.why };
}

/** Open while one part is; it closes when the last open part does, at the earliest. */
function combineAny(parts: readonly Verdict[]): Verdict {
  const open = parts.filter(({ isOpen }) => isOpen);
  if (open.length > 0) {
    const until = Math.max(...open.map(untilOf));
    return { isOpen: true, changesAtMs: until === Infinity ? null : until, why: null };
  }
  if (parts.length === 0) {
    return { isOpen: false, changesAtMs: null, why: "it is never open" };
  }
  const first = parts.reduce((a, b) => untilOf(b) < untilOf(a) ? b : a);
  return { isOpen: false, changesAtMs: first.changesAtMs, why: first.why };
}

function untilOf({ changesAtMs }: Verdict): number {
  return changesAtMs ?? Infinity;
}

function earliest(parts: readonly Verdict[]): number | null {
  const until = Math.min(...parts.map(untilOf));
  return until === Infinity ? null : until;
}

function tell(why: Verdict["why"], opening: Opening, nowMs: number, zone: string): string {
  if (why === null) return "it is closed";
  if (typeof why === "string") return why;
  const told = why.zone ?? zone;
  if (why.pastMs !== undefined) return `closed since ${describeMoment(why.pastMs, nowMs, told)}`;
  if (opening.atMs === null) return "it does not open any more";
  const moment = describeMoment(opening.atMs, nowMs, told);
  return opening.isCertain ? `opens ${moment}` : `it does not open before ${moment}`;
}
