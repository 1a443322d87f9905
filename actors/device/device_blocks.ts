/**
 * The work of a cipher on a GPU: whole batches at once, through memory that the device copies from
 * directly.
 *
 * @module
 */
import { BLAKE3_HASH, BLAKE3_KEYED, offsetsFrom } from "../../kernels/cuda/calls.ts";
import type { CudaContext } from "../../kernels/cuda/context.ts";
import type { KernelSet } from "../../kernels/kernel.ts";
import { type Bytes, toHex } from "../base/bytes.ts";
import { MERKLE_BLOCK_BYTES } from "../base/limits.ts";
import { MerkleHash, NODE_BYTES } from "../base/merkle_hash.ts";
import { idsOf, SAMPLE_BYTES } from "../cipher/blocks.ts";
import type { HashReply, HashRequest, SealBlock, SealRequest } from "../cipher/protocol.ts";
import { CODEC, KIND, RecordCodec, type SealInput } from "../cipher/record.ts";

const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const KEY_BYTES = 32;

/** A sealed block's place: in the batch, and in the caller's output. */
interface Place {
  /** Of its plaintext. */
  start: number;
  length: number;
  /** Of its ciphertext, in the output slab. */
  target: number;
}

export class DeviceBlocks {
  readonly #context: CudaContext;
  readonly #kernels: KernelSet;
  readonly #leafKey: Uint8Array;
  #codec: RecordCodec | undefined;
  #codecOf = "";
  #staging: { plain: Bytes; sealed: Bytes } | undefined;

  constructor(context: CudaContext, kernels: KernelSet) {
    this.#context = context;
    this.#kernels = kernels;
    this.#leafKey = new MerkleHash(kernels.blake3).leafKey;
  }

  async hash(request: HashRequest): Promise<HashReply> {
    const { cuts, idKey, wantsEntropy } = request;
    const count = cuts.length;
    const starts = new Float64Array(count + 1);
    starts.set(cuts, 1);
    const base = new Uint8Array(request.slab, 0, starts[count]), offsets = offsetsFrom(starts);
    const ids = new Uint8Array(32 * count);
    const entropy = new Uint16Array(wantsEntropy ? count : 0);
    const keyed = idKey === null ? { mode: BLAKE3_HASH } : { mode: BLAKE3_KEYED, key: idKey };
    const jobs: Promise<number>[] = [
      this.#context.async.blake3({ ...keyed, base, offsets, out: ids }),
    ];
    if (wantsEntropy) {
      jobs.push(
        this.#context.async.entropy({ base, offsets, sample: SAMPLE_BYTES, out: entropy }),
      );
    }
    await settle(jobs);
    return { ids, entropy };
  }

  /** Merkle leaves of `bytes`, which begin where a block begins. */
  async leaves(bytes: Bytes): Promise<Uint8Array> {
    const count = Math.ceil(bytes.length / MERKLE_BLOCK_BYTES);
    const starts = Float64Array.from(
      { length: count + 1 },
      (_, i) => Math.min(i * MERKLE_BLOCK_BYTES, bytes.length),
    );
    const out = new Uint8Array(count * NODE_BYTES);
    await this.#context.async.blake3({
      mode: BLAKE3_KEYED,
      key: this.#leafKey,
      base: bytes,
      offsets: offsetsFrom(starts),
      out,
    });
    return out;
  }

  /** Stored blocks of an encrypted archive, as `BlockWorker.seal` gives them, byte for byte. */
  async seal(request: SealRequest): Promise<{ lengths: Uint32Array }> {
    const codec = this.#codecFor(request);
    const output = new Uint8Array(request.output);
    const { plain, sealed } = this.#room(request.input.byteLength, request.blocks.length);
    const inputs: SealInput[] = [], places: Place[] = [];
    const lengths = new Uint32Array(request.blocks.length);
    let start = 0, at = 0;
    for (const [i, block] of request.blocks.entries()) {
      const length = pack(request, block, plain.subarray(start));
      const payload = plain.subarray(start, start + length);
      const head = { kind: KIND.block, codec: CODEC.stored, rawLength: length };
      const digest = codec.blockDigest(idsOf(request.ids, block.chunks));
      inputs.push(codec.frame(head, block.ordinal, payload, output.subarray(at), digest));
      places.push({ start, length, target: at + codec.headLength });
      lengths[i] = length + codec.overhead;
      at += lengths[i]!;
      start += length;
    }
    await this.#sealBatch(inputs, places, plain, sealed);
    for (const [i, place] of places.entries()) {
      const from = place.start + i * TAG_BYTES;
      output.set(sealed.subarray(from, from + place.length + TAG_BYTES), place.target);
    }
    return { lengths };
  }

  async #sealBatch(
    inputs: SealInput[],
    places: Place[],
    plain: Bytes,
    sealed: Bytes,
  ): Promise<void> {
    const count = inputs.length;
    const keys = new Uint8Array(KEY_BYTES * count), nonces = new Uint8Array(NONCE_BYTES * count);
    const aadBytes = inputs[0]?.aad.length ?? 0;
    const aad = new Uint8Array(aadBytes * count);
    for (const [i, input] of inputs.entries()) {
      keys.set(input.key, KEY_BYTES * i);
      nonces.set(input.nonce, NONCE_BYTES * i);
      aad.set(input.aad, aadBytes * i);
    }
    const end = places.at(-1);
    const starts = [...places.map(({ start }) => start), end ? end.start + end.length : 0];
    try {
      await this.#context.async.seal({
        base: plain,
        offsets: offsetsFrom(starts),
        keys,
        nonces,
        aad: {
          base: aad,
          offsets: offsetsFrom(Array.from({ length: count + 1 }, (_, i) => i * aadBytes)),
        },
        out: sealed,
        outOffsets: offsetsFrom(places.map(({ start }, i) => start + i * TAG_BYTES)),
      });
    } finally {
      keys.fill(0);
    }
  }

  #codecFor({ secrets }: SealRequest): RecordCodec {
    const key = toHex(secrets.binding) + toHex(secrets.archiveKey ?? new Uint8Array());
    if (this.#codec === undefined || this.#codecOf !== key) {
      this.#codec = new RecordCodec(this.#kernels, secrets);
      this.#codecOf = key;
    }
    return this.#codec;
  }

  /** Memory for one call at a time: calls of one actor run one after another. */
  #room(slabBytes: number, blocks: number): { plain: Bytes; sealed: Bytes } {
    const needed = slabBytes + blocks * TAG_BYTES;
    if (this.#staging === undefined || this.#staging.sealed.length < needed) {
      if (this.#staging !== undefined) {
        this.#context.free(this.#staging.plain);
        this.#context.free(this.#staging.sealed);
      }
      this.#staging = {
        plain: this.#context.allocate(needed),
        sealed: this.#context.allocate(needed),
      };
    }
    return this.#staging;
  }
}

/** The bytes of a block's chunks, side by side; returns their number. */
function pack(request: SealRequest, block: SealBlock, out: Bytes): number {
  const slab = new Uint8Array(request.input);
  let at = 0;
  for (const i of block.chunks) {
    const chunk = slab.subarray(i === 0 ? 0 : request.cuts[i - 1]!, request.cuts[i]!);
    out.set(chunk, at);
    at += chunk.length;
  }
  return at;
}

/** Waits for all, so that no job still uses memory when one has failed. */
async function settle(jobs: Promise<number>[]): Promise<void> {
  for (const result of await Promise.allSettled(jobs)) {
    if (result.status === "rejected") throw result.reason;
  }
}
