/**
 * Two questions about a backend: is it present here, and does it give right answers?
 *
 * @module
 */
import { toWireError } from "../actors/base/errors.ts";
import type { Backend, BackendName, KernelName, Kernels } from "./kernel.ts";
import { REGISTRY } from "./registry.ts";
import { selfTest } from "./self_test.ts";

/** A backend that was tried. */
export type Trial<K extends KernelName = KernelName> =
  | { isUsable: true; backend: Backend<Kernels[K]> }
  | { isUsable: false; isPresent: boolean; reason: string };

/** Opens one backend and runs its self-test. Never throws. */
export async function tryBackend<K extends KernelName>(
  kernel: K,
  name: BackendName,
): Promise<Trial<K>> {
  const open = REGISTRY[kernel].find(([candidate]) => candidate === name)?.[1];
  if (open === undefined) {
    return { isUsable: false, isPresent: false, reason: `${kernel} has no such backend` };
  }
  let backend: Backend<Kernels[K]>;
  try {
    backend = await open() as Backend<Kernels[K]>;
  } catch (error) {
    return { isUsable: false, isPresent: false, reason: toWireError(error).message };
  }
  const fault = selfTest(kernel, backend.kernel);
  if (fault === undefined) return { isUsable: true, backend };
  return {
    isUsable: false,
    isPresent: true,
    reason: `self-test failed: ${fault} (${backend.description})`,
  };
}
