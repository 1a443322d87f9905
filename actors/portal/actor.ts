/**
 * The portal actor: moves trees into portals and out of them.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { loadKernels } from "../../kernels/load.ts";
import { openSmallFiles } from "../../kernels/native/files.ts";
import { fsBackend } from "../base/fs/choose.ts";
import type { ChunkerProtocol } from "../chunker/protocol.ts";
import { defineActor } from "../runtime/define_actor.ts";
import { withProgress } from "../runtime/report_progress.ts";
import { getFromPortal } from "./get_io.ts";
import type { LeaseNote, PortalProgress, PortalProtocol } from "./protocol.ts";
import { publishViews, putIntoPortal } from "./put_io.ts";

interface PortalActorState {
  kernels: KernelSet;
}

export const portal = defineActor<PortalProtocol, PortalActorState, null>()({
  name: "portal",
  init: async () => {
    fsBackend.useSmallFiles(openSmallFiles());
    return { kernels: await loadKernels() };
  },
  calls: {
    publish: async ({ kernels }, request, cx) => ({
      version: await publishViews(request, kernels, cx.signal),
    }),
  },
  streams: {
    async *put({ kernels }, request, cx) {
      let last: PortalProgress | undefined;
      const chunker = cx.ref<ChunkerProtocol>("chunker");
      const work = putIntoPortal(request, {
        kernels,
        chunker,
        signal: cx.signal,
        onProgress: (progress) => last = progress,
      });
      return yield* withProgress(work, () => last);
    },

    async *get({ kernels }, request, cx) {
      let last: PortalProgress | LeaseNote | undefined;
      const work = getFromPortal(request, {
        kernels,
        signal: cx.signal,
        onProgress: (progress) => {
          // The lease is told before anything else: a later run needs it.
          if (last?.type !== "lease" || isLeaseTold) last = progress;
        },
        onLease: (note) => last = note,
      });
      let isLeaseTold = false;
      const ticks = withProgress(work, () => last);
      for (let tick = await ticks.next();; tick = await ticks.next()) {
        if (tick.done) return tick.value;
        if (tick.value.type === "lease") isLeaseTold = true;
        yield tick.value;
      }
    },
  },
});
