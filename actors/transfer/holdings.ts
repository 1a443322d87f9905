/**
 * What a directory holds, by chunk: so that nothing travels that is there already. It is only ever a
 * hint: whatever it says is read and hashed before it is believed.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";

/** Where a chunk may be found. */
export interface Holding {
  /** Relative to the directory, as stored. */
  path: Bytes;
  offset: number;
}

export interface Holdings {
  find(id: Bytes): Holding | undefined;
  /** Chunks of a file that now stands under its name: ids (32 bytes each) and where they begin. */
  add(path: Bytes, ids: Bytes, offsets: ArrayLike<number>): void;
  close(): void;
}

/** Of a directory of which nothing is known, and nothing is to be remembered. */
export const noHoldings: Holdings = { find: () => undefined, add: () => {}, close: () => {} };
