/**
 * One portal on the dashboard.
 *
 * @module
 */
/// <reference lib="dom" />
import { formatBytes } from "../../actors/base/units.ts";
import { h } from "./dom.ts";
import type { Reentry, ShownPortal, StateEvent } from "./owner_session.ts";
import { changeText, countText, policyText, relativeText, stateText, timeText } from "./words.ts";

export interface CardActions {
  setState(portal: ShownPortal, event: StateEvent): void;
  approve(portal: ShownPortal, request: Reentry, hours: number): void;
  deny(portal: ShownPortal, request: Reentry): void;
}

const BUTTONS: Readonly<Record<ShownPortal["info"]["state"], readonly StateEvent[]>> = {
  created: ["open", "close"],
  active: ["pause", "close"],
  paused: ["open", "close"],
  expired: [],
  archived: [],
};
const VERBS = { open: "Open", pause: "Pause", close: "Close" } as const;
const HOURS = [[1, "1 hour"], [24, "1 day"], [24 * 7, "1 week"], [24 * 30, "30 days"]] as const;

/** What a card shows of a portal; buttons carry `data-act`, so that focus survives a change. */
export function cardContent(
  portal: ShownPortal,
  nowMs: number,
  actions: CardActions,
): HTMLElement[] {
  const { info } = portal;
  const name = nameOf(portal);
  const change = info.state === "active" ? changeText(info.isOpen, info.changesMs, nowMs) : null;
  return [
    h(
      "div",
      { class: "top" },
      h("h2", {}, name),
      h(
        "span",
        { class: badgeOf(portal), "data-state": info.state },
        stateText(info.state, info.isOpen),
      ),
    ),
    h(
      "p",
      { class: "note" },
      [`Policy: ${lower(policyText(info.policy))}`, change].filter(Boolean).join(" · "),
    ),
    h(
      "dl",
      { class: "facts" },
      ...fact("Downloads", countText(info.downloads)),
      ...fact("People", countText(info.accessors)),
      ...fact("Sent", formatBytes(info.bytes)),
      ...fact(
        "Version",
        info.versionMs === null ? "none yet" : `${info.version}, ${timeText(info.versionMs)}`,
      ),
    ),
    portal.isManaged
      ? h(
        "div",
        { class: "line" },
        ...BUTTONS[info.state].map((event) =>
          h("button", {
            type: "button",
            class: event === "close" ? "danger" : "",
            "data-act": event,
            "aria-label": `${VERBS[event]} ${name}`,
            onclick: () => actions.setState(portal, event),
          }, VERBS[event])
        ),
        info.state === "expired"
          ? h(
            "p",
            { class: "note" },
            "A new policy opens it again: ",
            h("code", {}, "warp portal extend"),
          )
          : null,
      )
      : h("p", { class: "note" }, `Shared with you: you may ${info.level}.`),
    ...portal.requests.map((request) => requestBox(portal, request, nowMs, actions)),
  ];
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

export function nameOf({ name, id }: ShownPortal): string {
  return name ?? `Portal ${id.slice(0, 8)}…`;
}

function fact(term: string, text: string): HTMLElement[] {
  return [h("div", {}, h("dt", {}, term), h("dd", {}, text))];
}

function badgeOf({ info }: ShownPortal): string {
  if (info.state === "active" && info.isOpen) return "badge good";
  return info.state === "expired" ? "badge bad" : "badge";
}

function requestBox(
  portal: ShownPortal,
  request: Reentry,
  nowMs: number,
  actions: CardActions,
): HTMLElement {
  const id = `hours-${request.id}`;
  const hours = h(
    "select",
    { id, "data-act": id },
    ...HOURS.map(([value, text]) => h("option", { value, selected: value === 24 }, text)),
  );
  return h(
    "div",
    { class: "request" },
    h("h3", {}, `Request from ${request.from}`),
    h("p", { class: "note" }, relativeText(request.createdMs, nowMs)),
    request.reason === undefined
      ? h("p", {}, "The reason is sealed for another device of yours.")
      : h("blockquote", {}, request.reason),
    h(
      "div",
      { class: "line" },
      h("label", { for: id }, "Let in for"),
      hours,
      h("button", {
        type: "button",
        class: "main",
        "data-act": `approve-${request.id}`,
        onclick: () => actions.approve(portal, request, Number(hours.value)),
      }, "Approve"),
      h("button", {
        type: "button",
        class: "danger",
        "data-act": `deny-${request.id}`,
        onclick: () => actions.deny(portal, request),
      }, "Deny"),
    ),
  );
}
