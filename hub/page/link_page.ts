/**
 * The page that opens a link.
 *
 * @module
 */
/// <reference lib="dom" />
import { toHex, utf8 } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { formatBytes } from "../../actors/base/units.ts";
import { parseLink, type PortalLink } from "../../actors/portal/link.ts";
import { byId, fill, h } from "./dom.ts";
import { fileList } from "./file_list.ts";
import { filesBelow, type Folder, saveName } from "./file_tree.ts";
import { LinkSession, type OpenVersion } from "./link_session.ts";
import { errorBox, knownError, sentence } from "./show_error.ts";
import { canSaveFolders } from "./sinks.ts";
import { saveFile, saveFolder, saveZip, showWaiting } from "./transfers.ts";
import { changeText, countText, plural, policyText, stateText, timeText } from "./words.ts";

const main = byId("main");
const leaving = new AbortController();
addEventListener("pagehide", () => leaving.abort());
// Another link in the same tab is another page.
addEventListener("hashchange", () => location.reload());
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

function begin(): void {
  let link: PortalLink;
  try {
    link = parseLink(location.href);
  } catch (error) {
    fill(main, h("h1", {}, "This link cannot be opened"), errorBox(error));
    return;
  }
  if (link.secret.needsPassword) askPassword(link);
  else void enter(link, undefined);
}

function askPassword(link: PortalLink): void {
  const input = h("input", {
    type: "password",
    id: "password",
    autocomplete: "off",
    required: true,
    "aria-describedby": "password-note",
  });
  const button = h("button", { type: "submit", class: "main" }, "Open");
  const note = h("div", { id: "password-note" });
  const form = h(
    "form",
    {
      class: "card narrow",
      onsubmit: (event) => {
        event.preventDefault();
        void tryPassword();
      },
    },
    h("h1", {}, "This link has a password"),
    h("p", {}, "Who sent you the link can tell you. It stays in this browser."),
    h("label", { for: "password" }, "Password"),
    input,
    note,
    button,
  );
  const tryPassword = async () => {
    button.disabled = true;
    button.textContent = "Checking …";
    fill(
      note,
      h("p", { class: "note", role: "status" }, "Deriving the key. This takes some seconds."),
    );
    try {
      await enter(link, input.value);
    } catch (error) {
      const isWrong = isWarpError(error, "E_AUTH") || isWarpError(error, "E_KEY_WRONG");
      fill(
        note,
        isWrong
          ? h(
            "div",
            { class: "box bad", role: "alert" },
            h("p", { class: "strong" }, "That password does not open this link."),
            h("p", {}, "Try again. If you are sure of it, the link may have been withdrawn."),
            h("p", { class: "code" }, knownError(error).code),
          )
          : errorBox(error),
      );
      input.select();
      input.focus();
    } finally {
      button.disabled = false;
      button.textContent = "Open";
    }
  };
  fill(main, form);
  input.focus();
}

/** @throws {WarpError} with a password that does not fit; all else is shown */
async function enter(link: PortalLink, password: string | undefined): Promise<void> {
  let session: LinkSession;
  try {
    session = await LinkSession.open(link, password, {
      leases: sessionStorage,
      onWaiting: showWaiting,
    }, leaving.signal);
  } catch (error) {
    if (leaving.signal.aborted) return;
    if (password !== undefined) throw error;
    const title = isWarpError(error, "E_AUTH")
      ? "This link does not exist, or was withdrawn"
      : "This link cannot be opened";
    fill(main, h("h1", {}, title), errorBox(error));
    return;
  }
  document.title = `${session.portal.name ?? "Shared files"} – Portal`;
  if (isCounted(session) && !session.hasLease) askToBegin(session);
  else await showFiles(session);
}

/** Where downloads are few, looking is not yet one. */
function isCounted({ portal: { info } }: LinkSession): boolean {
  const isFew = /"(downloads|accessors|opening)"/.test(info.policy);
  return info.isOpen && (isFew || (info.grant?.downloadsMax ?? null) !== null);
}

function askToBegin(session: LinkSession): void {
  const { grant } = session.portal.info;
  const left = grant === null || grant.downloadsMax === null
    ? null
    : Math.max(0, grant.downloadsMax - grant.downloads);
  fill(
    main,
    titleOf(session),
    policyCard(session),
    h(
      "div",
      { class: "card" },
      h("p", { class: "strong" }, "Opening the files counts as a download."),
      h(
        "p",
        {},
        left === null
          ? "The owner has limited how often this may be downloaded. "
          : `${plural(left, "download")} of this link ${left === 1 ? "is" : "are"} left. `,
        "For an hour after that you may get all of them, again too, in this tab.",
      ),
      h("button", {
        type: "button",
        class: "main",
        onclick: () => void showFiles(session),
      }, "Open the files"),
    ),
  );
}

