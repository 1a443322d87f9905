/**
 * The chunker: walks the sources, reads files into lent slabs, and cuts them.
 *
 * @module
 */
import { defaultTable, tableFromBytes } from "../../kernels/boundary/spec.ts";
import { loadKernels } from "../../kernels/load.ts";
import { openSmallFiles } from "../../kernels/native/files.ts";
import { fsBackend } from "../base/fs/choose.ts";
import { invariant } from "../base/errors.ts";
import { defineActor } from "../runtime/define_actor.ts";
import { Batcher } from "./batcher.ts";
import type { ChunkerProtocol } from "./protocol.ts";
import { walkSources } from "./source_io.ts";

interface ChunkerState {
  batcher: Batcher | undefined;
}

export const chunker = defineActor<ChunkerProtocol, ChunkerState, null>()({
  name: "chunker",
  init: () => {
    fsBackend.useSmallFiles(openSmallFiles());
    return { batcher: undefined };
  },
  calls: {
    open: async (state, request) => {
      state.batcher?.close();
      const { boundary } = await loadKernels();
      const { min, avg, max } = request.chunk;
      const table = request.table === null ? defaultTable() : tableFromBytes(request.table);
      const walk = walkSources(request.sources, { exclude: request.excludes });
      const params = { avgBits: Math.log2(avg), min, max, table };
      state.batcher = new Batcher(walk, boundary, params, request.own);
      return { isResumed: request.resume === null || state.batcher.skipTo(request.resume) };
    },
    next: (state, { slab }) => {
      invariant(state.batcher !== undefined, "chunker.next before chunker.open");
      return state.batcher.fill(new Uint8Array(slab));
    },
    close: (state) => {
      state.batcher?.close();
      state.batcher = undefined;
      return null;
    },
  },
  stop: (state) => state.batcher?.close(),
});
