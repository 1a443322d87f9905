/**
 * The dashboard of someone who has unlocked it: portals, devices and usage, kept up to date by the hub's
 * events.
 *
 * @module
 */
/// <reference lib="dom" />
import { equal } from "../../actors/base/bytes.ts";
import { formatBytes } from "../../actors/base/units.ts";
import { formatAccount } from "../../actors/portal/account_id.ts";
import type { Account } from "../../actors/portal/directory.ts";
import { byId, fill, h } from "./dom.ts";
import type { OwnerSession, ShownPortal, Usage } from "./owner_session.ts";
import { shortKey } from "./owner_session.ts";
import { type CardActions, cardContent, nameOf } from "./portal_card.ts";
import { errorBox } from "./show_error.ts";
import { plural, timeText } from "./words.ts";

const PAUSE_LEAST_MS = 500, PAUSE_MOST_MS = 30_000;
/** Where events were lost on the way without a word. */
const REFRESH_MS = 60_000;

interface Card {
  element: HTMLElement;
  shown: string;
}

export class Dashboard {
  readonly #main: HTMLElement;
  readonly #session: OwnerSession;
  readonly #lock: () => void;
  readonly #signal: AbortSignal;
  readonly #cards = new Map<string, Card>();
  readonly #list = h("div");
  readonly #note = h("div");
  readonly #live = h("span", { class: "note live-dot", role: "status" }, "connecting");
  readonly #usage = h("div", { class: "card" });
  readonly #devices = h("div", { class: "card" });
  /** Portals being asked about; true: once more after that. */
  readonly #asking = new Map<string, boolean>();

  /** @param signal aborted when the page is locked */
  constructor(main: HTMLElement, session: OwnerSession, lock: () => void, signal: AbortSignal) {
    this.#main = main;
    this.#session = session;
    this.#lock = lock;
    this.#signal = signal;
  }

