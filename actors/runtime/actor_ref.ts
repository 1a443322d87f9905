/**
 * A typed reference to an actor: what others see of it.
 *
 * @module
 */
import type { CallOptions, ItemStream, Link, StreamOptions } from "./link.ts";
import type {
  CallsOf,
  CastsOf,
  ItemOf,
  Protocol,
  ReplyOf,
  RequestOf,
  ResultOf,
  StreamsOf,
} from "./protocol.ts";
import { childTrace } from "./traceparent.ts";

export interface ActorRef<P extends Protocol> {
  /**
   * @throws {WarpError} what the handler threw; E_DEADLINE; E_BUSY when the mailbox is full;
   *   E_ACTOR_DOWN when the actor went away meanwhile; E_MESSAGE_NOT_CLONEABLE
   */
  call<Op extends keyof CallsOf<P> & string>(
    op: Op,
    body: RequestOf<CallsOf<P>[Op]>,
    options: CallOptions,
  ): Promise<ReplyOf<CallsOf<P>[Op]>>;
  cast<Op extends keyof CastsOf<P> & string>(op: Op, body: CastsOf<P>[Op]): void;
  stream<Op extends keyof StreamsOf<P> & string>(
    op: Op,
    body: RequestOf<StreamsOf<P>[Op]>,
    options: StreamOptions,
  ): ItemStream<ItemOf<StreamsOf<P>[Op]>, ResultOf<StreamsOf<P>[Op]>>;
}

/**
 * @param origin the trace and the signal of the handler that asks: both travel downstream
 */
export function makeRef<P extends Protocol>(
  link: Link,
  origin: { trace: string; signal?: AbortSignal },
): ActorRef<P> {
  const withSignal = <T extends { signal?: AbortSignal | undefined }>(options: T): T =>
    options.signal === undefined ? { ...options, signal: origin.signal } : options;
  return {
    call: (op, body, options) =>
      link.call(op, body, childTrace(origin.trace), withSignal(options)) as Promise<never>,
    cast: (op, body) => link.cast(op, body, childTrace(origin.trace)),
    stream: (op, body, options) =>
      link.stream(op, body, childTrace(origin.trace), withSignal(options)) as ItemStream<
        never,
        never
      >,
  };
}
