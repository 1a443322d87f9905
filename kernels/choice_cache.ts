/**
 * What `warp doctor` measured on this machine, kept for the next start.
 *
 * The file is a hint: a missing, old or damaged one only means that the registry's order is used.
 *
 * @module
 */
import { cacheFolder } from "./cache_folder.ts";
import { BACKEND_NAMES, KERNEL_NAMES } from "./registry.ts";
import type { Environment, Measurement, Measurements } from "./select.ts";

/** Changes when a backend changes so much that old measurements mislead. */
const CACHE_VERSION = 1;
const FILE_BYTES_MAX = 64 * 1024;
const SPEED_MOST = 10_000;

/** The file for this kind of machine, or undefined where no cache folder is known. */
export function cachePath(environment: Environment): string | undefined {
  const folder = cacheFolder(environment);
  if (folder === undefined) return undefined;
  const { os, arch } = Deno.build;
  return `${folder}/warp/kernels-${os}-${arch}-deno${Deno.version.deno}-v${CACHE_VERSION}.json`;
}

/** Empty when there is no file, or no permission to read it. */
export function readMeasurements(path: string | undefined): Measurements {
  if (path === undefined) return {};
  try {
    if (Deno.statSync(path).size > FILE_BYTES_MAX) return {};
    return parse(JSON.parse(Deno.readTextFileSync(path)));
  } catch {
    return {};
  }
}

/** False when it could not be written; that costs no more than the measurement. */
export function writeMeasurements(path: string | undefined, measured: Measurements): boolean {
  if (path === undefined) return false;
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(temporary, JSON.stringify(measured, undefined, 1), { createNew: true });
    Deno.renameSync(temporary, path);
    return true;
  } catch {
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was never made.
    }
    return false;
  }
}

function parse(value: unknown): Measurements {
  const result: Measurements = {};
  for (const kernel of KERNEL_NAMES) {
    for (const backend of BACKEND_NAMES) {
      const measurement = parseOne(field(field(value, kernel), backend));
      if (measurement !== undefined) (result[kernel] ??= {})[backend] = measurement;
    }
  }
  return result;
}

function parseOne(value: unknown): Measurement | undefined {
  const gigabytesPerSecond = field(value, "gigabytesPerSecond");
  const description = field(value, "description");
  if (typeof gigabytesPerSecond !== "number" || typeof description !== "string") return undefined;
  if (!(gigabytesPerSecond > 0 && gigabytesPerSecond < SPEED_MOST)) return undefined;
  return { gigabytesPerSecond, description };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
