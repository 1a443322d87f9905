/**
 * Who has not answered for too long. Pure.
 *
 * @module
 */

interface Pulse {
  intervalMs: number;
  /** When the oldest unanswered ping was sent. */
  pendingSince: number | undefined;
  lastPingAt: number;
}

/** A child is late when a ping stays unanswered for two intervals. */
export class Heartbeats {
  readonly #pulses = new Map<string, Pulse>();

  watch(id: string, intervalMs: number, nowMs: number): void {
    this.#pulses.set(id, { intervalMs, pendingSince: undefined, lastPingAt: nowMs });
  }

  forget(id: string): void {
    this.#pulses.delete(id);
  }

  pong(id: string): void {
    const pulse = this.#pulses.get(id);
    if (pulse !== undefined) pulse.pendingSince = undefined;
  }

  /** Whom to ping now; counts them as asked. */
  due(nowMs: number): string[] {
    const ids: string[] = [];
    for (const [id, pulse] of this.#pulses) {
      if (nowMs - pulse.lastPingAt < pulse.intervalMs) continue;
      pulse.lastPingAt = nowMs;
      pulse.pendingSince ??= nowMs;
      ids.push(id);
    }
    return ids;
  }

  late(nowMs: number): string[] {
    return [...this.#pulses]
      .filter(([, { pendingSince, intervalMs }]) =>
        pendingSince !== undefined && nowMs - pendingSince >= 2 * intervalMs
      )
      .map(([id]) => id);
  }

  /** How often to look: half the shortest interval. */
  get stepMs(): number {
    const shortest = Math.min(...[...this.#pulses.values()].map(({ intervalMs }) => intervalMs));
    return Math.max(10, Math.min(1_000, shortest / 2));
  }
}
