/**
 * A rate limit: a token bucket over a clock that is given.
 *
 * @module
 */
export class Pace {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  #readyAtMs = 0;

  /** @param now milliseconds, monotonic */
  constructor(bytesPerSecond: number, now: () => number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
  }

  /** How long to wait before `bytes` may go, in ms; they count as gone. */
  take(bytes: number): number {
    const now = this.#now();
    const start = Math.max(now, this.#readyAtMs);
    this.#readyAtMs = start + 1000 * bytes / this.#bytesPerSecond;
    return start - now;
  }
}
