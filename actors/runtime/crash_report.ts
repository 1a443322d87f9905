/**
 * What is written down when warp itself fails: enough for a bug report, no payload and no secrets.
 *
 * @module
 */
import { join } from "node:path";
import { WARP_VERSION } from "../base/version.ts";
import type { ExitReport } from "./supervisor.ts";

/** `$XDG_STATE_HOME/warp/crash`, or undefined where there is no home. */
function crashDirectory(): string | undefined {
  const home = Deno.env.get("HOME");
  const state = Deno.env.get("XDG_STATE_HOME") ?? (home && join(home, ".local", "state"));
  return state ? join(state, "warp", "crash") : undefined;
}

/** @returns the file's path, or undefined when it could not be written */
export function writeCrashReport(reports: readonly ExitReport[]): string | undefined {
  const directory = crashDirectory();
  if (directory === undefined) return undefined;
  const time = new Date().toISOString();
  const path = join(directory, `${time.replaceAll(":", "")}-${Deno.pid}.json`);
  const { os, arch } = Deno.build;
  const exits = reports.map(({ error, ...exit }) => ({
    ...exit,
    error: error && { code: error.code, message: error.message, stack: error.stack },
  }));
  const report = { time, version: WARP_VERSION, deno: Deno.version.deno, os, arch, exits };
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    Deno.writeTextFileSync(path, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
    return path;
  } catch {
    return undefined; // a full or read-only disk must not hide the first error
  }
}