async function showFiles(session: LinkSession): Promise<void> {
  const status = h("p", { class: "lead", role: "status" }, "Reading the list of files …");
  fill(main, titleOf(session), policyCard(session), status);
  let version: OpenVersion;
  try {
    version = await session.openNewest((files) => {
      status.textContent = `Reading the list of files … ${countText(files)}`;
    });
  } catch (error) {
    if (!leaving.signal.aborted) showRefusal(session, error);
    return;
  }
  const { head, tree, record } = version;
  const { portal } = session;
  const openPacks = () => session.packs(head);
  const name = saveName(utf8(portal.name ?? "portal"));
  const zipOf = (folder: Folder, as: string) =>
    void saveZip(as, folder, [...filesBelow(folder)], openPacks);
  const all = h(
    "div",
    { class: "actions" },
    h(
      "button",
      { type: "button", class: "main", onclick: () => zipOf(tree.root, name) },
      "Download all (ZIP)",
    ),
    canSaveFolders()
      ? h("button", {
        type: "button",
        onclick: () => void saveFolder(name, tree.root, tree.files, openPacks),
      }, "Save to a folder")
      : null,
  );
  fill(
    main,
    titleOf(session),
    h(
      "p",
      { class: "lead" },
      `${plural(head.files, "file")}, ${formatBytes(head.bytes)}`,
      h("span", { class: "note" }, ` · version ${record.sequence} of ${timeText(head.createdMs)}`),
    ),
    policyCard(session),
    head.isList
      ? h(
        "p",
        { class: "box" },
        "This link shows names and sizes alone: there is nothing to download.",
      )
      : tree.files.length === 0
      ? null
      : all,
    tree.specials === 0 ? null : h(
      "p",
      { class: "note" },
      `${plural(tree.specials, "symbolic link")} or the like are left out here; warp brings them.`,
    ),
    fileList(
      tree,
      head.isList ? {} : {
        onFile: (file) => void saveFile(file, openPacks),
        onFolder: (folder) => zipOf(folder, saveName(utf8(folder.name))),
      },
    ),
    proofOf(version, session),
  );
}

function titleOf({ portal }: LinkSession): HTMLElement {
  return h("h1", {}, portal.name ?? "Shared files");
}

function policyCard(session: LinkSession): HTMLElement {
  const { info } = session.portal;
  const isOpen = info.state === "active" && info.isOpen;
  const change = info.state === "active" ? changeText(isOpen, info.changesMs, session.nowMs) : null;
  // What was paused or closed by hand is so whatever the policy says.
  const policy = info.state === "active" ? policyText(info.policy) : null;
  const limits: string[] = [];
  if (info.grant?.expiresMs != null) {
    limits.push(`this link until ${timeText(info.grant.expiresMs)}`);
  }
  if (info.grant?.downloadsMax != null) {
    limits.push(`${session.downloads} of ${plural(info.grant.downloadsMax, "download")} used`);
  }
  return h(
    "p",
    { class: "policy" },
    h("span", { class: isOpen ? "badge good" : "badge" }, stateText(info.state, info.isOpen)),
    h("span", {}, [policy, change, ...limits].filter(Boolean).join(" · ")),
  );
}

/** Why there are no files, and a way to ask for them. */
function showRefusal(session: LinkSession, thrown: unknown): void {
  const error = knownError(thrown);
  const { code } = error;
  const isRefused = code === "E_CLOSED" || code === "E_GONE";
  const opensMs = error.details["opensMs"];
  const titles: Partial<Record<string, string>> = {
    E_CLOSED: "The portal is closed",
    E_GONE: "This link is used up",
    E_INTEGRITY: "What the hub gave is damaged",
    E_NOT_FOUND: "There is nothing here yet",
  };
  fill(
    main,
    titleOf(session),
    policyCard(session),
    isRefused
      ? h(
        "div",
        { class: "box bad", role: "alert" },
        h("p", { class: "strong" }, titles[code] ?? ""),
        h("p", {}, sentence(error.message)),
        typeof opensMs === "number" ? h("p", {}, `It opens ${timeText(opensMs)}.`) : null,
        h("p", { class: "code" }, code),
      )
      : errorBox(error, titles[code] ?? "The files cannot be shown"),
    isRefused ? reentryForm(session) : h("button", {
      type: "button",
      onclick: () => void showFiles(session),
    }, "Try again"),
  );
}

function reentryForm(session: LinkSession): HTMLElement {
  const text = h("textarea", { id: "reason", rows: 3, maxlength: 1000, required: true });
  const button = h("button", { type: "submit", class: "main" }, "Ask the owner");
  const note = h("div");
  const form = h(
    "form",
    {
      class: "card",
      onsubmit: (event) => {
        event.preventDefault();
        void ask();
      },
    },
    h("h2", {}, "Ask to be let in again"),
    h("label", { for: "reason" }, "Why do you need it? Only the owner can read this."),
    text,
    note,
    button,
  );
  const ask = async () => {
    button.disabled = true;
    try {
      await session.askReentry(text.value.trim());
      fill(
        form,
        h(
          "p",
          { role: "status", class: "strong" },
          "Sent. When the owner agrees, this link opens again: come back to it then.",
        ),
      );
    } catch (error) {
      fill(note, errorBox(error));
      button.disabled = false;
    }
  };
  return form;
}

/** What was checked, for who wants to know. */
function proofOf({ head, record }: OpenVersion, session: LinkSession): HTMLElement {
  const facts = [
    ["Owner", toHex(session.portal.owner)],
    [
      "Version",
      `${record.sequence}, signed by a device of the owner or of someone the owner lets write`,
    ],
    ["Root of the tree", toHex(head.root)],
  ];
  return h(
    "details",
    { class: "proof" },
    h("summary", {}, "Checked in this browser: signatures, names and sizes"),
    h(
      "p",
      {},
      "The version is signed, and the list of files adds up to the root that it names. Each piece of content " +
        "is decrypted, authenticated and compared with its BLAKE3 digest before it is saved. The hub cannot " +
        "read or change any of it. It did, however, give you this page: who would rather not trust it for " +
        "that uses ",
      h("code", {}, "warp portal get"),
      ".",
    ),
    h("dl", {}, ...facts.flatMap(([term, text]) => [h("dt", {}, term!), h("dd", {}, text!)])),
  );
}

begin();
