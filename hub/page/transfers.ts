/**
 * Downloads: one file, many as a ZIP, many into a folder. Each has a row with progress and a way to stop it.
 *
 * @module
 */
/// <reference lib="dom" />
import type { Bytes } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { formatBytes } from "../../actors/base/units.ts";
import type { PackReader } from "../../actors/portal/content/pack_reader.ts";
import { contentOf, isSameContent, planFiles } from "./content.ts";
import { byId, fill, h } from "./dom.ts";
import { DistinctNames, type Folder, foldersBelow, savePath, type TreeFile } from "./file_tree.ts";
import { Rate } from "./rate.ts";
import { hintOf, knownError, sentence } from "./show_error.ts";
import { chooseFolder, fileSink, openSink } from "./sinks.ts";
import { plural } from "./words.ts";
import { zip, type ZipEntry, zipLength } from "./zip.ts";

/** A fresh reader of packs for each download. */
export type OpenPacks = () => PackReader;

interface Work {
  label: string;
  bytes: number;
  /** Files that are done stay when it is stopped. */
  isFolder?: true;
  run(notes: Notes): Promise<string>;
}

interface Notes {
  signal: AbortSignal;
  onBytes(bytes: number): void;
}

const BLOCK_BYTES = 256 * 1024;
/** Long work gives the page a turn this often. */
const TURN_MS = 40;

export async function saveFile(file: TreeFile, openPacks: OpenPacks): Promise<void> {
  await begin(async () => {
    const sink = await openSink(savePath(file.path, new Uint8Array()).at(-1)!, file.size);
    if (sink === null) return null;
    return {
      label: file.name,
      bytes: file.size,
      run: async ({ signal, onBytes }) => {
        const packs = openPacks();
        try {
          planFiles([file], packs);
          for await (const part of paced(contentOf(file, packs, signal))) {
            await sink.write(part);
            onBytes(part.length);
          }
          await sink.close();
          return "Saved; every byte was checked.";
        } catch (error) {
          await sink.abort();
          throw error;
        } finally {
          await packs.close();
        }
      },
    };
  });
}

interface FileEntry extends ZipEntry {
  file: TreeFile | null;
}

/** @param name of the ZIP, without its ending */
export async function saveZip(
  name: string,
  folder: Folder,
  files: readonly TreeFile[],
  openPacks: OpenPacks,
): Promise<void> {
  await begin(async () => {
    const entries = zipEntries(folder, files);
    const sink = await openSink(`${name}.zip`, zipLength(entries));
    if (sink === null) return null;
    return {
      label: `${name}.zip`,
      bytes: sumOf(files),
      run: async ({ signal, onBytes }) => {
        const packs = openPacks();
        try {
          planFiles(files, packs);
          const content = async function* ({ file }: FileEntry) {
            for await (const part of contentOf(file!, packs, signal)) {
              onBytes(part.length);
              yield part;
            }
          };
          for await (const part of paced(blocks(zip(entries, content)))) await sink.write(part);
          await sink.close();
          return `Saved ${plural(files.length, "file")}; every byte was checked.`;
        } catch (error) {
          await sink.abort();
          throw error;
        } finally {
          await packs.close();
        }
      },
    };
  });
}

function zipEntries(folder: Folder, files: readonly TreeFile[]): FileEntry[] {
  const names = new DistinctNames();
  const nameOf = (path: Bytes) => savePath(path, folder.path).join("/");
  const folders = [...foldersBelow(folder)].map(({ path }): FileEntry => ({
    name: names.take(`${nameOf(path)}/`),
    size: 0,
    mtimeMs: 0,
    mode: 0o755,
    file: null,
  }));
  return [
    ...folders,
    ...files.map((file) => ({
      name: names.take(nameOf(file.path)),
      size: file.size,
      mtimeMs: file.mtimeMs,
      mode: file.mode,
      file,
    })),
  ];
}

/** Into a folder of the user's: what is there already stays, and is not fetched where it is the same. */
export async function saveFolder(
  name: string,
  folder: Folder,
  files: readonly TreeFile[],
  openPacks: OpenPacks,
): Promise<void> {
  await begin(async () => {
    const top = await chooseFolder();
    if (top === null) return null;
    return {
      label: `${name} → ${top.name}`,
      bytes: sumOf(files),
      isFolder: true,
      run: async (notes) => await new FolderJob(top, folder, files, openPacks(), notes).run(),
    };
  });
}

class FolderJob {
  readonly #folders = new Map<string, Promise<FileSystemDirectoryHandle>>();
  #same = 0;
  #taken = 0;

  constructor(
    readonly top: FileSystemDirectoryHandle,
    readonly folder: Folder,
    readonly files: readonly TreeFile[],
    readonly packs: PackReader,
    readonly notes: Notes,
  ) {}

