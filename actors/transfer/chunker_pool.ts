/**
 * Chunkers: each reads for one sending session at a time.
 *
 * @module
 */
import type { ChunkerProtocol } from "../chunker/protocol.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";

export class ChunkerPool {
  readonly #free: ActorRef<ChunkerProtocol>[];
  readonly #waiting: ((chunker: ActorRef<ChunkerProtocol>) => void)[] = [];

  constructor(chunkers: ActorRef<ChunkerProtocol>[]) {
    this.#free = chunkers;
  }

  /** Waits its turn for one. */
  async use<T>(work: (chunker: ActorRef<ChunkerProtocol>) => Promise<T>): Promise<T> {
    const chunker = this.#free.pop() ??
      await new Promise<ActorRef<ChunkerProtocol>>((resolve) => this.#waiting.push(resolve));
    try {
      return await work(chunker);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(chunker);
      else next(chunker);
    }
  }
}
