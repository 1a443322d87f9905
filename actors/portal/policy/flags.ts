/**
 * The flags of the command line that make a policy, joined: all of them must hold.
 *
 * @module
 */
import { isWarpError, WarpError } from "../../base/errors.ts";
import { allOf, type Condition } from "./condition.ts";
import { checkCondition } from "./decode.ts";
import { parseDuration, parseSize } from "./duration.ts";
import { parseCondition, parseInstant } from "./parse.ts";

/** As typed; a flag that was not given is undefined. */
export interface PolicyFlags {
  /** `24h` from now on, or a date: `before` it. */
  readonly expires?: string | undefined;
  /** Schedules: `Mon-Fri 09:00-18:00`, `every week from …`, with and, or, not. */
  readonly active?: string | undefined;
  readonly maxDownloads?: string | number | undefined;
  /** `5GB`. */
  readonly maxBytes?: string | number | undefined;
  /** Anything. */
  readonly when?: string | undefined;
}

/** What the flags are read against. */
export interface FlagContext {
  /** Milliseconds since 1970: durations count from here. */
  readonly nowMs: number;
  /** The local zone, for dates and schedules that name none. */
  readonly zone: string;
}

/**
 * The policy that the flags ask for; `ALWAYS` without any.
 *
 * @throws {WarpError} E_CONFIG naming the flag, and the column in it
 */
export function fromFlags(flags: PolicyFlags, { nowMs, zone }: FlagContext): Condition {
  const parts: Condition[] = [];
  const add = (
    flag: string,
    value: string | number | undefined,
    read: (text: string) => Condition,
  ) => {
    if (value !== undefined) parts.push(named(flag, () => checkCondition(read(String(value)))));
  };
  add(
    "--expires",
    flags.expires,
    (text) => ({ kind: "before", at: readExpiry(text, nowMs, zone) }),
  );
  add("--active", flags.active, (text) => readSchedule(text, zone));
  add(
    "--max-downloads",
    flags.maxDownloads,
    (text) => ({ kind: "downloads", limit: readNumber(text) }),
  );
  add("--max-bytes", flags.maxBytes, (text) => ({ kind: "bytes", limit: readSize(text) }));
  add("--when", flags.when, (text) => parseCondition(text, zone));
  return checkCondition(allOf(...parts));
}

/** A whole second: a fraction of one would only make the text longer. */
function readExpiry(text: string, nowMs: number, zone: string): number {
  const seconds = parseDuration(text.trim());
  if (seconds === undefined) return parseInstant(text, zone);
  return Math.ceil(nowMs / 1000) * 1000 + seconds * 1000;
}

function readNumber(text: string): number {
  if (/^\d{1,16}$/.test(text.trim())) return Number(text);
  throw new WarpError("E_CONFIG", "expected a number");
}

function readSize(text: string): number {
  const size = parseSize(text);
  if (size === undefined) throw new WarpError("E_CONFIG", "expected a size like 5GB");
  return size;
}

function readSchedule(text: string, zone: string): Condition {
  const condition = parseCondition(text, zone);
  if (!isSchedule(condition)) {
    throw new WarpError("E_CONFIG", "expected schedules only, like Mon-Fri 09:00-18:00", {
      hint: "other conditions go to --when",
    });
  }
  return condition;
}

function isSchedule(condition: Condition): boolean {
  if (condition.kind === "not") return isSchedule(condition.of);
  if (condition.kind === "all" || condition.kind === "any") return condition.of.every(isSchedule);
  return condition.kind === "weekly" || condition.kind === "recurring";
}

function named<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isWarpError(error, "E_CONFIG")) throw error;
    const { details, hint } = error;
    const message = error.message.replace(/^policy, at \$\.?(?:at|limit)?: /, "");
    throw new WarpError("E_CONFIG", `${flag}: ${message}`, {
      details,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
