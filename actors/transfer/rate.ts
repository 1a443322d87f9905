/**
 * How fast it goes, and how long it will take: over a clock that is given.
 *
 * @module
 */

/** What was longer ago than this counts little: steady enough to read, quick enough to be true. */
const MEMORY_MS = 3000;
/** Between two samples; what comes sooner waits for the next. */
const SAMPLE_MS = 50;

export class RateMeter {
  #bytes = 0;
  #atMs: number | undefined;
  /** Bytes per millisecond. */
  #rate: number | undefined;

  /** @param bytes all so far @param nowMs milliseconds, monotonic */
  update(bytes: number, nowMs: number): void {
    if (bytes < this.#bytes) this.#rate = this.#atMs = undefined; // another transfer
    const elapsedMs = nowMs - (this.#atMs ?? nowMs);
    if (this.#atMs !== undefined && elapsedMs < SAMPLE_MS) return;
    if (elapsedMs > 0) {
      const rate = Math.max(0, bytes - this.#bytes) / elapsedMs;
      const weight = 1 - Math.exp(-elapsedMs / MEMORY_MS);
      this.#rate = this.#rate === undefined ? rate : this.#rate + weight * (rate - this.#rate);
    }
    this.#atMs = nowMs;
    this.#bytes = bytes;
  }

  /** Null: not known yet. */
  get bytesPerSecond(): number | null {
    return this.#rate === undefined ? null : this.#rate * 1000;
  }

  /** How long `bytes` take at this rate, in seconds. Null: nobody knows. */
  secondsFor(bytes: number): number | null {
    const rate = this.bytesPerSecond;
    return rate === null || rate < 1 ? null : Math.max(0, bytes) / rate;
  }
}
