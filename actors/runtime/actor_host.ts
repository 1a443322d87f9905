/**
 * Runs one actor, wherever it lives: takes envelopes from its ports, one call or cast at a time, and
 * streams beside them.
 *
 * @module
 */
import { isWarpError, toWireError, WarpError, type WireError } from "../base/errors.ts";
import { type ActorRef, makeRef } from "./actor_ref.ts";
import { CreditSender, ITEM_COST_MIN } from "./credit.ts";
import type { ActorContext, ActorDefinition, HandlerContext } from "./define_actor.ts";
import { faultFor } from "./fault.ts";
import { FlightRecorder } from "./flight_recorder.ts";
import { Link } from "./link.ts";
import { Mailbox } from "./mailbox.ts";
import type { Envelope, FromActor, Protocol, Span, ToActor } from "./protocol.ts";

/** The way to the supervisor. */
export interface Control {
  post(message: FromActor): void;
  /** Ends the actor without a word, as a crash of its Worker would. */
  vanish(): void;
  /** Fails the actor from outside any handler, as an uncaught exception would. */
  blowUp(error: Error): void;
}

type Asked = Extract<Envelope, { t: "call" | "cast" | "open" }>;

interface Queued {
  envelope: Asked;
  client: Client;
  queuedAt: number;
}

/** One caller: its port and what it has open. */
interface Client {
  from: string;
  port: MessagePort;
  open: Map<number, { controller: AbortController; credit?: CreditSender; wake?: () => void }>;
}

const SPANS_AT_ONCE = 128;

export class ActorHost {
  readonly #definition: ActorDefinition;
  readonly #control: Control;
  readonly #mailbox = new Mailbox<Queued>();
  readonly #links = new Map<string, Link>();
  readonly #clients = new Map<string, Client>();
  readonly #flight = new FlightRecorder();
  readonly #lifetime = new AbortController();
  #id = "";
  #generation = 0;
  #state: unknown;
  #stopFlag: Int32Array = new Int32Array(1);
  #isReady = false;
  #isPumping = false;
  #spans: Span[] | undefined;
  #fault: ReturnType<typeof faultFor>;

  constructor(definition: ActorDefinition, control: Control) {
    this.#definition = definition;
    this.#control = control;
  }

  /** A message of the supervisor. */
  receive(message: ToActor): void {
    switch (message.t) {
      case "link":
        return this.#link(message.name).connect(message.port);
      case "unlink":
        return this.#link(message.name).disconnect();
      case "serve":
        return this.#serve(message.from, message.port);
      case "init":
        this.#id = message.id;
        this.#generation = message.generation;
        this.#stopFlag = new Int32Array(message.stop);
        this.#spans = message.trace ? [] : undefined;
        this.#fault = faultFor(message.id, message.generation);
        return void this.#init(message.init);
      case "ping":
        return this.#control.post({ t: "pong", n: message.n });
      case "stop":
        return void this.#stop();
    }
  }

  /** Drops everything without asking the actor: it has crashed or was given up. */
  dispose(): void {
    this.#lifetime.abort(new WarpError("E_ACTOR_DOWN", `"${this.#id}" has ended`));
    for (const link of this.#links.values()) link.close();
    for (const client of this.#clients.values()) this.#drop(client);
  }

  async #init(init: unknown): Promise<void> {
    try {
      this.#state = await this.#definition.init(init, this.#context());
      this.#isReady = true;
      this.#control.post({ t: "ready" });
      this.#pump();
    } catch (error) {
      this.#control.post({ t: "failed", error: toWireError(error) });
    }
  }

  #context(): ActorContext {
    return {
      name: this.#id,
      generation: this.#generation,
      stopFlag: this.#stopFlag,
      ref: <P extends Protocol>(name: string): ActorRef<P> =>
        makeRef(this.#link(name), { trace: "" }),
    };
  }

  #link(name: string): Link {
    let link = this.#links.get(name);
    if (link === undefined) this.#links.set(name, link = new Link(name));
    return link;
  }

