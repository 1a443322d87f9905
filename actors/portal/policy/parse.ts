/**
 * The language of `--when` (docs/policy.md §3): text to a tree of conditions.
 *
 * @module
 */
import { isWarpError, WarpError } from "../../base/errors.ts";
import { formatWall, MINUTE_MS, parseWall } from "./calendar.ts";
import type { Condition, LengthUnit, PeriodUnit, Since, Slot } from "./condition.ts";
import { checkCondition, encodeCondition } from "./decode.ts";
import { normalDeviceKey } from "./device_key.ts";
import { parseDuration, parseSize } from "./duration.ts";
import { DAY_NAMES } from "./moment.ts";
import { formatNetwork, parseNetwork, suggestNetwork } from "./network.ts";
import { Scanner } from "./scanner.ts";
import { instantOf, isZone } from "./zone.ts";

/** Characters: somewhat more than the text of any tree has. */
export const EXPRESSION_MAX = 64 * 1024;
/** Each level of a tree needs one pair at most. */
const PARENTHESES_MAX = 32;

const CONDITION = "a condition (before, after, within, every, Mon-Fri 09:00-18:00, downloads, " +
  "bytes, accessors, owner online, net, device, always, never)";

const END = "(?![A-Za-z0-9_])";
const word = (text: string) => new RegExp(text + END, "iy");
const AND = word("and"), OR = word("or"), NOT = word("not");
const OPEN = /\(/y, CLOSE = /\)/y, COMMA = /,/y, DASH = /-/y, LESS = /</y;
const KEYWORD = word("(?:and|or|not)");
const DAY = word("(?:mon|tue|wed|thu|fri|sat|sun)");
const DAILY = word("daily");
const CLOCK = /(?:[01]\d|2[0-3]):[0-5]\d|24:00/y;
const TIMES = /\d\d:\d\d/y;
const NUMBER = new RegExp(`\\d{1,16}${END}`, "y");
const NAME = /[A-Za-z][A-Za-z0-9_+\-/]*/y;
const PIECE = /[^\s(),]+/y;
const UNIT = word("(?:minute|hour|day|week|month)s?");
const SHORT_UNIT = word("[mhdw]");

/**
 * A text as a tree.
 *
 * @param zone of dates and schedules that name none
 * @throws {WarpError} E_CONFIG naming the column and what was expected there
 */
export function parseCondition(text: string, zone = "UTC"): Condition {
  if (text.length > EXPRESSION_MAX) {
    throw new WarpError("E_CONFIG", `a policy has at most ${EXPRESSION_MAX} characters`);
  }
  const scanner = new Scanner(text);
  const tree = new Parser(scanner, zone).parseAny({ depth: 0, isNegated: false });
  if (!scanner.isAtEnd) throw scanner.wrong("and, or, or the end");
  checkedAt(0, tree);
  return checkCondition(tree);
}

/**
 * One date, as `before` takes it: milliseconds since 1970.
 *
 * @param zone of a date that names none
 * @throws {WarpError} E_CONFIG naming the column and what was expected there
 */
export function parseInstant(text: string, zone = "UTC"): number {
  const scanner = new Scanner(text.slice(0, EXPRESSION_MAX));
  const instant = new Parser(scanner, zone).parseInstant();
  if (!scanner.isAtEnd) throw scanner.wrong("the end");
  return instant;
}

interface Place {
  readonly depth: number;
  /** Under an odd number of `not`. */
  readonly isNegated: boolean;
}

/** Bounds of numbers, lists and trees are the decoder's; here its errors get a column. */
function checkedAt(at: number, value: Condition): void {
  try {
    encodeCondition(value);
  } catch (error) {
    if (!isWarpError(error, "E_CONFIG")) throw error;
    const column = at + 1;
    const message = error.message.replace(/^policy, at \S+: /, "");
    throw new WarpError("E_CONFIG", `column ${column}: ${message}`, { details: { column } });
  }
}

class Parser {
  readonly #in: Scanner;
  readonly #zone: string;

  constructor(scanner: Scanner, zone: string) {
    this.#in = scanner;
    this.#zone = zone;
  }

  parseAny(place: Place): Condition {
    return this.#join("any", OR, () => this.#join("all", AND, () => this.#parseOne(place)));
  }

  #join(kind: "all" | "any", operator: RegExp, parse: () => Condition): Condition {
    const of = [parse()];
    while (this.#in.take(operator) !== undefined) of.push(parse());
    return of.length === 1 ? of[0]! : { kind, of };
  }

