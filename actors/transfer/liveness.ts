/**
 * When a peer counts as gone. Both sides show life in short intervals, so silence is never work: not that
 * of a receiver that compares a large file, nor that of a sender whose input has not come.
 *
 * Time is counted in ticks: whoever was stopped itself, or slept, has missed ticks, and does not blame
 * the peer for what is waiting to be read.
 *
 * @module
 */

/** A peer is given up after so many ticks without a byte. */
export const TICKS_MAX = 6;

export class Silence {
  #bytesRead = -1;
  #ticks = 0;

  /**
   * One tick is over.
   *
   * @param bytesRead all that has come from the peer so far
   * @param isWaiting whether anybody reads: what is left unread on purpose is no silence
   * @returns true: the peer is gone
   */
  tick(bytesRead: number, isWaiting: boolean): boolean {
    if (isWaiting && bytesRead === this.#bytesRead) return ++this.#ticks >= TICKS_MAX;
    this.#bytesRead = bytesRead;
    this.#ticks = 0;
    return false;
  }
}
