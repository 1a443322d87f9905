/**
 * How batches are cut into tiles: what one dispatch takes. Bindings are limited (128 MiB is what every
 * adapter must allow), and several small calls overlap where one large one would not.
 *
 * @module
 */

export const TILE_BYTES_LEAST = 4096;
export const TILE_BYTES_MOST = 32 * 1024 * 1024;

/** What an item costs beside its bytes: its entries in tables, its padding, its tag. */
export const ITEM_BYTES = 64;

/** Consecutive whole items first .. end - 1, or one that is too large for a tile. */
export interface Tile {
  readonly first: number;
  readonly end: number;
  readonly isLarge: boolean;
}

/** Cuts `count` items into tiles of at most `tileBytes`, each item {@link ITEM_BYTES} more. */
export function planTiles(
  count: number,
  lengthOf: (item: number) => number,
  tileBytes: number,
): Tile[] {
  const tiles: Tile[] = [];
  let first = 0, bytes = 0;
  const close = (end: number) => {
    if (end > first) tiles.push({ first, end, isLarge: false });
    first = end;
    bytes = 0;
  };
  for (let item = 0; item < count; item++) {
    const cost = lengthOf(item) + ITEM_BYTES;
    if (bytes + cost > tileBytes) close(item);
    if (cost > tileBytes) {
      tiles.push({ first: item, end: item + 1, isLarge: true });
      first = item + 1;
    } else bytes += cost;
  }
  close(count);
  return tiles;
}

/** Runs a function on every tile. Waits for all of them, then throws the first failure. */
export async function forEachTile(
  tiles: readonly Tile[],
  run: (tile: Tile) => Promise<void>,
): Promise<void> {
  const results = await Promise.allSettled(tiles.map(run));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Running sums of `sizes`, from 0: one entry more than there are sizes. */
export function prefixSums(sizes: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const sums = new Uint32Array(sizes.length + 1);
  for (let i = 0; i < sizes.length; i++) sums[i + 1] = sums[i]! + sizes[i]!;
  return sums;
}

/** Workgroups of `size` threads for `threads` threads. */
export function groupsFor(threads: number, size: number): number {
  return Math.ceil(threads / size);
}
