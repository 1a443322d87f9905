/**
 * Hashing, sealing and opening of many blocks in a slab: the work of one cipher call.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { type Bytes, toHex } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";
import type { HashReply, HashRequest, OpenReply, OpenRequest, SealRequest } from "./protocol.ts";
import { type ArchiveSecrets, CODEC, type CodecId, KIND, RecordCodec } from "./record.ts";

/** Sample of a chunk whose entropy decides on compression. */
export const SAMPLE_BYTES = 4096;

/** One per Worker: keeps the codec of the archive in work, and scratch buffers. */
export class BlockWorker {
  readonly #kernels: KernelSet;
  #codec: RecordCodec | undefined;
  #codecOf = "";
  #gathered = new Uint8Array(0);

  constructor(kernels: KernelSet) {
    this.#kernels = kernels;
  }

  hash(request: HashRequest): HashReply {
    const { cuts } = request;
    const slab = new Uint8Array(request.slab);
    const ids = new Uint8Array(cuts.length * 32);
    const offsets = new Uint32Array(cuts.length + 1);
    offsets.set(cuts, 1);
    this.#kernels.blake3.hashMany(slab, offsets, ids, request.idKey ?? undefined);
    const entropy = new Uint16Array(request.wantsEntropy ? cuts.length : 0);
    // The middle of a chunk: heads of files are rarely like the rest.
    this.#kernels.entropy.estimateMany(slab, offsets, SAMPLE_BYTES, entropy);
    return { ids, entropy };
  }

  seal(request: SealRequest): { lengths: Uint32Array } {
    const codec = this.#codecFor(request.secrets);
    const output = new Uint8Array(request.output);
    const lengths = new Uint32Array(request.blocks.length);
    let at = 0;
    for (const [i, block] of request.blocks.entries()) {
      const raw = this.#gather(request, block.chunks);
      const target = output.subarray(at);
      const room = target.subarray(codec.headLength);
      const { codec: wanted, level } = block.choice;
      const size = wanted === CODEC.stored ? 0 : this.#compress(wanted, level, raw, room);
      const isCompressed = size > 0 && size < raw.length;
      const head = { kind: KIND.block, codec: isCompressed ? wanted : CODEC.stored };
      const payload = isCompressed ? room.subarray(0, size) : raw;
      const digest = isCompressed ? undefined : codec.blockDigest(idsOf(request.ids, block.chunks));
      const length = codec.write(
        { ...head, rawLength: raw.length },
        block.ordinal,
        payload,
        target,
        digest,
      );
      lengths[i] = length;
      at += length;
    }
    return { lengths };
  }

  #compress(codec: CodecId, level: number, raw: Bytes, room: Bytes): number {
    const kernel = codec === CODEC.zstd ? this.#kernels.zstd : this.#kernels.lz4;
    // No more room than would pay: the codec gives up early on what does not shrink.
    return kernel.compress(raw, room.subarray(0, Math.min(room.length, raw.length - 1)), level);
  }

  /** The bytes of `chunks`: a view when they lie side by side, else a copy. */
  #gather(request: SealRequest, chunks: number[]): Bytes {
    const { cuts } = request;
    const slab = new Uint8Array(request.input);
    const start = (i: number) => i === 0 ? 0 : cuts[i - 1]!;
    const first = chunks[0]!, last = chunks.at(-1)!;
    if (last - first === chunks.length - 1) return slab.subarray(start(first), cuts[last]!);
    const length = chunks.reduce((sum, i) => sum + cuts[i]! - start(i), 0);
    if (this.#gathered.length < length) this.#gathered = new Uint8Array(length);
    let at = 0;
    for (const i of chunks) {
      const chunk = slab.subarray(start(i), cuts[i]!);
      this.#gathered.set(chunk, at);
      at += chunk.length;
    }
    return this.#gathered.subarray(0, length);
  }

  open(request: OpenRequest): OpenReply {
    const codec = this.#codecFor(request.secrets);
    const input = new Uint8Array(request.input);
    const output = new Uint8Array(request.output);
    const ends = new Float64Array(request.records.length).fill(-1);
    let at = 0;
    for (const [i, { offset, length, ordinal }] of request.records.entries()) {
      const bytes = input.subarray(offset, offset + length);
      const head = codec.readHead(bytes);
      if (head?.kind !== KIND.block || head.recordLength !== length) continue;
      invariant(at + head.rawLength <= output.length, "open output too small");
      const isOpen = codec.open(head, ordinal, bytes, output.subarray(at, at + head.rawLength));
      if (!isOpen) continue;
      at += head.rawLength;
      ends[i] = at;
    }
    return { ends };
  }

  #codecFor(secrets: ArchiveSecrets): RecordCodec {
    const key = toHex(secrets.binding) + toHex(secrets.archiveKey ?? new Uint8Array()) +
      toHex(secrets.idKey ?? new Uint8Array());
    if (this.#codec === undefined || this.#codecOf !== key) {
      this.#codec = new RecordCodec(this.#kernels, secrets);
      this.#codecOf = key;
    }
    return this.#codec;
  }
}

/** The ids of `chunks`, one after another. */
export function idsOf(ids: Bytes, chunks: number[]): Uint8Array {
  const out = new Uint8Array(chunks.length * 32);
  chunks.forEach((chunk, i) => out.set(ids.subarray(chunk * 32, chunk * 32 + 32), i * 32));
  return out;
}
