/**
 * A bounded queue with two lanes: what steers (cancel, credit) overtakes what asks. Pure.
 *
 * @module
 */

/** Beyond this a call is refused and a cast is dropped and counted. */
export const MAILBOX_MAX = 1024;

export class Mailbox<T> {
  readonly #urgent: T[] = [];
  readonly #normal: T[] = [];
  #head = 0;
  readonly #sizeMax: number;
  dropped = 0;

  constructor(sizeMax = MAILBOX_MAX) {
    this.#sizeMax = sizeMax;
  }

  get size(): number {
    return this.#urgent.length + this.#normal.length - this.#head;
  }

  /** False when the mailbox is full; urgent messages always fit: their number is bounded elsewhere. */
  push(message: T, isUrgent = false): boolean {
    if (isUrgent) {
      this.#urgent.push(message);
      return true;
    }
    if (this.#normal.length - this.#head >= this.#sizeMax) {
      this.dropped++;
      return false;
    }
    this.#normal.push(message);
    return true;
  }

  /** The oldest urgent message, else the oldest one. */
  take(): T | undefined {
    if (this.#urgent.length > 0) return this.#urgent.shift();
    if (this.#head === this.#normal.length) return undefined;
    const message = this.#normal[this.#head]!;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#normal.length) {
      this.#normal.splice(0, this.#head);
      this.#head = 0;
    }
    return message;
  }

  /** Takes out the first message that matches, wherever it waits. */
  remove(matches: (message: T) => boolean): T | undefined {
    const at = this.#normal.findIndex((message, i) => i >= this.#head && matches(message));
    return at < 0 ? undefined : this.#normal.splice(at, 1)[0];
  }
}
