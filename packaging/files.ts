/**
 * What a packaged warp consists of.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Worker entries: loaded by URL, so nothing imports them. */
export const WORKERS = ["archive", "chunker", "cipher"].map((name) => `actors/${name}/worker.ts`);

/** Sources of the program, without tests, benchmarks and documents. */
export const SOURCES = [
  "cli.ts",
  "mod.ts",
  "deno.json",
  "deno.lock",
  "actors",
  "kernels",
  "LICENSE",
];

/** The built C kernels, if they are there. */
export const NATIVE = "dist/native";

export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

export function run(command: string, args: string[], cwd = ROOT): void {
  const { success } = new Deno.Command(command, { args, cwd, stdout: "inherit", stderr: "inherit" })
    .outputSync();
  if (!success) Deno.exit(1);
}
