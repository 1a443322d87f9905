/**
 * What a policy is: a tree of conditions (docs/policy.md). Types, bounds and small builders.
 *
 * Values of these types have been checked by decode.ts: lists are not empty, keys and networks are in
 * their one form, zones are known to this machine. They are never changed once made.
 *
 * @module
 */
import { KiB } from "../../base/units.ts";

/** Bounds of a tree, checked while it is decoded: a leaf has depth 1. */
export const DEPTH_MAX = 16;
export const NODES_MAX = 256;
/** Bytes of the JSON text that the hub stores. */
export const TEXT_BYTES_MAX = 16 * KiB;
/** Networks or keys of one condition. */
export const LIST_MAX = 256;
export const SLOTS_MAX = 32;
/** Time zones of one tree: each costs a few milliseconds when it is first asked. */
export const ZONES_MAX = 8;
/** The last millisecond of the year 9999: instants have four digits of year. */
export const INSTANT_MAX = 253_402_300_799_999;
/** A hundred years. */
export const SECONDS_MAX = 36_600 * 86_400;
/** Days, weeks or months from one window to the next, and units that it lasts. */
export const EVERY_MAX = 1000;
export const COUNT_MAX = 100_000;
export const LENGTH_MAX = 1_000_000;

/** What `within` counts from: the record, the first opening by a recipient, the caller's grant. */
export type Since = "creation" | "opening" | "grant";

export type PeriodUnit = "day" | "week" | "month";
/** Days and weeks are the calendar's, hours and minutes are elapsed time. */
export type LengthUnit = "minute" | "hour" | "day" | "week";

/** Days (1 Monday to 7 Sunday, ascending) and times of the wall clock on them. */
export interface Slot {
  readonly days: readonly number[];
  /**
   * Minutes since midnight, `[from, to)`: from 0 to 1439, to 1 to 1440. A `to` below `from` is a time
   * of the day after.
   */
  readonly times: readonly (readonly [from: number, to: number])[];
}

export interface Weekly {
  readonly kind: "weekly";
  readonly slots: readonly Slot[];
  /** An IANA name. */
  readonly zone: string;
}

export interface Recurring {
  readonly kind: "recurring";
  readonly every: number;
  readonly unit: PeriodUnit;
  /** Wall clock of the zone at which the first window begins: `2026-01-05T00:00`. */
  readonly from: string;
  readonly length: number;
  readonly lengthUnit: LengthUnit;
  /** So many windows, then none. */
  readonly count?: number;
  /** Wall clock from which on it is closed, also in the middle of a window. */
  readonly until?: string;
  readonly zone: string;
}

export type Condition =
  | { readonly kind: "all"; readonly of: readonly Condition[] }
  | { readonly kind: "any"; readonly of: readonly Condition[] }
  | { readonly kind: "not"; readonly of: Condition }
  /** Milliseconds since 1970: open before it; open from it on. */
  | { readonly kind: "before"; readonly at: number }
  | { readonly kind: "after"; readonly at: number }
  | { readonly kind: "within"; readonly seconds: number; readonly since: Since }
  | Weekly
  | Recurring
  | { readonly kind: "downloads"; readonly limit: number }
  | { readonly kind: "bytes"; readonly limit: number }
  | { readonly kind: "accessors"; readonly limit: number }
  | { readonly kind: "owner-online" }
  /** `10.0.0.0/8`, `2001:db8::/32`: canonical, see network.ts. */
  | { readonly kind: "network"; readonly ranges: readonly string[] }
  /** Ed25519 keys of devices, base64url. */
  | { readonly kind: "device"; readonly keys: readonly string[] };

export type Kind = Condition["kind"];

/** No condition at all. */
export const ALWAYS: Condition = { kind: "all", of: [] };
export const NEVER: Condition = { kind: "any", of: [] };

/** All of these, without needless nodes: a portal's policy and a grant's limits, for example. */
export function allOf(...conditions: readonly Condition[]): Condition {
  const parts = conditions.flatMap((one) => one.kind === "all" ? one.of : [one]);
  return parts.length === 1 ? parts[0]! : { kind: "all", of: parts };
}
