/**
 * The supervision tree as data. Read this file first: it names every actor, what it may talk to, and
 * what happens when it dies.
 *
 * ```
 * root            one_for_one, 8 restarts in 30 s
 * ├─ cipher.0..N  permanent   hash, seal, open: pure calls, repeated on another when one is lost
 * ├─ chunker      permanent   walks and reads sources; reopened where the last batch ended
 * └─ archive      temporary   drives one command; its failure is the command's failure
 * ```
 *
 * @module
 */
import type { ArchiveCommand, ArchiveInit } from "./archive/protocol.ts";
import type { CommandIo } from "./base/command.ts";
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
  command: ArchiveCommand;
}

/** The children for one archive command, in start order. */
export function archiveTree({ ciphers, withChunker, command }: TreeOptions): ChildSpec[] {
  const names = Array.from({ length: ciphers }, (_, i) => `cipher.${i}`);
  const children: ChildSpec[] = names.map((id) => child(id, "cipher", []));
  if (withChunker) children.push(child("chunker", "chunker", []));
  const links = children.map(({ id }) => id);
  const init: ArchiveInit = { ciphers: names, command };
  children.push({ ...child("archive", "archive", links), init, restart: "temporary" });
  return children;
}

const DEFINITIONS = {
  cipher: () => import("./cipher/actor.ts").then((module) => module.cipher),
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
  chunker: new URL("./chunker/worker.ts", import.meta.url),
  archive: new URL("./archive/worker.ts", import.meta.url),
};

/** Starts the tree for one command, traced and hosted as the user asked. */
export async function startTree(
  options: TreeOptions & { inThread: boolean },
  io: CommandIo,
): Promise<Supervisor> {
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
