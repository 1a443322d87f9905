/**
 * Where a child runs: in a Worker of its own, or in this thread. The supervisor sees no difference.
 *
 * @module
 */
import { toWireError, type WireError } from "../base/errors.ts";
import { ActorHost } from "./actor_host.ts";
import type { ChildSpec } from "./child_spec.ts";
import type { FromActor, ToActor } from "./protocol.ts";
import { takeWorker } from "./ready_workers.ts";

export interface ChildEvents {
  message(message: FromActor): void;
  /** The child ended with an uncaught exception. */
  crash(error: WireError): void;
}

export interface ChildHost {
  post(message: ToActor, transfer?: Transferable[]): void;
  init(options: { generation: number; trace: boolean }): void;
  /** Asks for an orderly stop, and raises the flag that long loops poll. */
  requestStop(): void;
  /**
   * Forgets the child. A Worker that is busy in JavaScript goes on burning its core (terminate does
   * not reach it) but nothing it says is heard any more.
   */
  abandon(): void;
}

export function startWorker(spec: ChildSpec, events: ChildEvents): ChildHost {
  const worker = spec.permissions === undefined
    ? takeWorker(spec.entry) ?? new Worker(spec.entry, { type: "module", name: spec.id })
    : new Worker(spec.entry, {
      type: "module",
      name: spec.id,
      deno: { permissions: spec.permissions },
    });
  const stop = new SharedArrayBuffer(4);
  worker.onmessage = (event: MessageEvent<FromActor>) => events.message(event.data);
  worker.onerror = (event) => {
    event.preventDefault();
    events.crash({ code: "E_INTERNAL", message: event.message });
  };
  const post = (message: ToActor, transfer: Transferable[] = []) =>
    worker.postMessage(message, transfer);
  return {
    post,
    init: ({ generation, trace }) =>
      post({ t: "init", init: spec.init, id: spec.id, generation, trace, stop }),
    requestStop: () => {
      Atomics.store(new Int32Array(stop), 0, 1);
      post({ t: "stop" });
    },
    abandon: () => {
      Atomics.store(new Int32Array(stop), 0, 1);
      worker.onmessage = null;
      worker.onerror = (event) => event.preventDefault();
      worker.terminate();
    },
  };
}

/** Messages go through structured clone as between Workers; only the thread is the same. */
export async function startInThread(spec: ChildSpec, events: ChildEvents): Promise<ChildHost> {
  const definition = await spec.actor();
  const { port1, port2 } = new MessageChannel();
  const stop = new SharedArrayBuffer(4);
  const host = new ActorHost(definition, {
    post: (message) => port2.postMessage(message),
    vanish: () => {
      host.dispose();
      port2.close();
      // No heartbeat watches this thread: what a Worker's silence would tell is told here.
      events.crash({ code: "E_ACTOR_DOWN", message: `"${spec.id}" vanished` });
    },
    blowUp: (error) => {
      host.dispose();
      events.crash(toWireError(error));
    },
  });
  port2.onmessage = (event: MessageEvent<ToActor>) => host.receive(event.data);
  port1.onmessage = (event: MessageEvent<FromActor>) => events.message(event.data);
  const post = (message: ToActor, transfer: Transferable[] = []) =>
    port1.postMessage(message, transfer);
  return {
    post,
    init: ({ generation, trace }) =>
      post({ t: "init", init: spec.init, id: spec.id, generation, trace, stop }),
    requestStop: () => {
      Atomics.store(new Int32Array(stop), 0, 1);
      post({ t: "stop" });
    },
    abandon: () => {
      host.dispose();
      port1.close();
      port2.close();
    },
  };
}
