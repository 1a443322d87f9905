/**
 * Which backend to try for a kernel, and in which order: facts in, a list out.
 *
 * @module
 */
import { WarpError } from "../actors/base/errors.ts";
import type { BackendName, KernelName } from "./kernel.ts";
import { BACKEND_NAMES, KERNEL_NAMES } from "./registry.ts";

/** A backend for all kernels that have it, or one for each named kernel. */
export type Force = BackendName | Partial<Record<KernelName, BackendName>>;

/** Environment variables, of which `WARP_BACKEND` and `WARP_BACKEND_<KERNEL>` are read. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Measured speed of a backend, and the version it was measured with. */
export interface Measurement {
  readonly gigabytesPerSecond: number;
  readonly description: string;
}

export type Measurements = Partial<
  Record<KernelName, Partial<Record<BackendName, Measurement>>>
>;

/**
 * A backend must beat one that the registry puts before it by this much: a noisy measurement should
 * not flip choices between runs.
 */
const ADVANTAGE = 1.1;

/**
 * Backends from best to worst. Measured ones are sorted by speed among the places they hold; one
 * that was never measured keeps its place, so that a library installed since is tried.
 */
export function rank(
  backends: readonly BackendName[],
  measured: Partial<Record<BackendName, Measurement>>,
): BackendName[] {
  const score = (name: BackendName) =>
    measured[name]!.gigabytesPerSecond * ADVANTAGE ** -backends.indexOf(name);
  const sorted = backends
    .filter((name) => measured[name] !== undefined)
    .sort((a, b) => score(b) - score(a));
  return backends.map((name) => measured[name] === undefined ? name : sorted.shift()!);
}

/**
 * The backend that must be used for each kernel, if any: `WARP_BACKEND_<KERNEL>`, else `force` for
 * that kernel, else `WARP_BACKEND`, else `force` for all. A name for all binds the kernels that have
 * such a backend.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when a kernel has no backend of the name forced on it,
 * E_CONFIG for a name that does not exist.
 */
export function forced(
  backendsOf: (kernel: KernelName) => readonly BackendName[],
  force: Force | undefined,
  environment: Environment,
): Partial<Record<KernelName, BackendName>> {
  const forAll = nameIn(environment, "WARP_BACKEND") ??
    (typeof force === "string" ? force : undefined);
  if (forAll !== undefined && !KERNEL_NAMES.some((kernel) => backendsOf(kernel).includes(forAll))) {
    throw new WarpError("E_BACKEND_UNAVAILABLE", `no kernel has a backend "${forAll}"`);
  }
  const result: Partial<Record<KernelName, BackendName>> = {};
  for (const kernel of KERNEL_NAMES) {
    const forOne = nameIn(environment, `WARP_BACKEND_${kernel.toUpperCase()}`) ??
      (typeof force === "object" ? force[kernel] : undefined);
    if (forOne !== undefined && !backendsOf(kernel).includes(forOne)) {
      throw new WarpError("E_BACKEND_UNAVAILABLE", `${kernel} has no backend "${forOne}"`, {
        hint: `it has ${backendsOf(kernel).join(", ")}`,
      });
    }
    const name = forOne ??
      (forAll !== undefined && backendsOf(kernel).includes(forAll) ? forAll : undefined);
    if (name !== undefined) result[kernel] = name;
  }
  return result;
}

function nameIn(environment: Environment, variable: string): BackendName | undefined {
  const value = environment[variable]?.trim().toLowerCase();
  if (value === undefined || value === "" || value === "auto") return undefined;
  if ((BACKEND_NAMES as readonly string[]).includes(value)) return value as BackendName;
  throw new WarpError("E_CONFIG", `${variable}: "${value}" is not a backend`, {
    hint: `one of ${BACKEND_NAMES.join(", ")}, auto`,
  });
}
