import assert from "node:assert/strict";
import { ROOT, sh, withTempDir } from "./support/warp.ts";

Deno.test("every how-to of the README works as written", async () => {
  const readme = Deno.readTextFileSync(`${ROOT}README.md`);
  const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);
  assert.ok(blocks.length >= 7, `${blocks.length} how-tos`);
  await withTempDir(async (dir) => {
    await sh(`mkdir -p '${dir}/bin' '${dir}/home' '${dir}/work/photos'; cd '${dir}/work/photos'
      cp -r /usr/include/linux headers; echo hello > notes.txt; head -c 300000 /dev/urandom > a.jpg
      printf '#!/bin/sh\\nexec "%s" run -A --quiet "%s" "$@"\\n' '${Deno.execPath()}' '${ROOT}cli.ts' > '${dir}/bin/warp'
      chmod +x '${dir}/bin/warp'`);
    for (const block of blocks) {
      await sh(
        `unset WARP_PASSPHRASE; export HOME='${dir}/home' PATH='${dir}/bin':"$PATH"; unset XDG_CONFIG_HOME; ${block}`,
        `${dir}/work`,
      );
    }
    assert.equal(
      await sh("cat restored-4/photos/notes.txt", `${dir}/work`),
      "hello\none more line\n",
    );
    assert.equal(await sh("cat restored-2/photos/notes.txt", `${dir}/work`), "hello\n");
  });
});

Deno.test("every file that README and docs name exists", () => {
  for (const page of ["README.md", "docs/architecture.md"]) {
    const text = Deno.readTextFileSync(`${ROOT}${page}`);
    const base = new URL(page, new URL("../", import.meta.url));
    for (const [, target] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(Deno.statSync(new URL(target!, base)).isFile, `${page} names ${target}`);
    }
  }
});
