/**
 * The cipher: holds keys for the length of a call; touches no disk and no network.
 *
 * @module
 */
import { loadKernels } from "../../kernels/load.ts";
import { MerkleHash } from "../base/merkle_hash.ts";
import { defineActor } from "../runtime/define_actor.ts";
import { BlockWorker } from "./blocks.ts";
import type { CipherProtocol } from "./protocol.ts";

interface CipherState {
  worker: BlockWorker;
  merkle: MerkleHash;
}

export const cipher = defineActor<CipherProtocol, CipherState, null>()({
  name: "cipher",
  init: async () => {
    const kernels = await loadKernels();
    return { worker: new BlockWorker(kernels), merkle: new MerkleHash(kernels.blake3) };
  },
  calls: {
    hash: (state, request) => state.worker.hash(request),
    seal: (state, request) => state.worker.seal(request),
    open: (state, request) => state.worker.open(request),
    leaves: (state, { slab, offset, length }) => {
      const bytes = new Uint8Array(slab, offset, length);
      const out = new Uint8Array(Math.ceil(length / 65536) * 32);
      state.merkle.leaves(bytes, out);
      return out;
    },
  },
});
