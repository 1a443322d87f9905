/**
 * What `warp doctor` says about kernels: every backend, whether it is there, works, how fast it is,
 * and which one is chosen and why. What it measures is kept for later starts.
 *
 * @module
 */
import { calibrate } from "./calibrate.ts";
import { cachePath, writeMeasurements } from "./choice_cache.ts";
import type { BackendName, KernelName } from "./kernel.ts";
import { readEnvironment } from "./load.ts";
import { tryBackend } from "./probe.ts";
import { backendsOf, KERNEL_NAMES } from "./registry.ts";
import { type Environment, type Force, forced, type Measurements, rank } from "./select.ts";

export interface BackendReport {
  kernel: KernelName;
  backend: BackendName;
  /** The library or package was found and opened. */
  isPresent: boolean;
  /** Present, and its self-test passed. */
  isUsable: boolean;
  isChosen: boolean;
  /** What it is, with its version; absent unless usable. */
  description?: string;
  /** Why it is chosen, or why not. */
  reason: string;
  /** Measured on 64 KiB inputs, one thread; codecs there and back. Absent unless usable. */
  gigabytesPerSecond?: number;
}

export interface KernelReport {
  backends: BackendReport[];
  /** No entry for a kernel whose forced backend cannot be used. */
  chosen: Partial<Record<KernelName, BackendName>>;
  /** Where the measurements are kept, or undefined when they are not. */
  cacheFile?: string;
}

export interface ExamineOptions {
  force?: Force;
  environment?: Environment;
  /** Time for each measurement. Default 30. */
  budgetMs?: number;
}

/**
 * Opens, tests and measures every backend; takes about a second.
 *
 * @throws {WarpError} E_CONFIG, E_BACKEND_UNAVAILABLE for names in the environment that mean nothing.
 */
export async function examineKernels(options: ExamineOptions = {}): Promise<KernelReport> {
  const environment = options.environment ?? readEnvironment();
  const must = forced(backendsOf, options.force, environment);
  const report: KernelReport = { backends: [], chosen: {} };
  const measured: Measurements = {};
  for (const kernel of KERNEL_NAMES) {
    const rows: BackendReport[] = [];
    for (const backend of backendsOf(kernel)) {
      rows.push(await examineOne(kernel, backend, options.budgetMs ?? 30));
    }
    for (const { backend, gigabytesPerSecond, description } of rows) {
      if (gigabytesPerSecond === undefined || description === undefined) continue;
      (measured[kernel] ??= {})[backend] = { gigabytesPerSecond, description };
    }
    chooseAmong(rows, rank(backendsOf(kernel), measured[kernel] ?? {}), must[kernel]);
    const chosen = rows.find((row) => row.isChosen);
    if (chosen !== undefined) report.chosen[kernel] = chosen.backend;
    report.backends.push(...rows);
  }
  const path = cachePath(environment);
  if (path !== undefined && writeMeasurements(path, measured)) report.cacheFile = path;
  return report;
}

async function examineOne(
  kernel: KernelName,
  backend: BackendName,
  budgetMs: number,
): Promise<BackendReport> {
  const trial = await tryBackend(kernel, backend);
  const row = { kernel, backend, isUsable: trial.isUsable, isChosen: false };
  if (!trial.isUsable) return { ...row, isPresent: trial.isPresent, reason: trial.reason };
  return {
    ...row,
    isPresent: true,
    description: trial.backend.description,
    reason: "",
    gigabytesPerSecond: calibrate(kernel, trial.backend.kernel, budgetMs),
  };
}

/** Marks the chosen row and says why each usable one is chosen or not. */
function chooseAmong(
  rows: BackendReport[],
  order: readonly BackendName[],
  must: BackendName | undefined,
): void {
  const usable = rows.filter((row) => row.isUsable);
  const name = must ?? order.find((backend) => usable.some((row) => row.backend === backend));
  for (const row of usable) {
    row.isChosen = row.backend === name;
    if (must !== undefined) row.reason = row.isChosen ? "forced" : `${must} is forced`;
    else if (usable.length === 1) row.reason = "the only one";
    else row.reason = row.isChosen ? "fastest" : "slower";
  }
  if (must === undefined) return;
  const missing = rows.find((row) => row.backend === must && !row.isUsable);
  if (missing !== undefined) missing.reason = `forced, but: ${missing.reason}`;
}

/** The report as lines of text for people. */
export function describeKernels(report: KernelReport): string {
  const lines: string[] = [];
  for (const row of report.backends) {
    const mark = row.isChosen ? "*" : row.isUsable ? " " : "-";
    const speed = row.gigabytesPerSecond === undefined
      ? ""
      : `${row.gigabytesPerSecond.toPrecision(3)} GB/s`;
    const what = row.description === undefined ? row.reason : `${row.description} (${row.reason})`;
    lines.push(
      `${mark} ${row.kernel.padEnd(9)}${row.backend.padEnd(10)}${speed.padStart(10)}  ${what}`,
    );
  }
  lines.push("", "* chosen, - not usable; one thread, 64 KiB inputs, codecs there and back");
  return lines.join("\n");
}
