import assert from "node:assert/strict";
import { ERROR_CODES } from "../actors/base/error_codes.ts";
import config from "../deno.json" with { type: "json" };
import { TEST_ONLY } from "../packaging/files.ts";
import { ROOT, sh, text, withTempDir } from "./support/warp.ts";

const readme = Deno.readTextFileSync(`${ROOT}README.md`);

Deno.test("every how-to of the README works as written", async () => {
  const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);
  assert.ok(blocks.length >= 8, `${blocks.length} how-tos`);
  await withTempDir(async (dir) => {
    // A real directory of some size, and a `warp` on the PATH that is this checkout.
    await sh(`mkdir -p '${dir}/bin' '${dir}/home' '${dir}/work/photos'; cd '${dir}/work/photos'
      cp -r '${ROOT}actors' code; echo hello > notes.txt; head -c 300000 /dev/urandom > a.jpg
      printf '#!/bin/sh\\nexec "%s" run -A --quiet "%s" "$@"\\n' '${Deno.execPath()}' '${ROOT}cli.ts' > '${dir}/bin/warp'
      chmod +x '${dir}/bin/warp'`);
    for (const block of blocks) {
      await sh(
        `set -u; export HOME='${dir}/home' PATH='${dir}/bin':"$PATH"; unset WARP_PASSPHRASE XDG_CONFIG_HOME
        trap 'kill $(jobs -p) 2>/dev/null || true' EXIT # what a failing block leaves running
        ${block}`,
        `${dir}/work`,
      );
    }
    const work = (script: string) => sh(script, `${dir}/work`);
    assert.equal(await work("cat restored-4/photos/notes.txt"), "hello\none more line\n");
    assert.equal(await work("cat restored-2/photos/notes.txt"), "hello\n");
    await work("diff -r photos restored-5/photos");
    assert.ok((await work("find rescued -type f | wc -l")).trim() > "0");
    const sizes = await work("stat -c %s monday.warp tuesday.warp");
    const [monday, tuesday] = sizes.trim().split("\n").map(Number) as [number, number];
    assert.ok(tuesday < monday / 4, `only what is new is stored: ${monday}, ${tuesday}`);
  });
});

Deno.test("the demo of the README works, and leaves nothing behind", async () => {
  await withTempDir(async (dir) => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", `${ROOT}packaging/demo.ts`],
      env: { TMPDIR: dir, NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).output();
    assert.ok(success, text(stderr));
    assert.match(text(stdout), /Done: \d+ files came back byte for byte/);
    assert.deepEqual([...Deno.readDirSync(dir)], []);
  });
});

Deno.test("the README names the Deno version, every task it uses and every dependency", () => {
  const version = /^version=(.*)$/m.exec(Deno.readTextFileSync(`${ROOT}.ci/run`))![1]!;
  const named = [...readme.matchAll(/deno@([\d.]+\d)/g)].map((match) => match[1]);
  assert.ok(named.length >= 3);
  assert.deepEqual(new Set(named), new Set([version]));
  for (const [, name] of readme.replaceAll("\n", " ").matchAll(/\btask ([a-z][a-z:]*)/g)) {
    assert.ok(name! in config.tasks, `task ${name}`);
  }
  const table = /## Dependencies\n([\s\S]*?)\n## /.exec(readme)![1]!;
  const rows = [...table.matchAll(/^\|(.*?)\|/gm)].map((match) => match[1]!);
  const listed = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));
  assert.deepEqual(listed.sort(), Object.keys(config.imports).sort());
  assert.deepEqual(TEST_ONLY.filter((name) => !(name in config.imports)), []);
});

Deno.test("the exit codes of the README are those of the program", () => {
  const table = /## Exit codes\n([\s\S]*?)\n## /.exec(readme)![1]!;
  const listed = [...table.matchAll(/^\| (\d+) /gm)].map((match) => Number(match[1]));
  const used = new Set([0, ...Object.values(ERROR_CODES).map(({ exit }) => exit)]);
  assert.deepEqual(listed, [...used].sort((a, b) => a - b));
});

Deno.test("every file that README and docs name exists", () => {
  const pages = [...Deno.readDirSync(`${ROOT}docs`)].map(({ name }) => `docs/${name}`);
  for (const page of ["README.md", ...pages.filter((name) => name.endsWith(".md"))]) {
    const base = new URL(page, new URL("../", import.meta.url));
    const content = Deno.readTextFileSync(`${ROOT}${page}`).replace(/^```[\s\S]*?^```$/gm, "");
    for (const [, target] of content.matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(Deno.statSync(new URL(target!, base)).isFile, `${page} names ${target}`);
    }
  }
});
