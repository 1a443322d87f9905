/**
 * A map that forgets what was used longest ago.
 *
 * @module
 */
export class LruMap<Key, Value> {
  readonly #map = new Map<Key, Value>();

  constructor(readonly sizeMax: number) {}

  get(key: Key): Value | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    this.#map.delete(key);
    this.#map.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= this.sizeMax) return;
    this.#map.delete(this.#map.keys().next().value as Key);
  }
}