  start(): void {
    const lock = h("button", { type: "button", onclick: this.#lock }, "Lock");
    fill(
      this.#main,
      h(
        "div",
        { class: "top" },
        h("h1", {}, "Your portals"),
        h("div", { class: "line" }, this.#live, lock),
      ),
      h("p", { class: "note id" }, formatAccount(this.#session.ring.account)),
      this.#note,
      this.#list,
      h("h2", {}, "Storage"),
      this.#usage,
      h("h2", {}, "Your devices"),
      this.#devices,
    );
    this.#main.focus();
    fill(this.#list, h("p", { class: "note" }, "Loading …"));
    void this.#follow();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void this.#refreshAll();
    }, REFRESH_MS);
    this.#signal.addEventListener("abort", () => clearInterval(timer));
  }

  /** Listens for as long as the page is unlocked; everything is looked at after each connection. */
  async #follow(): Promise<void> {
    let pauseMs = PAUSE_LEAST_MS;
    while (!this.#signal.aborted) {
      try {
        for await (const { event, data } of this.#session.events()) {
          pauseMs = PAUSE_LEAST_MS;
          if (!this.#live.classList.contains("on")) {
            this.#showLive(true);
            void this.#refreshAll();
          } else if (event === "missed") void this.#refreshAll();
          else if (event === "change") void this.#refresh(portalOf(data));
        }
      } catch (error) {
        if (this.#signal.aborted) return;
        this.#showError(error);
      }
      this.#showLive(false);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      pauseMs = Math.min(2 * pauseMs, PAUSE_MOST_MS);
    }
  }

  #showLive(isOn: boolean): void {
    this.#live.classList.toggle("on", isOn);
    this.#live.textContent = isOn ? "live" : "connecting";
  }

  async #refreshAll(): Promise<void> {
    try {
      const [portals, usage, account] = await Promise.all([
        this.#session.portals(),
        this.#session.usage(),
        this.#session.account(),
      ]);
      if (this.#signal.aborted) return;
      fill(this.#note);
      const ids = new Set(portals.map(({ id }) => id));
      for (const id of this.#cards.keys()) if (!ids.has(id)) this.#cards.delete(id);
      for (const portal of portals) this.#show(portal);
      this.#arrange(portals.map(({ id }) => this.#cards.get(id)!.element));
      this.#showUsage(usage);
      this.#showDevices(account);
    } catch (error) {
      this.#showError(error);
    }
  }

  /** Moves elements only where something came or went: what is moved loses the focus. */
  #arrange(elements: HTMLElement[]): void {
    const isSame = elements.length === this.#list.children.length && elements.length > 0 &&
      elements.every((element, i) => element === this.#list.children[i]);
    if (isSame) return;
    const none = h(
      "p",
      { class: "card" },
      "No portals yet: ",
      h("code", {}, "warp portal new"),
      " makes one.",
    );
    fill(this.#list, ...(elements.length === 0 ? [none] : elements));
  }

  async #refresh(id: string | undefined): Promise<void> {
    if (id === undefined) return;
    if (this.#asking.has(id)) {
      this.#asking.set(id, true);
      return;
    }
    this.#asking.set(id, false);
    try {
      const portal = await this.#session.portal(id);
      if (this.#signal.aborted) return;
      if (portal === undefined || !this.#cards.has(id)) await this.#refreshAll();
      else this.#show(portal);
    } catch (error) {
      this.#showError(error);
    } finally {
      const isOld = this.#asking.get(id);
      this.#asking.delete(id);
      if (isOld === true) void this.#refresh(id);
    }
  }

  #show(portal: ShownPortal): void {
    let card = this.#cards.get(portal.id);
    if (card === undefined) {
      const element = h("article", { class: "card", "aria-label": nameOf(portal) });
      this.#cards.set(portal.id, card = { element, shown: "" });
    }
    const shown = JSON.stringify(portal);
    if (shown === card.shown) return;
    card.shown = shown;
    const focused = document.activeElement?.getAttribute("data-act") ?? null;
    const hadFocus = card.element.contains(document.activeElement);
    fill(card.element, ...cardContent(portal, this.#session.nowMs, this.#actions));
    if (!hadFocus) return;
    const again = focused === null
      ? null
      : card.element.querySelector<HTMLElement>(`[data-act="${CSS.escape(focused)}"]`);
    (again ?? card.element.querySelector<HTMLElement>("button"))?.focus();
  }

  readonly #actions: CardActions = {
    setState: (portal, event) => {
      const question = `Close “${nameOf(portal)}”? Nobody gets in until it has a new policy.`;
      if (event === "close" && !confirm(question)) return;
      void this.#act(portal, () => this.#session.setState(portal.id, event));
    },
    approve: (portal, request, hours) =>
      void this.#act(portal, () => this.#session.approve(portal.id, request.id, hours)),
    deny: (portal, request) =>
      void this.#act(portal, () => this.#session.deny(portal.id, request.id)),
  };

  async #act(portal: ShownPortal, change: () => Promise<void>): Promise<void> {
    try {
      fill(this.#note);
      await change();
      byId("live").textContent = `${nameOf(portal)}: done`;
      await this.#refresh(portal.id);
    } catch (error) {
      this.#showError(error);
    }
  }

  #showError(error: unknown): void {
    if (!this.#signal.aborted) fill(this.#note, errorBox(error));
  }

  #showUsage({ bytes, packs, quotaBytes }: Usage): void {
    const text = `${formatBytes(bytes)} of ${formatBytes(quotaBytes)} used, in ${
      plural(packs, "pack")
    }`;
    fill(
      this.#usage,
      h("p", {}, text),
      h("meter", {
        min: 0,
        max: quotaBytes,
        value: bytes,
        high: quotaBytes * 0.9,
        "aria-label": text,
      }),
    );
  }

  #showDevices({ devices }: Account): void {
    const { device } = this.#session.ring;
    fill(
      this.#devices,
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Device"),
            h("th", { scope: "col" }, "Key"),
            h("th", { scope: "col", class: "time" }, "Since"),
            h("th", { scope: "col" }, "State"),
          ),
        ),
        h(
          "tbody",
          {},
          ...devices.map((one) =>
            h(
              "tr",
              {},
              h("td", {}, one.number),
              h("td", { class: "code" }, shortKey(one.key)),
              h("td", { class: "time" }, timeText(one.atMs)),
              h(
                "td",
                {},
                one.isRetired ? "retired" : equal(one.key, device) ? "this key ring" : "in use",
              ),
            )
          ),
        ),
      ),
    );
  }
}

function portalOf(data: string): string | undefined {
  try {
    const { portal } = JSON.parse(data) as { portal?: unknown };
    return typeof portal === "string" && /^[\w-]{22}$/.test(portal) ? portal : undefined;
  } catch {
    return undefined;
  }
}
