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
 * ```
 *
 * @module
 */
import type { ArchiveCommand, ArchiveInit } from "./archive/protocol.ts";
import { hasCudaLibrary } from "../kernels/cuda/location.ts";
import { tryLibraries } from "../kernels/trial_process.ts";
import type { CommandIo } from "./base/command.ts";
import { WarpError } from "./base/errors.ts";
import type { DeviceInit } from "./device/protocol.ts";
import type { ActorDefinition } from "./runtime/define_actor.ts";
import type { ChildSpec, SupervisorFlags } from "./runtime/child_spec.ts";
import type { Supervisor } from "./runtime/supervisor.ts";

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

const DEFINITIONS = {
  cipher: () => import("./cipher/actor.ts").then((module) => module.cipher),
  device: () => import("./device/actor.ts").then((module) => module.device),
  chunker: () => import("./chunker/actor.ts").then((module) => module.chunker),
  archive: () => import("./archive/actor.ts").then((module) => module.archive),
};

function child(id: string, kind: keyof typeof DEFINITIONS, links: string[]): ChildSpec {
  return {
    id,
    entry: ENTRIES[kind],
    actor: DEFINITIONS[kind] as () => Promise<ActorDefinition>,
    init: null,
    restart: "permanent",
    shutdownMs: 2_000,
    heartbeatMs: HEARTBEAT_MS,
    links,
  };
}

/** Literal URLs, so that `deno compile --include` and bundlers see them. */
const ENTRIES = {
  cipher: new URL("./cipher/worker.ts", import.meta.url),
  device: new URL("./device/worker.ts", import.meta.url),
  chunker: new URL("./chunker/worker.ts", import.meta.url),
  archive: new URL("./archive/worker.ts", import.meta.url),
};

/** Starts the tree for one command, traced and hosted as the user asked. */
export async function startTree(
  options: TreeOptions & { inThread: boolean },
  io: CommandIo,
): Promise<Supervisor> {
  await tryLibraries();
  const { startSupervisor } = await import("./runtime/supervisor.ts");
  const trace = io.options.traceFile === undefined
    ? undefined
    : (await import("./runtime/trace.ts")).openTrace(io.options.traceFile);
  return await startSupervisor({
    flags: ROOT_FLAGS,
    children: archiveTree(options),
    host: options.inThread || io.options.isSingleThread ? "thread" : "worker",
    ...(trace === undefined ? {} : { trace }),
  });
}
