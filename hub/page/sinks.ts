/**
 * Where a download goes. The best way that the browser has: a file that the user chooses (streamed), a
 * download through a service worker (streamed), or memory (with a limit).
 *
 * @module
 */
/// <reference lib="dom" />
import { WarpError } from "../../actors/base/errors.ts";
import { GiB } from "../../actors/base/units.ts";
import { assetUrl } from "./dom.ts";
import type { ToWorker } from "./download_worker.ts";

export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes it a whole file. */
  close(): Promise<void>;
  /** Nothing is saved. */
  abort(): Promise<void>;
}

/** What a browser keeps in memory where it can do nothing better (plain http). */
export const MEMORY_BYTES_MAX = GiB;

interface SaveHandle extends FileSystemFileHandle {
  remove?(): Promise<void>;
}
interface Pickers {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<SaveHandle>;
  showDirectoryPicker?(options: { mode: "readwrite"; id: string }): Promise<
    FileSystemDirectoryHandle
  >;
}
const pickers = globalThis as unknown as Pickers;

/** Whether whole folders can be written. */
export function canSaveFolders(): boolean {
  return pickers.showDirectoryPicker !== undefined;
}

/** Asks for a folder; null when the user thinks better of it. */
export async function chooseFolder(): Promise<FileSystemDirectoryHandle | null> {
  return await chosen(() => pickers.showDirectoryPicker!({ mode: "readwrite", id: "portal" }));
}

/**
 * Opens a file to save to; must be called right from a click. Null: the user thinks better of it.
 *
 * @param length bytes of the whole
 * @throws {WarpError} E_LIMIT where the browser could only keep it in memory, and it is too large
 */
export async function openSink(name: string, length: number): Promise<Sink | null> {
  if (pickers.showSaveFilePicker !== undefined) {
    const handle = await chosen(() => pickers.showSaveFilePicker!({ suggestedName: name }));
    return handle === null ? null : await fileSink(handle);
  }
  const worker = await workerSink(name, length);
  if (worker !== null) return worker;
  if (length > MEMORY_BYTES_MAX) {
    throw new WarpError("E_LIMIT", "this browser can only keep 1 GiB at a time here", {
      hint: "use https, or Chrome or Edge, or `warp portal get`; or download files one by one",
    });
  }
  return memorySink(name);
}

async function chosen<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    throw new WarpError("E_ACCESS", "the browser does not let this page write there", {
      cause: error,
    });
  }
}

/** Writes beside the file and takes its place at the end: an abort leaves what was there. */
export async function fileSink(handle: SaveHandle): Promise<Sink> {
  const writable = await handle.createWritable();
  return {
    write: (bytes) => writable.write(bytes as Uint8Array<ArrayBuffer>),
    close: () => writable.close(),
    abort: async () => {
      await writable.abort().catch(() => {});
      // The picker has made an empty file where there was none.
      const left = await handle.getFile().catch(() => undefined);
      if (left?.size === 0) await handle.remove?.().catch(() => {});
    },
  };
}

function memorySink(name: string): Sink {
  let parts: BlobPart[] = [];
  let bytes = 0;
  return {
    write: (part) => {
      bytes += part.length;
      if (bytes > MEMORY_BYTES_MAX + 64 * 1024 * 1024) {
        return Promise.reject(new WarpError("E_LIMIT", "too large to be kept in memory"));
      }
      parts.push(part as Uint8Array<ArrayBuffer>);
      return Promise.resolve();
    },
    close: () => {
      const url = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
      parts = [];
      const anchor = document.createElement("a");
      anchor.href = url;
      anchor.download = name;
      anchor.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      return Promise.resolve();
    },
    abort: () => {
      parts = [];
      return Promise.resolve();
    },
  };
}

const START_MS = 5_000;
const PING_MS = 10_000;

/** A download whose body is what is written here; null where there are no service workers. */
async function workerSink(name: string, length: number): Promise<Sink | null> {
  const worker = await activeWorker();
  if (worker === null) return null;
  const { port1: port, port2 } = new MessageChannel();
  const id = crypto.randomUUID();
  let pulls = 0, isOver = false;
  let wake = () => {};
  const started = Promise.withResolvers<void>();
  port.onmessage = ({ data }: MessageEvent<"ready" | "pull" | "cancel">) => {
    if (data === "ready") started.resolve();
    else if (data === "pull") pulls++;
    else isOver = true;
    wake();
  };
  const open: ToWorker = { type: "open", id, name, length, port: port2 };
  worker.postMessage(open, [port2]);
  const timer = setTimeout(() => started.reject(new Error("silent")), START_MS);
  try {
    await started.promise;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
  // Some browsers end a worker that hears nothing for half a minute.
  const pinging = setInterval(
    () => worker.postMessage({ type: "ping" } satisfies ToWorker),
    PING_MS,
  );
  const anchor = document.createElement("a");
  anchor.href = `/assets/save/${id}`;
  anchor.click();
  const end = () => {
    clearInterval(pinging);
    setTimeout(() => port.close(), 1_000);
  };
  return {
    write: async (bytes) => {
      while (pulls === 0 && !isOver) await new Promise<void>((resolve) => wake = resolve);
      if (isOver) throw new WarpError("E_CANCELLED", "the download was stopped in the browser");
      pulls--;
      const copy = bytes.slice();
      port.postMessage(copy, [copy.buffer]);
    },
    close: () => {
      port.postMessage("close");
      end();
      return Promise.resolve();
    },
    abort: () => {
      isOver = true;
      wake();
      port.postMessage("abort");
      end();
      return Promise.resolve();
    },
  };
}

async function activeWorker(): Promise<ServiceWorker | null> {
  if (!("serviceWorker" in navigator)) return null;
  try {
    const registration = await navigator.serviceWorker.register(assetUrl("download"), {
      scope: "/assets/save/",
    });
    if (registration.active !== null) return registration.active;
    const worker = registration.installing ?? registration.waiting;
    if (worker === null) return null;
    const timeout = new Promise((resolve) => setTimeout(resolve, START_MS));
    const active = new Promise((resolve) =>
      worker.addEventListener("statechange", () => {
        if (worker.state === "activated") resolve(null);
      })
    );
    await Promise.race([active, timeout]);
    return worker.state === "activated" ? worker : null;
  } catch {
    return null;
  }
}
