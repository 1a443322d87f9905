/**
 * What a supervisor does when a child ends: OTP's strategies and restart intensity. Pure.
 *
 * @module
 */

export type ExitKind = "normal" | "crash" | "hang" | "killed" | "startFailed";

export interface RestartChild {
  id: string;
  restart: "permanent" | "transient" | "temporary";
}

export interface RestartFlags {
  strategy: "one_for_one" | "one_for_all" | "rest_for_one";
  /** More than this many restarts within the period: give up. */
  restartsMax: number;
  periodMs: number;
}

export interface RestartDecision {
  /** Ids to stop, in reverse start order; the one that ended is not among them. */
  stop: string[];
  /** Ids to start, in start order. */
  start: string[];
  /** Too many restarts, or nothing may be restarted that must be there. */
  escalate: boolean;
  /** Wait before starting: doubles with every restart in the period. */
  delayMs: number;
  /** Restart times still inside the period. */
  recent: number[];
}

const DELAY_MS_MAX = 2_000;

export function onExit(
  children: readonly RestartChild[],
  flags: RestartFlags,
  exit: { id: string; kind: ExitKind },
  recent: readonly number[],
  nowMs: number,
): RestartDecision {
  const at = children.findIndex((child) => child.id === exit.id);
  const { restart } = children[at]!;
  const isWanted = restart === "permanent" || (restart === "transient" && exit.kind !== "normal");
  const kept = recent.filter((time) => nowMs - time < flags.periodMs);
  if (!isWanted) return { stop: [], start: [], escalate: false, delayMs: 0, recent: kept };
  const now = [...kept, nowMs];
  if (now.length > flags.restartsMax) {
    return { stop: [], start: [], escalate: true, delayMs: 0, recent: now };
  }
  const affected = {
    one_for_one: [exit.id],
    one_for_all: children.map(({ id }) => id),
    rest_for_one: children.slice(at).map(({ id }) => id),
  }[flags.strategy];
  const stop = affected.filter((id) => id !== exit.id).reverse();
  // The first restart is immediate: most crashes do not repeat.
  const delayMs = kept.length === 0 ? 0 : Math.min(DELAY_MS_MAX, 10 * 2 ** kept.length);
  return { stop, start: affected, escalate: false, delayMs, recent: now };
}
