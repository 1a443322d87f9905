/**
 * Events of a long job and its progress, as one stream: events as they come, progress now and then.
 *
 * @module
 */
import { withProgress } from "../runtime/report_progress.ts";
import type { TransferEvent, TransferNote, TransferProgress } from "./protocol.ts";

export class Events {
  readonly #waiting: TransferNote[] = [];

  note(
    event: TransferNote["event"],
    text: string,
    details: TransferNote["details"] = {},
  ): void {
    this.#waiting.push({ type: "note", event, text, details });
  }

  /** Until `work` is done; what it throws is thrown after the last event. */
  async *follow<T>(
    work: Promise<T>,
    progress: () => TransferProgress,
  ): AsyncGenerator<TransferEvent, T> {
    work.catch(() => {});
    const ticks = withProgress(work, progress);
    try {
      for (let tick = await ticks.next();; tick = await ticks.next()) {
        yield* this.#waiting.splice(0);
        if (tick.done) return tick.value;
        yield tick.value;
      }
    } catch (error) {
      yield* this.#waiting.splice(0);
      throw error;
    }
  }
}
