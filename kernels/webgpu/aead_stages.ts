/**
 * The stages of ChaCha20-Poly1305 on the GPU, each a few dispatches over the pieces of one layout.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Layout } from "./aead_layout.ts";
import chachaCode from "./chacha20.wgsl" with { type: "text" };
import type { Commands, Part } from "./recorder.ts";
import type { GpuDevice } from "./device.ts";
import inputCode from "./input.wgsl" with { type: "text" };
import polyCode from "./poly1305.wgsl" with { type: "text" };
import { groupsFor } from "./tiles.ts";

const GROUP = 64;
/** Bytes per piece, or per sum, of what kernels keep: Powers and Packed of poly1305.wgsl. */
const POWERS_BYTES = 80;
export const SUM_BYTES = 20;
const RESULT_BYTES = 16;

export interface AeadPipelines {
  makeOneTimeKeys: GPUComputePipeline;
  applyStream: GPUComputePipeline;
  makePowers: GPUComputePipeline;
  segments: GPUComputePipeline;
  fold: GPUComputePipeline;
  finish: GPUComputePipeline;
}

export async function compileAead(gpu: GpuDevice): Promise<AeadPipelines> {
  const chacha = inputCode + chachaCode, poly = inputCode + polyCode;
  const [makeOneTimeKeys, applyStream, makePowers, segments, fold, finish] = await Promise.all([
    gpu.pipeline(chacha, "make_one_time_keys"),
    gpu.pipeline(chacha, "apply_stream"),
    gpu.pipeline(poly, "make_powers"),
    gpu.pipeline(poly, "segments"),
    gpu.pipeline(poly, "fold"),
    gpu.pipeline(poly, "finish"),
  ]);
  return { makeOneTimeKeys, applyStream, makePowers, segments, fold, finish };
}

/** The buffers of one call, and its stages in the order in which they are asked for. */
export class AeadStages {
  readonly #commands: Commands;
  readonly #pipelines: AeadPipelines;
  readonly #layout: Layout;
  readonly #count: number;
  readonly #items: GPUBuffer;
  readonly #input: GPUBuffer;
  readonly #keys: GPUBuffer;
  readonly #output: GPUBuffer;
  readonly #results: GPUBuffer;
  #sums: GPUBuffer | undefined;

  constructor(commands: Commands, pipelines: AeadPipelines, layout: Layout, base: Bytes) {
    this.#commands = commands;
    this.#pipelines = pipelines;
    this.#layout = layout;
    this.#count = layout.pieces.length;
    this.#items = commands.words(layout.items);
    this.#input = commands.bytes(base, layout.begin, layout.end);
    this.#keys = commands.secret(layout.keys);
    this.#output = commands.storage(layout.slots.at(-1)!);
    this.#results = commands.storage(RESULT_BYTES * this.#count);
  }

  /** Bytes of all slots. */
  get output(): Part {
    return { buffer: this.#output, bytes: this.#layout.slots.at(-1)! };
  }

  /** 16 bytes per piece: tags, or a word that is 0 for a right tag and 1 for a wrong one. */
  get results(): Part {
    return { buffer: this.#results, bytes: RESULT_BYTES * this.#count };
  }

  /** The polynomial up to the end of the only piece, for the next part's `carry`. */
  get sum(): Part {
    const offset = SUM_BYTES * this.#layout.starts.at(-2)!;
    return { buffer: this.#sums!, offset, bytes: SUM_BYTES };
  }

  /** Encrypts or decrypts into the slots; with `isChecked` pieces with a wrong tag become zeros. */
  cipher(isChecked: boolean): void {
    const { blocks } = this.#layout;
    const params = this.#chachaParams(blocks, isChecked);
    this.#commands.dispatch(this.#pipelines.applyStream, groupsFor(blocks, GROUP), [
      ...[params, this.#items, this.#input, this.#keys, undefined, this.#results, this.#output],
    ]);
  }

  /**
   * Evaluates the polynomial over the slots (`seal`) or over the input (`open`), from `carry` on; for
   * last parts, gives {@link results}.
   */
  authenticate(mode: "seal" | "open", carry: Uint32Array): void {
    const { levels, starts: startWords, aads: aadBytes, pieces } = this.#layout;
    const commands = this.#commands, pipelines = this.#pipelines, items = this.#items;
    const perPiece = groupsFor(this.#count, GROUP);
    const keys = commands.wipe(commands.storage(2 * RESULT_BYTES * this.#count));
    const powers = commands.wipe(commands.storage(POWERS_BYTES * this.#count));
    const sums = commands.storage(SUM_BYTES * startWords.at(-1)!);
    const starts = commands.words(startWords), aads = commands.bytes(aadBytes, 0, aadBytes.length);
    const input = mode === "seal" ? this.#output : this.#input;
    const { isFirst, isLast } = pieces[0]!;
    const params = (threads: number, level: number) =>
      commands.uniform(
        ...[this.#count, threads, level, Number(mode === "seal"), Number(isFirst), Number(isLast)],
        ...[carry[4]!, 0, ...carry.subarray(0, 4)],
      );
    commands.dispatch(pipelines.makeOneTimeKeys, perPiece, [
      ...[this.#chachaParams(0, false), items, undefined, this.#keys, keys],
    ]);
    commands.dispatch(pipelines.makePowers, perPiece, [
      ...[params(0, levels.length), undefined, undefined, undefined, keys, powers],
    ]);
    levels.forEach((threads, level) => {
      const groups = groupsFor(threads, GROUP), uniform = params(threads, level);
      if (level === 0) {
        commands.dispatch(pipelines.segments, groups, [
          ...[uniform, items, input, aads, undefined, powers, sums, starts],
        ]);
      } else {
        commands.dispatch(pipelines.fold, groups, [
          ...[uniform, undefined, undefined, undefined, undefined, powers, sums, starts],
        ]);
      }
    });
    this.#sums = sums;
    if (!isLast) return;
    commands.dispatch(pipelines.finish, perPiece, [
      ...[params(0, levels.length - 1), items, input, undefined, keys, undefined, sums, starts],
      this.#results,
    ]);
  }

  #chachaParams(blocks: number, isChecked: boolean): GPUBuffer {
    const stride = this.#layout.keys.length === 32 ? 0 : 2;
    return this.#commands.uniform(this.#count, blocks, stride, Number(isChecked));
  }
}
