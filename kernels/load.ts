/**
 * Opens, checks and chooses one backend per kernel.
 *
 * Runs at the start of every Worker, hence does little: the order comes from the registry or from
 * what `warp doctor` measured before, and only what is chosen is opened and tested.
 *
 * @module
 */
import { WarpError } from "../actors/base/errors.ts";
import { cachePath, readMeasurements } from "./choice_cache.ts";
import type { Backend, BackendName, KernelName, Kernels, KernelSet } from "./kernel.ts";
import { type Trial, tryBackend } from "./probe.ts";
import { backendsOf, KERNEL_NAMES } from "./registry.ts";
import { type Environment, type Force, forced, type Measurements, rank } from "./select.ts";
import { tryLibraries } from "./trial_process.ts";

export interface LoadOptions {
  /** Backends that must be used; what cannot be had is an error. */
  force?: Force;
  /** Default: the environment of the process, or nothing without permission to read it. */
  environment?: Environment;
}

let loaded: Promise<KernelSet> | undefined;

/**
 * The kernels of this Worker. Without options the set is made once and shared.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when a forced backend is missing or fails its self-test;
 * E_CONFIG for an unknown name in the environment.
 */
export function loadKernels(options?: LoadOptions): Promise<KernelSet> {
  if (options === undefined) {
    return loaded ??= load({}).catch((error) => {
      loaded = undefined;
      throw error;
    });
  }
  return load(options);
}

async function load(options: LoadOptions): Promise<KernelSet> {
  if (!isWorker()) await tryLibraries();
  const environment = options.environment ?? readEnvironment();
  const must = forced(backendsOf, options.force, environment);
  const measured = readMeasurements(cachePath(environment));
  const kernels: Partial<Record<KernelName, unknown>> = {};
  const chosen: Partial<Record<KernelName, BackendName>> = {};
  const descriptions: Partial<Record<KernelName, string>> = {};
  for (const kernel of KERNEL_NAMES) {
    const { name, backend } = await choose(kernel, must[kernel], measured[kernel] ?? {});
    kernels[kernel] = backend.kernel;
    chosen[kernel] = name;
    descriptions[kernel] = backend.description;
  }
  return { ...kernels as Kernels, chosen, descriptions } as KernelSet;
}

/** Workers start after the main thread has tried the libraries. */
function isWorker(): boolean {
  return "WorkerGlobalScope" in globalThis;
}

async function choose<K extends KernelName>(
  kernel: K,
  must: BackendName | undefined,
  measured: NonNullable<Measurements[KernelName]>,
): Promise<{ name: BackendName; backend: Backend<Kernels[K]> }> {
  const trials = new Map<BackendName, Trial<K>>();
  const current = { ...measured };
  const reasons: string[] = [];
  for (;;) {
    const order = must === undefined ? rank(backendsOf(kernel), current) : [must];
    const name = order.find((candidate) => trials.get(candidate)?.isUsable !== false);
    if (name === undefined) break;
    const trial = trials.get(name) ?? await tryBackend(kernel, name);
    trials.set(name, trial);
    if (!trial.isUsable) {
      reasons.push(`${name}: ${trial.reason}`);
      continue;
    }
    const before = current[name];
    if (before === undefined || before.description === trial.backend.description) {
      return { name, backend: trial.backend };
    }
    // Measured with another version: that says nothing now, so rank again without it.
    delete current[name];
  }
  throw new WarpError(
    "E_BACKEND_UNAVAILABLE",
    `no usable backend for ${kernel} (${reasons.join("; ")})`,
  );
}

/** The variables that matter here; those without permission to read count as unset. */
export function readEnvironment(): Environment {
  const names = ["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA", "WARP_BACKEND"];
  for (const kernel of KERNEL_NAMES) names.push(`WARP_BACKEND_${kernel.toUpperCase()}`);
  return Object.fromEntries(names.map((name) => [name, readVariable(name)]));
}

function readVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
