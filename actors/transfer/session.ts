/**
 * A session: an authenticated control lane, further lanes that joined it, and who the peer is.
 *
 * @module
 */
import { WarpError } from "../base/errors.ts";
import type { FrameLane } from "./frame_lane.ts";
import type { Caps } from "./handshake.ts";
import type { CarrierName } from "./lane.ts";

export interface Session {
  readonly control: FrameLane;
  readonly caps: Caps;
  /** 32 bytes each. */
  readonly ownKey: Uint8Array;
  readonly peerKey: Uint8Array;
  readonly lanes: LaneSet;
}

/** The lanes of a session, as they come and go. The first is the control lane. */
export class LaneSet {
  readonly #lanes = new Set<FrameLane>();
  #onLane: ((lane: FrameLane) => void) | undefined;
  #isClosed = false;

  add(lane: FrameLane): void {
    if (this.#isClosed) return lane.close();
    this.#lanes.add(lane);
    this.#onLane?.(lane);
  }

  /** Calls `use` for every lane there is and every one to come. */
  each(use: (lane: FrameLane) => void): void {
    this.#onLane = use;
    for (const lane of this.#lanes) use(lane);
  }

  get size(): number {
    return this.#lanes.size;
  }

  get bytesWritten(): number {
    return [...this.#lanes].reduce((sum, lane) => sum + lane.bytesWritten, 0);
  }

  get bytesRead(): number {
    return [...this.#lanes].reduce((sum, lane) => sum + lane.bytesRead, 0);
  }

  get carrier(): CarrierName {
    return [...this.#lanes][0]!.lane.carrier;
  }

  /** Ends all lanes; whoever uses one fails with `error`. */
  giveUp(error: WarpError): void {
    this.#isClosed = true;
    for (const lane of this.#lanes) lane.giveUp(error);
  }

  close(): void {
    this.#isClosed = true;
    for (const lane of this.#lanes) lane.close();
  }
}

/** Settles as its first failure or when all that was started is done. */
export class Tasks {
  readonly #failure = Promise.withResolvers<never>();
  readonly #running = new Set<Promise<void>>();
  readonly #waiting = new Set<(error: unknown) => void>();
  #first: { error: unknown } | undefined;

  constructor(signal: AbortSignal) {
    this.#failure.promise.catch(() => {});
    const onAbort = () => this.fail(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  }

  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  fail(error: unknown): void {
    if (this.#first !== undefined) return;
    this.#first = { error: error ?? new WarpError("E_CANCELLED", "the transfer was cancelled") };
    this.#failure.reject(this.#first.error);
    for (const reject of this.#waiting) reject(this.#first.error);
    this.#waiting.clear();
  }

  run(task: () => Promise<void>): void {
    const running: Promise<void> = task()
      .catch((error) => this.fail(error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /**
   * Waits for `promise`, but not beyond the first failure. No race: one with a promise that lives as
   * long as the transfer would keep every value until its end.
   */
  until<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#first === undefined) this.#waiting.add(reject);
      else reject(this.#first.error);
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }

  /** When the lanes are closed: everything that ran has ended. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#running]);
  }
}
