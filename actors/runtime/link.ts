/**
 * The calling side of a linked pair: open calls and streams over one port, which is replaced when the
 * other side is restarted.
 *
 * @module
 */
import { fromWireError, WarpError } from "../base/errors.ts";
import { CreditReceiver } from "./credit.ts";
import type { Envelope } from "./protocol.ts";

export interface CallOptions {
  /** The whole time the call may take. */
  deadlineMs: number;
  signal?: AbortSignal | undefined;
  transfer?: Transferable[];
}

export interface StreamOptions {
  /** Bytes of items in flight. */
  windowBytes: number;
  signal?: AbortSignal | undefined;
}

export interface ItemStream<Item, Result> {
  items: AsyncIterable<Item>;
  /** Settles when all items were taken; fails as the stream fails. */
  result: Promise<Result>;
  cancel(): void;
}

interface OpenCall {
  settle(envelope: { body: unknown } | { error: unknown }): void;
}

interface OpenStream {
  push(item: { body: unknown; cost: number }): void;
  finish(end: { body: unknown } | { error: unknown }): void;
}

export class Link {
  readonly name: string;
  #port: MessagePort | undefined;
  #waiting = new Set<{ go: () => void }>();
  #nextId = 1;
  #isClosed = false;
  readonly #calls = new Map<number, OpenCall>();
  readonly #streams = new Map<number, OpenStream>();

  constructor(name: string) {
    this.name = name;
  }

  /** Uses `port` from now on; what was open on an earlier one fails. */
  connect(port: MessagePort): void {
    this.disconnect();
    this.#port = port;
    port.onmessage = (event: MessageEvent) => this.#receive(event.data as Envelope);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { go } of waiting) go();
  }

  /** The other side is gone: open requests fail with E_ACTOR_DOWN, new ones wait for a successor. */
  disconnect(): void {
    this.#port?.close();
    this.#port = undefined;
    const down = () => new WarpError("E_ACTOR_DOWN", `the actor "${this.name}" went away`);
    for (const call of [...this.#calls.values()]) call.settle({ error: down() });
    for (const stream of [...this.#streams.values()]) stream.finish({ error: down() });
    this.#calls.clear();
    this.#streams.clear();
  }

  /** No successor will come. */
  close(): void {
    this.#isClosed = true;
    this.disconnect();
    for (const { go } of this.#waiting) go();
    this.#waiting.clear();
  }

  call(op: string, body: unknown, trace: string, options: CallOptions): Promise<unknown> {
    const { deadlineMs, signal, transfer } = options;
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const endsAt = performance.now() + deadlineMs;
      const waiter = { go: () => send() };
      const done = (result: { body: unknown } | { error: unknown }) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#calls.delete(id);
        this.#waiting.delete(waiter);
        if ("error" in result) reject(result.error);
        else resolve(result.body);
      };
      const giveUp = (error: unknown) => {
        this.#post({ t: "cancel", id });
        done({ error });
      };
      const onAbort = () => giveUp(signal!.reason);
      const timer = setTimeout(() => {
        const message = `"${this.name}" did not answer "${op}" within ${deadlineMs} ms`;
        giveUp(new WarpError("E_DEADLINE", message));
      }, Math.min(deadlineMs, 2 ** 31 - 1));
      const send = () => {
        if (this.#isClosed) return done({ error: this.#closedError() });
        this.#calls.set(id, { settle: done });
        const leftMs = Math.max(1, endsAt - performance.now());
        const envelope: Envelope = { t: "call", id, op, body, deadlineMs: leftMs, trace };
        try {
          this.#port!.postMessage(envelope, transfer ?? []);
        } catch (cause) {
          done({ error: notCloneable(op, cause) });
        }
      };
      if (signal?.aborted) return done({ error: signal.reason });
      signal?.addEventListener("abort", onAbort);
      if (this.#port === undefined && !this.#isClosed) this.#waiting.add(waiter);
      else send();
    });
  }

  cast(op: string, body: unknown, trace: string): void {
    this.#post({ t: "cast", op, body, trace });
  }

  stream(
    op: string,
    body: unknown,
    trace: string,
    options: StreamOptions,
  ): ItemStream<unknown, unknown> {
    const id = this.#nextId++;
    const { windowBytes, signal } = options;
    const credit = new CreditReceiver(windowBytes);
    const queue: { body: unknown; cost: number }[] = [];
    const result = Promise.withResolvers<unknown>();
    result.promise.catch(() => {});
    let end: { body: unknown } | { error: unknown } | undefined;
    let wake = () => {};
    const waiter = { go: () => send() };
    const finish = (how: { body: unknown } | { error: unknown }) => {
      if (end !== undefined) return;
      end = how;
      signal?.removeEventListener("abort", onAbort);
      this.#streams.delete(id);
      this.#waiting.delete(waiter);
      wake();
    };
    const cancel = (reason: unknown) => {
      this.#post({ t: "cancel", id });
      queue.length = 0;
      finish({ error: reason });
    };
    const onAbort = () => cancel(signal!.reason);
    const send = () => {
      if (this.#isClosed) return finish({ error: this.#closedError() });
      this.#streams.set(id, {
        push: (item) => {
          queue.push(item);
          wake();
        },
        finish,
      });
      try {
        this.#port!.postMessage({ t: "open", id, op, body, credit: windowBytes, trace });
      } catch (cause) {
        finish({ error: notCloneable(op, cause) });
      }
    };
    const post = (envelope: Envelope) => this.#post(envelope);
    const items = async function* () {
      try {
        for (;;) {
          const item = queue.shift();
          if (item !== undefined) {
            yield item.body;
            const ceiling = credit.consumed(item.cost);
            if (ceiling !== undefined && end === undefined) post({ t: "credit", id, ceiling });
          } else if (end === undefined) {
            await new Promise<void>((resolve) => wake = resolve);
          } else if ("error" in end) {
            throw end.error;
          } else {
            return result.resolve(end.body);
          }
        }
      } catch (error) {
        result.reject(error);
        throw error;
      } finally {
        // Leaving the loop early ends the stream.
        if (end === undefined) cancel(cancelled());
        result.reject(cancelled());
      }
    };
    if (signal?.aborted) finish({ error: signal.reason });
    else if (this.#port === undefined && !this.#isClosed) this.#waiting.add(waiter);
    else send();
    if (end === undefined) signal?.addEventListener("abort", onAbort);
    return { items: items(), result: result.promise, cancel: () => cancel(cancelled()) };
  }

  #post(envelope: Envelope): void {
    this.#port?.postMessage(envelope);
  }

  #closedError(): WarpError {
    return new WarpError("E_ACTOR_DOWN", `the actor "${this.name}" has stopped`);
  }

  #receive(envelope: Envelope): void {
    switch (envelope.t) {
      case "reply":
        this.#calls.get(envelope.id)?.settle({ body: envelope.body });
        break;
      case "fail": {
        const error = fromWireError(envelope.error);
        this.#calls.get(envelope.id)?.settle({ error });
        this.#streams.get(envelope.id)?.finish({ error });
        break;
      }
      case "item":
        this.#streams.get(envelope.id)?.push(envelope);
        break;
      case "end":
        this.#streams.get(envelope.id)?.finish({ body: envelope.body });
        break;
    }
  }
}

function cancelled(): WarpError {
  return new WarpError("E_CANCELLED", "the stream was cancelled");
}

function notCloneable(op: string, cause: unknown): WarpError {
  return new WarpError("E_MESSAGE_NOT_CLONEABLE", `the body of "${op}" is not plain data`, {
    cause,
  });
}
