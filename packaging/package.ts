/**
 * `deno task package [OUTPUT]`: dist/warp-<version>-<os>-<arch>, one file that holds Deno, the
 * program, its packages and, where they are built, the C kernels. It is a shell script with a
 * compressed tar behind it; stub.sh is what runs.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { buildPages, exists, has, NATIVE, PAGE, ROOT, sh, SOURCES, TEST_ONLY } from "./files.ts";

const UNAMES = { linux: "Linux", darwin: "Darwin" } as Record<string, string>;

/** Lays the program out as it will run. */
function stageInto(dir: string): void {
  sh('stage=$1; shift; cp -R "$@" "$stage"', [dir, ...SOURCES]);
  buildPages();
  sh('mkdir -p "$1/dist" && cp -R "$2" "$1/dist/"', [dir, PAGE]);
  if (exists(`${ROOT}${NATIVE}`)) {
    sh('mkdir -p "$1/dist" && cp -R "$2" "$1/dist/"', [dir, NATIVE]);
  } else {
    console.error("package: the C kernels are left out (deno task build:native makes them)");
  }
  Deno.copyFileSync(Deno.execPath(), `${dir}/deno`);
  Deno.chmodSync(`${dir}/deno`, 0o755);
  const { name, version, exports, unstable } = config;
  const imports = Object.fromEntries(
    Object.entries(config.imports).filter(([alias]) => !TEST_ONLY.includes(alias)),
  );
  const settings = { name, version, exports, unstable, imports, nodeModulesDir: "auto" };
  const write = (value: unknown) =>
    Deno.writeTextFileSync(`${dir}/deno.json`, JSON.stringify(value, null, 2));
  write(settings);
  Deno.copyFileSync(`${ROOT}deno.lock`, `${dir}/deno.lock`);
  sh("./deno install --quiet", [], dir);
  checkLock(`${dir}/deno.lock`);
  // From here on the packages are what they are: nothing is fetched, resolved or set up again.
  write({ ...settings, nodeModulesDir: "manual" });
  sh("rm -rf deno.lock node_modules/.deno/.deno.lock*", [], dir);
}

/** What was installed is what the committed lock file names, byte for byte. */
function checkLock(path: string): void {
  const read = (file: string): Record<string, { integrity: string }> =>
    JSON.parse(Deno.readTextFileSync(file)).npm;
  const locked = read(`${ROOT}deno.lock`);
  for (const [name, { integrity }] of Object.entries(read(path))) {
    if (locked[name]?.integrity === integrity) continue;
    throw new Error(`${name} is not in deno.lock: run \`deno install\``);
  }
}

/** The script, with its own length in it. */
function stubFor(digest: string, unpacker: string): Uint8Array {
  const template = Deno.readTextFileSync(new URL("stub.sh", import.meta.url))
    .replaceAll("@DIGEST@", digest)
    .replaceAll("@SYSTEM@", `${UNAMES[Deno.build.os]} ${unameMachine()}`)
    .replaceAll("@UNPACKER@", unpacker)
    .replaceAll("@UNPACK@", unpacker === "zstd" ? "zstd -q -d -c" : "gzip -d -c");
  const width = "@OFFSET@".length;
  const offset = String(new TextEncoder().encode(template).length + 1).padStart(width, "0");
  return new TextEncoder().encode(template.replace("@OFFSET@", offset));
}

function unameMachine(): string {
  const { stdout } = new Deno.Command("uname", { args: ["-m"] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

function writeExecutable(path: string, parts: Uint8Array[]): void {
  const fresh = `${path}.new`;
  const file = Deno.openSync(fresh, { write: true, create: true, truncate: true });
  for (const part of parts) {
    for (let at = 0; at < part.length;) at += file.writeSync(part.subarray(at));
  }
  file.close();
  Deno.chmodSync(fresh, 0o755);
  Deno.renameSync(fresh, path);
}

if (import.meta.main) {
  const { os, arch } = Deno.build;
  if (UNAMES[os] === undefined) {
    console.error(`package: a shell script cannot start on ${os}; use \`deno task compile\``);
    Deno.exit(2);
  }
  const output = Deno.args[0] ?? `${ROOT}dist/warp-${config.version}-${os}-${arch}`;
  const unpacker = has("zstd") ? "zstd" : "gzip";
  const work = Deno.makeTempDirSync({ prefix: "warp-package-" });
  try {
    Deno.mkdirSync(`${work}/app`);
    stageInto(`${work}/app`);
    const compress = unpacker === "zstd" ? "zstd -q -10 -T0" : "gzip -9";
    sh(`tar -cf - -C "$1/app" . | ${compress} > "$1/app.tar.x"`, [work]);
    const archive = Deno.readFileSync(`${work}/app.tar.x`);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", archive));
    const stub = stubFor(hash.toHex().slice(0, 32), unpacker);
    Deno.mkdirSync(`${ROOT}dist`, { recursive: true });
    writeExecutable(output, [stub, archive]);
    console.log(`${output} (${((stub.length + archive.length) / 2 ** 20).toFixed(1)} MiB)`);
  } finally {
    Deno.removeSync(work, { recursive: true });
  }
}
