/**
 * The list of files: one folder at a time, or what a search finds; two hundred rows, and more on demand, so
 * that ten thousand files are no burden.
 *
 * @module
 */
/// <reference lib="dom" />
import { formatBytes } from "../../actors/base/units.ts";
import { printableName } from "../../actors/base/terminal.ts";
import { byId, fill, h } from "./dom.ts";
import { filesBelow, type FileTree, type Folder, type TreeFile } from "./file_tree.ts";
import { countText, plural, timeText } from "./words.ts";

const ROWS = 200;

export interface ListActions {
  /** Undefined where there is no content: names alone. */
  onFile?(file: TreeFile): void;
  onFolder?(folder: Folder): void;
}

type Row = { folder: Folder } | { file: TreeFile; label: string };

/** The list as one element. */
export function fileList(tree: FileTree, actions: ListActions): HTMLElement {
  const crumbs = h("nav", { class: "crumbs", "aria-label": "Folders" });
  const body = h("tbody");
  const more = h("p", { class: "more" });
  const search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search names",
    autocomplete: "off",
    spellcheck: "false",
  });
  let folder = onlyFolder(tree.root), shown = ROWS;

  const rows = (): Row[] => {
    const wanted = search.value.trim().toLowerCase();
    if (wanted === "") {
      return [
        ...folder.folders.map((one) => ({ folder: one })),
        ...folder.files.map((file) => ({ file, label: file.name })),
      ];
    }
    const found: Row[] = [];
    for (const file of filesBelow(tree.root)) {
      const path = printableName(file.path);
      if (path.toLowerCase().includes(wanted)) found.push({ file, label: path });
    }
    return found;
  };
  const show = () => {
    const all = rows();
    fill(body, ...all.slice(0, shown).map((row) => rowOf(row, actions, open)));
    if (all.length === 0) {
      fill(body, h("tr", {}, h("td", { colspan: 4, class: "empty" }, "Nothing here.")));
    }
    fill(more);
    if (all.length > shown) {
      const count = Math.min(ROWS, all.length - shown);
      fill(
        more,
        h(
          "button",
          { type: "button", onclick: () => addRows(all) },
          `Show ${countText(count)} more`,
        ),
        h("span", { class: "note" }, `${countText(shown)} of ${countText(all.length)}`),
      );
    }
    showCrumbs();
  };
  const addRows = (all: Row[]) => {
    const from = shown;
    shown += ROWS;
    show();
    // The first new row is where reading goes on.
    const next = body.children[Math.min(from, all.length - 1)];
    next?.querySelector<HTMLElement>("button")?.focus();
  };
  const open = (next: Folder) => {
    folder = next;
    shown = ROWS;
    search.value = "";
    show();
    byId("live").textContent = `${next.name || "All files"}: ${plural(next.count, "file")}`;
    crumbs.querySelector<HTMLElement>("[aria-current]")?.focus();
  };
  const showCrumbs = () => {
    const path: Folder[] = [];
    for (let up: Folder | null = folder; up !== null; up = up.parent) path.unshift(up);
    const isFound = search.value.trim() !== "";
    fill(
      crumbs,
      ...path.map((one) =>
        one === folder && !isFound
          ? h("span", { "aria-current": "page", tabindex: -1 }, one.name || "All files")
          : h(
            "button",
            { type: "button", class: "link", onclick: () => open(one) },
            one.name || "All files",
          )
      ),
    );
  };
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      shown = ROWS;
      show();
      const count = rows().length;
      byId("live").textContent = search.value === "" ? "" : `${plural(count, "file")} found`;
    }, 120) as unknown as number;
  });
  show();
  return h(
    "section",
    { "aria-label": "Files", class: "files" },
    h(
      "div",
      { class: "files-top" },
      crumbs,
      h("label", { for: "search", class: "hidden" }, "Search names"),
      search,
    ),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Name"),
          h("th", { scope: "col", class: "number" }, "Size"),
          h("th", { scope: "col", class: "time" }, "Changed"),
          h("th", { scope: "col" }, h("span", { class: "hidden" }, "Download")),
        ),
      ),
      body,
    ),
    more,
  );
}

/** Into the tree, as long as there is but one folder to go to. */
function onlyFolder(root: Folder): Folder {
  let folder = root;
  while (folder.files.length === 0 && folder.folders.length === 1) folder = folder.folders[0]!;
  return folder;
}

function rowOf(row: Row, actions: ListActions, open: (folder: Folder) => void): HTMLElement {
  if ("folder" in row) {
    const { folder } = row;
    return h(
      "tr",
      {},
      h(
        "td",
        { class: "name" },
        h(
          "button",
          { type: "button", class: "link folder", onclick: () => open(folder) },
          folder.name,
        ),
        h("span", { class: "note" }, ` ${plural(folder.count, "file")}`),
      ),
      h("td", { class: "number" }, formatBytes(folder.bytes)),
      h("td", { class: "time" }),
      h(
        "td",
        { class: "act" },
        actions.onFolder === undefined
          ? null
          : getButton(`Download ${folder.name} as a ZIP`, () => actions.onFolder!(folder)),
      ),
    );
  }
  const { file, label } = row;
  return h(
    "tr",
    {},
    h("td", { class: "name" }, label),
    h("td", { class: "number" }, formatBytes(file.size)),
    h("td", { class: "time" }, timeText(file.mtimeMs)),
    h(
      "td",
      { class: "act" },
      actions.onFile === undefined
        ? null
        : getButton(`Download ${file.name}`, () => actions.onFile!(file)),
    ),
  );
}

function getButton(label: string, onclick: () => void): HTMLElement {
  return h("button", {
    type: "button",
    class: "quiet get",
    "aria-label": label,
    title: label,
    onclick,
  }, "Get");
}
