/**
 * The first thing to run: stores a real directory, verifies the archive, gets the directory back and
 * compares, once with `warp diff` and once with nothing of warp. Keeps nothing.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const source = Deno.realPathSync(Deno.args[0] ?? `${root}actors`);
const dir = Deno.makeTempDirSync({ prefix: "warp-demo-" });

function warp(...args: string[]): void {
  console.log(`\n$ warp ${args.join(" ")}`);
  const { success, code } = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `${root}cli.ts`, ...args],
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  if (!success) throw new Error(`warp ${args[0]} ended with exit code ${code}`);
}

/** Compares two directories byte by byte; the number of files. */
function compare(one: string, other: string): number {
  const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  if (names(one).join("/") !== names(other).join("/")) throw new Error(`${one} differs in names`);
  let files = 0;
  for (const { name, isDirectory, isFile } of Deno.readDirSync(one)) {
    const [a, b] = [`${one}/${name}`, `${other}/${name}`];
    if (isDirectory) files += compare(a, b);
    if (!isFile) continue;
    const [left, right] = [Deno.readFileSync(a), Deno.readFileSync(b)];
    const isSame = left.length === right.length && left.every((byte, i) => byte === right[i]);
    if (!isSame) throw new Error(`${a} came back different`);
    files++;
  }
  return files;
}

try {
  Deno.writeTextFileSync(`${dir}/passphrase`, crypto.randomUUID(), { mode: 0o600 });
  const key = ["--passphrase-file", `${dir}/passphrase`];
  const archive = `${dir}/demo.warp`;
  console.log(`An encrypted archive of ${source}, with a passphrase made up for it:`);
  warp("create", source, "-o", archive, ...key);
  console.log("\nAnyone can check it, without the passphrase:");
  warp("verify", archive);
  console.log("\nWith the passphrase it says what it is:");
  warp("info", archive, ...key);
  console.log("\nGot back into an empty directory, and compared with the archive:");
  warp("extract", archive, "-C", `${dir}/out`, ...key);
  warp("diff", archive, `${dir}/out`, ...key);
  const files = compare(source, `${dir}/out/${source.split("/").at(-1)}`);
  console.log(`\nDone: ${files} files came back byte for byte; everything made here is removed.`);
} catch (error) {
  console.error(`\ndemo failed: ${error instanceof Error ? error.message : error}`);
  Deno.exitCode = 1;
} finally {
  Deno.removeSync(dir, { recursive: true });
}
