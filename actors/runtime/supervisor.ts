/**
 * Starts children, watches them, and carries out what restart.ts decides.
 *
 * The root runs this in the main thread. It sees control messages only: data ports connect the
 * actors directly.
 *
 * @module
 */
import { fromWireError, WarpError, type WireError } from "../base/errors.ts";
import { type ActorRef, makeRef } from "./actor_ref.ts";
import type { ChildSpec, SupervisorFlags } from "./child_spec.ts";
import { type ChildHost, startInThread, startWorker } from "./child_host.ts";
import { Heartbeats } from "./heartbeat.ts";
import { Link } from "./link.ts";
import type { FlightRecord, FromActor, Protocol } from "./protocol.ts";
import { type ExitKind, onExit } from "./restart.ts";
import type { TraceSink } from "./trace.ts";
import { newTrace } from "./traceparent.ts";

/** Quarantined Workers keep a core busy each; with more of them the program is no use. */
const QUARANTINED_MAX = 4;

export interface ExitReport {
  id: string;
  generation: number;
  kind: ExitKind;
  error: WireError | undefined;
  recent: FlightRecord[];
  restarts: number;
  quarantined: number;
}

export interface SupervisorOptions {
  flags: SupervisorFlags;
  children: ChildSpec[];
  host?: "worker" | "thread";
  trace?: TraceSink;
  onReport?: (report: ExitReport) => void;
}

export interface Supervisor {
  /** The root's own reference to a child. */
  ref<P extends Protocol>(id: string): ActorRef<P>;
  /** Rejects when a child cannot be kept alive; never resolves. */
  readonly failed: Promise<never>;
  readonly reports: readonly ExitReport[];
  /** Stops the children in reverse start order. */
  stop(): Promise<void>;
}

interface Child {
  spec: ChildSpec;
  host: ChildHost | undefined;
  generation: number;
  state: "starting" | "running" | "stopping" | "down";
  started: PromiseWithResolvers<void>;
  stopped: PromiseWithResolvers<void>;
  recent: FlightRecord[];
}

/** @throws {WarpError} when a child fails at its first start */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const tree = new SupervisionTree(options);
  await tree.start();
  return tree;
}

