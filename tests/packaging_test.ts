import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { COMMANDS, exists, NATIVE, TEST_ONLY, WORKERS } from "../packaging/files.ts";
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

// Nothing of this machine's Deno or npm may help, and where the kernel allows it there is no network.
const isolated = new Deno.Command("unshare", { args: ["-rn", "true"], stderr: "null" });
const UNSHARE = await isolated.output().then(
  ({ success }) => success ? "unshare -rn" : "",
  () => "",
);
const ALONE = "unset XDG_CACHE_HOME WARP_PASSPHRASE DENO_DIR; export DENO_NO_PACKAGE_JSON=1 " +
  "npm_config_registry=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_COLOR=1";

Deno.test("the single-file package", async (t) => {
  await withTempDir(async (dir) => {
    const built = await task("package.ts", [`${dir}/warp`]);
    assert.ok(built.success, text(built.stderr));
    await sh(
      `mkdir home home2 t 'other place'; echo hello > t/f; seq 100000 > t/g; echo p > pw`,
      dir,
    );
    const cache = `${dir}/home/.cache/warp/package`;
    const run = (args: string, env = `HOME='${dir}/home'`) =>
      sh(`${ALONE} ${env}; cd 'other place'; ${UNSHARE} ../warp ${args}`, dir);

    await t.step("works when two first runs meet, and unpacks once", async () => {
      const versions = await Promise.all([run("--version"), run("--version"), run("--version")]);
      assert.match(versions[0]!, /^warp \d/);
      assert.deepEqual(versions, Array(3).fill(versions[0]));
      const unpacked = (await sh(`ls -A '${cache}'`)).trim().split("\n");
      assert.equal(unpacked.length, 2, `one program, one cache of Deno: ${unpacked}`);
      assert.ok(unpacked.includes("deno"));
    });

    await t.step(
      "creates, verifies and extracts, from any directory and through pipes",
      async () => {
        await run("create ../t -o ../x.warp --passphrase-file ../pw");
        await run("verify ../x.warp");
        await run("extract ../x.warp -C ../out --passphrase-file ../pw");
        await sh(`diff -r t out/t`, dir);
        const shown = await sh(
          `${ALONE} HOME='${dir}/home'; ./warp create t -o - | ./warp verify -; ./warp cat x.warp t/f --passphrase-fd 3 3<pw`,
          dir,
        );
        assert.match(shown, /hello\n$/);
      },
    );

    await t.step(
      "holds the C kernels where they are built, and no packages of the tests",
      async () => {
        const doctor = await run("doctor");
        const isBuilt = exists(`${ROOT}${NATIVE}`);
        assert.equal(/^\*? *blake3 +native +\d/m.test(doctor), isBuilt, doctor);
        const there = (name: string) =>
          sh(`ls -d '${cache}'/*/node_modules/${name} 2>/dev/null || true`);
        assert.notEqual(await there("@msgpack/msgpack"), "");
        for (const name of TEST_ONLY) assert.equal(await there(name), "");
      },
    );

    await t.step("goes on after a first run that was killed", async () => {
      const home = `${dir}/home2`;
      const killed = new Deno.Command(`${dir}/warp`, {
        args: ["--version"],
        env: { HOME: home, XDG_CACHE_HOME: "" },
        stdout: "null",
        stderr: "null",
      }).spawn();
      const seen = () => exists(`${home}/.cache/warp/package`);
      for (let i = 0; i < 1000 && !seen(); i++) await new Promise((done) => setTimeout(done, 5));
      killed.kill("SIGKILL");
      await killed.status;
      assert.match(await run("--version", `HOME='${home}'`), /^warp \d/);
    });

    await t.step(
      "says what is wrong when it is damaged or has no place, and leaves nothing",
      async () => {
        await sh(`mkdir home3; head -c 20000000 warp > cut; chmod +x cut`, dir);
        const attempt = async (script: string) =>
          await sh(`${ALONE} HOME='${dir}/home3'; (${script}) 2>&1 && echo started || true`, dir);
        const cut = await attempt("./cut --version");
        assert.match(cut, /warp: error: \.\/cut could not be unpacked/);
        assert.doesNotMatch(cut, /started/);
        assert.equal(await sh(`ls -A home3/.cache/warp/package`, dir), "");
        assert.match(await attempt("unset HOME; ./warp --version"), /set HOME or XDG_CACHE_HOME/);
        const file = await attempt("XDG_CACHE_HOME=$PWD/pw ./warp --version");
        assert.match(file, /warp: error: cannot unpack to/);
      },
    );
  });
});

Deno.test("compile embeds every Worker, every source and the C kernels", async () => {
  await withTempDir(async (dir) => {
    // Deno itself stands in for the runtime base: what comes out is Deno, not warp, and compile must
    // notice that; but everything it embeds is resolved and packed behind the base.
    const base = Deno.execPath();
    const outcome = await task("compile.ts", [`${dir}/warp`], { DENORT_BIN: base });
    const log = text(outcome.stderr);
    assert.equal(outcome.code, 4, log);
    assert.match(log, /does not start as warp/);
    assert.ok(WORKERS.length >= 3, `${WORKERS}`);
    const size = Deno.statSync(base).size;
    using file = Deno.openSync(`${dir}/warp`);
    // The base grows by a section that may begin a little before its old end.
    const start = Math.max(0, size - (1 << 20));
    file.seekSync(start, Deno.SeekMode.Start);
    const tail = new Uint8Array(file.statSync().size - start);
    for (let at = 0; at < tail.length;) at += file.readSync(tail.subarray(at))!;
    const embedded = Buffer.from(tail.buffer);
    const parts = [...COMMANDS, ...WORKERS, "cli.ts", "deno.json", "kernels/aead/system.ts"];
    parts.push("actors/cipher/cli.ts", "kernels/cli.ts", "actors/archive/commands.ts");
    if (exists(`${ROOT}${NATIVE}`)) {
      parts.push(
        ...[...Deno.readDirSync(`${ROOT}${NATIVE}`)].map(({ name }) => `${NATIVE}/${name}`),
      );
    }
    for (const part of parts) {
      assert.ok(embedded.includes(Deno.readFileSync(`${ROOT}${part}`)), `${part} is embedded`);
    }
    const node = Deno.readFileSync(
      new URL("../package.json", import.meta.resolve("@std/msgpack")),
    );
    assert.ok(embedded.includes(node), "packages are embedded");
  });
});

Deno.test("compile says plainly when Deno's runtime base cannot be had", async () => {
  await withTempDir(async (dir) => {
    // The packages are there, and nothing else that was ever fetched.
    Deno.mkdirSync(`${dir}/empty`);
    const { denoDir } = JSON.parse(await sh(`'${Deno.execPath()}' info --json`, dir));
    Deno.symlinkSync(`${denoDir}/npm`, `${dir}/empty/npm`);
    const env = { DENO_DIR: `${dir}/empty`, HTTPS_PROXY: "http://127.0.0.1:9", DENORT_BIN: "" };
    const outcome = await task("compile.ts", [`${dir}/none`], env);
    const log = text(outcome.stderr);
    assert.equal(outcome.code, 3, log);
    assert.match(log, /runtime base \(denort\) could not be had/);
    assert.match(log, /deno task package/);
  });
});
