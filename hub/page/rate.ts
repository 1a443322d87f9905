/**
 * How fast a download goes, over the last seconds.
 *
 * @module
 */
const WINDOW_MS = 5_000;

export class Rate {
  readonly #seen: { atMs: number; bytes: number }[] = [];

  /** @param bytes done so far */
  note(bytes: number, atMs: number): void {
    const last = this.#seen.at(-1);
    if (last !== undefined && atMs - last.atMs < 200) last.bytes = bytes;
    else this.#seen.push({ atMs, bytes });
    while (this.#seen.length > 2 && this.#seen[0]!.atMs < atMs - WINDOW_MS) this.#seen.shift();
  }

  /** Bytes a second; 0 before it is known. */
  get perSecond(): number {
    const first = this.#seen[0], last = this.#seen.at(-1);
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return (last.bytes - first.bytes) / (last.atMs - first.atMs) * 1000;
  }
}
