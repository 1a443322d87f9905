/**
 * A queue between two stages of a pipeline. What bounds it is the number of slabs, not the queue.
 *
 * @module
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #wake: (() => void) | undefined;
  #isEnded = false;
  #error: { reason: unknown } | undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  /** Iteration throws `reason` at once, whatever is still queued. */
  fail(reason: unknown): void {
    this.#error ??= { reason };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error.reason;
      if (this.#items.length > 0) yield this.#items.shift()!;
      else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
