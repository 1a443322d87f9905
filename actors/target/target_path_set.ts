/**
 * A set of paths in 16 to 32 bytes per path, whatever their length: tens of millions of files fit.
 *
 * It holds 53-bit hashes with a random seed. Two paths of one extraction share a hash with a chance
 * of about n² / 2^54; a false "yes" lets a hard link lead to another file within the target.
 *
 * @module
 */
import type { RawName } from "../base/fs/raw_name.ts";

const FIRST_SLOTS = 1024;
/** Not numbers that a hash can be. */
const FREE = -1;
const DELETED = -2;

export class PathSet {
  #slots = new Float64Array(FIRST_SLOTS).fill(FREE);
  /** Slots that are not free. */
  #used = 0;
  readonly #seed = crypto.getRandomValues(new Uint32Array(2));

  add(dir: RawName, name: RawName): void {
    if (this.#used * 2 >= this.#slots.length) this.#grow();
    this.#insert(this.#hash(dir, name));
  }

  has(dir: RawName, name: RawName): boolean {
    const hash = this.#hash(dir, name);
    return this.#slots[this.#find(hash)] === hash;
  }

  delete(dir: RawName, name: RawName): void {
    const hash = this.#hash(dir, name);
    const slot = this.#find(hash);
    if (this.#slots[slot] === hash) this.#slots[slot] = DELETED;
  }

  #insert(hash: number): void {
    const slot = this.#find(hash);
    if (this.#slots[slot] === hash) return;
    this.#slots[slot] = hash;
    this.#used++;
  }

  /** The slot that holds `hash`, or the free one where it belongs. */
  #find(hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash % 2 ** 32 & mask;
    while (this.#slots[slot] !== FREE && this.#slots[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Float64Array(old.length * 2).fill(FREE);
    this.#used = 0;
    for (const hash of old) if (hash >= 0) this.#insert(hash);
  }

  /** Two seeded multiplicative hashes (as in cyrb53, public domain), 53 bits of them. */
  #hash(dir: RawName, name: RawName): number {
    let a = this.#seed[0]! ^ 0xdeadbeef, b = this.#seed[1]! ^ 0x41c6ce57;
    const mix = (text: string) => {
      for (let i = 0; i < text.length; i++) {
        const byte = text.charCodeAt(i);
        a = Math.imul(a ^ byte, 0x9e3779b1);
        b = Math.imul(b ^ byte, 0x5f356495);
        a ^= b >>> 15;
      }
    };
    mix(dir);
    mix("/");
    mix(name);
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
    return ((b >>> 11) * 2 ** 32) + (a >>> 0);
  }
}
