/**
 * ChaCha20-Poly1305 (RFC 8439) on the GPU: a thread per 64-byte block of the stream, a thread per 64
 * blocks of the polynomial.
 *
 * Opening computes all tags first: what fails is not decrypted, not even on the device.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { TAG_BYTES } from "../aead/spec.ts";
import { type AeadBatch, checkAeadBatch, type CheckedBatch } from "./aead_batch.ts";
import { layOut, partsOf, type Piece, wholePieces } from "./aead_layout.ts";
import { type AeadPipelines, AeadStages, compileAead, SUM_BYTES } from "./aead_stages.ts";
import type { Part } from "./recorder.ts";
import type { GpuDevice } from "./device.ts";
import { forEachTile, ITEM_BYTES, planTiles, type Tile } from "./tiles.ts";

const RIGHT = 0, WRONG = 1;
const NO_CARRY = new Uint32Array(SUM_BYTES / 4);

export class GpuAead {
  readonly #gpu: GpuDevice;

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  /**
   * Seals every item: ciphertext and tag go to `out[outOffsets[i] ..)`, 16 bytes more than the item,
   * which may be where the item begins.
   */
  async sealMany(batch: AeadBatch, out: Bytes, outOffsets: ArrayLike<number>): Promise<void> {
    const checked = checkAeadBatch(batch, out, outOffsets, TAG_BYTES);
    const pipelines = await compileAead(this.#gpu);
    await forEachTile(this.#plan(checked), async (tile) => {
      if (tile.isLarge) await this.#sealLarge(pipelines, checked, tile.first, out, outOffsets);
      else await this.#sealTile(pipelines, checked, tile, out, outOffsets);
    });
  }

  /**
   * Opens every item into `out[outOffsets[i] ..)`, 16 bytes less than the item. Gives a status each: 0,
   * or 1 for a wrong tag (or none); that item's output is zeroed then.
   */
  async openMany(
    batch: AeadBatch,
    out: Bytes,
    outOffsets: ArrayLike<number>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const checked = checkAeadBatch(batch, out, outOffsets, -TAG_BYTES);
    const statuses = new Uint8Array(checked.count).fill(WRONG);
    const pipelines = await compileAead(this.#gpu);
    await forEachTile(this.#plan(checked), async (tile) => {
      if (tile.isLarge) {
        const status = await this.#openLarge(pipelines, checked, tile.first, out, outOffsets);
        statuses[tile.first] = status;
      } else await this.#openTile(pipelines, checked, tile, out, outOffsets, statuses);
    });
    return statuses;
  }

  #plan(batch: CheckedBatch): Tile[] {
    const { tileBytes } = this.#gpu, { offsets, aadOffsets } = batch;
    const aadLengthOf = (i: number) => aadOffsets[i + 1]! - aadOffsets[i]!;
    for (let i = 0; i < batch.count; i++) {
      if (aadLengthOf(i) + ITEM_BYTES <= tileBytes) continue;
      throw new WarpError("E_LIMIT", `webgpu: additional data is above ${tileBytes} bytes`);
    }
    const lengthOf = (i: number) => offsets[i + 1]! - offsets[i]! + aadLengthOf(i);
    return planTiles(batch.count, lengthOf, tileBytes);
  }

  async #sealTile(
    pipelines: AeadPipelines,
    batch: CheckedBatch,
    tile: Tile,
    out: Bytes,
    outOffsets: ArrayLike<number>,
  ): Promise<void> {
    const pieces = wholePieces(batch, tile, 0), layout = layOut(batch, pieces, 0);
    await this.#gpu.run((commands) => {
      const stages = new AeadStages(commands, pipelines, layout, batch.base);
      stages.cipher(false);
      stages.authenticate("seal", NO_CARRY);
      return [stages.output, stages.results];
    }, ([sealed, tags]) => {
      pieces.forEach(({ item, length }, i) => {
        const at = outOffsets[item]!, slot = layout.slots[i]!;
        out.set(sealed!.subarray(slot, slot + length), at);
        out.set(tags!.subarray(TAG_BYTES * i, TAG_BYTES * (i + 1)), at + length);
      });
    });
  }

  async #openTile(
    pipelines: AeadPipelines,
    batch: CheckedBatch,
    tile: Tile,
    out: Bytes,
    outOffsets: ArrayLike<number>,
    statuses: Uint8Array,
  ): Promise<void> {
    const pieces = wholePieces(batch, tile, TAG_BYTES), layout = layOut(batch, pieces, TAG_BYTES);
    await this.#gpu.run((commands) => {
      const stages = new AeadStages(commands, pipelines, layout, batch.base);
      stages.authenticate("open", NO_CARRY);
      stages.cipher(true);
      return [stages.output, stages.results];
    }, ([opened, results]) => {
      pieces.forEach(({ item, length }, i) => {
        const at = outOffsets[item]!, slot = layout.slots[i]!;
        const hasTag = batch.offsets[item + 1]! - batch.offsets[item]! >= TAG_BYTES;
        if (hasTag && results![TAG_BYTES * i] === RIGHT) {
          out.set(opened!.subarray(slot, slot + length), at);
          statuses[item] = RIGHT;
        } else out.fill(0, at, at + length);
      });
    });
  }

  /** The parts of an item one after the other: each begins with the polynomial of those before. */
  async #sealLarge(
    pipelines: AeadPipelines,
    batch: CheckedBatch,
    item: number,
    out: Bytes,
    outOffsets: ArrayLike<number>,
  ): Promise<void> {
    let carry = NO_CARRY;
    for (const piece of this.#partsOf(batch, item, 0)) {
      const layout = layOut(batch, [piece], 0);
      await this.#gpu.run((commands) => {
        const stages = new AeadStages(commands, pipelines, layout, batch.base);
        stages.cipher(false);
        stages.authenticate("seal", carry);
        return [stages.output, piece.isLast ? stages.results : stages.sum];
      }, ([sealed, result]) => {
        const at = outOffsets[item]! + piece.before;
        out.set(sealed!.subarray(0, piece.length), at);
        if (piece.isLast) out.set(result!.subarray(0, TAG_BYTES), at + piece.length);
        else carry = wordsOf(result!);
      });
    }
  }

  async #openLarge(
    pipelines: AeadPipelines,
    batch: CheckedBatch,
    item: number,
    out: Bytes,
    outOffsets: ArrayLike<number>,
  ): Promise<number> {
    const pieces = this.#partsOf(batch, item, TAG_BYTES), at = outOffsets[item]!;
    if (await this.#verifyLarge(pipelines, batch, pieces) !== RIGHT) {
      out.fill(0, at, at + pieces[0]!.total);
      return WRONG;
    }
    const parts = pieces.map((_, i) => ({ first: i, end: i + 1, isLarge: true }));
    await forEachTile(parts, async ({ first }) => {
      const piece = pieces[first]!, layout = layOut(batch, [piece], 0);
      await this.#gpu.run((commands) => {
        const stages = new AeadStages(commands, pipelines, layout, batch.base);
        stages.cipher(false);
        return [stages.output];
      }, ([opened]) => out.set(opened!.subarray(0, piece.length), at + piece.before));
    });
    return RIGHT;
  }

  async #verifyLarge(
    pipelines: AeadPipelines,
    batch: CheckedBatch,
    pieces: readonly Piece[],
  ): Promise<number> {
    let carry = NO_CARRY, status = WRONG;
    for (const piece of pieces) {
      const layout = layOut(batch, [piece], TAG_BYTES);
      await this.#gpu.run((commands): Part[] => {
        const stages = new AeadStages(commands, pipelines, layout, batch.base);
        stages.authenticate("open", carry);
        return [piece.isLast ? stages.results : stages.sum];
      }, ([result]) => {
        if (!piece.isLast) carry = wordsOf(result!);
        else if (result![0] === RIGHT) status = RIGHT;
      });
    }
    return status;
  }

  #partsOf(batch: CheckedBatch, item: number, tagBytes: number): Piece[] {
    return partsOf(batch, item, this.#gpu.tileBytes, tagBytes);
  }
}

function wordsOf(bytes: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(bytes.slice().buffer);
}
