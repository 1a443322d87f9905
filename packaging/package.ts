/**
 * `deno task package`: dist/warp-<version>-<os>-<arch>, one file that holds Deno, the program, its
 * packages and the C kernels. The first run unpacks it to a cache directory named by its hash; later
 * runs start from there. Needs tar, and zstd or gzip, on both sides.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { exists, NATIVE, ROOT, run, SOURCES } from "./files.ts";

const { os, arch } = Deno.build;
const output = Deno.args[0] ?? `${ROOT}dist/warp-${config.version}-${os}-${arch}`;

function has(program: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
    .outputSync().success;
}

const [pack, unpack] = has("zstd") ? ["zstd -q -10 -T0", "zstd -q -d"] : ["gzip -9", "gzip -d"];
const stage = Deno.makeTempDirSync({ prefix: "warp-package-" });
run("sh", ["-c", `cp -R ${SOURCES.join(" ")} '${stage}'`]);
if (exists(`${ROOT}${NATIVE}`)) {
  run("sh", ["-c", `mkdir -p '${stage}/dist' && cp -R ${NATIVE} '${stage}/dist/'`]);
}
Deno.copyFileSync(Deno.execPath(), `${stage}/deno`);
Deno.chmodSync(`${stage}/deno`, 0o755);
run("sh", [
  "-c",
  `DENO_DIR='${stage}/.cache' ./deno install --frozen --quiet 2>/dev/null || ./deno install --frozen`,
], stage);
run("sh", ["-c", "rm -rf .cache"], stage);
run("sh", [
  "-c",
  `tar -C '${stage}' --sort=name --mtime=@0 --owner=0 --group=0 -cf - . | ${pack} > '${stage}.tar'`,
]);
Deno.removeSync(stage, { recursive: true });

const archive = Deno.readFileSync(`${stage}.tar`);
Deno.removeSync(`${stage}.tar`);
const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", archive)).toHex().slice(0, 32);
// Unpacked aside and renamed, so that two first runs at once do not meet.
const stub = `#!/bin/sh
set -e
cache="\${XDG_CACHE_HOME:-\${HOME:-/tmp}/.cache}/warp/package"
app="$cache/${digest}"
if [ ! -x "$app/deno" ]; then
  mkdir -p "$cache"
  fresh=$(mktemp -d "$cache/.new-XXXXXX")
  tail -c +SIZE "$0" | ${unpack} | tar -xf - -C "$fresh"
  chmod 755 "$fresh"
  mv -T "$fresh" "$app" 2>/dev/null || rm -rf "$fresh"
fi
exec "$app/deno" run -A --quiet --no-check --cached-only --config "$app/deno.json" "$app/cli.ts" "$@"
`;
// The number's own width is part of the stub's length.
const length = (stub.length - "SIZE".length) + 4;
const head = new TextEncoder().encode(stub.replace("SIZE", String(length + 1).padStart(4, "0")));
if (head.length !== length) throw new Error("invariant: the stub's length is what it says");
Deno.mkdirSync(`${ROOT}dist`, { recursive: true });
const file = Deno.openSync(output, { write: true, create: true, truncate: true, mode: 0o755 });
for (const part of [head, archive]) {
  for (let at = 0; at < part.length;) at += file.writeSync(part.subarray(at));
}
file.close();
Deno.chmodSync(output, 0o755);
console.log(`${output} (${((head.length + archive.length) / 2 ** 20).toFixed(1)} MiB)`);
