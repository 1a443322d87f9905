/**
 * Children as data: what a supervisor starts, and how it treats them.
 *
 * @module
 */
import type { ActorDefinition } from "./define_actor.ts";
import type { RestartFlags } from "./restart.ts";

export type SupervisorFlags = RestartFlags;

export interface ChildSpec {
  id: string;
  /** The Worker's file: a module that calls `serveActor`. */
  entry: URL;
  /** The same actor for the in-thread host. */
  actor: () => Promise<ActorDefinition>;
  /** Given to `init`; plain data. */
  init: unknown;
  restart: "permanent" | "transient" | "temporary";
  /** How long a stop may take before the Worker is terminated. */
  shutdownMs: number;
  /** How often it must show life; two missed beats are a hang. */
  heartbeatMs: number;
  /** Ids of earlier children that it may talk to. */
  links: string[];
  /** What the Worker may do; default: everything the program may. */
  permissions?: Deno.PermissionOptions;
}