class SupervisionTree implements Supervisor {
  readonly #options: SupervisorOptions;
  readonly #children: Map<string, Child>;
  readonly #links = new Map<string, Link>();
  readonly #heartbeats = new Heartbeats();
  readonly #failure = Promise.withResolvers<never>();
  readonly #trace: string;
  readonly reports: ExitReport[] = [];
  #recentRestarts: number[] = [];
  #quarantined = 0;
  #restarts = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isStopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#failure.promise.catch(() => {});
    this.#trace = options.trace === undefined ? "" : newTrace();
    this.#children = new Map(options.children.map((spec) => [spec.id, newChild(spec)]));
  }

  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  ref<P extends Protocol>(id: string): ActorRef<P> {
    return makeRef(this.#link(id), { trace: this.#trace });
  }

  #link(id: string): Link {
    let link = this.#links.get(id);
    if (link === undefined) this.#links.set(id, link = new Link(id));
    return link;
  }

  /**
   * In start order, without waiting for each to be ready: ports keep what is sent to a child until
   * it is, and Workers load side by side.
   */
  async start(): Promise<void> {
    try {
      for (const child of this.#children.values()) await this.#launch(child);
      for (const child of this.#children.values()) this.#connect(child);
      await Promise.all([...this.#children.values()].map(({ started }) => started.promise));
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#timer = setInterval(() => this.#beat(), this.#heartbeats.stepMs);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  async #launch(child: Child): Promise<void> {
    const { spec } = child;
    child.state = "starting";
    child.started = Promise.withResolvers<void>();
    child.started.promise.catch(() => {});
    child.stopped = Promise.withResolvers<void>();
    const { generation } = child;
    const events = {
      message: (message: FromActor) => this.#receive(child, generation, message),
      crash: (error: WireError) => this.#ended(child, generation, "crash", error),
    };
    const isWorker = this.#options.host !== "thread";
    child.host = isWorker ? startWorker(spec, events) : await startInThread(spec, events);
    child.host.init({ generation, trace: this.#options.trace !== undefined });
    if (isWorker) this.#heartbeats.watch(spec.id, spec.heartbeatMs, Date.now());
  }

  /** Ports between `child`, those it may talk to, those that may talk to it, and the root. */
  #connect(child: Child): void {
    const { id, links } = child.spec;
    const toRoot = new MessageChannel();
    child.host?.post({ t: "serve", from: "root", port: toRoot.port2 }, [toRoot.port2]);
    this.#link(id).connect(toRoot.port1);
    for (const name of links) this.#pair(child, this.#children.get(name)!);
  }

  #pair(caller: Child, callee: Child): void {
    if (caller.host === undefined || callee.host === undefined) return;
    const { port1, port2 } = new MessageChannel();
    callee.host.post({ t: "serve", from: caller.spec.id, port: port2 }, [port2]);
    caller.host.post({ t: "link", name: callee.spec.id, port: port1 }, [port1]);
  }

  #receive(child: Child, generation: number, message: FromActor): void {
    if (message.t === "trace") return this.#options.trace?.write(message.spans);
    if (generation !== child.generation) return;
    switch (message.t) {
      case "ready":
        child.state = "running";
        return child.started.resolve();
      case "pong":
        return this.#heartbeats.pong(child.spec.id);
      case "stopped":
        return child.stopped.resolve();
      case "failed":
        return this.#ended(child, generation, "startFailed", message.error);
      case "crashed":
        child.recent = message.recent;
        return this.#ended(child, generation, "crash", message.error);
    }
  }

  #beat(): void {
    const nowMs = Date.now();
    for (const id of this.#heartbeats.due(nowMs)) {
      this.#children.get(id)!.host?.post({ t: "ping", n: nowMs });
    }
    for (const id of this.#heartbeats.late(nowMs)) {
      const child = this.#children.get(id)!;
      this.#ended(child, child.generation, "hang", undefined);
    }
  }

  /** A child is gone, or as good as gone. */
  #ended(child: Child, generation: number, kind: ExitKind, error: WireError | undefined): void {
    const isOld = generation !== child.generation || child.state === "down";
    if (isOld || this.#isStopping || child.state === "stopping") return;
    const wasStarting = child.state === "starting" && generation === 0;
    this.#remove(child, kind);
    this.#report(child, generation, kind, error);
    if (wasStarting) {
      const cause = error === undefined ? undefined : fromWireError(error);
      const reason = cause ?? new WarpError("E_ACTOR_DOWN", `"${child.spec.id}" did not start`);
      return child.started.reject(reason);
    }
    this.#decide(child, kind, error);
  }

  #remove(child: Child, kind: ExitKind): void {
    child.state = "down";
    this.#heartbeats.forget(child.spec.id);
    if (kind === "hang") this.#quarantined++;
    child.host?.abandon();
    child.host = undefined;
    this.#link(child.spec.id).disconnect();
    for (const other of this.#children.values()) {
      if (other.spec.links.includes(child.spec.id)) {
        other.host?.post({ t: "unlink", name: child.spec.id });
      }
    }
  }

  #report(child: Child, generation: number, kind: ExitKind, error: WireError | undefined): void {
    const report: ExitReport = {
      id: child.spec.id,
      generation,
      kind,
      error,
      recent: child.recent,
      restarts: this.#restarts,
      quarantined: this.#quarantined,
    };
    this.reports.push(report);
    this.#options.onReport?.(report);
  }

  #decide(child: Child, kind: ExitKind, error: WireError | undefined): void {
    const specs = this.#options.children;
    const exit = { id: child.spec.id, kind };
    const { flags } = this.#options;
    const decision = onExit(specs, flags, exit, this.#recentRestarts, Date.now());
    this.#recentRestarts = decision.recent;
    const isLast = child.spec.restart === "temporary" && kind !== "normal";
    if (decision.escalate || isLast || this.#quarantined > QUARANTINED_MAX) {
      const cause = error === undefined ? undefined : fromWireError(error);
      const message = decision.escalate
        ? `"${child.spec.id}" fails again and again`
        : `the actor "${child.spec.id}" was lost (${kind})`;
      this.#link(child.spec.id).close();
      const failure = cause?.code === "E_INTERNAL"
        ? cause
        : new WarpError("E_ACTOR_DOWN", message, { cause });
      return this.#failure.reject(failure);
    }
    void this.#restart(decision.stop, decision.start, decision.delayMs);
  }

  async #restart(stop: string[], start: string[], delayMs: number): Promise<void> {
    for (const id of stop) await this.#stopChild(this.#children.get(id)!);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (this.#isStopping) return;
    const children = start.map((id) => this.#children.get(id)!);
    try {
      for (const child of children) {
        child.generation++;
        this.#restarts++;
        await this.#launch(child);
      }
      for (const child of children) this.#connect(child);
      for (const other of this.#children.values()) {
        if (start.includes(other.spec.id)) continue;
        for (const name of other.spec.links) {
          if (start.includes(name)) this.#pair(other, this.#children.get(name)!);
        }
      }
    } catch (error) {
      this.#failure.reject(error as Error);
    }
  }

  async #stopChild(child: Child): Promise<void> {
    if (child.host === undefined || child.state === "down") return;
    child.state = "stopping";
    this.#heartbeats.forget(child.spec.id);
    child.host.requestStop();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, child.spec.shutdownMs));
    await Promise.race([child.stopped.promise, late]);
    clearTimeout(timer);
    child.host.abandon();
    child.host = undefined;
    child.state = "down";
    this.#link(child.spec.id).disconnect();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    for (const child of [...this.#children.values()].reverse()) await this.#stopChild(child);
    for (const link of this.#links.values()) link.close();
    this.#options.trace?.close();
  }
}

function newChild(spec: ChildSpec): Child {
  return {
    spec,
    host: undefined,
    generation: 0,
    state: "down",
    started: Promise.withResolvers<void>(),
    stopped: Promise.withResolvers<void>(),
    recent: [],
  };
}
