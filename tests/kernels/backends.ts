/**
 * Every backend that this machine has, opened for the contract suites.
 *
 * Open them at the top of a test file (`await`): a library opened within a test counts as a leak.
 *
 * @module
 */
import type { Backend, BackendName, KernelName, Kernels } from "../../kernels/kernel.ts";
import { tryBackend } from "../../kernels/probe.ts";
import { backendsOf } from "../../kernels/registry.ts";

export interface OpenBackend<K extends KernelName> extends Backend<Kernels[K]> {
  name: BackendName;
}

/** Backends that may be missing even when `WARP_REQUIRE=all`: they need a GPU. */
const MAY_BE_MISSING: readonly BackendName[] = ["webgpu", "cuda"];

/**
 * The usable backends of a kernel. Says aloud which are missing and why; with `WARP_REQUIRE=all` a
 * missing one fails.
 */
export async function openBackends<K extends KernelName>(kernel: K): Promise<OpenBackend<K>[]> {
  const open: OpenBackend<K>[] = [];
  for (const name of backendsOf(kernel)) {
    const trial = await tryBackend(kernel, name);
    if (trial.isUsable) {
      open.push({ name, ...trial.backend });
      continue;
    }
    console.log(`SKIP ${kernel} ${name}: ${trial.reason}`);
    if (Deno.env.get("WARP_REQUIRE") === "all" && !MAY_BE_MISSING.includes(name)) {
      throw new Error(`WARP_REQUIRE=all, but ${kernel} ${name} is missing: ${trial.reason}`);
    }
  }
  return open;
}

/** The reference backend. */
export async function openPortable<K extends KernelName>(kernel: K): Promise<Kernels[K]> {
  const trial = await tryBackend(kernel, "portable");
  if (!trial.isUsable) throw new Error(`portable ${kernel}: ${trial.reason}`);
  return trial.backend.kernel;
}
