/**
 * The life of a portal: created → active ⇄ paused → expired → archived (docs/policy.md §5).
 *
 * The state is what owners and time have done to a portal as a whole. The policy is asked besides, for each
 * access: an active portal may well be closed at night.
 *
 * @module
 */
import { type ErrorCode, WarpError } from "../base/errors.ts";
import { isAtLeast, type Level } from "./records.ts";

export { isOver } from "./policy/over.ts";

export const STATES = ["created", "active", "paused", "expired", "archived"] as const;
export type State = (typeof STATES)[number];

export const EVENTS = [
  "open",
  "pause",
  "resume",
  "close",
  "extend",
  "expire",
  "archive",
  "settings",
] as const;
/**
 * What happens to a portal. `open` opens a new portal and resumes a paused one. `extend` comes with a new
 * policy, `settings` with a new name or policy. `expire` comes from the hub when the policy is over.
 */
export type LifeEvent = (typeof EVENTS)[number];

export interface Refusal {
  readonly code: Extract<ErrorCode, "E_CLOSED" | "E_GONE">;
  readonly message: string;
  readonly hint: string;
}

export type Transition =
  | { readonly isAllowed: true; readonly state: State }
  | { readonly isAllowed: false; readonly refusal: Refusal };

/** What a state becomes; events that are not here are refused. */
const NEXT: Readonly<Record<State, Partial<Record<LifeEvent, State>>>> = {
  created: {
    open: "active",
    close: "expired",
    extend: "created",
    expire: "expired",
    archive: "archived",
    settings: "created",
  },
  active: {
    open: "active",
    pause: "paused",
    resume: "active",
    close: "expired",
    extend: "active",
    expire: "expired",
    archive: "archived",
    settings: "active",
  },
  paused: {
    open: "active",
    pause: "paused",
    resume: "active",
    close: "expired",
    extend: "paused",
    expire: "expired",
    archive: "archived",
    settings: "paused",
  },
  // New settings alone do not bring it back: a new name must not open what was closed by hand.
  expired: {
    close: "expired",
    extend: "active",
    expire: "expired",
    archive: "archived",
    settings: "expired",
  },
  // Its keys and packs have been let go.
  archived: { archive: "archived" },
};

/**
 * What an event makes of a state. An event that changes nothing is allowed: it may come twice.
 *
 * @param isOverThen whether the policy after the event is over ({@link isOver}): then nothing opens, resumes
 *   or extends
 */
export function advance(state: State, event: LifeEvent, isOverThen = false): Transition {
  const next = NEXT[state][event];
  if (next === undefined) return refuse(state, event);
  if (isOverThen && (event === "open" || event === "resume" || event === "extend")) {
    return {
      isAllowed: false,
      refusal: {
        code: "E_CLOSED",
        message: `the policy can never open again, so ${GERUND[event]} it would change nothing`,
        hint: "extend it with a policy that opens",
      },
    };
  }
  return { isAllowed: true, state: next };
}

/** The state after an event. @throws {WarpError} E_CLOSED, E_GONE when the event is refused */
export function mustAdvance(state: State, event: LifeEvent, isOverThen = false): State {
  const result = advance(state, event, isOverThen);
  if (result.isAllowed) return result.state;
  const { code, message, hint } = result.refusal;
  throw new WarpError(code, message, { hint });
}

/** Who may bring an event about; null: the hub alone. */
export const EVENT_LEVEL: Readonly<Record<LifeEvent, Level | null>> = {
  open: "admin",
  pause: "admin",
  resume: "admin",
  close: "admin",
  extend: "admin",
  expire: null,
  archive: "owner",
  settings: "admin",
};

export const OPERATIONS = ["list", "read", "write", "request", "manage"] as const;
/** See the tree, fetch content, add a version, ask for re-entry, change grants, policy and state. */
export type Operation = (typeof OPERATIONS)[number];

/** The least level that may do it in a state; null: nobody. */
const LEAST: Readonly<Record<State, Readonly<Record<Operation, Level | null>>>> = {
  // Writers prepare it; recipients do not see it yet.
  created: { list: "write", read: "write", write: "write", request: null, manage: "admin" },
  active: { list: "list", read: "read", write: "write", request: "list", manage: "admin" },
  paused: { list: "admin", read: "admin", write: "admin", request: "list", manage: "admin" },
  expired: { list: "admin", read: "admin", write: null, request: "list", manage: "admin" },
  archived: { list: null, read: null, write: null, request: null, manage: null },
};

/** Whether a state lets a level do it. Where {@link isBound} holds, the policy must agree besides. */
export function allows(state: State, level: Level, operation: Operation): boolean {
  const least = LEAST[state][operation];
  return least !== null && isAtLeast(level, least);
}

/**
 * Whether the policy counts for this: for recipients and writers who list, read or write an active portal.
 * Those who may change the policy are not bound by it, and asking for re-entry is for when it is closed.
 */
export function isBound(state: State, level: Level, operation: Operation): boolean {
  return state === "active" && !isAtLeast(level, "admin") && operation !== "request" &&
    operation !== "manage";
}

const GERUND: Readonly<Record<"open" | "resume" | "extend", string>> = {
  open: "opening",
  resume: "resuming",
  extend: "extending",
};

function refuse(state: State, event: LifeEvent): Transition {
  if (state === "archived") {
    return {
      isAllowed: false,
      refusal: { code: "E_GONE", message: "the portal is archived", hint: "make a new portal" },
    };
  }
  const hint = state === "created" ? "open it first" : "extend it first, with a policy that opens";
  const verb = event === "settings" ? "be changed" : `be told to ${event}`;
  return {
    isAllowed: false,
    refusal: { code: "E_CLOSED", message: `a portal that is ${state} cannot ${verb}`, hint },
  };
}
