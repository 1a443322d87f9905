/**
 * The Worker entries of all actors.
 *
 * @module
 */
import { prepareWorker } from "./runtime/ready_workers.ts";

/** Literal URLs, so that `deno compile --include` and bundlers see them. */
export const WORKERS = {
  cipher: new URL("./cipher/worker.ts", import.meta.url),
  device: new URL("./device/worker.ts", import.meta.url),
  chunker: new URL("./chunker/worker.ts", import.meta.url),
  archive: new URL("./archive/worker.ts", import.meta.url),
  stream: new URL("./stream/worker.ts", import.meta.url),
  transfer: new URL("./transfer/worker.ts", import.meta.url),
  portal: new URL("./portal/worker.ts", import.meta.url),
  hub: new URL("../hub/worker.ts", import.meta.url),
};

export type ActorKind = keyof typeof WORKERS;

/** Workers of these kinds load while the command line is still being read. */
export function prepareWorkers(...kinds: ActorKind[]): void {
  for (const kind of kinds) prepareWorker(WORKERS[kind], kind);
}
