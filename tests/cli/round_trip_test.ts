import assert from "node:assert/strict";
import { describeTree } from "../support/tree.ts";
import { Random } from "../support/random.ts";
import { expectWarp, requirePart, sh, text, warp, withTempDir } from "../support/warp.ts";

// Goal: what goes in comes out: content, types, modes, ns times, links, xattrs, sparseness.
// Method: the command on real trees; both sides described by find, sha256sum and getfattr.

const hasAttr = requirePart("getfattr", "package attr");

async function roundTrip(dir: string, source: string, flags: string[] = []): Promise<void> {
  const archive = `${dir}/x.warp`;
  const key = flags.filter((_, i) =>
    flags[i - 1] === "--passphrase-file" || flags[i] === "--passphrase-file"
  );
  await expectWarp(0, ["create", `${dir}/${source}`, "-o", archive, "--force", ...flags]);
  await expectWarp(0, ["verify", archive]);
  await expectWarp(0, ["extract", archive, "-C", `${dir}/out`, "--setid", ...key]);
  const [before, after] = [
    await describeTree(`${dir}/${source}`),
    await describeTree(`${dir}/out/${source}`),
  ];
  assert.equal(after, before);
  const { stdout } = await expectWarp(0, ["diff", archive, `${dir}/out`, ...key]);
  assert.equal(text(stdout), "");
  await sh(`rm -rf '${dir}/out'`);
}

Deno.test(
  "a tree with every kind of metadata comes back exactly",
  { ignore: !hasAttr },
  async () => {
    await withTempDir(async (dir) => {
      const src = `${dir}/src`;
      await sh(`
      mkdir -p '${src}/empty dir' '${src}/ro/sub' '${src}/deep/er'
      cd '${src}'
      printf x > 'with
newline'; printf y > "$(printf 'not\\377utf8')"; printf z > ' space '; printf '' > empty; printf s > "it's"
      head -c 100000 /dev/urandom > random; yes hello | head -c 300000 > text; head -c 400 /dev/urandom > inline
      ln random deep/hard1; ln random zhard2; ln -s text link; ln -s /nowhere dangling; ln -s '../../..' deep/up
      mkfifo pipe
      truncate -s 50M sparse; printf data | dd of=sparse bs=1 seek=20000000 conv=notrunc status=none
      truncate -s 3M hole-only
      setfattr -n user.note -v 'some value' random; setfattr -n user.bin -v 0x00ff10 text; setfattr -n user.d -v 1 deep
      chmod 4755 text; chmod 0600 random; chmod 2775 deep; chmod 1777 'empty dir'; chmod 000 inline
      touch -d '1999-12-31 23:59:59.123456789' text; touch -h -d '2001-02-03 04:05:06.987654321' link
      touch -d '1960-01-01 00:00:00.5' random
      printf r > ro/sub/file; touch -d '2010-01-01' ro/sub; chmod 0555 ro/sub ro
    `);
      await sh(`printf 'pass word\\n' > '${dir}/pw'`);
      for (
        const flags of [[], ["--passphrase-file", `${dir}/pw`], ["--compress", "lz4"], [
          "--single-thread",
        ]]
      ) {
        const archive = `${dir}/x.warp`;
        const key = flags.includes("--passphrase-file") ? flags : [];
        await expectWarp(0, ["create", src, "-o", archive, "--force", ...flags]);
        await expectWarp(0, ["extract", archive, "-C", `${dir}/out`, "--setid", ...key]);
        assert.equal(await describeTree(`${dir}/out/src`), await describeTree(src));
        const blocks = Number(await sh(`stat -c %b '${dir}/out/src/sparse'`));
        assert.ok(blocks < 2000, `sparse file takes ${blocks} blocks`);
        assert.equal(Number(await sh(`stat -c %b '${dir}/out/src/hole-only'`)), 0);
        await sh(`rm -rf '${dir}/out'`);
      }
    });
  },
);

Deno.test("a source tree and a tree of binaries come back exactly", async () => {
  await withTempDir(async (dir) => {
    await sh(`cp -a /usr/include '${dir}/tree'; printf 'p' > '${dir}/pw'
      mkdir '${dir}/bin'; cp -a /usr/bin/[a-d]* '${dir}/bin/' || true`);
    await roundTrip(dir, "tree", ["--passphrase-file", `${dir}/pw`]);
    await roundTrip(dir, "bin", ["--compress", "zstd:3"]);
  });
});

Deno.test("100,000 empty files come back", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/many'; cd '${dir}/many'
      for d in $(seq 100); do mkdir $d; (cd $d; seq 1000 | xargs touch); done`);
    await expectWarp(0, ["create", `${dir}/many`, "-o", `${dir}/x.warp`]);
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`]);
    const list = `find . -printf '%p %y %m %T@ %s\\n' | sort | sha256sum`;
    const normal = list.replace("%s", "");
    assert.equal(await sh(normal, `${dir}/out/many`), await sh(normal, `${dir}/many`));
    // A lookup reads a handful of records, not the table.
    const { stdout } = await expectWarp(0, ["list", `${dir}/x.warp`, "many/57/999"]);
    assert.equal(text(stdout), "many/57/999\n");
  });
});

