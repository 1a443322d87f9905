/**
 * The service worker that turns what a page has decrypted into a download of the browser. It sees nothing
 * else: its scope is /assets/save/, where the hub has nothing.
 *
 * @module
 */
/// <reference lib="dom" />

/** From a page. */
export type ToWorker =
  | { type: "open"; id: string; name: string; length: number; port: MessagePort }
  | { type: "ping" };

interface Waiting {
  name: string;
  length: number;
  body: ReadableStream<Uint8Array>;
}

/** What of a service worker's scope is used here. */
interface Scope {
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
  addEventListener(
    type: string,
    listener: (
      event: {
        data: ToWorker;
        request: Request;
        waitUntil(done: Promise<void>): void;
        respondWith(answer: Response): void;
      },
    ) => void,
  ): void;
}

const scope = globalThis as unknown as Scope;
const waiting = new Map<string, Waiting>();

scope.addEventListener("install", (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));

scope.addEventListener("message", ({ data }) => {
  if (data.type !== "open") return;
  const { id, name, length, port } = data;
  waiting.set(id, { name, length, body: bodyFrom(port) });
  port.postMessage("ready");
});

/** Pulls: the page sends when there is room. */
function bodyFrom(port: MessagePort): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      port.onmessage = ({ data }: MessageEvent<Uint8Array | "close" | "abort">) => {
        if (data === "close") controller.close();
        else if (data === "abort") controller.error(new Error("stopped"));
        else controller.enqueue(data);
      };
    },
    pull() {
      port.postMessage("pull");
    },
    cancel() {
      port.postMessage("cancel");
    },
  }, { highWaterMark: 4 });
}

scope.addEventListener("fetch", (event) => {
  const id = new URL(event.request.url).pathname.split("/").at(-1)!;
  const found = waiting.get(id);
  if (found === undefined) return;
  waiting.delete(id);
  const name = encodeURIComponent(found.name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  event.respondWith(
    new Response(found.body, {
      headers: {
        "content-type": "application/octet-stream",
        "content-length": String(found.length),
        "content-disposition": `attachment; filename*=UTF-8''${name}`,
        "content-security-policy": "default-src 'none'",
        "x-content-type-options": "nosniff",
      },
    }),
  );
});
