/**
 * The hash functions of the Merkle tree over stored bytes (docs/format.md §9).
 *
 * Domain separation of leaf, node and root is by BLAKE3 keys derived from public strings; the root
 * commits to the header and to the length.
 *
 * @module
 */
import type { Blake3 } from "../../kernels/kernel.ts";
import type { Bytes } from "./bytes.ts";
import { MERKLE_BLOCK_BYTES } from "./limits.ts";

export const NODE_BYTES = 32;

/** The three hash functions of the tree. */
export class MerkleHash {
  readonly #blake3: Blake3;
  readonly #leafKey: Uint8Array<ArrayBuffer>;
  readonly #nodeKey: Uint8Array;
  readonly #rootKey: Uint8Array;

  constructor(blake3: Blake3) {
    this.#blake3 = blake3;
    const key = (x: string) => blake3.deriveKey(`warp/archive/v1 merkle ${x}`, new Uint8Array());
    this.#leafKey = key("leaf");
    this.#nodeKey = key("node");
    this.#rootKey = key("root");
  }

  /** Leaves of whole blocks (the last may be short) into `out`, 32 bytes each. */
  leaves(bytes: Bytes, out: Bytes): number {
    const offsets = blockOffsets(bytes.length);
    this.#blake3.hashMany(bytes, offsets, out, this.#leafKey);
    return offsets.length - 1;
  }

  /** Key of the leaves: not a secret. */
  get leafKey(): Uint8Array<ArrayBuffer> {
    return this.#leafKey;
  }

  /** Whether {@link leavesLater} works here. */
  get hasThreads(): boolean {
    return this.#blake3.hashManyLater !== undefined;
  }

  /** As {@link leaves}, beside this thread. */
  async leavesLater(bytes: Bytes): Promise<Uint8Array<ArrayBuffer>> {
    const offsets = blockOffsets(bytes.length);
    const out = new Uint8Array((offsets.length - 1) * NODE_BYTES);
    await this.#blake3.hashManyLater!(bytes, offsets, out, this.#leafKey);
    return out;
  }

  /** The next level of `nodes` (32 * n bytes): pairs hashed, an odd last node unchanged. */
  parents(nodes: Bytes): Uint8Array<ArrayBuffer> {
    const count = nodes.length / NODE_BYTES;
    const pairs = Math.floor(count / 2);
    const out = new Uint8Array(Math.ceil(count / 2) * NODE_BYTES);
    const offsets = new Float64Array(pairs + 1);
    for (let i = 0; i <= pairs; i++) offsets[i] = i * 2 * NODE_BYTES;
    this.#blake3.hashMany(nodes, offsets, out, this.#nodeKey);
    if (count % 2 === 1) {
      out.set(nodes.subarray((count - 1) * NODE_BYTES), pairs * NODE_BYTES);
    }
    return out;
  }

  root(binding: Bytes, bodyLength: number, top: Bytes): Uint8Array<ArrayBuffer> {
    const input = new Uint8Array(72);
    input.set(binding, 0);
    new DataView(input.buffer).setBigUint64(32, BigInt(bodyLength), true);
    input.set(top, 40);
    const out = new Uint8Array(32);
    this.#blake3.hash(input, out, this.#rootKey);
    return out;
  }
}

function blockOffsets(length: number): Float64Array {
  const count = Math.ceil(length / MERKLE_BLOCK_BYTES);
  const offsets = new Float64Array(count + 1);
  for (let i = 0; i < count; i++) offsets[i] = i * MERKLE_BLOCK_BYTES;
  offsets[count] = length;
  return offsets;
}
