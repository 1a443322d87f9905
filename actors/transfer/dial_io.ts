/**
 * Who answers: several addresses and two carriers are tried side by side, a little apart (RFC 8305), so that
 * what is blocked costs no time.
 *
 * @module
 */
import { isWarpError, WarpError } from "../base/errors.ts";
import { NAMES, otherCarrier } from "./carrier_choice.ts";
import type { CarrierName, Dialer, Lane } from "./lane.ts";
import type { Endpoint } from "./peer_address.ts";
import { QuicDialer } from "./quic_io.ts";
import { TlsDialer } from "./tls_io.ts";

/** Between two addresses. */
const APART_MS = 250;
/** What the preferred carrier has before the other one is tried as well. */
const HEAD_START_MS = 600;
/** Where one carrier got through, the other has this long, and this many times what that took. */
const GRACE_MS = 1000;
const GRACE_TIMES = 3;

export interface Place {
  endpoints: readonly Endpoint[];
  key: Uint8Array;
}

/** A peer that answers, by the key it was dialled by. */
export interface Dialled {
  dialer: Dialer;
  control: Lane;
  tookMs: number;
}

export function hangUp({ dialer, control }: Dialled): void {
  control.close();
  dialer.close();
}

/** One attempt, which may be called off; it then closes what it has opened by then. */
class Attempt {
  readonly #controller = new AbortController();
  readonly result: Promise<Dialled>;

