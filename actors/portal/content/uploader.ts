/**
 * Sends packs, eight at once; who adds more has to wait.
 *
 * @module
 */
import { toHex } from "../../base/bytes.ts";
import type { PackStore } from "./pack_store.ts";

export interface Pack {
  address: Uint8Array;
  bytes: Uint8Array;
}

/** Packs asked about together, and groups that are on their way at once. */
const GROUP_PACKS = 4;
const GROUPS_AT_ONCE = 2;

export class Uploader {
  readonly #store: PackStore;
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<void>>();
  readonly #seen = new Set<string>();
  #group: Pack[] = [];
  #error: unknown;
  #hasFailed = false;
  packsSent = 0;
  bytesSent = 0;

  constructor(store: PackStore, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** Sends a pack soon. @throws what the store threw for an earlier one */
  async add(pack: Pack): Promise<void> {
    const name = toHex(pack.address);
    if (this.#seen.has(name)) return;
    this.#seen.add(name);
    this.#group.push(pack);
    if (this.#group.length >= GROUP_PACKS) await this.#flush();
  }

  /** Waits until everything is there. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.settled();
    this.#check();
  }

  /** Waits until nothing is on its way any more, whatever became of it. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #flush(): Promise<void> {
    const group = this.#group;
    this.#group = [];
    while (this.#running.size >= GROUPS_AT_ONCE) await Promise.race(this.#running);
    this.#check();
    if (group.length === 0) return;
    const task = this.#send(group)
      .catch((error) => {
        if (!this.#hasFailed) this.#error = error;
        this.#hasFailed = true;
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  #check(): void {
    this.#signal.throwIfAborted();
    if (this.#hasFailed) throw this.#error;
  }

  async #send(group: Pack[]): Promise<void> {
    const missing = await this.#store.missing(group.map(({ address }) => address));
    const sent = await Promise.allSettled(group.map(async ({ address, bytes }, i) => {
      if (!missing.has(i) || this.#hasFailed || this.#signal.aborted) return;
      await this.#store.put(address, bytes);
      this.packsSent++;
      this.bytesSent += bytes.length;
    }));
    const failed = sent.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}
