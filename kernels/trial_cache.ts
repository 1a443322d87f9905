/**
 * What came of trying native libraries, kept between runs. A hint: without the file they are tried
 * again.
 *
 * @module
 */
import { cacheFolder } from "./cache_folder.ts";

export interface KeptTrial {
  /** What was tried; another text makes the result void. */
  stamp: string;
  isSafe: boolean;
  reason: string;
}

export type Trials = Partial<Record<string, KeptTrial>>;

const FILE_BYTES_MAX = 64 * 1024;

export function trialsPath(): string | undefined {
  const folder = cacheFolder(Deno.env.toObject());
  return folder === undefined ? undefined : `${folder}/warp/trials-v1.json`;
}

export function readTrials(path: string | undefined): Trials {
  if (path === undefined) return {};
  try {
    if (Deno.statSync(path).size > FILE_BYTES_MAX) return {};
    const value = JSON.parse(Deno.readTextFileSync(path)) as Record<string, Partial<KeptTrial>>;
    const trials: Trials = {};
    for (const [subject, trial] of Object.entries(value)) {
      const { stamp, isSafe, reason } = trial;
      const isWhole = typeof stamp === "string" && typeof isSafe === "boolean" &&
        typeof reason === "string";
      if (isWhole) trials[subject] = { stamp, isSafe, reason };
    }
    return trials;
  } catch {
    return {};
  }
}

export function writeTrials(path: string | undefined, trials: Trials): void {
  if (path === undefined) return;
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(temporary, JSON.stringify(trials), { createNew: true });
    Deno.renameSync(temporary, path);
  } catch {
    // Not kept: they are tried again next time.
  }
}

/** Whether this process was started to try a library: then nothing is refused. */
export function isTrial(): boolean {
  return (Deno.env.get("WARP_TRIAL") ?? "") !== "";
}

/** Why `subject` must not be loaded; undefined when nothing speaks against it. */
export function refusal(subject: "native" | "cuda", library: string | URL): string | undefined {
  if (isTrial()) return undefined;
  const trial = readTrials(trialsPath())[subject];
  if (trial === undefined || trial.isSafe || trial.stamp !== stampOf(library)) return undefined;
  return trial.reason;
}

/** Changes with the library, the driver and the system. */
export function stampOf(library: string | URL): string | undefined {
  try {
    const { size, mtime } = Deno.statSync(library);
    return `${library} ${size} ${mtime?.getTime()} ${Deno.osRelease()} ${driverVersion()}`;
  } catch {
    return undefined;
  }
}

function driverVersion(): string {
  try {
    return Deno.readTextFileSync("/proc/driver/nvidia/version").split("\n", 1)[0]!;
  } catch {
    return "";
  }
}
