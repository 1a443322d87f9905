/**
 * Known answers on a device: one that gives a wrong one is not used.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { selfTest } from "../self_test.ts";
import type { CudaContext } from "./context.ts";
import { cudaKernels } from "./sync_kernels.ts";

const KERNELS = ["blake3", "aead", "boundary", "lz4", "entropy"] as const;

/** @throws {WarpError} E_BACKEND_UNAVAILABLE, naming the kernel and what is wrong with it. */
export function testDevice(context: CudaContext): void {
  const kernels = cudaKernels(context);
  for (const name of KERNELS) {
    const fault = selfTest(name, kernels[name]);
    if (fault === undefined) continue;
    throw new WarpError("E_BACKEND_UNAVAILABLE", `${name} failed its self-test: ${fault}`);
  }
}
