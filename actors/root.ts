/**
 * The supervision tree as data. Read this file first: it names every actor, what it may talk to, and
 * what happens when it dies.
 *
 * ```
 * root            one_for_one, 8 restarts in 30 s
 * ├─ cipher.0..N  permanent   hash, seal, open: pure calls, repeated on another when one is lost
 * ├─ chunker      permanent   walks and reads sources; reopened where the last batch ended
 * ├─ device       temporary   owns a GPU, where there is one; what it cannot do the ciphers do
 * └─ archive      temporary   drives one command; its failure is the command's failure
 *
 * root            one_for_one, for `stream encrypt` and `stream decrypt`
 * └─ stream       temporary   reads a pipe, seals or opens, writes a pipe
 *
 * root            one_for_one, for transfers
 * ├─ chunker.0..N permanent   one a session that sends at the same time
 * └─ transfer     temporary   owns the sockets and runs the protocol on them
 *
 * root            one_for_one, for `portal put` and `portal get`
 * ├─ chunker      permanent   for put
 * └─ portal       temporary   seals and uploads, or fetches and opens
 *
 * root            one_for_one, for `hub serve`
 * └─ hub          permanent   database, blobs and the listening socket
 * ```
 *
 * @module
 */
import type { ArchiveCommand, ArchiveInit } from "./archive/protocol.ts";
import { hasCudaLibrary } from "../kernels/cuda/location.ts";
import { tryLibraries } from "../kernels/trial_process.ts";
import type { CommandIo } from "./base/command.ts";
import { asWarpError, WarpError } from "./base/errors.ts";
import type { HubOptions } from "../hub/protocol.ts";
import type { DeviceInit } from "./device/protocol.ts";
import type { ActorDefinition } from "./runtime/define_actor.ts";
import type { ChildSpec, SupervisorFlags } from "./runtime/child_spec.ts";
import type { ExitReport, Supervisor } from "./runtime/supervisor.ts";
import type { TransferInit } from "./transfer/protocol.ts";
import { type ActorKind, WORKERS } from "./workers.ts";

/** How often a child must show life, and how long a silent one is waited for. */
const HEARTBEAT_MS = Number(Deno.env.get("WARP_HEARTBEAT_MS") ?? 20_000);

export const ROOT_FLAGS: SupervisorFlags = {
  strategy: "one_for_one",
  restartsMax: 8,
  periodMs: 30_000,
};

export interface TreeOptions {
  /** Ciphers: one a core saturates it. 0 for commands that need none. */
  ciphers: number;
  withChunker: boolean;
  /** A GPU beside the ciphers, if this machine has one. */
  withDevice?: boolean;
  command: ArchiveCommand;
}

/** The children for one archive command, in start order. */
export function archiveTree(
  { ciphers, withChunker, withDevice, command }: TreeOptions,
): ChildSpec[] {
  const names = Array.from({ length: ciphers }, (_, i) => `cipher.${i}`);
  const children: ChildSpec[] = names.map((id) => child(id, "cipher", []));
  if (withChunker) children.push(child("chunker", "chunker", []));
  const device = withDevice === true ? deviceWanted() : undefined;
  if (device !== undefined) {
    children.push({ ...child("device", "device", []), init: device, restart: "temporary" });
  }
  const links = children.map(({ id }) => id);
  const wanted = device === undefined ? "none" : device.isForced ? "required" : "optional";
  const init: ArchiveInit = { ciphers: names, device: wanted, command };
  children.push({ ...child("archive", "archive", links), init, restart: "temporary" });
  return children;
}

/**
 * `WARP_DEVICE`: `auto` (the first one, when it is worth it), `never`, a number (that one), `always`
 * (the first one, whatever was measured). Undefined without a CUDA library.
 *
 * @throws {WarpError} E_CONFIG
 */
export function deviceWanted(): DeviceInit | undefined {
  const value = Deno.env.get("WARP_DEVICE") || "auto";
  if (!/^(auto|never|always|\d{1,2})$/.test(value)) {
    throw new WarpError("E_CONFIG", `WARP_DEVICE: "${value}" is no device`, {
      hint: "auto, never, always, or a number from `warp doctor`",
    });
  }
  if (value === "never" || !hasCudaLibrary()) return undefined;
  const index = /^\d/.test(value) ? Number(value) : 0;
  return { index, isForced: value === "always" };
}