  #serve(from: string, port: MessagePort): void {
    const before = this.#clients.get(from);
    if (before !== undefined) this.#drop(before);
    const client: Client = { from, port, open: new Map() };
    this.#clients.set(from, client);
    port.onmessage = (event: MessageEvent) => this.#accept(event.data as Envelope, client);
  }

  #drop(client: Client): void {
    for (const { controller } of client.open.values()) {
      controller.abort(new WarpError("E_CANCELLED", "the caller went away"));
    }
    client.port.close();
  }

  #accept(envelope: Envelope, client: Client): void {
    if (envelope.t === "credit") {
      const open = client.open.get(envelope.id);
      open?.credit?.granted(envelope.ceiling);
      return open?.wake?.();
    }
    if (envelope.t === "cancel") return this.#cancel(envelope.id, client);
    if (envelope.t !== "call" && envelope.t !== "cast" && envelope.t !== "open") return;
    const queuedAt = performance.now();
    this.#flight.note({ atMs: Date.now(), from: client.from, t: envelope.t, op: envelope.op });
    if (!this.#mailbox.push({ envelope, client, queuedAt })) {
      if (envelope.t === "cast") return;
      const error = new WarpError("E_BUSY", `the mailbox of "${this.#id}" is full`);
      return this.#fail(client, envelope.id, error);
    }
    this.#pump();
  }

  #cancel(id: number, client: Client): void {
    const isSame = (queued: Queued) =>
      queued.client === client && queued.envelope.t !== "cast" && queued.envelope.id === id;
    if (this.#mailbox.remove(isSame) !== undefined) return;
    const reason = new WarpError("E_CANCELLED", "the caller cancelled");
    client.open.get(id)?.controller.abort(reason);
    client.open.get(id)?.wake?.();
  }

  /** Handles what waits, one at a time. */
  async #pump(): Promise<void> {
    if (this.#isPumping || !this.#isReady) return;
    this.#isPumping = true;
    for (let next = this.#mailbox.take(); next !== undefined; next = this.#mailbox.take()) {
      if (this.#fault?.(next.envelope.op, this.#control)) {
        this.#isReady = false;
        break;
      }
      if (next.envelope.t === "open") void this.#runStream(next, next.envelope);
      else await this.#runOne(next, next.envelope);
      if (!this.#isReady) break;
    }
    this.#isPumping = false;
  }

  async #runOne(queued: Queued, envelope: Extract<Asked, { t: "call" | "cast" }>): Promise<void> {
    const { client } = queued;
    const table = envelope.t === "call" ? this.#definition.calls : this.#definition.casts;
    const handler = table[envelope.op];
    const startedAt = performance.now();
    const controller = new AbortController();
    const endsAt = envelope.t === "call"
      ? queued.queuedAt + envelope.deadlineMs
      : Number.POSITIVE_INFINITY;
    if (envelope.t === "call") client.open.set(envelope.id, { controller });
    const cx = this.#handlerContext(controller.signal, envelope.trace, endsAt);
    let outcome: Span["outcome"] = "ok";
    try {
      if (handler === undefined) throw new Error(`"${this.#id}" does not understand this message`);
      const body = await handler(this.#state, envelope.body, cx);
      if (envelope.t === "call") this.#send(client, { t: "reply", id: envelope.id, body });
    } catch (error) {
      outcome = controller.signal.aborted ? "cancelled" : "error";
      this.#answerError(client, envelope.t === "call" ? envelope.id : undefined, error);
    } finally {
      if (envelope.t === "call") client.open.delete(envelope.id);
      this.#span(queued, envelope.t, startedAt, outcome, 0);
    }
  }

  async #runStream(queued: Queued, envelope: Extract<Asked, { t: "open" }>): Promise<void> {
    const { client } = queued;
    const startedAt = performance.now();
    const controller = new AbortController();
    const credit = new CreditSender(envelope.credit);
    const open = { controller, credit, wake: () => {} };
    client.open.set(envelope.id, open);
    const cx = this.#handlerContext(controller.signal, envelope.trace, Number.POSITIVE_INFINITY);
    let outcome: Span["outcome"] = "ok", bytes = 0;
    const costOf = this.#definition.costs[envelope.op];
    try {
      const handler = this.#definition.streams[envelope.op];
      if (handler === undefined) throw new Error(`"${this.#id}" does not understand this message`);
      const generator = handler(this.#state, envelope.body, cx);
      for (;;) {
        while (!credit.maySend() && !controller.signal.aborted) {
          await new Promise<void>((resolve) => open.wake = resolve);
        }
        if (controller.signal.aborted) {
          await generator.return(undefined);
          throw controller.signal.reason;
        }
        const next = await generator.next();
        if (next.done) {
          this.#send(client, { t: "end", id: envelope.id, body: next.value });
          break;
        }
        const cost = Math.max(ITEM_COST_MIN, costOf?.(next.value) ?? 0);
        bytes += cost;
        credit.sent(cost);
        this.#send(client, { t: "item", id: envelope.id, body: next.value, cost });
      }
    } catch (error) {
      outcome = controller.signal.aborted ? "cancelled" : "error";
      this.#answerError(client, envelope.id, error);
    } finally {
      client.open.delete(envelope.id);
      this.#span(queued, "stream", startedAt, outcome, bytes);
    }
  }

  #handlerContext(own: AbortSignal, trace: string, endsAt: number): HandlerContext {
    const signal = AbortSignal.any([own, this.#lifetime.signal]);
    return {
      ...this.#context(),
      signal,
      trace,
      remainingMs: () => endsAt - performance.now(),
      ref: (name) => makeRef(this.#link(name), { trace, signal }),
    };
  }

  /** Expected trouble is an answer; anything else is a bug, and the actor dies of it. */
  #answerError(client: Client, id: number | undefined, error: unknown): void {
    const wire = toWireError(error);
    if (id !== undefined) this.#send(client, { t: "fail", id, error: withActor(wire, this.#id) });
    if (isWarpError(error) || wire.code !== "E_INTERNAL") return;
    this.crash(error);
  }

  /** Reports a bug and handles nothing more; the supervisor ends this actor. */
  crash(error: unknown): void {
    this.#isReady = false;
    const recent = this.#flight.recent();
    this.#control.post({ t: "crashed", error: toWireError(error), recent });
  }

  #fail(client: Client, id: number, error: unknown): void {
    this.#send(client, { t: "fail", id, error: withActor(toWireError(error), this.#id) });
  }

  #send(client: Client, envelope: Envelope): void {
    try {
      client.port.postMessage(envelope);
    } catch (cause) {
      const id = "id" in envelope ? envelope.id : 0;
      const message = `an answer of "${this.#id}" is not plain data`;
      const error = new WarpError("E_MESSAGE_NOT_CLONEABLE", message, { cause });
      client.port.postMessage({ t: "fail", id, error: toWireError(error) });
    }
  }

  #span(
    { envelope, client, queuedAt }: Queued,
    kind: Span["kind"],
    startedAt: number,
    outcome: Span["outcome"],
    bytes: number,
  ): void {
    if (this.#spans === undefined) return;
    const origin = performance.timeOrigin;
    this.#spans.push({
      actor: this.#id,
      generation: this.#generation,
      from: client.from,
      kind,
      op: envelope.op,
      trace: envelope.trace,
      queuedAt: origin + queuedAt,
      startedAt: origin + startedAt,
      endedAt: origin + performance.now(),
      bytes,
      outcome,
    });
    if (this.#spans.length >= SPANS_AT_ONCE) this.#flushSpans();
  }

  #flushSpans(): void {
    if (this.#spans === undefined || this.#spans.length === 0) return;
    this.#control.post({ t: "trace", spans: this.#spans });
    this.#spans = [];
  }

  async #stop(): Promise<void> {
    this.#isReady = false;
    this.#lifetime.abort(new WarpError("E_CANCELLED", `"${this.#id}" is stopping`));
    try {
      await this.#definition.stop?.(this.#state);
    } finally {
      this.#flushSpans();
      this.dispose();
      this.#control.post({ t: "stopped" });
    }
  }
}

function withActor(error: WireError, actor: string): WireError {
  return { ...error, details: { ...error.details, actor } };
}
