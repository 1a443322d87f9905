/**
 * Errors as people read them: what happened, the code, what to do.
 *
 * @module
 */
import { asWarpError, type WarpError } from "../../actors/base/errors.ts";
import { h } from "./dom.ts";

/** Hints that name commands and flags help nobody in a browser. */
const HINTS: Readonly<Record<string, string>> = {
  E_INTEGRITY:
    "The damaged file was not saved. Try again; if it happens again, tell the owner: the hub has " +
    "lost or changed data.",
  E_NETWORK: "Is the network there? Try again.",
  E_DEADLINE: "The hub is slow, or the network is. Try again.",
  E_RATE: "Wait a minute, then try again.",
  E_KEY_NEEDED: "Type the password.",
  E_AUTH: "Copy the link again, whole, or ask its owner for a new one.",
  E_SIGNATURE: "Do not use what this page shows. Ask the owner over another way.",
  E_INTERNAL: "This is a bug of the page. Load it again.",
  E_GONE: "Ask the owner for another link.",
  E_CLOSED: "Ask the owner to let you in.",
};

export function knownError(error: unknown): WarpError {
  return asWarpError(error);
}

export function hintOf(error: WarpError): string {
  return HINTS[error.code] ?? error.hint ?? "";
}

export function sentence(text: string): string {
  const begin = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begin) ? begin : `${begin}.`;
}

/** A box that is read out at once. */
export function errorBox(thrown: unknown, title?: string, ownHint?: string): HTMLElement {
  const error = knownError(thrown);
  const hint = ownHint ?? hintOf(error);
  return h(
    "div",
    { class: "box bad", role: "alert" },
    h("p", { class: "strong" }, title ?? sentence(error.message)),
    title === undefined ? null : h("p", {}, sentence(error.message)),
    hint === "" ? null : h("p", {}, hint),
    h("p", { class: "code" }, error.code),
  );
}