  #parseOne({ depth, isNegated }: Place): Condition {
    if (depth > PARENTHESES_MAX) throw this.#in.wrong("less nesting");
    if (this.#in.take(NOT) !== undefined) {
      return { kind: "not", of: this.#parseOne({ depth: depth + 1, isNegated: !isNegated }) };
    }
    if (this.#in.take(OPEN) !== undefined) {
      const inner = this.parseAny({ depth: depth + 1, isNegated });
      this.#in.expect(CLOSE, "and, or, or a closing parenthesis");
      return inner;
    }
    const { at } = this.#in;
    const condition = this.#parseLiteral();
    checkedAt(at, isNegated ? { kind: "not", of: condition } : condition);
    return condition;
  }

  #parseLiteral(): Condition {
    if (this.#in.peek(DAY) !== undefined || this.#in.peek(DAILY) !== undefined) {
      return this.#parseWeekly();
    }
    const { at } = this.#in;
    switch (this.#in.take(NAME)?.toLowerCase()) {
      case "always":
        return { kind: "all", of: [] };
      case "never":
        return { kind: "any", of: [] };
      case "before":
        return { kind: "before", at: this.parseInstant() };
      case "after":
        return { kind: "after", at: this.parseInstant() };
      case "within":
        return this.#parseWithin();
      case "every":
        return this.#parseRecurring();
      case "downloads":
        return { kind: "downloads", limit: this.#parseLimit("a number of downloads") };
      case "accessors":
        return { kind: "accessors", limit: this.#parseLimit("a number of accessors") };
      case "bytes": {
        this.#in.take(LESS);
        return { kind: "bytes", limit: this.#piece("a size like 5GB", parseSize) };
      }
      case "owner":
        this.#in.expect(word("online"), '"online"');
        return { kind: "owner-online" };
      case "net":
        return { kind: "network", ranges: this.#list(() => this.#parseNetwork()) };
      case "device": {
        const expected = "a device key, 32 bytes in hex or base64url";
        return { kind: "device", keys: this.#list(() => this.#piece(expected, normalDeviceKey)) };
      }
      default:
        throw this.#in.wrong(CONDITION, at);
    }
  }

  parseInstant(): number {
    const { at } = this.#in;
    const expected = "a date like 2026-12-24 or 2026-12-24T10:00+01:00";
    const text = this.#in.expect(PIECE, expected);
    const match = /^(.*?)(Z|[+-]\d\d:\d\d)?$/i.exec(text)!;
    const hasTime = text.includes("T");
    const [wall, offset] = hasTime ? [match[1]!, match[2]] : [text, undefined];
    const reading = parseWall(wall);
    if (reading === undefined) throw this.#in.wrong(expected, at);
    if (offset === undefined) {
      const zone = this.#parseZone();
      return instantOf(zone, reading);
    }
    if (offset.toUpperCase() === "Z") return reading;
    const [hours, minutes] = offset.slice(1).split(":").map(Number) as [number, number];
    if (hours > 23 || minutes > 59) throw this.#in.wrong(expected, at);
    return reading - (offset.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS;
  }

  /** The zone named here, or the local one. */
  #parseZone(): string {
    if (this.#in.peek(KEYWORD) !== undefined || this.#in.peek(NAME) === undefined) {
      return this.#zone;
    }
    return this.#parseNamedZone();
  }

  #parseNamedZone(): string {
    const { at } = this.#in;
    const name = this.#in.expect(NAME, "a time zone like Europe/Paris");
    if (!isZone(name)) throw this.#in.wrong("a time zone like Europe/Paris", at);
    return name;
  }

  #parseWithin(): Condition {
    const seconds = this.#piece("a duration like 24h (s, m, h, d, w)", parseDuration);
    this.#in.expect(word("of"), '"of"');
    const since = this.#in.expect(
      word("(?:creation|opening|grant)"),
      "creation, opening or grant",
    );
    return { kind: "within", seconds, since: since.toLowerCase() as Since };
  }

  #parseWeekly(): Condition {
    const slots: Slot[] = [];
    do slots.push(this.#parseSlot()); while (this.#in.take(COMMA) !== undefined);
    return { kind: "weekly", slots, zone: this.#parseZone() };
  }

  /** `Mon-Wed,Fri 09:00-12:00,13:00-18:00`; a comma and a day begin the next slot. */
  #parseSlot(): Slot {
    const days = new Set<number>();
    if (this.#in.take(DAILY) !== undefined) {
      for (let day = 1; day <= 7; day++) days.add(day);
    } else {
      do {
        const from = this.#parseDay();
        const to = this.#in.take(DASH) === undefined ? from : this.#parseDay();
        for (let day = from;; day = day % 7 + 1) {
          days.add(day);
          if (day === to) break;
        }
      } while (this.#in.take(COMMA) !== undefined);
    }
    const times: (readonly [number, number])[] = [];
    do times.push(this.#parseTimes()); while (this.#takeCommaBefore(TIMES));
    return { days: [...days].sort(), times };
  }

  #parseDay(): number {
    const name = this.#in.expect(DAY, "a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun)");
    return DAY_NAMES.findIndex((one) => one.toLowerCase() === name.toLowerCase()) + 1;
  }

  #parseTimes(): readonly [number, number] {
    const { at } = this.#in;
    const expected = "times like 09:00-18:00";
    const from = this.#parseClock(expected);
    this.#in.expect(DASH, expected);
    // Midnight ends a day as well as it begins one.
    const to = this.#parseClock(expected) || 1440;
    if (from === 1440 || from === to) throw this.#in.wrong(expected, at);
    return [from, to];
  }

  #parseClock(expected: string): number {
    const [hours, minutes] = this.#in.expect(CLOCK, expected).split(":").map(Number);
    return hours! * 60 + minutes!;
  }

