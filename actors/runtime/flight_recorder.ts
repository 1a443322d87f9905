/**
 * The last envelopes of an actor, without their payload: what a crash report shows.
 *
 * @module
 */
import type { FlightRecord } from "./protocol.ts";

const RECORDS = 256;

export class FlightRecorder {
  readonly #ring: FlightRecord[] = [];
  #next = 0;

  note(record: FlightRecord): void {
    this.#ring[this.#next % RECORDS] = record;
    this.#next++;
  }

  /** Oldest first. */
  recent(): FlightRecord[] {
    const start = this.#next % RECORDS;
    return this.#next <= RECORDS
      ? [...this.#ring]
      : [...this.#ring.slice(start), ...this.#ring.slice(0, start)];
  }
}
