/**
 * What a packaged warp consists of.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

const FOLDERS = [...Deno.readDirSync(`${ROOT}actors`)]
  .filter(({ isDirectory }) => isDirectory)
  .map(({ name }) => `actors/${name}`)
  .concat("hub", "kernels");

/** Entries that are loaded by URL, so nothing imports them: those of Workers, and the commands. */
export const WORKERS = entriesNamed("worker.ts");
export const COMMANDS = entriesNamed("cli.ts");

function entriesNamed(name: string): string[] {
  return FOLDERS.map((folder) => `${folder}/${name}`)
    .filter((path) => exists(`${ROOT}${path}`))
    .sort();
}

/** Sources of the program, without tests, benchmarks and documents. */
export const SOURCES = ["cli.ts", "mod.ts", "actors", "hub", "kernels", "LICENSE"];

/** Packages in deno.json that only tests, type checks and builds import. */
export const TEST_ONLY = [
  "@scure/bip32",
  "@types/node",
  "esbuild",
  "fast-check",
  "playwright-core",
];

/** The built C kernels, if they are there. */
export const NATIVE = "dist/native";

/** The hub's pages for browsers, built: {@link buildPages} makes them. */
export const PAGE = "dist/page";

/** Builds the hub's pages anew; a package cannot do it itself. Ends the process when it fails. */
export function buildPages(): void {
  const { success } = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `${ROOT}hub/page/build_io.ts`],
    cwd: ROOT,
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  if (!success) throw new Error("the hub's pages cannot be built");
}

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
