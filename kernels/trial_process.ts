/**
 * Native code is tried in a process of its own first: a library for another CPU or a broken driver may
 * end the process that loads it. What came of it is kept until the library changes.
 *
 * @module
 */
import { builtCudaLibraryUrl, explicitCudaLibrary, hasCudaLibrary } from "./cuda/location.ts";
import { libraryPath } from "./native/location.ts";
import {
  isTrial,
  readTrials,
  stampOf,
  type Trials,
  trialsPath,
  writeTrials,
} from "./trial_cache.ts";

/** What can be tried: our C library, the CUDA library with its driver, the WebGPU driver. */
export type Subject = "native" | "cuda" | "webgpu";

const LIMIT_MS = 30_000;

export interface ChildOutcome {
  /** It ended by itself, with a report. */
  isAlive: boolean;
  /** What it printed. */
  report: string;
  /** How it ended otherwise. */
  reason: string;
}

/** Runs `warp doctor --probe SUBJECT`. */
export async function tryInChild(subject: Subject): Promise<ChildOutcome> {
  const own = Deno.build.standalone ? [] : ["run", "--quiet", "--no-lock", "-A", Deno.mainModule];
  try {
    const output = await new Deno.Command(Deno.execPath(), {
      args: [...own, "doctor", "--probe", subject],
      env: { WARP_TRIAL: subject, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.timeout(LIMIT_MS),
    }).output();
    const report = new TextDecoder().decode(output.stdout).trim();
    if (output.success) return { isAlive: true, report, reason: "" };
    const how = output.signal === null ? `ended with ${output.code}` : `ended by ${output.signal}`;
    return { isAlive: false, report, reason: `the process that tried it ${how}` };
  } catch (error) {
    // Not allowed to start processes, or out of them: that says nothing about the library.
    return { isAlive: true, report: "", reason: error instanceof Error ? error.message : "" };
  }
}

let tried: Promise<void> | undefined;

/**
 * Tries the libraries that this machine has and that were not tried before as they are now. For the main
 * thread, before anything is loaded; once a process.
 */
export function tryLibraries(): Promise<void> {
  return tried ??= tryOnce();
}

async function tryOnce(): Promise<void> {
  // Only the program can start itself again; tests and users of the modules load at their own risk.
  const isProgram = Deno.build.standalone || Deno.mainModule.endsWith("/cli.ts");
  if (!isProgram || isTrial()) return;
  const wanted: [Subject, string | URL][] = [["native", libraryPath()]];
  if (hasCudaLibrary()) wanted.push(["cuda", explicitCudaLibrary() ?? builtCudaLibraryUrl()]);
  const path = trialsPath();
  // Nowhere to keep what comes of it: every command would pay for a trial.
  if (path === undefined) return;
  const known = readTrials(path);
  const found: Trials = {};
  for (const [subject, library] of wanted) {
    const stamp = stampOf(library);
    if (stamp === undefined || known[subject]?.stamp === stamp) continue;
    const { isAlive, reason } = await tryInChild(subject);
    found[subject] = { stamp, isSafe: isAlive, reason };
  }
  if (Object.keys(found).length > 0) writeTrials(path, { ...known, ...found });
}
