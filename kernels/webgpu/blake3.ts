/**
 * BLAKE3 on the GPU: a thread per chunk of 1024 bytes, then a dispatch per level of all trees at once.
 *
 * An item above a tile is cut into parts of a power of two of chunks. Each gives the chaining value of
 * a subtree, and these are the leaves of the tree above.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import { checkBatch, DIGEST_BYTES, KEY_BYTES } from "../blake3/spec.ts";
import blake3Code from "./blake3.wgsl" with { type: "text" };
import type { Commands, Part } from "./recorder.ts";
import type { GpuDevice } from "./device.ts";
import inputCode from "./input.wgsl" with { type: "text" };
import { forEachTile, groupsFor, planTiles, prefixSums, type Tile } from "./tiles.ts";

/**
 * - `hash`: no key.
 * - `keyed`: the key is a secret of the caller.
 * - `derive`: the key is the `context` digest of the context string; items are key material.
 */
export type Blake3Mode = "hash" | "keyed" | "derive" | "context";

const FLAGS: Record<Blake3Mode, number> = { hash: 0, keyed: 16, context: 32, derive: 64 };

const IV = Uint32Array.of(
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a],
  ...[0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
);

const CODE = inputCode + blake3Code;

const GROUP = 64;
const CHUNK_BYTES = 1024;

interface Pipelines {
  leaves: GPUComputePipeline;
  parents: GPUComputePipeline;
}

/** What all dispatches of a call share. */
interface Setting {
  flags: number;
  keyWords: Uint32Array;
  /** The items are parts: their tops are chaining values. */
  isPart: boolean;
  /** Number of the first chunk. */
  counter: number;
}

export class GpuBlake3 {
  readonly #gpu: GpuDevice;

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  /**
   * Digests of the items `base[offsets[i] .. offsets[i + 1])`, 32 bytes each, one after the other.
   * `key` (32 bytes) goes with the modes `keyed` and `derive`.
   */
  async many(
    base: Bytes,
    offsets: ArrayLike<number>,
    key?: Bytes,
    mode: Blake3Mode = key === undefined ? "hash" : "keyed",
  ): Promise<Uint8Array<ArrayBuffer>> {
    const needsKey = mode === "keyed" || mode === "derive";
    invariant(needsKey === (key !== undefined), "blake3: keyed and derive take a key, others none");
    const out = new Uint8Array(DIGEST_BYTES * Math.max(0, offsets.length - 1));
    const count = checkBatch(base, offsets, out, key);
    if (count === 0) return out;
    const keyWords = key === undefined ? IV : wordsOf(key);
    const setting = { flags: FLAGS[mode], keyWords, isPart: false, counter: 0 };
    const { tileBytes } = this.#gpu;
    const lengthOf = (i: number) => offsets[i + 1]! - offsets[i]!;
    const pipelines = await this.#pipelines();
    await forEachTile(planTiles(count, lengthOf, tileBytes), async (tile) => {
      const digests = out.subarray(DIGEST_BYTES * tile.first, DIGEST_BYTES * tile.end);
      if (tile.isLarge) {
        const [from, to] = [offsets[tile.first]!, offsets[tile.end]!];
        await this.#large(pipelines, base.subarray(from, to), setting, digests);
      } else await this.#items(pipelines, base, offsets, tile, setting, digests);
    });
    return out;
  }

