/**
 * Fetches packs in the order in which they will be used, eight ahead, and keeps the last ones.
 *
 * @module
 */
import type { Blake3 } from "../../../kernels/kernel.ts";
import type { PackRef } from "./head_codec.ts";
import { getPack, type PackStore } from "./pack_store.ts";
import { damaged } from "./padded_seal.ts";

const PACKS_AHEAD = 8;
/** Of at most 1 MiB each. */
const PACKS_KEPT = 48;

export class PackReader {
  readonly #store: PackStore;
  readonly #blake3: Blake3;
  readonly #packs: readonly PackRef[];
  /** By number, the last used at the end. */
  readonly #cache = new Map<number, Promise<Uint8Array>>();
  readonly #plan: number[] = [];
  #isClosed = false;
  packsFetched = 0;
  bytesFetched = 0;

  constructor(store: PackStore, blake3: Blake3, packs: readonly PackRef[]) {
    this.#store = store;
    this.#blake3 = blake3;
    this.#packs = packs;
  }

  /** Pack `number` will be taken after all that were planned before. */
  plan(number: number): void {
    if (this.#plan.at(-1) !== number) this.#plan.push(number);
    if (this.#plan.length <= PACKS_AHEAD) this.#ahead();
  }

  /** A pack, in the order of the plan. @throws {WarpError} E_INTEGRITY and what the store throws */
  async take(number: number): Promise<Uint8Array> {
    while (this.#plan.length > 0 && this.#plan[0] !== number) this.#plan.shift();
    this.#ahead();
    return await this.#want(number);
  }

  /** Waits until nothing is on its way any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#cache.values());
    this.#cache.clear();
  }

  #ahead(): void {
    for (const number of new Set(this.#plan.slice(0, PACKS_AHEAD))) void this.#want(number);
  }

  #want(number: number): Promise<Uint8Array> {
    const known = this.#cache.get(number);
    this.#cache.delete(number);
    const pack = known ?? this.#fetch(this.#packs[number]!);
    this.#cache.set(number, pack);
    if (this.#cache.size > PACKS_KEPT) {
      this.#cache.delete(this.#cache.keys().next().value!);
    }
    pack.catch(() => {});
    return pack;
  }

  async #fetch({ address, bytes }: PackRef): Promise<Uint8Array> {
    if (this.#isClosed) throw damaged();
    const pack = await getPack(this.#store, this.#blake3, address, bytes);
    if (pack.length !== bytes) throw damaged();
    this.packsFetched++;
    this.bytesFetched += pack.length;
    return pack;
  }
}
