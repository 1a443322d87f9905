/**
 * Defines an actor: its state, and a handler for everything its protocol names. Names and bodies are
 * checked by the compiler on both ends.
 *
 * @module
 */
import type { ActorRef } from "./actor_ref.ts";
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

/** What an actor has for its whole life. */
export interface ActorContext {
  readonly name: string;
  /** 0 at first, one more after every restart. */
  readonly generation: number;
  /** Not zero once the supervisor wants the actor gone: long loops poll it. */
  readonly stopFlag: Int32Array;
  /** A linked sibling. The reference survives the sibling's restarts. */
  ref<P extends Protocol>(link: string): ActorRef<P>;
}

/** What a handler has besides. */
export interface HandlerContext extends ActorContext {
  /** Aborted when the caller gives up, the deadline passes, or the actor stops. */
  readonly signal: AbortSignal;
  /** Time left of the caller's deadline; Infinity for streams. */
  remainingMs(): number;
  /** W3C traceparent of this message. */
  readonly trace: string;
}

type Awaitable<T> = T | Promise<T>;

/** Optional where the protocol names nothing of the kind. */
type HandlersIf<Names, Handlers> = [Names] extends [never] ? { [K in never]: never } : Handlers;

export type CallHandlers<P extends Protocol, State> = {
  [Op in keyof CallsOf<P>]: (
    state: State,
    body: RequestOf<CallsOf<P>[Op]>,
    cx: HandlerContext,
  ) => Awaitable<ReplyOf<CallsOf<P>[Op]>>;
};
export type CastHandlers<P extends Protocol, State> = {
  [Op in keyof CastsOf<P>]: (
    state: State,
    body: CastsOf<P>[Op],
    cx: HandlerContext,
  ) => Awaitable<void>;
};
export type StreamHandlers<P extends Protocol, State> = {
  [Op in keyof StreamsOf<P>]: (
    state: State,
    body: RequestOf<StreamsOf<P>[Op]>,
    cx: HandlerContext,
  ) => AsyncGenerator<ItemOf<StreamsOf<P>[Op]>, ResultOf<StreamsOf<P>[Op]>>;
};

type Part<Key extends string, Names, Handlers> = [Names] extends [never] ? { [K in Key]?: never }
  : { [K in Key]: HandlersIf<Names, Handlers> };

export type ActorSpec<P extends Protocol, State, Init> =
  & {
    name: string;
    init(options: Init, cx: ActorContext): Awaitable<State>;
    /** Bytes a stream item counts for; default 64. */
    costs?: { [Op in keyof StreamsOf<P>]?: (item: ItemOf<StreamsOf<P>[Op]>) => number };
    /** Releases what the state holds. */
    stop?(state: State): Awaitable<void>;
  }
  & Part<"calls", keyof CallsOf<P>, CallHandlers<P, State>>
  & Part<"casts", keyof CastsOf<P>, CastHandlers<P, State>>
  & Part<"streams", keyof StreamsOf<P>, StreamHandlers<P, State>>;

type AnyHandler = (state: unknown, body: unknown, cx: HandlerContext) => unknown;

/** An actor definition with its types forgotten: what hosts run. */
export interface ActorDefinition {
  name: string;
  init(options: unknown, cx: ActorContext): unknown;
  calls: Record<string, AnyHandler>;
  casts: Record<string, AnyHandler>;
  streams: Record<
    string,
    (state: unknown, body: unknown, cx: HandlerContext) => AsyncGenerator<unknown, unknown>
  >;
  costs: Record<string, (item: unknown) => number>;
  stop?(state: unknown): unknown;
}

/**
 * `defineActor<MyProtocol, State, Init>()({ name, init, calls, casts, streams })`.
 * Calls and casts are handled one at a time, in order; streams start in order and then run beside
 * them.
 */
export function defineActor<P extends Protocol, State, Init>(): (
  spec: ActorSpec<P, State, Init>,
) => ActorDefinition {
  return (spec) =>
    ({ calls: {}, casts: {}, streams: {}, costs: {}, ...spec }) as unknown as ActorDefinition;
}
