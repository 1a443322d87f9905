import assert from "node:assert/strict";
import { ROOT, sh, text, withTempDir } from "./support/warp.ts";

const task = (script: string, args: string[], env: Record<string, string> = {}) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `${ROOT}packaging/${script}`, ...args],
    env: { NO_COLOR: "1", ...env },
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();

Deno.test("the single-file package works from anywhere, also when two first runs meet", async () => {
  await withTempDir(async (dir) => {
    const built = await task("package.ts", [`${dir}/warp`]);
    assert.ok(built.success, text(built.stderr));
    await sh(
      `mkdir '${dir}/home' '${dir}/t'; echo hello > '${dir}/t/f'; seq 100000 > '${dir}/t/g'; echo p > '${dir}/pw'`,
    );
    const env = `unset XDG_CACHE_HOME WARP_PASSPHRASE; export HOME='${dir}/home';`;
    const run = (args: string) => sh(`${env} '${dir}/warp' ${args}`, dir);
    const versions = await Promise.all([run("--version"), run("--version")]);
    assert.deepEqual(versions, [versions[0], versions[0]]);
    assert.match(versions[0]!, /^warp \d/);
    await run("create t -o x.warp --passphrase-file pw");
    await run("verify x.warp");
    await run("extract x.warp -C out --passphrase-file pw");
    await sh(`diff -r t out/t`, dir);
    const unpacked = await sh(`ls -A '${dir}/home/.cache/warp/package'`);
    assert.equal(unpacked.trim().split("\n").length, 1, unpacked);
  });
});

Deno.test("compile embeds every Worker, or says plainly that it cannot", async () => {
  await withTempDir(async (dir) => {
    // Deno itself stands in for the runtime base: what comes out is not run, but everything that
    // compile embeds is resolved, packed and listed.
    const outcome = await task("compile.ts", [`${dir}/warp`], { DENORT_BIN: Deno.execPath() });
    const log = text(outcome.stderr);
    assert.equal(outcome.code, 0, log);
    for (const part of ["archive", "chunker", "cipher"]) {
      assert.match(log, new RegExp(`${part}[\\s\\S]*worker\\.ts`), part);
    }
    assert.ok(Deno.statSync(`${dir}/warp`).size > Deno.statSync(Deno.execPath()).size);
    const without = await task("compile.ts", [`${dir}/none`], { DENO_DIR: `${dir}/empty` });
    // With a network the base is downloaded and all is well; without, the message says so.
    assert.ok([0, 3].includes(without.code), text(without.stderr));
    if (without.code === 3) assert.match(text(without.stderr), /deno task package/);
  });
});
