/**
 * The Worker side: a Worker's entry file is one call of {@link serveActor}.
 *
 * @module
 */
import { ActorHost } from "./actor_host.ts";
import type { ActorDefinition } from "./define_actor.ts";
import type { FromActor, ToActor } from "./protocol.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  postMessage(message: FromActor): void;
  onmessage: ((event: MessageEvent<ToActor>) => void) | null;
  close(): void;
}

export function serveActor(definition: ActorDefinition): void {
  const scope = globalThis as unknown as WorkerScope;
  const host = new ActorHost(definition, {
    post: (message) => scope.postMessage(message),
    vanish: () => scope.close(),
    blowUp: (error) => {
      setTimeout(() => {
        throw error;
      });
    },
  });
  scope.onmessage = (event) => host.receive(event.data);
  // Reported as a message: left alone, the runtime would print a stack over the user's terminal.
  addEventListener("error", (event) => {
    event.preventDefault();
    host.crash(event.error);
  });
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    host.crash(event.reason);
  });
}
