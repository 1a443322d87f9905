/**
 * `deno task compile [OUTPUT]`: dist/warp, one executable, by `deno compile`.
 *
 * It needs Deno's runtime base (denort), which Deno downloads from its own site or takes from
 * `DENORT_BIN`. Exit codes: 3 where there is none to be had, 4 where the result does not start as
 * warp (another base), 1 for all else. `deno task package` makes an executable without denort.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { buildPages, COMMANDS, exists, NATIVE, PAGE, ROOT, WORKERS } from "./files.ts";

const NO_BASE = 3;
const WRONG_BASE = 4;

const output = Deno.args[0] ?? `${ROOT}dist/warp`;
buildPages();
const includes = [...COMMANDS, ...WORKERS, "deno.json", PAGE];
if (exists(`${ROOT}${NATIVE}`)) includes.push(NATIVE);
else console.error("compile: the C kernels are left out (deno task build:native makes them)");

Deno.mkdirSync(`${ROOT}dist`, { recursive: true });
const { success, stderr } = new Deno.Command(Deno.execPath(), {
  args: [
    ...["compile", "--allow-all", "--no-check", "--output", output],
    ...includes.flatMap((path) => ["--include", path]),
    "cli.ts",
  ],
  cwd: ROOT,
  stderr: "piped",
}).outputSync();
const log = new TextDecoder().decode(stderr);
console.error(log);

function fail(message: string, code: number): never {
  console.error(`compile: ${message}; \`deno task package\` needs no such base`);
  Deno.exit(code);
}

if (!success) {
  // The base is named in each of Deno's messages about it, whether it fails to be found or fetched.
  if (/denort/i.test(log)) {
    fail("Deno's runtime base (denort) could not be had; DENORT_BIN can name one", NO_BASE);
  }
  Deno.exit(1);
}
const { stdout } = new Deno.Command(output, { args: ["--version"], stderr: "null" }).outputSync();
if (!new TextDecoder().decode(stdout).startsWith(`warp ${config.version}`)) {
  fail(`${output} does not start as warp: DENORT_BIN is no denort of this version`, WRONG_BASE);
}
