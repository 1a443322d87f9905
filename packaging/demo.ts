/**
 * The first thing to run: stores a real directory, verifies the archive, gets the directory back and
 * compares. Keeps nothing.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const source = Deno.args[0] ?? `${root}actors`;
const dir = Deno.makeTempDirSync({ prefix: "warp-demo-" });

function run(command: string, args: string[]): void {
  console.log(`\n$ ${command} ${args.join(" ")}`);
  const isWarp = command === "warp";
  const { success } = new Deno.Command(isWarp ? Deno.execPath() : command, {
    args: isWarp ? ["run", "-A", "--quiet", `${root}cli.ts`, ...args] : args,
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  if (success) return;
  Deno.removeSync(dir, { recursive: true });
  Deno.exit(1);
}

Deno.writeTextFileSync(`${dir}/passphrase`, crypto.randomUUID(), { mode: 0o600 });
const key = ["--passphrase-file", `${dir}/passphrase`];
const archive = `${dir}/demo.warp`;
run("warp", ["create", source, "-o", archive, ...key]);
run("warp", ["verify", archive]);
run("warp", ["info", archive, ...key]);
run("warp", ["extract", archive, "-C", `${dir}/out`, ...key]);
run("warp", ["diff", archive, `${dir}/out`, ...key]);
console.log("\nThe directory came back exactly as it was.");
Deno.removeSync(dir, { recursive: true });
