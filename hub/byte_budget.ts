/**
 * Memory that many share: who wants some waits for their turn, in order.
 *
 * @module
 */
import { WarpError } from "../actors/base/errors.ts";

interface Waiter {
  bytes: number;
  go: () => void;
}

export class ByteBudget {
  readonly #most: number;
  readonly #waitersMax: number;
  readonly #waiting: Waiter[] = [];
  #used = 0;

  /** @param waitersMax beyond these nobody may wait */
  constructor(most: number, waitersMax: number) {
    this.#most = most;
    this.#waitersMax = waitersMax;
  }

  get used(): number {
    return this.#used;
  }

  /**
   * Waits for `bytes`, at most all there are, and takes them; the function returned gives them back.
   *
   * @throws {WarpError} E_RATE when too many wait already
   */
  async take(bytes: number): Promise<() => void> {
    const some = Math.min(bytes, this.#most);
    if (this.#waiting.length > 0 || this.#used + some > this.#most) {
      if (this.#waiting.length >= this.#waitersMax) {
        throw new WarpError("E_RATE", "too many uploads at once");
      }
      await new Promise<void>((go) => this.#waiting.push({ bytes: some, go }));
    } else {
      this.#used += some;
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#used -= some;
      this.#wake();
    };
  }

  #wake(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#used + next.bytes > this.#most) return;
      this.#waiting.shift();
      this.#used += next.bytes;
      next.go();
    }
  }
}