  async run(): Promise<string> {
    try {
      const wanted: { file: TreeFile; into: FileSystemDirectoryHandle; name: string }[] = [];
      for (const { path } of foldersBelow(this.folder)) {
        await this.#folder(savePath(path, this.folder.path));
      }
      for (const file of this.files) {
        this.notes.signal.throwIfAborted();
        const names = savePath(file.path, this.folder.path);
        const into = await this.#folder(names.slice(0, -1));
        const name = names.at(-1)!;
        if (await this.#isThere(file, into, name)) this.notes.onBytes(file.size);
        else wanted.push({ file, into, name });
      }
      planFiles(wanted.map(({ file }) => file), this.packs);
      for (const { file, into, name } of wanted) await this.#write(file, into, name);
    } finally {
      await this.packs.close();
    }
    const saved = this.files.length - this.#same - this.#taken;
    const parts = [`Saved ${plural(saved, "file")}; every byte was checked.`];
    if (this.#same > 0) {
      parts.push(`${plural(this.#same, "file")} were there already, and the same.`);
    }
    if (this.#taken > 0) {
      parts.push(`${plural(this.#taken, "file")} differ from what is there, and were left alone.`);
    }
    return parts.join(" ");
  }

  #folder(names: readonly string[]): Promise<FileSystemDirectoryHandle> {
    if (names.length === 0) return Promise.resolve(this.top);
    const key = names.join("/");
    let known = this.#folders.get(key);
    if (known === undefined) {
      known = this.#folder(names.slice(0, -1)).then((parent) =>
        parent.getDirectoryHandle(names.at(-1)!, { create: true })
      );
      this.#folders.set(key, known);
    }
    return known;
  }

  async #isThere(file: TreeFile, into: FileSystemDirectoryHandle, name: string): Promise<boolean> {
    let handle: FileSystemFileHandle;
    try {
      handle = await into.getFileHandle(name);
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotFoundError") return false;
      throw error;
    }
    if (await isSameContent(file, await handle.getFile(), this.notes.signal)) this.#same++;
    else this.#taken++;
    return true;
  }

  async #write(file: TreeFile, into: FileSystemDirectoryHandle, name: string): Promise<void> {
    const sink = await fileSink(await into.getFileHandle(name, { create: true }));
    try {
      for await (const part of paced(contentOf(file, this.packs, this.notes.signal))) {
        await sink.write(part);
        this.notes.onBytes(part.length);
      }
      await sink.close();
    } catch (error) {
      await sink.abort();
      throw error;
    }
  }
}

function sumOf(files: readonly TreeFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Small parts put together: headers and files of a few bytes would each be a message to the browser. */
async function* blocks(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [], length = 0;
  for await (const part of parts) {
    held.push(part);
    length += part.length;
    if (length < BLOCK_BYTES) continue;
    yield join(held, length);
    held = [];
    length = 0;
  }
  if (length > 0) yield join(held, length);
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function* paced<T>(parts: AsyncIterable<T>): AsyncGenerator<T> {
  let turnAt = performance.now() + TURN_MS;
  for await (const part of parts) {
    yield part;
    if (performance.now() < turnAt) continue;
    await new Promise((resolve) => setTimeout(resolve));
    turnAt = performance.now() + TURN_MS;
  }
}

let running = 0;
const waitingRows = new Set<HTMLElement>();

/** Says in every running row that the network is away. */
export function showWaiting(isWaiting: boolean): void {
  for (const row of waitingRows) {
    row.textContent = isWaiting ? "No connection: waiting for it … " : "";
  }
}

/** Warns who leaves the page while something is on its way. */
addEventListener("beforeunload", (event) => {
  if (running > 0) event.preventDefault();
});

async function begin(prepare: () => Promise<Work | null>): Promise<void> {
  const abort = new AbortController();
  let work: Work | null;
  try {
    work = await prepare();
  } catch (error) {
    addRow("Download").fail(error);
    return;
  }
  if (work === null) return;
  const row = addRow(work.label, work.bytes, () => abort.abort(stopped(work)));
  running++;
  try {
    row.finish(await work.run({ signal: abort.signal, onBytes: row.add }));
  } catch (error) {
    row.fail(abort.signal.aborted ? stopped(work) : error);
  } finally {
    running--;
  }
}

function stopped({ isFolder }: Work): WarpError {
  const rest = isFolder === true ? "files that were done stay" : "nothing was saved";
  return new WarpError("E_CANCELLED", `stopped; ${rest}`);
}

function addRow(label: string, total = 0, stop?: () => void) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Progress of ${label}` });
  const figures = h("span", {}, "Starting …");
  const waiting = h("span", { class: "strong" });
  const button = h("button", {
    type: "button",
    class: "quiet",
    "aria-label": `Stop ${label}`,
    onclick: () => stop?.(),
  }, "Stop");
  const text = h("p", { class: "figures" }, waiting, figures);
  const row = h(
    "section",
    { class: "transfer" },
    h("div", { class: "transfer-top" }, h("p", { class: "strong name" }, label), button),
    bar,
    text,
  );
  byId("transfers").append(row);
  waitingRows.add(waiting);
  const rate = new Rate();
  let done = 0, shownAt = 0;
  const show = () => {
    const nowMs = performance.now();
    rate.note(done, nowMs);
    if (nowMs - shownAt < 150 && done < total) return;
    shownAt = nowMs;
    bar.value = total === 0 ? 1 : done / total;
    const speed = rate.perSecond;
    const left = speed > 0
      ? `, ${formatBytes(Math.round(speed))}/s, ${timeLeft((total - done) / speed)}`
      : "";
    figures.textContent = `${formatBytes(done)} of ${formatBytes(total)}${left}`;
  };
  const end = (kind: string, message: string, role: string) => {
    waitingRows.delete(waiting);
    row.classList.add(kind);
    bar.remove();
    button.textContent = "Close";
    button.setAttribute("aria-label", `Close ${label}`);
    stop = () => row.remove();
    text.setAttribute("role", role);
    fill(text, message);
  };
  return {
    add: (bytes: number) => {
      done += bytes;
      show();
    },
    finish: (message: string) => end("good", message, "status"),
    fail: (thrown: unknown) => {
      if (stop === undefined) stop = () => row.remove();
      const error = knownError(thrown);
      const hint = error.code === "E_CANCELLED" ? "" : ` ${hintOf(error)} (${error.code})`;
      end("bad", `${sentence(error.message)}${hint}`, "alert");
    },
  };
}

function timeLeft(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s left`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}
