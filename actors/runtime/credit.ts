/**
 * Credit windows: the right to start an item, counted in bytes, as an absolute ceiling that only
 * grows (as QUIC's MAX_DATA, RFC 9000 §4.1), so that a late or repeated grant does no harm. Pure.
 *
 * One overdraft is allowed: an item may start while any credit is left, however large it is. Without
 * it an item larger than the window would stall the stream for ever. At most window + one item are in
 * flight.
 *
 * @module
 */

/** Empty items are charged too, or a flood of them would be free. */
export const ITEM_COST_MIN = 64;

export class CreditSender {
  #sent = 0;
  #ceiling: number;

  constructor(window: number) {
    this.#ceiling = window;
  }

  maySend(): boolean {
    return this.#sent < this.#ceiling;
  }

  sent(bytes: number): void {
    this.#sent += Math.max(bytes, ITEM_COST_MIN);
  }

  granted(ceiling: number): void {
    this.#ceiling = Math.max(this.#ceiling, ceiling);
  }
}

export class CreditReceiver {
  readonly #window: number;
  #consumed = 0;
  #announced: number;

  constructor(window: number) {
    this.#window = window;
    this.#announced = window;
  }

  /** An item was used. Returns a new ceiling once a quarter of the window was, else undefined. */
  consumed(bytes: number): number | undefined {
    this.#consumed += Math.max(bytes, ITEM_COST_MIN);
    const ceiling = this.#consumed + this.#window;
    if (ceiling - this.#announced < this.#window / 4) return undefined;
    this.#announced = ceiling;
    return ceiling;
  }
}