  /** One item that does not fit a tile. */
  async #large(
    pipelines: Pipelines,
    input: Bytes,
    setting: Setting,
    digest: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const partBytes = this.#gpu.tileBytes;
    const count = Math.ceil(input.length / partBytes);
    // An item may be above a tile just by what its table entries cost.
    const isPart = count > 1;
    const nodes = new Uint8Array(DIGEST_BYTES * count);
    const parts = Array.from(
      { length: count },
      (_, i) => ({ first: i, end: i + 1, isLarge: true }),
    );
    await forEachTile(parts, async ({ first, end }) => {
      const ends = [first * partBytes, Math.min(input.length, end * partBytes)];
      const part = { ...setting, isPart, counter: first * partBytes / CHUNK_BYTES };
      const top = nodes.subarray(DIGEST_BYTES * first, DIGEST_BYTES * end);
      await this.#items(pipelines, input, ends, { first: 0, end: 1, isLarge: false }, part, top);
    });
    if (isPart) await this.#join(pipelines, nodes, setting, digest);
    else digest.set(nodes);
  }

  /** Digests, or tops, of consecutive items into `out`. */
  async #items(
    pipelines: Pipelines,
    base: Bytes,
    offsets: ArrayLike<number>,
    { first, end }: Tile,
    setting: Setting,
    out: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const build = (commands: Commands): Part[] => {
      const from = offsets[first]!;
      const counts = new Uint32Array(end - first);
      for (let i = 0; i < counts.length; i++) {
        const length = offsets[first + i + 1]! - offsets[first + i]!;
        counts[i] = Math.max(1, Math.ceil(length / CHUNK_BYTES));
      }
      const firstLeaf = prefixSums(counts);
      const table = new Uint32Array(3 * (counts.length + 1));
      for (let i = 0; i <= counts.length; i++) {
        table[3 * i] = offsets[first + i]! - from;
        table[3 * i + 1] = (offsets[first + i + 1] ?? 0) - offsets[first + i]!;
        table[3 * i + 2] = firstLeaf[i]!;
      }
      const items = commands.words(table), leafCount = firstLeaf.at(-1)!;
      const nodes = commands.storage(DIGEST_BYTES * leafCount);
      const tops = commands.storage(out.length);
      const input = commands.bytes(base, from, offsets[end]!);
      const params = uniform(commands, counts.length, leafCount, 0, 0, setting);
      const groups = groupsFor(leafCount, GROUP);
      commands.dispatch(pipelines.leaves, groups, [params, items, nodes, tops, input]);
      dispatchParents(commands, pipelines, counts, items, nodes, tops, setting);
      return [{ buffer: tops, bytes: out.length }];
    };
    await this.#gpu.run(build, ([tops]) => out.set(tops!));
  }

  /** The digest of the tree whose leaves are `leaves`. */
  async #join(
    pipelines: Pipelines,
    leaves: Uint8Array<ArrayBuffer>,
    setting: Setting,
    out: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const build = (commands: Commands): Part[] => {
      const count = leaves.length / DIGEST_BYTES;
      const items = commands.words(Uint32Array.of(0, 0, 0, 0, 0, count));
      const nodes = commands.bytes(leaves, 0, leaves.length);
      const tops = commands.storage(DIGEST_BYTES);
      dispatchParents(commands, pipelines, Uint32Array.of(count), items, nodes, tops, setting);
      return [{ buffer: tops, bytes: DIGEST_BYTES }];
    };
    await this.#gpu.run(build, ([top]) => out.set(top!));
  }

  async #pipelines(): Promise<Pipelines> {
    const [leaves, parents] = await Promise.all([
      this.#gpu.pipeline(CODE, "leaves"),
      this.#gpu.pipeline(CODE, "parents"),
    ]);
    return { leaves, parents };
  }
}

/** One dispatch per level, for all items that have a pair of nodes there. */
function dispatchParents(
  commands: Commands,
  pipelines: Pipelines,
  counts: Uint32Array,
  items: GPUBuffer,
  nodes: GPUBuffer,
  tops: GPUBuffer,
  setting: Setting,
): void {
  const { levels, table } = planLevels(counts);
  if (levels.length === 0) return;
  const entries = commands.words(table);
  levels.forEach(({ start, count, pairs }, level) => {
    const params = uniform(commands, count, pairs, level, start, setting);
    const groups = groupsFor(pairs, GROUP);
    commands.dispatch(pipelines.parents, groups, [params, items, nodes, tops, undefined, entries]);
  });
}

/** Entries (pairs before, item) of every level, one level after the other. */
export function planLevels(counts: Uint32Array): {
  levels: { start: number; count: number; pairs: number }[];
  table: Uint32Array<ArrayBuffer>;
} {
  const levels: { start: number; count: number; pairs: number }[] = [], entries: number[] = [];
  let active = Array.from(counts.keys()).filter((item) => counts[item]! > 1);
  for (let level = 0; active.length > 0; level++) {
    const start = entries.length / 2, count = active.length;
    let pairs = 0;
    for (const item of active) {
      entries.push(pairs, item);
      pairs += nodesAt(counts[item]!, level) >>> 1;
    }
    levels.push({ start, count, pairs });
    active = active.filter((item) => nodesAt(counts[item]!, level + 1) > 1);
  }
  return { levels, table: Uint32Array.from(entries) };
}

/** Nodes at a level of a tree of `leaves`: half as many, rounded up, from one level to the next. */
function nodesAt(leaves: number, level: number): number {
  return (leaves - 1 >>> level) + 1;
}

function uniform(
  commands: Commands,
  count: number,
  threads: number,
  level: number,
  entries: number,
  { flags, isPart, counter, keyWords }: Setting,
): GPUBuffer {
  const low = counter % 2 ** 32, high = Math.floor(counter / 2 ** 32);
  const params = [count, threads, level, entries, flags, Number(isPart), low, high];
  return commands.wipe(commands.uniform(...params, ...keyWords));
}

/** Little-endian words of a key. */
function wordsOf(key: Bytes): Uint32Array {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return Uint32Array.from({ length: KEY_BYTES / 4 }, (_, i) => view.getUint32(4 * i, true));
}
