/**
 * What a packaged warp consists of.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Worker entries: loaded by URL, so nothing imports them. */
export const WORKERS = [...Deno.readDirSync(`${ROOT}actors`)]
  .filter(({ isDirectory }) => isDirectory)
  .map(({ name }) => `actors/${name}/worker.ts`)
  .filter((path) => exists(`${ROOT}${path}`))
  .sort();

/** Sources of the program, without tests, benchmarks and documents. */
export const SOURCES = ["cli.ts", "mod.ts", "actors", "kernels", "LICENSE"];

/** Packages in deno.json that only tests and type checks import. */
export const TEST_ONLY = ["@types/node", "fast-check"];

/** The built C kernels, if they are there. */
export const NATIVE = "dist/native";

export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether a program can be run. */
export function has(program: string): boolean {
  const { success } = new Deno.Command("sh", {
    args: ["-c", 'command -v "$0"', program],
    stdout: "null",
  }).outputSync();
  return success;
}

/** Runs a shell command with positional parameters $1, $2, ...; ends the process when it fails. */
export function sh(script: string, parameters: string[], cwd = ROOT): void {
  const { success } = new Deno.Command("sh", {
    args: ["-ec", script, "sh", ...parameters],
    cwd,
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  if (!success) throw new Error(`failed: ${script}`);
}
