/**
 * Packs: what the hub stores instead of chunks (docs/crypto.md §2). All have 1 MiB but the last of a
 * version, so that lengths of chunks, which tell files apart (https://eprint.iacr.org/2025/532), are
 * nowhere to be seen.
 *
 * @module
 */
import { type Bytes, concat } from "../../base/bytes.ts";
import { invariant } from "../../base/errors.ts";
import { KiB, MiB } from "../../base/units.ts";
import { packPadding } from "./open_reference.ts";

export const PACK_BYTES = MiB;
export const PACK_BYTES_LEAST = 4 * KiB;
const TAG_BYTES = 16;

/** Where a sealed chunk is. */
export interface Place {
  pack: number;
  offset: number;
  length: number;
}

/** The smallest power of two from 4 KiB that holds `length` bytes. */
export function paddedLength(length: number): number {
  let size = PACK_BYTES_LEAST;
  while (size < length) size *= 2;
  return size;
}

/** Whether this is the length of a pack at all. */
export function isPackLength(length: number, most: number): boolean {
  return length >= PACK_BYTES_LEAST && length <= most && Number.isInteger(Math.log2(length));
}

export class Packer {
  readonly #secret: Uint8Array;
  #pack = new Uint8Array();
  #used = 0;
  #tags: Uint8Array[] = [];
  #number: number;

  /** @param domainSecret 32 bytes; it is copied  @param first number of the first pack */
  constructor(domainSecret: Bytes, first = 0) {
    this.#secret = new Uint8Array(domainSecret);
    this.#number = first;
  }

  /** Places a sealed chunk; `full` is the pack that it did not fit in any more. */
  add(sealed: Bytes): { place: Place; full: Uint8Array<ArrayBuffer> | undefined } {
    invariant(sealed.length >= TAG_BYTES && sealed.length <= PACK_BYTES, "no chunk for a pack");
    const full = this.#used + sealed.length > PACK_BYTES ? this.#close(PACK_BYTES) : undefined;
    if (this.#used === 0) this.#pack = new Uint8Array(PACK_BYTES);
    const place = { pack: this.#number, offset: this.#used, length: sealed.length };
    this.#pack.set(sealed, this.#used);
    this.#used += sealed.length;
    this.#tags.push(sealed.slice(-TAG_BYTES));
    return { place, full };
  }

  /** The last pack, or undefined when there is nothing in it. */
  finish(): Uint8Array<ArrayBuffer> | undefined {
    return this.#used === 0 ? undefined : this.#close(paddedLength(this.#used));
  }

  wipe(): void {
    this.#secret.fill(0);
  }

  #close(length: number): Uint8Array<ArrayBuffer> {
    const pack = length === PACK_BYTES ? this.#pack : this.#pack.slice(0, length);
    pack.set(packPadding(this.#secret, concat(...this.#tags), length - this.#used), this.#used);
    this.#pack = new Uint8Array();
    this.#tags = [];
    this.#used = 0;
    this.#number++;
    return pack;
  }
}
