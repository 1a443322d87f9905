/**
 * One condition alone, or its opposite: is it open, why not, and how long does that last?
 *
 * What is not known (an address, a device, a grant that was not named) opens neither a condition nor its
 * opposite: in doubt it is closed.
 *
 * @module
 */
import type { Condition, Since } from "./condition.ts";
import { normalDeviceKey } from "./device_key.ts";
import { formatSize } from "./duration.ts";
import { isInNetwork, type Network, parseAddress, parseNetwork } from "./network.ts";
import { recurringPhase } from "./recurring.ts";
import { type Phase, weeklyPhase } from "./weekly.ts";

/** An owner counts as online for so long after the hub last heard of a device of the account. */
export const OWNER_ONLINE_MS = 120_000;

/** What is known when it is asked. Times are milliseconds since 1970. */
export interface Facts {
  readonly nowMs: number;
  /** When the portal was made. */
  readonly createdMs: number;
  /** When a recipient first opened it; null: nobody has. */
  readonly openedMs: number | null;
  /** When the caller's grant was made; null: it is not known whose grant this is about. */
  readonly grantedMs: number | null;
  /** Downloads begun, bytes served, distinct accessors so far. */
  readonly downloads: number;
  readonly bytes: number;
  readonly accessors: number;
  /** Whether the caller is one of these accessors. */
  readonly isKnownAccessor: boolean;
  /** When the hub last heard of a device of the owner; null: never. */
  readonly ownerSeenMs: number | null;
  /** The caller's IP address without port; null: not known. */
  readonly address: string | null;
  /** The caller's device key, hex or base64url; null: it has shown none. */
  readonly deviceKey: string | null;
}

/** Everything but the conditions that are made of conditions. */
export type Literal = Exclude<Condition, { kind: "all" | "any" | "not" }>;

export interface Verdict {
  readonly isOpen: boolean;
  /** By time alone it stays so at least until then; null: for ever. */
  readonly changesAtMs: number | null;
  /** Why it is closed: a sentence, or that it opens (then), told in a zone. */
  readonly why: string | { readonly zone: string | undefined; readonly pastMs?: number } | null;
}

/** @throws {WarpError} E_CONFIG for a zone this machine does not know */
export function judge(condition: Literal, isNegated: boolean, facts: Facts): Verdict {
  switch (condition.kind) {
    case "before":
      return byTime(endsAt(condition.at, facts), isNegated, undefined, condition.at);
    case "after":
      return byTime(endsAt(condition.at, facts), !isNegated, undefined, condition.at);
    case "within": {
      const sinceMs = sinceOf(condition.since, facts);
      if (sinceMs === null) {
        if (condition.since === "opening") return fixed(!isNegated, "it has not been opened yet");
        return fixed(false, "it is not known when access was granted");
      }
      const endMs = sinceMs + condition.seconds * 1000;
      return byTime(endsAt(endMs, facts), isNegated, undefined, endMs);
    }
    case "weekly":
      return byTime(weeklyPhase(condition, facts.nowMs), isNegated, condition.zone);
    case "recurring":
      return byTime(recurringPhase(condition, facts.nowMs), isNegated, condition.zone);
    case "downloads": {
      const { limit } = condition;
      const why = limit === 1
        ? "the only download is used"
        : `${limit} of ${limit} downloads are used`;
      return count(facts.downloads < limit, isNegated, why);
    }
    case "bytes": {
      const limit = formatSize(condition.limit);
      return count(facts.bytes < condition.limit, isNegated, `${limit} of ${limit} are used`);
    }
    case "accessors": {
      const { limit } = condition;
      const isOpen = facts.isKnownAccessor || facts.accessors < limit;
      const why = limit === 1
        ? "it is open to somebody else"
        : `${limit} of ${limit} accessors have come`;
      return count(isOpen, isNegated, why);
    }
    case "owner-online": {
      const endMs = facts.ownerSeenMs === null ? -Infinity : facts.ownerSeenMs + OWNER_ONLINE_MS;
      const phase = endsAt(endMs, facts);
      if (isNegated) return { ...flip(phase), why: "the owner is online" };
      return { ...phase, why: "the owner is not online" };
    }
    case "network": {
      const address = facts.address === null ? undefined : parseAddress(facts.address);
      if (address === undefined) return fixed(false, "the address of the caller is not known");
      const isIn = networksOf(condition).some((network) => isInNetwork(address, network));
      const part = isNegated ? "a network that is shut out" : "none of the networks let in";
      return fixed(isIn !== isNegated, `${facts.address} is in ${part}`);
    }
    case "device": {
      const key = facts.deviceKey === null ? undefined : normalDeviceKey(facts.deviceKey);
      if (key === undefined) return fixed(false, "the device of the caller is not known");
      const isListed = condition.keys.includes(key);
      const part = isNegated ? "one that is shut out" : "none of those let in";
      return fixed(isListed !== isNegated, `this device is ${part}`);
    }
  }
}

/** What `within` counts from, or null where there is no such moment. */
export function sinceOf(since: Since, facts: Facts): number | null {
  if (since === "creation") return facts.createdMs;
  return since === "opening" ? facts.openedMs : facts.grantedMs;
}

function fixed(isOpen: boolean, why: string): Verdict {
  return { isOpen, changesAtMs: null, why: isOpen ? null : why };
}

/** The decoder lets no counter stand under `not`; a tree that was not decoded is closed there. */
function count(isLeft: boolean, isNegated: boolean, why: string): Verdict {
  return fixed(isLeft && !isNegated, isNegated ? "a counter stands under a not" : why);
}

/** Open until an instant. */
function endsAt(endMs: number, { nowMs }: Facts): Phase {
  return nowMs < endMs
    ? { isOpen: true, changesAtMs: endMs }
    : { isOpen: false, changesAtMs: null };
}

function flip({ isOpen, changesAtMs }: Phase): Phase {
  return { isOpen: !isOpen, changesAtMs };
}

function byTime(
  phase: Phase,
  isNegated: boolean,
  zone: string | undefined,
  pastMs?: number,
): Verdict {
  const { isOpen, changesAtMs } = isNegated ? flip(phase) : phase;
  const isPast = pastMs !== undefined && changesAtMs === null;
  return {
    isOpen,
    changesAtMs,
    why: isOpen ? null : isPast ? { zone, pastMs } : { zone },
  };
}

const compiled = new WeakMap<object, readonly Network[]>();

function networksOf(condition: { readonly ranges: readonly string[] }): readonly Network[] {
  let networks = compiled.get(condition);
  if (networks === undefined) {
    networks = condition.ranges
      .map(parseNetwork)
      .filter((network): network is Network => typeof network === "object");
    compiled.set(condition, networks);
  }
  return networks;
}