/** The only child of a stream command: it holds both ends of a pipe, so its failure is the command's. */
export function streamTree(): ChildSpec[] {
  return [{ ...child("stream", "stream", []), restart: "temporary" }];
}

/** The children for a transfer, in start order. */
export function transferTree(sendersMax: number): ChildSpec[] {
  const chunkers = Array.from({ length: sendersMax }, (_, i) => `chunker.${i}`);
  const init: TransferInit = { chunkers };
  return [
    ...chunkers.map((id) => child(id, "chunker", [])),
    { ...child("transfer", "transfer", chunkers), init, restart: "temporary" },
  ];
}

/** The children for moving a tree into a portal or out of it. */
export function portalTree(withChunker: boolean): ChildSpec[] {
  const links = withChunker ? ["chunker"] : [];
  return [
    ...links.map((id) => child(id, "chunker", [])),
    { ...child("portal", "portal", links), restart: "temporary" },
  ];
}

/** A hub; it starts again where it fails, and loses nothing that it has acknowledged. */
export function hubTree(init: HubOptions): ChildSpec[] {
  return [{ ...child("hub", "hub", []), init, shutdownMs: 15_000 }];
}

function child(id: string, kind: ActorKind, links: string[]): ChildSpec {
  return {
    id,
    entry: WORKERS[kind],
    actor: () => definitionOf(kind),
    init: null,
    restart: "permanent",
    shutdownMs: 2_000,
    heartbeatMs: HEARTBEAT_MS,
    links,
  };
}

/** For a child of this thread. By URL: Deno reads whatever stands in a plain `import()` at start. */
async function definitionOf(kind: ActorKind): Promise<ActorDefinition> {
  const module: Record<string, ActorDefinition> = await import(
    new URL("actor.ts", WORKERS[kind]).href
  );
  return module[kind]!;
}

/** Starts the tree for one command, traced and hosted as the user asked. */
export async function startTree(
  children: ChildSpec[],
  inThread: boolean,
  io: CommandIo,
): Promise<Supervisor> {
  await tryLibraries();
  const { startSupervisor } = await import("./runtime/supervisor.ts");
  const trace = io.options.traceFile === undefined
    ? undefined
    : (await import("./runtime/trace.ts")).openTrace(io.options.traceFile);
  return await startSupervisor({
    flags: ROOT_FLAGS,
    children,
    host: inThread || io.options.isSingleThread ? "thread" : "worker",
    ...(trace === undefined ? {} : { trace }),
  });
}

/**
 * Starts the actors while `prepare` finds what they are to be told (Argon2 takes its time on purpose),
 * then runs `use` on both, and stops them.
 */
export async function withTree<Request, T>(
  children: ChildSpec[],
  inThread: boolean,
  io: CommandIo,
  prepare: () => Promise<Request>,
  use: (supervisor: Supervisor, request: Request) => Promise<T>,
): Promise<T> {
  const starting = startTree(children, inThread, io);
  starting.catch(() => {});
  let request: Request;
  try {
    request = await prepare();
  } catch (error) {
    await starting.then((supervisor) => supervisor.stop(), () => {});
    throw error;
  }
  const supervisor = await starting;
  try {
    const work = use(supervisor, request);
    work.catch(() => {});
    return await Promise.race([work, supervisor.failed]);
  } catch (error) {
    throw await withCrashReport(asWarpError(error), supervisor.reports);
  } finally {
    await supervisor.stop();
  }
}

/** Names the crash report when an actor was lost or warp is at fault. */
async function withCrashReport(
  error: WarpError,
  reports: readonly ExitReport[],
): Promise<WarpError> {
  if (error.code !== "E_INTERNAL" && error.code !== "E_ACTOR_DOWN") return error;
  const { writeCrashReport } = await import("./runtime/crash_report.ts");
  const path = writeCrashReport(reports);
  if (path === undefined) return error;
  const hint = `${error.hint === undefined ? "" : `${error.hint}; `}see "${path}"`;
  return new WarpError(error.code, error.message, { hint, details: error.details, cause: error });
}
