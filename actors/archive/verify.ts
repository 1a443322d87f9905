/**
 * Verification: the Merkle tree over every stored byte, without any key; and with one, every record
 * opened in its place.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { equal } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { HEADER_BYTES, MERKLE_BLOCK_BYTES, TRAILER_BYTES } from "../base/limits.ts";
import { MerkleHash, NODE_BYTES } from "../base/merkle_hash.ts";
import { MiB } from "../base/units.ts";
import { verifySignature } from "../cipher/signature.ts";
import type { ArchiveInput } from "./archive_io.ts";
import type { LeafHasher } from "./cipher_pool.ts";
import type { Progress } from "./protocol.ts";
import { type Opening, readOpening, readTrailer } from "./reader.ts";
import { signatureMessage, type Trailer } from "./trailer.ts";

const SLAB_BYTES = 4 * MiB;
const NODES_AT_ONCE = MiB / NODE_BYTES;

/** What a verified archive says of itself. */
export interface Verified {
  opening: Opening;
  trailer: Trailer;
}

/**
 * Checks every stored byte, and the signature if there is one.
 * @throws {WarpError} E_NOT_AN_ARCHIVE, E_TRUNCATED, E_INTEGRITY
 */
export async function verifyStored(
  input: ArchiveInput,
  kernels: KernelSet,
  hasher: LeafHasher,
  progress: Progress,
  signal: AbortSignal,
): Promise<Verified> {
  const opening = readOpening(input, kernels);
  const trailer = readTrailer(input, kernels, opening.header);
  if (trailer.signer !== undefined) {
    const bytes = new Uint8Array(TRAILER_BYTES);
    input.read(bytes, input.size - bytes.length);
    if (!verifySignature(trailer.signer, signatureMessage(bytes), trailer.signature!)) {
      throw damage("the signature of the archive does not match");
    }
  }
  await verifyMerkle(input, opening, trailer, kernels, hasher, progress, signal);
  return { opening, trailer };
}

/**
 * Recomputes the leaves of the body and compares them with the stored level 0, then
 * every upper level and the root.
 * @throws {WarpError} E_INTEGRITY
 */
async function verifyMerkle(
  input: ArchiveInput,
  opening: Opening,
  trailer: Trailer,
  kernels: KernelSet,
  hasher: LeafHasher,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  await verifyLeaves(input, trailer, hasher, progress, signal);
  const hash = new MerkleHash(kernels.blake3);
  let level = { offset: trailer.treeOffset, count: trailer.leafCount };
  while (level.count > 1) {
    level = verifyParents(input, hash, level);
    signal.throwIfAborted();
  }
  const top = new Uint8Array(NODE_BYTES);
  input.read(top, level.offset);
  const root = hash.root(opening.binding, trailer.treeOffset - HEADER_BYTES, top);
  if (!equal(root, trailer.root)) throw damage("the root of the archive does not match");
}

async function verifyLeaves(
  input: ArchiveInput,
  trailer: Trailer,
  hasher: LeafHasher,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  progress.bytesTotal = trailer.treeOffset - HEADER_BYTES;
  const slabBytes = Math.min(SLAB_BYTES, progress.bytesTotal);
  let next = HEADER_BYTES;
  const lane = async () => {
    let slab = new SharedArrayBuffer(slabBytes);
    while (next < trailer.treeOffset) {
      const offset = next;
      const length = Math.min(SLAB_BYTES, trailer.treeOffset - offset);
      next += length;
      let isFirst = true;
      const leaves = await hasher.call("leaves", () => {
        if (!isFirst) slab = new SharedArrayBuffer(slabBytes);
        isFirst = false;
        if (input.read(new Uint8Array(slab, 0, length), offset) < length) {
          throw new WarpError("E_TRUNCATED", "the archive became shorter while it was read");
        }
        return { slab, offset: 0, length };
      }, signal);
      compareLeaves(input, trailer, offset, leaves);
      progress.bytes += length;
      signal.throwIfAborted();
    }
  };
  const lanes = Math.min(hasher.size + 1, Math.ceil(progress.bytesTotal / SLAB_BYTES));
  await Promise.all(Array.from({ length: lanes }, lane));
}

function compareLeaves(
  input: ArchiveInput,
  trailer: Trailer,
  offset: number,
  leaves: Uint8Array,
): void {
  const first = (offset - HEADER_BYTES) / MERKLE_BLOCK_BYTES;
  const stored = new Uint8Array(leaves.length);
  input.read(stored, trailer.treeOffset + first * NODE_BYTES);
  if (equal(stored, leaves)) return;
  for (let i = 0; i < leaves.length; i += NODE_BYTES) {
    if (equal(stored.subarray(i, i + NODE_BYTES), leaves.subarray(i, i + NODE_BYTES))) continue;
    const at = HEADER_BYTES + (first + i / NODE_BYTES) * MERKLE_BLOCK_BYTES;
    throw damage(`the archive is damaged in the 64 KiB at byte ${at}`, at);
  }
}

function verifyParents(
  input: ArchiveInput,
  hash: MerkleHash,
  level: { offset: number; count: number },
): { offset: number; count: number } {
  const parents = {
    offset: level.offset + level.count * NODE_BYTES,
    count: Math.ceil(level.count / 2),
  };
  for (let i = 0; i < level.count; i += NODES_AT_ONCE) {
    const nodes = new Uint8Array(Math.min(NODES_AT_ONCE, level.count - i) * NODE_BYTES);
    input.read(nodes, level.offset + i * NODE_BYTES);
    const computed = hash.parents(nodes);
    const stored = new Uint8Array(computed.length);
    input.read(stored, parents.offset + i / 2 * NODE_BYTES);
    if (!equal(computed, stored)) throw damage("the Merkle tree of the archive is damaged");
  }
  return parents;
}

function damage(message: string, at?: number): WarpError {
  return new WarpError("E_INTEGRITY", message, at === undefined ? {} : { details: { at } });
}
