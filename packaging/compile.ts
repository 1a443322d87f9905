/**
 * `deno task compile`: one executable in dist/, by `deno compile`.
 *
 * It needs Deno's runtime base (denort), which Deno downloads from its own site or takes from
 * `DENORT_BIN`. Where neither is to be had this says so and ends with exit code 3; `deno task
 * package` makes an executable without it.
 *
 * @module
 */
import { exists, NATIVE, ROOT, WORKERS } from "./files.ts";

const output = Deno.args[0] ?? `${ROOT}dist/warp`;
const includes = [...WORKERS, "deno.json", ...(exists(`${ROOT}${NATIVE}`) ? [NATIVE] : [])];

Deno.mkdirSync(`${ROOT}dist`, { recursive: true });
const { success, stderr } = new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "--allow-all",
    "--no-check",
    "--output",
    output,
    ...includes.flatMap((path) => ["--include", path]),
    "cli.ts",
  ],
  cwd: ROOT,
  stderr: "piped",
}).outputSync();
const text = new TextDecoder().decode(stderr);
console.error(text);
if (success) Deno.exit(0);
if (/denort|download|dl\.deno|error sending request|Failed.*fetch/i.test(text)) {
  console.error(
    "compile: Deno's runtime base (denort) could not be had. Set DENORT_BIN to one, or use " +
      "`deno task package`.",
  );
  Deno.exit(3);
}
Deno.exit(1);
