/**
 * Cuts from matches: the sequential part of kernels/boundary/spec.ts, over bitmaps of a stream's tiles.
 *
 * @module
 */
import { checkParams } from "../boundary/spec.ts";
import type { BoundaryParams } from "../kernel.ts";

/** Matches of the positions `from .. to - 1` of the stream. */
export interface MatchTile {
  from: number;
  to: number;
  /** For every 128 positions four words of loose matches, then four of strict ones. */
  words: Uint32Array;
}

const LOOSE = 0, STRICT = 4;

export class CutFinder {
  readonly cuts: number[] = [];
  readonly #min: number;
  readonly #avg: number;
  readonly #max: number;
  /** First byte of the current chunk. */
  #start = 0;
  /** First position that was not looked at. */
  #at: number;

  constructor(params: BoundaryParams) {
    this.#avg = checkParams(params).avg;
    this.#min = params.min;
    this.#max = params.max;
    this.#at = params.min - 1;
  }

  /** Takes the next tile. */
  add(tile: MatchTile): void {
    while (this.#at < tile.to) {
      const turn = Math.min(this.#start + this.#avg - 1, tile.to);
      const lastPosition = this.#start + this.#max - 1, limit = Math.min(lastPosition, tile.to);
      let found = findMatch(tile, STRICT, this.#at, turn);
      if (found < 0) found = findMatch(tile, LOOSE, Math.max(this.#at, turn), limit);
      if (found >= 0) this.#cut(found + 1);
      else if (lastPosition < tile.to) this.#cut(lastPosition + 1);
      else this.#at = tile.to;
    }
  }

  /** The stream ends, and with it its last chunk. */
  finish(length: number): void {
    if (this.#start < length) this.#cut(length);
  }

  #cut(end: number): void {
    this.cuts.push(end);
    this.#start = end;
    this.#at = end + this.#min - 1;
  }
}

/** First match at positions from .. to - 1, or -1. */
function findMatch(
  { from: base, words }: MatchTile,
  kind: number,
  from: number,
  to: number,
): number {
  let at = from - base;
  const end = to - base;
  while (at < end) {
    const index = (at >>> 7) * 8 + kind + (at >>> 5 & 3);
    const word = words[index]! & -1 << (at & 31);
    if (word !== 0) {
      const found = (at & ~31) + 31 - Math.clz32(word & -word);
      return found < end ? base + found : -1;
    }
    at = (at | 31) + 1;
  }
  return -1;
}
