/**
 * The progress line: what to show and when. It is told the time, so tests need no clock.
 *
 * @module
 */
import type { ProgressUpdate } from "./command.ts";
import { keepEnd, printableName } from "./terminal.ts";
import { formatBytes } from "./units.ts";

/** Ten lines a second are as many as an eye follows. */
export const PROGRESS_INTERVAL_MS = 100;

/** The rate forgets with this time constant: steady enough to read, quick enough to be true. */
const RATE_MEMORY_MS = 3000;

/** Accumulates updates and renders one line from them, at most every {@link PROGRESS_INTERVAL_MS}. */
export class ProgressLine {
  #latest: ProgressUpdate = {};
  #drawnAtMs = -Infinity;
  #sampledAtMs: number | undefined;
  #sampledBytes = 0;
  /** Bytes per millisecond. */
  #rate: number | undefined;

  /** Takes an update. The line to draw now, or undefined when it is too early. */
  update(update: ProgressUpdate, nowMs: number, columns: number): string | undefined {
    if (update.phase !== undefined && update.phase !== this.#latest.phase) this.#startPhase();
    this.#latest = { ...this.#latest, ...update };
    if (nowMs - this.#drawnAtMs < PROGRESS_INTERVAL_MS) return undefined;
    this.#drawnAtMs = nowMs;
    this.#sample(nowMs);
    return this.#render(columns);
  }

  #startPhase(): void {
    this.#latest = {};
    this.#sampledAtMs = undefined;
    this.#rate = undefined;
  }

  #sample(nowMs: number): void {
    const bytes = this.#latest.bytesDone;
    if (bytes === undefined) return;
    const elapsedMs = nowMs - (this.#sampledAtMs ?? nowMs);
    if (elapsedMs > 0) {
      const rate = Math.max(0, bytes - this.#sampledBytes) / elapsedMs;
      const weight = 1 - Math.exp(-elapsedMs / RATE_MEMORY_MS);
      this.#rate = this.#rate === undefined ? rate : this.#rate + weight * (rate - this.#rate);
    }
    this.#sampledAtMs = nowMs;
    this.#sampledBytes = bytes;
  }

  #render(columns: number): string {
    const { phase, bytesDone, bytesTotal, filesDone, filesTotal, currentPath, detail } =
      this.#latest;
    const parts: string[] = [];
    if (phase !== undefined) parts.push(phase);
    if (bytesDone !== undefined) {
      const isBounded = bytesTotal !== undefined && bytesTotal > 0;
      parts.push(
        isBounded
          ? `${percent(bytesDone, bytesTotal)}  ${formatBytes(bytesDone)}`
          : formatBytes(bytesDone),
      );
      if (this.#rate !== undefined) parts.push(`${formatBytes(Math.round(this.#rate * 1000))}/s`);
      if (isBounded && this.#rate !== undefined && this.#rate > 0) {
        parts.push(`eta ${formatDuration(Math.max(0, bytesTotal - bytesDone) / this.#rate)}`);
      }
    }
    if (filesDone !== undefined) {
      parts.push(
        filesTotal === undefined ? `${filesDone} files` : `${filesDone}/${filesTotal} files`,
      );
    }
    if (detail !== undefined) parts.push(detail);
    const facts = keepEnd(parts.join("  "), columns - 1);
    if (currentPath === undefined) return facts;
    // The last column stays free: some terminals wrap as soon as it is filled.
    const room = columns - 1 - facts.length - 2;
    return room < 8 ? facts : `${facts}  ${keepEnd(printableName(currentPath), room)}`;
  }
}

function percent(done: number, total: number): string {
  return `${Math.min(100, Math.floor(done / total * 100))}%`.padStart(4);
}

/** Milliseconds as `0:05`, `12:34`, `1:02:03` or `3d 4h`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000);
  const hours = Math.floor(seconds / 3600);
  if (hours >= 24) return `${Math.floor(hours / 24)}d ${hours % 24}h`;
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}
