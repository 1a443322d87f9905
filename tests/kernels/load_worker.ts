/**
 * Loads the kernels in a Worker and hashes shared memory; load_test.ts starts it.
 *
 * @module
 */
/// <reference lib="webworker" />
import { toHex } from "../../actors/base/bytes.ts";
import { loadKernels } from "../../kernels/load.ts";

self.onmessage = async ({ data }: MessageEvent<SharedArrayBuffer>) => {
  const kernels = await loadKernels();
  const out = new Uint8Array(32);
  kernels.blake3.hash(new Uint8Array(data), out);
  self.postMessage({ chosen: kernels.chosen, digest: toHex(out) });
};
