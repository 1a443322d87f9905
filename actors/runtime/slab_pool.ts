/**
 * Loans of SharedArrayBuffers: the memory of a pipeline. A slab has exactly one owner at a time; who
 * has it gives it back, or retires it when somebody else may still write to it.
 *
 * @module
 */
import { invariant } from "../base/errors.ts";

export interface SlabRef {
  readonly index: number;
}

export class SlabPool {
  readonly #slabs: SharedArrayBuffer[];
  readonly #isLent: boolean[];
  readonly #free: number[];
  readonly #waiters: ((slab: SlabRef) => void)[] = [];
  readonly bytes: number;

  constructor({ count, bytes }: { count: number; bytes: number }) {
    this.bytes = bytes;
    this.#slabs = Array.from({ length: count }, () => new SharedArrayBuffer(bytes));
    this.#isLent = this.#slabs.map(() => false);
    this.#free = this.#slabs.map((_, index) => index).reverse();
  }

  /** Slabs that have not come home. */
  get outstanding(): number {
    return this.#isLent.filter(Boolean).length;
  }

  loan(): SlabRef | undefined {
    const index = this.#free.pop();
    if (index === undefined) return undefined;
    this.#isLent[index] = true;
    return { index };
  }

  /** Waits its turn for a slab. */
  async waitLoan(signal: AbortSignal): Promise<SlabRef> {
    signal.throwIfAborted();
    const slab = this.loan();
    if (slab !== undefined) return slab;
    return await new Promise<SlabRef>((resolve, reject) => {
      const take = (slab: SlabRef) => {
        signal.removeEventListener("abort", giveUp);
        resolve(slab);
      };
      const giveUp = () => {
        this.#waiters.splice(this.#waiters.indexOf(take), 1);
        reject(signal.reason);
      };
      this.#waiters.push(take);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  giveBack(slab: SlabRef): void {
    invariant(this.#isLent[slab.index], `slab ${slab.index} was given back twice`);
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) return waiter({ index: slab.index });
    this.#isLent[slab.index] = false;
    this.#free.push(slab.index);
  }

  /** As giveBack, but its memory is never used again: a lost Worker may still write there. */
  retire(slab: SlabRef): void {
    this.#slabs[slab.index] = new SharedArrayBuffer(this.bytes);
    this.giveBack(slab);
  }

  /** Fresh memory for a slab that stays lent. */
  replace(slab: SlabRef): SlabRef {
    this.#slabs[slab.index] = new SharedArrayBuffer(this.bytes);
    return slab;
  }

  buffer(slab: SlabRef): SharedArrayBuffer {
    return this.#slabs[slab.index]!;
  }

  view(slab: SlabRef): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.buffer(slab));
  }
}