Deno.test("paths of 4,000 bytes come back", async () => {
  await withTempDir(async (dir) => {
    const name = "n".repeat(199);
    await sh(`mkdir '${dir}/deep'; cd '${dir}/deep'
      for i in $(seq 20); do mkdir ${name}; cd -P ${name}; done; echo bottom > file`);
    await expectWarp(0, ["create", `${dir}/deep`, "-o", `${dir}/x.warp`]);
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`]);
    const bottom = `cd '${dir}/out/deep'; for i in $(seq 20); do cd -P ${name}; done; cat file`;
    assert.equal(await sh(bottom), "bottom\n");
    const { stdout } = await expectWarp(0, ["list", `${dir}/x.warp`]);
    assert.ok(text(stdout).split("\n").some((line) => line.length > 4000));
  });
});

Deno.test("a big file with moved and repeated parts comes back, stored once", async () => {
  await withTempDir(async (dir) => {
    const random = new Random(11);
    const part = random.bytes(24 << 20);
    const file = Deno.openSync(`${dir}/big`, { write: true, create: true });
    for (const piece of [part, random.bytes(1234), part, random.bytes(77), part]) {
      file.writeSync(piece);
    }
    file.close();
    const { stdout } = await expectWarp(0, [
      "create",
      `${dir}/big`,
      "-o",
      `${dir}/x.warp`,
      "--json",
    ]);
    const created = JSON.parse(text(stdout).trim().split("\n").at(-1)!);
    assert.ok(
      created.unique_bytes < 1.02 * part.length,
      `${created.unique_bytes} bytes are unique`,
    );
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`]);
    await sh(`cmp '${dir}/big' '${dir}/out/big'`);
    await sh(
      `deno run -A --quiet cli.ts cat '${dir}/x.warp' big | cmp - '${dir}/big'`.replace(
        "cli.ts",
        new URL("../../cli.ts", import.meta.url).pathname,
      ),
    );
  });
});

Deno.test("what cannot be read is named, and the rest is stored (exit 7)", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/src'; cd '${dir}/src'; echo a > a; echo z > z
      python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.bind("sock")'`);
    const { stderr } = await expectWarp(7, ["create", `${dir}/src`, "-o", `${dir}/x.warp`]);
    assert.match(stderr, /warning: src\/sock: .*socket/);
    const { stdout } = await expectWarp(0, ["list", `${dir}/x.warp`]);
    assert.equal(text(stdout), "src/\nsrc/a\nsrc/z\n");
  });
});

Deno.test("a file that grows while it is read is named (exit 7) and the archive is sound", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/src'; head -c 200M /dev/zero | tr '\\0' 'x' > '${dir}/src/log'`);
    const writer = new Deno.Command("bash", {
      args: ["-c", `while :; do echo more >> '${dir}/src/log'; done`],
    }).spawn();
    const { code, stderr } = await warp(["create", `${dir}/src`, "-o", `${dir}/x.warp`]);
    writer.kill();
    await writer.status;
    assert.equal(code, 7, stderr);
    assert.match(stderr, /src\/log: the file changed while it was read/);
    await expectWarp(0, ["verify", `${dir}/x.warp`]);
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`]);
  });
});

Deno.test("archives go through pipes both ways", async () => {
  await withTempDir(async (dir) => {
    await sh(`cp -a /usr/include/linux '${dir}/t'; echo p > '${dir}/pw'`);
    const made = await expectWarp(0, [
      "create",
      `${dir}/t`,
      "-o",
      "-",
      "--passphrase-file",
      `${dir}/pw`,
    ]);
    await expectWarp(0, ["verify", "-"], { stdin: made.stdout });
    const flags = ["-C", `${dir}/out`, "--passphrase-file", `${dir}/pw`];
    await expectWarp(0, ["extract", "-", ...flags], { stdin: made.stdout });
    await sh(`diff -r '${dir}/t' '${dir}/out/t'`);
  });
});

Deno.test("parts can be extracted, also a hard link without its first path", async () => {
  await withTempDir(async (dir) => {
    await sh(
      `mkdir -p '${dir}/t/a' '${dir}/t/b'; cd '${dir}/t'; echo one > a/f; ln a/f b/g; ln a/f b/h; echo x > b/x`,
    );
    await expectWarp(0, ["create", `${dir}/t`, "-o", `${dir}/x.warp`]);
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`, "t/b/"]);
    assert.equal(
      await sh("find . -type f -printf '%p %n\\n' | sort", `${dir}/out`),
      "./t/b/g 2\n./t/b/h 2\n./t/b/x 1\n",
    );
    assert.equal(await sh("cat t/b/h", `${dir}/out`), "one\n");
    await expectWarp(3, ["extract", `${dir}/x.warp`, "-C", `${dir}/out2`, "t/nothing"]);
    // Existing files are kept unless --force is given.
    await sh(`echo mine > '${dir}/out/t/b/x'`);
    await expectWarp(1, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`, "t/b/x"]);
    assert.equal(await sh(`cat '${dir}/out/t/b/x'`), "mine\n");
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`, "t/b/x", "--force"]);
    assert.equal(await sh(`cat '${dir}/out/t/b/x'`), "x\n");
  });
});

Deno.test("an archive written into its own source does not store itself", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/t'; echo a > '${dir}/t/a'; head -c 9M /dev/urandom > '${dir}/t/z'`);
    await expectWarp(0, ["create", ".", "-o", "self.warp"], { cwd: `${dir}/t` });
    const { stdout } = await expectWarp(0, ["list", "self.warp"], { cwd: `${dir}/t` });
    assert.equal(text(stdout), "a\nz\n");
    await expectWarp(2, ["create", "a", "-o", "."], { cwd: `${dir}/t` });
  });
});
