/**
 * The Merkle tree over the stored bytes (docs/format.md §9): built while the archive is written,
 * so that anyone who holds only the root can verify any part without any key.
 *
 * @module
 */
import type { Blake3 } from "../../kernels/kernel.ts";
import type { Bytes } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";
import { MERKLE_BLOCK_BYTES } from "../base/limits.ts";
import { MerkleHash, NODE_BYTES } from "../base/merkle_hash.ts";

/** Number of nodes of all levels over `leafCount` leaves. */
export function merkleNodeCount(leafCount: number): number {
  let total = leafCount;
  for (let level = leafCount; level > 1;) {
    level = Math.ceil(level / 2);
    total += level;
  }
  return total;
}

/** Where levels that are too big for memory go: append-only, then read back. */
export interface NodeSpill {
  append(nodes: Bytes): void;
  read(nodes: Bytes, offset: number): void;
  close(): void;
}

/** Keeps nodes in memory up to a bound, then in a spill made on demand. */
class NodeStore {
  #parts: { nodes: Uint8Array; isReady: boolean }[] = [];
  #buffered = 0;
  #spill: NodeSpill | undefined;
  #spilled = 0;

  constructor(readonly makeSpill: () => NodeSpill, readonly bytesMax: number) {}

  get length(): number {
    return this.#spilled + this.#buffered;
  }

  append(nodes: Uint8Array): void {
    this.#parts.push({ nodes, isReady: true });
    this.#buffered += nodes.length;
    this.#spillReady();
  }

  /** Keeps the place of `length` bytes of nodes that are given to the result later. */
  reserve(length: number): (nodes: Uint8Array) => void {
    const part = { nodes: new Uint8Array(length) as Uint8Array, isReady: false };
    this.#parts.push(part);
    this.#buffered += length;
    return (nodes) => {
      invariant(nodes.length === length && !part.isReady, "merkle: nodes do not fit their place");
      part.nodes = nodes;
      part.isReady = true;
    };
  }

  #spillReady(): void {
    if (this.#buffered <= this.bytesMax) return;
    let count = this.#parts.findIndex(({ isReady }) => !isReady);
    if (count < 0) count = this.#parts.length;
    if (count === 0) return;
    this.#spill ??= this.makeSpill();
    for (const { nodes } of this.#parts.splice(0, count)) {
      this.#spill.append(nodes);
      this.#spilled += nodes.length;
      this.#buffered -= nodes.length;
    }
  }

  /** The content in order, in pieces of at most 1 MiB each (a multiple of two nodes). */
  *read(): Generator<Uint8Array> {
    const piece = 1 << 20;
    for (let at = 0; at < this.#spilled; at += piece) {
      const buffer = new Uint8Array(Math.min(piece, this.#spilled - at));
      this.#spill!.read(buffer, at);
      yield buffer;
    }
    for (const { nodes, isReady } of this.#parts) {
      invariant(isReady, "merkle: a node is missing");
      yield nodes;
    }
  }

  close(): void {
    this.#spill?.close();
  }
}

/** Streams stored bytes in, gives the tree out. Memory is bounded; big trees spill. */
export class MerkleBuilder {
  readonly #hash: MerkleHash;
  readonly #makeSpill: () => NodeSpill;
  readonly #memoryMax: number;
  readonly #leaves: NodeStore;
  readonly #partial = new Uint8Array(MERKLE_BLOCK_BYTES);
  #partialLength = 0;
  #bodyLength = 0;

  constructor(blake3: Blake3, makeSpill: () => NodeSpill, memoryMax = 8 << 20) {
    this.#hash = new MerkleHash(blake3);
    this.#makeSpill = makeSpill;
    this.#memoryMax = memoryMax;
    this.#leaves = new NodeStore(makeSpill, memoryMax);
  }

  get bodyLength(): number {
    return this.#bodyLength;
  }

  update(bytes: Bytes): void {
    const whole = this.#begin(bytes);
    if (whole.length > 0) this.#addLeaves(whole);
  }

  /**
   * As {@link update}, but the leaves of the whole blocks in `bytes` are computed elsewhere:
   * `hash(offset, length)` gives those of a part of `bytes`, which must stay as it is until then.
   * What comes next may be added meanwhile; all promises must be settled before {@link finish}.
   */
  async updateLater(
    bytes: Bytes,
    hash: (offset: number, length: number) => Promise<Uint8Array>,
  ): Promise<void> {
    const whole = this.#begin(bytes);
    if (whole.length === 0) return;
    const fill = this.#leaves.reserve(whole.length / MERKLE_BLOCK_BYTES * NODE_BYTES);
    fill(await hash(whole.byteOffset - bytes.byteOffset, whole.length));
  }

  /** Takes in what completes the open block and what opens the next; returns the part between. */
  #begin(bytes: Bytes): Bytes {
    this.#bodyLength += bytes.length;
    let at = 0;
    if (this.#partialLength > 0) {
      at = Math.min(bytes.length, MERKLE_BLOCK_BYTES - this.#partialLength);
      this.#partial.set(bytes.subarray(0, at), this.#partialLength);
      this.#partialLength += at;
      if (this.#partialLength < MERKLE_BLOCK_BYTES) return bytes.subarray(at);
      this.#addLeaves(this.#partial);
      this.#partialLength = 0;
    }
    const end = bytes.length - (bytes.length - at) % MERKLE_BLOCK_BYTES;
    this.#partialLength = bytes.length - end;
    this.#partial.set(bytes.subarray(end), 0);
    return bytes.subarray(at, end);
  }

  #addLeaves(bytes: Bytes): void {
    const out = new Uint8Array(Math.ceil(bytes.length / MERKLE_BLOCK_BYTES) * NODE_BYTES);
    this.#hash.leaves(bytes, out);
    this.#leaves.append(out);
  }

  /**
   * Ends the body: gives all levels to `emit`, lowest first, and returns root and leaf count.
   * The body is never empty: it holds at least the prologue.
   */
  finish(
    binding: Bytes,
    emit: (nodes: Uint8Array) => void,
  ): { root: Uint8Array; leafCount: number } {
    invariant(this.#bodyLength > 0, "empty body");
    if (this.#partialLength > 0) this.#addLeaves(this.#partial.subarray(0, this.#partialLength));
    const leafCount = this.#leaves.length / NODE_BYTES;
    let level = this.#leaves;
    let top = new Uint8Array(NODE_BYTES);
    for (;;) {
      const next = new NodeStore(this.#makeSpill, this.#memoryMax);
      for (const nodes of pairAligned(level.read())) {
        emit(nodes);
        if (level.length > NODE_BYTES) next.append(this.#hash.parents(nodes));
        else top = new Uint8Array(nodes);
      }
      const isTop = level.length <= NODE_BYTES;
      level.close();
      if (isTop) break;
      level = next;
    }
    return { root: this.#hash.root(binding, this.#bodyLength, top), leafCount };
  }

  close(): void {
    this.#leaves.close();
  }
}

/** Regroups pieces so that each but the last holds an even number of nodes. */
export function* pairAligned(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let odd: Uint8Array = new Uint8Array();
  for (const piece of pieces) {
    const joined = new Uint8Array(odd.length + piece.length);
    joined.set(odd);
    joined.set(piece, odd.length);
    const even = joined.length - joined.length % (2 * NODE_BYTES);
    if (even > 0) yield joined.subarray(0, even);
    odd = joined.slice(even);
  }
  if (odd.length > 0) yield odd;
}
