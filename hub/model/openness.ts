/**
 * Whether a portal lets someone in now: its state, its policy, and the limits of a grant.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import type { Condition } from "../../actors/portal/policy/condition.ts";
import { decodeCondition } from "../../actors/portal/policy/decode.ts";
import { evaluate, type Evaluation, type Facts } from "../../actors/portal/policy/evaluate.ts";
import { isOver } from "../../actors/portal/policy/over.ts";
import type { Principal } from "../auth.ts";
import { numberOrNull, type Sql } from "../hub.ts";
import {
  allows,
  isBound,
  type LifeEvent,
  mustAdvance,
  type Operation,
} from "../../actors/portal/lifecycle.ts";
import { type Access, findPortal, type Portal, type PortalState } from "./access.ts";
import { writeAudit } from "./audit.ts";

/** Who asks, and from where; nobody for the ticking clock. */
export interface Visitor {
  who: Principal | null;
  grantedMs: number | null;
  address: string | null;
  isKnown: boolean;
}

export const NOBODY: Visitor = { who: null, grantedMs: null, address: null, isKnown: false };

/** Uses counted before the visitor's own. */
export interface Uses {
  downloads: number;
  accessors: number;
}

const compiled = new Map<string, Condition>();
const COMPILED_MAX = 1000;

/** @throws {WarpError} E_CONFIG */
export function conditionOf(policy: string): Condition {
  const known = compiled.get(policy);
  if (known !== undefined) return known;
  const condition = decodeCondition(policy);
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(policy, condition);
  return condition;
}

function factsOf(portal: Portal, visitor: Visitor, nowMs: number, uses: Uses): Facts {
  return {
    nowMs,
    createdMs: portal.createdMs,
    openedMs: portal.openedMs,
    grantedMs: visitor.grantedMs,
    downloads: uses.downloads,
    bytes: portal.bytes,
    accessors: uses.accessors,
    isKnownAccessor: visitor.isKnown,
    ownerSeenMs: portal.ownerSeenMs,
    address: visitor.address,
    deviceKey: visitor.who?.account == null ? null : toBase64Url(visitor.who.key),
  };
}

/** What the policy says; `uses` as of the visitor's lease, if there is one. */
export function outcomeOf(
  portal: Portal,
  visitor: Visitor,
  nowMs: number,
  uses: Uses = portal,
): Evaluation {
  return evaluate(conditionOf(portal.policy), factsOf(portal, visitor, nowMs, uses));
}

/**
 * Lets a visitor in, or says why not (docs/policy.md §5).
 *
 * @param uses as of the visitor's lease, if there is one
 * @param operation what for: a lease of names alone is one, too
 * @throws {WarpError} E_CLOSED, E_GONE
 */
export function requireOpen(
  { portal, grant, level }: Access,
  visitor: Visitor,
  nowMs: number,
  uses?: Uses,
  operation: Operation = level === "list" ? "list" : "read",
): void {
  if (portal.state === "archived") throw new WarpError("E_GONE", "the portal is archived");
  const isReentry = operation !== "write" && grant !== null && grant.reentryMs !== null &&
    nowMs < grant.reentryMs;
  if (isReentry && (portal.state === "active" || portal.state === "expired")) return;
  // Nobody adds to what can never open again; for reading, the policy below says the same.
  const state = operation === "write" ? stateNow(portal, nowMs) : portal.state;
  if (!allows(state, level, operation)) {
    const why = state === "created" ? "is not open yet" : `is ${state}`;
    throw new WarpError("E_CLOSED", `the portal ${why}`, { details: { state } });
  }
  if (!isBound(portal.state, level, operation)) return;
  const outcome = outcomeOf(portal, visitor, nowMs, uses);
  if (!outcome.isOpen) {
    throw new WarpError("E_CLOSED", `the portal is closed: ${outcome.reason}`, {
      details: {
        reason: outcome.reason ?? "",
        ...(outcome.changesAtMs === null ? {} : { opensMs: outcome.changesAtMs }),
      },
    });
  }
}

/** The state with the policy's last word in it, also between two ticks of the clock. */
function stateNow(portal: Portal, nowMs: number): PortalState {
  const isExpired = portal.state === "active" &&
    isOver(conditionOf(portal.policy), factsOf(portal, NOBODY, nowMs, portal));
  return isExpired ? "expired" : portal.state;
}

/**
 * What an event makes of a portal.
 *
 * @param policy the one after the event
 * @throws {WarpError} E_CLOSED, E_GONE
 */
export function stateAfter(
  portal: Portal,
  event: LifeEvent,
  policy: string,
  nowMs: number,
): PortalState {
  const facts = factsOf(portal, NOBODY, nowMs, portal);
  return mustAdvance(portal.state, event, isOver(conditionOf(policy), facts));
}

/** Whether a policy counts bytes: then they are counted before they go. */
export function countsBytes(condition: Condition): boolean {
  if (condition.kind === "all" || condition.kind === "any") return condition.of.some(countsBytes);
  return condition.kind === "not" ? countsBytes(condition.of) : condition.kind === "bytes";
}

/** What others are shown of a state: a policy that is over for good makes an active portal expired. */
export function shownState(portal: Portal): Portal["state"] {
  return portal.state === "active" && portal.isOver ? "expired" : portal.state;
}

/**
 * Looks at a portal's policy again, after a change or when its clock says so, and keeps what it says.
 *
 * @returns what happened: `expire`, `reopen`, `close`, `open`, or nothing
 */
export async function refresh(sql: Sql, id: Uint8Array, nowMs: number): Promise<string | null> {
  const portal = await findPortal(sql, id);
  if (portal === undefined) return null;
  const condition = conditionOf(portal.policy);
  const facts = factsOf(portal, NOBODY, nowMs, portal);
  const { isOpen, changesAtMs } = evaluate(condition, facts);
  const over = isOver(condition, facts);
  const wasOpen = portal.row["is_open"] === 1;
  const isNowOpen = isOpen && portal.state === "active";
  const wakeMs = portal.state === "active" && !over ? changesAtMs : null;
  if (over === portal.isOver && isNowOpen === wasOpen && wakeMs === portal.row["wake_ms"]) {
    return null;
  }
  await sql.all(
    "UPDATE portals SET is_over = $1, is_open = $2, wake_ms = $3 WHERE portal = $4",
    over ? 1 : 0,
    isNowOpen ? 1 : 0,
    numberOrNull(wakeMs),
    portal.id,
  );
  if (portal.state !== "active") return null;
  const action = over !== portal.isOver
    ? (over ? "expire" : "reopen")
    : isNowOpen !== wasOpen
    ? (isNowOpen ? "policy-open" : "policy-close")
    : null;
  if (action !== null) await writeAudit(sql, portal.id, nowMs, null, action);
  return action;
}
