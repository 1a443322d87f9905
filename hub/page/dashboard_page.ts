/**
 * The owner's dashboard. Keys are in memory as long as the page is open, and nowhere else.
 *
 * @module
 */
/// <reference lib="dom" />
import { isWarpError, WarpError } from "../../actors/base/errors.ts";
import { RING_BYTES_MAX } from "../../actors/portal/key_ring.ts";
import { Dashboard } from "./dashboard.ts";
import { byId, fill, h } from "./dom.ts";
import { OwnerSession } from "./owner_session.ts";
import { errorBox } from "./show_error.ts";

const main = byId("main");

addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

function askKeys(): void {
  const file = h("input", { type: "file", id: "ring", "aria-describedby": "ring-note" });
  const text = h("textarea", {
    id: "ring-text",
    rows: 3,
    autocomplete: "off",
    spellcheck: "false",
    class: "code",
  });
  const passphrase = h("input", { type: "password", id: "passphrase", autocomplete: "off" });
  const button = h("button", { type: "submit", class: "main" }, "Unlock");
  const note = h("div");
  const form = h(
    "form",
    {
      class: "card narrow",
      onsubmit: (event) => {
        event.preventDefault();
        void unlock();
      },
    },
    h("h1", {}, "Your portals"),
    h(
      "p",
      {},
      "Unlock them with this device's key ring. It stays in this browser's memory until you lock or close the page.",
    ),
    h("label", { for: "ring" }, "Key ring file"),
    file,
    h(
      "p",
      { class: "note", id: "ring-note" },
      h("code", {}, "portal.key"),
      " in warp's settings folder",
    ),
    h(
      "details",
      {},
      h("summary", {}, "Paste it instead"),
      h("label", { for: "ring-text" }, "Key ring as base64"),
      text,
    ),
    h("label", { for: "passphrase" }, "Passphrase"),
    passphrase,
    note,
    button,
  );
  const unlock = async () => {
    button.disabled = true;
    fill(
      note,
      h("p", { class: "note", role: "status" }, "Deriving the key. This takes some seconds."),
    );
    let ring: Uint8Array | undefined;
    const stop = new AbortController();
    try {
      ring = await ringOf(file.files?.[0], text.value);
      const session = await OwnerSession.open(ring, passphrase.value, location.origin, stop.signal);
      passphrase.value = text.value = "";
      new Dashboard(main, session, () => {
        stop.abort();
        session.close();
        askKeys();
      }, stop.signal).start();
    } catch (error) {
      stop.abort();
      const hint = isWarpError(error, "E_AUTH")
        ? "This device is not enrolled on this hub, or was retired: `warp portal login` enrols it."
        : undefined;
      fill(note, errorBox(error, undefined, hint));
      passphrase.focus();
    } finally {
      ring?.fill(0);
      button.disabled = false;
    }
  };
  fill(main, form);
}

/** @throws {WarpError} E_USAGE */
async function ringOf(file: File | undefined, text: string): Promise<Uint8Array> {
  if (file !== undefined) {
    // A key ring is small: anything else is not even read.
    if (file.size > RING_BYTES_MAX) throw noRing("the file is no key ring");
    return new Uint8Array(await file.arrayBuffer());
  }
  const packed = text.replace(/\s+/g, "").replace(/-/g, "+").replace(/_/g, "/");
  if (packed === "") throw noRing("no key ring was chosen");
  try {
    if (packed.length > RING_BYTES_MAX * 2) throw new RangeError();
    return Uint8Array.from(atob(packed), (one) => one.charCodeAt(0));
  } catch {
    throw noRing("what was pasted is not base64");
  }
}

function noRing(message: string): WarpError {
  return new WarpError("E_USAGE", message, {
    hint: "`warp key new` or `warp key recover` makes a key ring: choose its file",
  });
}

askKeys();
