/**
 * Token buckets, pure: how often each key may do something.
 *
 * @module
 */

interface Bucket {
  left: number;
  atMs: number;
}

export interface RateOptions {
  /** Refilled each second. */
  perSecond: number;
  /** At most this many at once. */
  burst: number;
  /** So many keys are remembered; the full ones are forgotten first. */
  keysMax: number;
}

export class RateLimit {
  readonly #o: RateOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateOptions) {
    this.#o = options;
  }

  /** Takes one; false when there is none. */
  take(key: string, nowMs: number): boolean {
    const bucket = this.#bucket(key, nowMs);
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  /** Whether one could be taken. */
  has(key: string, nowMs: number): boolean {
    return this.#bucket(key, nowMs).left >= 1;
  }

  #bucket(key: string, nowMs: number): Bucket {
    const { perSecond, burst, keysMax } = this.#o;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= keysMax) this.#forget(nowMs);
      this.#buckets.set(key, bucket = { left: burst, atMs: nowMs });
    }
    const passedS = Math.max(0, nowMs - bucket.atMs) / 1000;
    bucket.left = Math.min(burst, bucket.left + passedS * perSecond);
    bucket.atMs = nowMs;
    return bucket;
  }

  /** The full ones say nothing; if none is full, the oldest half goes. */
  #forget(nowMs: number): void {
    const { perSecond, burst, keysMax } = this.#o;
    for (const [key, { left, atMs }] of this.#buckets) {
      if (left + (nowMs - atMs) / 1000 * perSecond >= burst) this.#buckets.delete(key);
    }
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size <= keysMax / 2) break;
      this.#buckets.delete(key);
    }
  }
}
