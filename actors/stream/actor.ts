/**
 * The stream actor: seals or opens what comes on stdin, and writes it to stdout.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { loadKernels } from "../../kernels/load.ts";
import { defineActor } from "../runtime/define_actor.ts";
import { withProgress } from "../runtime/report_progress.ts";
import { openPipes } from "./pipe_io.ts";
import type { StreamProgress, StreamProtocol } from "./protocol.ts";
import { pumpOpened, pumpSealed } from "./pump.ts";

const nothing = (): StreamProgress => ({ bytesIn: 0, bytesOut: 0, frames: 0 });

export const stream = defineActor<StreamProtocol, KernelSet, null>()({
  name: "stream",
  init: () => loadKernels(),
  streams: {
    async *seal(kernels, request) {
      const progress = nothing();
      const done = pumpSealed(request, { kernels, ...openPipes(), progress });
      yield* withProgress(done, () => ({ ...progress }));
      return progress;
    },

    async *open(kernels, request) {
      const progress = nothing();
      const done = pumpOpened(request, { kernels, ...openPipes(), progress });
      yield* withProgress(done, () => ({ ...progress }));
      return progress;
    },
  },
});
