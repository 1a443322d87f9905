import assert from "node:assert/strict";
import { Random } from "./support/random.ts";
import { expectWarp, requirePart, ROOT, sh, withTempDir } from "./support/warp.ts";

// Goal: docs/format.md is enough to write a reader. Method: one that was written from that page alone,
// in plain Node (tests/reader/), reads what warp writes.

const hasNode = requirePart("node", "the second reader");
const reader = `${ROOT}tests/reader/reader.mjs`;

Deno.test(
  "the second reader extracts plain and passphrase archives",
  { ignore: !hasNode },
  async () => {
    await withTempDir(async (dir) => {
      const random = new Random(4);
      await sh(
        `mkdir -p '${dir}/t/sub/empty'; cd '${dir}/t'; cp -r /usr/include/linux/byteorder sub/
      cp /usr/include/stdio.h /usr/include/stdlib.h .; ln -s sub/x link; echo one > a; ln a sub/b
      truncate -s 3M sparse; printf end | dd of=sparse bs=1 seek=2000000 conv=notrunc status=none
      chmod 0640 a; touch -d '2001-01-01 01:01:01.5' stdio.h sub`,
      );
      Deno.writeFileSync(`${dir}/t/big`, random.bytes(3 << 20));
      Deno.copyFileSync(`${dir}/t/big`, `${dir}/t/sub/big again`);
      await sh(`echo 'a pass phrase' > '${dir}/pw'`);
      const kinds = [
        { flags: [], key: [] },
        { flags: ["--passphrase-file", `${dir}/pw`], key: ["--passphrase", `${dir}/pw`] },
        { flags: ["--compress", "lz4"], key: [] },
        { flags: ["--compress", "zstd:19", "--chunk-size", "1KiB"], key: [] },
      ];
      for (const { flags, key } of kinds) {
        await expectWarp(0, ["create", `${dir}/t`, "-o", `${dir}/x.warp`, "--force", ...flags]);
        await sh(`rm -rf '${dir}/out'`);
        const { success, stderr } = await new Deno.Command("node", {
          args: [reader, `${dir}/x.warp`, `${dir}/out`, ...key],
        }).output();
        assert.ok(success, `${flags}: ${new TextDecoder().decode(stderr)}`);
        await sh(`diff -r --no-dereference '${dir}/t' '${dir}/out/t'`);
        const modes = "find . -printf '%p %y %m %l\\n' | sort";
        assert.equal(await sh(modes, `${dir}/out/t`), await sh(modes, `${dir}/t`));
        assert.equal(
          await sh("stat -c %Y stdio.h sub", `${dir}/out/t`),
          await sh("stat -c %Y stdio.h sub", `${dir}/t`),
        );
        assert.equal(await sh("stat -c %h a sub/b", `${dir}/out/t`), "2\n2\n");
      }
      await sh(`printf x | dd of='${dir}/x.warp' bs=1 seek=5000 conv=notrunc status=none`);
      await sh(`! node '${reader}' '${dir}/x.warp' '${dir}/out2' 2> /dev/null`);
    });
  },
);