  constructor(carrier: CarrierName, place: Place, signal: AbortSignal) {
    this.result = dialEach(carrier, place, AbortSignal.any([signal, this.#controller.signal]));
    this.result.catch(() => {});
  }

  drop(): void {
    this.#controller.abort();
    this.result.then(hangUp, () => {});
  }
}

/**
 * The preferred carrier, or the other one where it does not get through.
 *
 * @returns what answered, and why it is not the preferred one
 * @throws {WarpError} E_NETWORK, E_PEER_REFUSED
 */
export async function dialPreferred(
  carrier: CarrierName,
  isOpen: boolean,
  place: Place,
  signal: AbortSignal,
): Promise<{ dialled: Dialled; reason: string | undefined }> {
  const first = new Attempt(carrier, place, signal);
  if (!isOpen) return { dialled: await first.result, reason: undefined };
  const soon = await within(first.result, HEAD_START_MS);
  if (soon !== undefined && "value" in soon) return { dialled: soon.value, reason: undefined };
  signal.throwIfAborted();
  const second = new Attempt(otherCarrier(carrier), place, signal);
  const outcome = await oneOf(first, second, soon?.error);
  signal.throwIfAborted();
  if (outcome.first !== undefined) return { dialled: outcome.first, reason: undefined };
  if (outcome.second === undefined) throw worst(outcome.errors);
  const [why] = outcome.errors;
  return {
    dialled: outcome.second,
    reason: `${NAMES[carrier]} does not get through (${text(why)})`,
  };
}

/** Both carriers, where both get through. */
export async function dialBoth(
  place: Place,
  signal: AbortSignal,
): Promise<{ tcp?: Dialled; quic?: Dialled; reason: string | undefined }> {
  const tcp = new Attempt("tcp", place, signal), quic = new Attempt("quic", place, signal);
  const either = await Promise.any([tcp.result, quic.result]).catch(() => undefined);
  signal.throwIfAborted();
  const graceMs = graceOf(either);
  const [one, two] = await Promise.all([
    within(tcp.result, graceMs),
    within(quic.result, graceMs),
  ]);
  const found: { tcp?: Dialled; quic?: Dialled; reason: string | undefined } = {
    reason: undefined,
  };
  if (one !== undefined && "value" in one) found.tcp = one.value;
  else tcp.drop();
  if (two !== undefined && "value" in two) found.quic = two.value;
  else quic.drop();
  signal.throwIfAborted();
  const errors = [errorOf(one), errorOf(two)];
  if (found.tcp === undefined && found.quic === undefined) throw worst(errors);
  if (found.quic === undefined) found.reason = `QUIC does not get through (${text(errors[1])})`;
  if (found.tcp === undefined) found.reason = `TCP does not get through (${text(errors[0])})`;
  return found;
}

interface Outcome {
  first?: Dialled;
  second?: Dialled;
  /** Of the first and of the second; undefined: no answer. */
  errors: [unknown, unknown];
}

/** The first attempt if it succeeds at all in time, else the second. */
async function oneOf(first: Attempt, second: Attempt, failure: unknown): Promise<Outcome> {
  const errors: [unknown, unknown] = [failure, undefined];
  const late = failure === undefined ? first.result : Promise.reject(failure);
  late.catch((error) => errors[0] = error);
  second.result.catch((error) => errors[1] = error);
  const winner = await Promise.any([
    late.then((dialled) => ({ dialled, isFirst: true })),
    second.result.then((dialled) => ({ dialled, isFirst: false })),
  ]).catch(() => undefined);
  if (winner === undefined) return { errors };
  if (!winner.isFirst) {
    const graced = await within(late, graceOf(winner.dialled));
    if (graced === undefined || "error" in graced) {
      first.drop();
      return { second: winner.dialled, errors };
    }
    second.drop();
    return { first: graced.value, errors };
  }
  second.drop();
  return { first: winner.dialled, errors };
}

function graceOf(dialled: Dialled | undefined): number {
  return Math.max(GRACE_MS, GRACE_TIMES * (dialled?.tookMs ?? 0));
}

/** One carrier: the first address that answers with the right key. */
async function dialEach(
  carrier: CarrierName,
  { endpoints, key }: Place,
  signal: AbortSignal,
): Promise<Dialled> {
  const startedAt = performance.now();
  const done = new AbortController();
  const limit = AbortSignal.any([signal, done.signal]);
  const failures: unknown[] = [];
  const next = endpoints.values();
  /** Takes addresses until one answers. The next turn begins when this address has failed, or is slow. */
  const turn = async (): Promise<Dialled> => {
    const { value: endpoint, done: isOver } = next.next();
    if (isOver === true) throw new Error("no address is left");
    const dialer = carrier === "tcp" ? new TlsDialer(endpoint, key) : new QuicDialer(endpoint, key);
    const own = dialer.openLane(limit).then(
      (control) => {
        if (limit.aborted) control.close();
        limit.throwIfAborted();
        done.abort();
        return { dialer, control, tookMs: performance.now() - startedAt };
      },
      (error) => {
        dialer.close();
        failures.push(error);
        throw error;
      },
    );
    own.catch(() => {});
    const soon = await within(own, APART_MS);
    if (soon !== undefined && "value" in soon) return soon.value;
    limit.throwIfAborted();
    return await (soon === undefined ? Promise.any([own, turn()]) : turn());
  };
  try {
    return await turn();
  } catch {
    signal.throwIfAborted();
    throw worst(failures);
  }
}

/** How it ended; undefined: it has not, after so long. */
async function within<T>(
  promise: Promise<T>,
  ms: number,
): Promise<{ value: T } | { error: unknown } | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) =>
    timer = setTimeout(() => resolve(undefined), ms)
  );
  try {
    return await Promise.race([
      promise.then((value) => ({ value }), (error: unknown) => ({ error })),
      timeout,
    ]);
  } finally {
    clearTimeout(timer);
  }
}

function errorOf(outcome: { value: unknown } | { error: unknown } | undefined): unknown {
  return outcome !== undefined && "error" in outcome ? outcome.error : undefined;
}

/**
 * Somebody else with another key answers: an attack, or a new machine. Of several silences, the first is
 * the one to tell of.
 */
function worst(errors: readonly unknown[]): unknown {
  return errors.find((error) => isWarpError(error, "E_PEER_REFUSED")) ??
    errors.find((error) => error !== undefined) ??
    new WarpError("E_NETWORK", "the peer has no known address");
}

function text(error: unknown): string {
  if (error === undefined) return "no answer";
  return error instanceof Error ? error.message : String(error);
}
