/**
 * Chunk boundaries on the GPU: it hashes every position, the CPU walks from match to match.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { checkParams, WINDOW_BYTES } from "../boundary/spec.ts";
import type { BoundaryParams } from "../kernel.ts";
import code from "./boundary.wgsl" with { type: "text" };
import { CutFinder, type MatchTile } from "./cut_finder.ts";
import type { GpuDevice } from "./device.ts";
import { groupsFor } from "./tiles.ts";

/** Positions per thread and threads per group of boundary.wgsl. */
const POSITIONS = 128, GROUP = 64;
/** Two bits per position. */
const BYTES_PER_THREAD = POSITIONS / 4;

/** Tiles that are under way; matches are a quarter of a tile's size. */
const TILES_AHEAD = 4;

export class GpuBoundary {
  readonly #gpu: GpuDevice;

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  /** As {@link Boundary.cuts} of kernels/kernel.ts. `input` must not change before it is over. */
  async cuts(params: BoundaryParams, input: Bytes, isLast: boolean): Promise<number[]> {
    const finder = new CutFinder(params);
    const pipeline = await this.#gpu.pipeline(code, "scan");
    const ahead: Promise<MatchTile>[] = [];
    let next = 0;
    try {
      while (next < input.length || ahead.length > 0) {
        while (next < input.length && ahead.length < TILES_AHEAD) {
          const to = Math.min(input.length, next + this.#gpu.tileBytes);
          ahead.push(this.#scan(pipeline, params, input, next, to));
          next = to;
        }
        finder.add(await ahead[0]!);
        ahead.shift();
      }
    } finally {
      await Promise.allSettled(ahead);
    }
    if (isLast) finder.finish(input.length);
    return finder.cuts;
  }

  async #scan(
    pipeline: GPUComputePipeline,
    params: BoundaryParams,
    input: Bytes,
    from: number,
    to: number,
  ): Promise<MatchTile> {
    const { loose, strict } = checkParams(params);
    const begin = Math.max(0, from - WINDOW_BYTES), inputWords = Math.ceil((to - begin) / 4);
    const groups = groupsFor(Math.ceil((to - from) / POSITIONS), GROUP);
    const words = await this.#gpu.run((commands) => {
      const uniform = commands.uniform(loose, strict, from - begin, inputWords);
      const table = commands.words(Uint32Array.from(params.table));
      const bytes = commands.bytes(input, begin, to);
      const matches = commands.storage(BYTES_PER_THREAD * GROUP * groups);
      commands.dispatch(pipeline, groups, [uniform, table, bytes, matches]);
      return [{ buffer: matches, bytes: BYTES_PER_THREAD * Math.ceil((to - from) / POSITIONS) }];
    }, ([matches]) => new Uint32Array(matches!.slice().buffer));
    return { from, to, words };
  }
}