  #takeCommaBefore(pattern: RegExp): boolean {
    return this.#in.peek(new RegExp(`,\\s*${pattern.source}`, "y")) !== undefined &&
      this.#in.take(COMMA) !== undefined;
  }

  #parseRecurring(): Condition {
    const every = this.#in.peek(NUMBER) === undefined ? 1 : this.#parseNumber("a number");
    const unit = this.#parseUnit("days, weeks or months", ["day", "week", "month"]);
    this.#in.expect(word("from"), '"from"');
    const from = this.#parseWall();
    this.#in.expect(word("for"), '"for"');
    const expected = "a length like 3 days (minutes, hours, days, weeks)";
    const length = Number(this.#in.expect(/\d{1,16}/y, expected));
    const lengthUnit = this.#parseUnit(expected, ["minute", "hour", "day", "week"]);
    const bounds: { count?: number; until?: string } = {};
    if (this.#in.peek(NUMBER) !== undefined) {
      bounds.count = this.#parseNumber("a number");
      this.#in.expect(word("times?"), '"times"');
    }
    if (this.#in.take(word("until")) !== undefined) bounds.until = this.#parseWall();
    const zone = this.#in.take(word("in")) === undefined ? this.#zone : this.#parseNamedZone();
    return {
      kind: "recurring",
      every,
      unit: unit as PeriodUnit,
      from,
      length,
      lengthUnit: lengthUnit as LengthUnit,
      ...bounds,
      zone,
    };
  }

  /** Also by its letter, but for months: `m` is a minute. */
  #parseUnit(expected: string, units: readonly string[]): string {
    const { at } = this.#in;
    const letter = units.includes("month") ? undefined : this.#in.take(SHORT_UNIT);
    const name = letter ?? this.#in.expect(UNIT, expected);
    const unit = units.find((one) => one.startsWith(name.toLowerCase().replace(/s$/, "")));
    if (unit === undefined) throw this.#in.wrong(expected, at);
    return unit;
  }

  #parseWall(): string {
    return this.#piece("a date like 2026-01-05 or 2026-01-05T09:00", (text) => {
      const reading = parseWall(text);
      return reading === undefined || reading % MINUTE_MS !== 0 ? undefined : formatWall(reading);
    });
  }

  #parseLimit(expected: string): number {
    this.#in.take(LESS);
    return this.#parseNumber(expected);
  }

  #parseNumber(expected: string): number {
    return Number(this.#in.expect(NUMBER, expected));
  }

  #parseNetwork(): string {
    return this.#piece("a network like 10.0.0.0/8 or 2001:db8::/32", (text) => {
      const network = parseNetwork(text);
      if (network === "bits") {
        throw this.#in.wrong(
          `${suggestNetwork(text)} (bits after the prefix are zero)`,
          this.#from,
        );
      }
      return network === undefined ? undefined : formatNetwork(network);
    });
  }

  #list<T>(parse: () => T): T[] {
    const list = [parse()];
    while (this.#in.take(COMMA) !== undefined) list.push(parse());
    return list;
  }

  /** Where the piece begins that is being looked at. */
  #from = 0;

  #piece<T>(expected: string, read: (text: string) => T | undefined): T {
    this.#from = this.#in.at;
    const value = read(this.#in.expect(PIECE, expected));
    if (value === undefined) throw this.#in.wrong(expected, this.#from);
    return value;
  }
}
