/**
 * A running hub: database, blobs, clock and the listening socket.
 *
 * @module
 */
import { fromSystemError, WarpError } from "../actors/base/errors.ts";
import type { Log } from "../actors/base/log.ts";
import { toBase64Url } from "../actors/portal/base64url.ts";
import { createApp } from "./app.ts";
import { ByteBudget } from "./byte_budget.ts";
import { openBlobs } from "./blobs/open_blobs_io.ts";
import { Events } from "./events.ts";
import { type Clock, type Hub, LIMITS_DEFAULT, openSecrets } from "./hub.ts";
import { Metrics } from "./metrics.ts";
import type { HubOptions } from "./protocol.ts";
import { MIGRATIONS } from "./schema.ts";
import { migrate } from "./store/migrate.ts";
import { openDatabase } from "./store/open_database_io.ts";
import { runTicker } from "./ticker.ts";
import { Traffic } from "./traffic.ts";

export interface RunningHub {
  readonly hub: Hub;
  readonly host: string;
  readonly port: number;
  /** base64url */
  readonly key: string;
  readonly invite: string;
  /** Settles when the socket is gone. */
  readonly finished: Promise<void>;
  /** Answers what is asked already, then closes. */
  stop(): Promise<void>;
}

/** Requests that may wait for memory. */
const UPLOADS_WAITING_MAX = 10_000;

/** How long a shutdown waits for downloads before it cuts them. */
const DRAIN_MS = 10_000;

/** @throws {WarpError} E_STORE, E_CONFIG, E_NETWORK (the address is taken), E_VERSION */
export async function startHub(
  options: HubOptions,
  clock: Clock,
  log: Log,
): Promise<RunningHub> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    return await start(options, clock, log, opened);
  } catch (error) {
    for (const one of opened.reverse()) await one.close().catch(() => {});
    throw error;
  }
}

/** @param opened what has to be closed when it comes to nothing */
async function start(
  options: HubOptions,
  clock: Clock,
  log: Log,
  opened: { close(): Promise<void> }[],
): Promise<RunningHub> {
  const db = await openDatabase(options.database);
  opened.push(db);
  const stopping = new AbortController();
  const metrics = new Metrics();
  await migrate(db, MIGRATIONS);
  const blobs = await openBlobs(options.blobs);
  opened.push(blobs);
  const limits = { ...LIMITS_DEFAULT, ...options.limits };
  const hub: Hub = {
    db,
    blobs,
    clock,
    limits,
    events: await Events.open(db),
    traffic: new Traffic(db),
    metrics,
    uploads: new ByteBudget(limits.uploadBytes, UPLOADS_WAITING_MAX),
    secrets: await openSecrets(db, clock),
    isOpen: options.isOpen,
    isBehindProxy: options.isBehindProxy,
    stopping: stopping.signal,
  };
  metrics.gauge("portal_subscribers", "open event streams", () => hub.events.subscribers);
  const app = createApp(hub);
  const server = listen(options, (request, address) => app.fetch(request, { address }));
  const ticking = runTicker(hub, log, stopping.signal);
  let ending: Promise<void> | undefined;
  const end = async () => {
    stopping.abort();
    const cut = setTimeout(() => server.abort.abort(), DRAIN_MS);
    await server.http.shutdown();
    clearTimeout(cut);
    await ticking;
    await hub.traffic.flush().catch(() => {});
    await hub.blobs.close();
    await db.close();
  };
  return {
    hub,
    host: server.http.addr.hostname,
    port: server.http.addr.port,
    key: toBase64Url(hub.secrets.signer.publicKey),
    invite: hub.secrets.invite,
    finished: server.http.finished,
    stop: () => ending ??= end(),
  };
}

function listen(
  { host, port, tls }: HubOptions,
  answer: (request: Request, address: string) => Response | Promise<Response>,
) {
  const abort = new AbortController();
  try {
    const http = Deno.serve({
      hostname: host,
      port,
      signal: abort.signal,
      onListen: () => {},
      ...(tls === null ? {} : tls),
    }, (request, info) => answer(request, info.remoteAddr.hostname));
    return { http, abort };
  } catch (error) {
    const known = fromSystemError(error);
    throw new WarpError(known?.code ?? "E_NETWORK", `cannot listen at ${host}:${port}`, {
      hint: "is another hub running there? choose one with --listen HOST:PORT",
      cause: error,
    });
  }
}
