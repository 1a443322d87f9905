import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { loadKernels } from "../../kernels/load.ts";
import { Random } from "../support/random.ts";
import { expectWarp, sh, text, withTempDir } from "../support/warp.ts";

const kernels = await loadKernels();

/** A marker as it is, in hex and in base64 (all three alignments). */
function forms(marker: Uint8Array): Uint8Array[] {
  const base64 = (skip: number) =>
    Buffer.from(
      Buffer.concat([Buffer.alloc(skip), marker]).toString("base64").slice(skip === 0 ? 0 : 4, -4),
    );
  const hex = Buffer.from(marker).toString("hex");
  return [
    marker,
    Buffer.from(hex),
    Buffer.from(hex.toUpperCase()),
    base64(0),
    base64(1),
    base64(2),
  ];
}

Deno.test("nothing planted in a tree can be found in its encrypted archive", async () => {
  await withTempDir(async (dir) => {
    const random = new Random(21);
    const name = "planted-name-9f1c7", content = "planted content 51d03 ";
    const size = 1_234_567;
    await sh(`mkdir '${dir}/${name}'; echo 'planted passphrase 77aa' > '${dir}/pw'`);
    Deno.writeTextFileSync(`${dir}/${name}/${name}.txt`, content.repeat(50_000));
    const known = random.bytes(size);
    Deno.writeFileSync(`${dir}/${name}/known`, known);
    Deno.writeTextFileSync(`${dir}/${name}/tiny`, content);
    Deno.symlinkSync(`${name}-target`, `${dir}/${name}/link`);
    await sh(`setfattr -n user.planted -v planted-xattr-3e '${dir}/${name}/tiny'`);
    const archives = [`${dir}/1.warp`, `${dir}/2.warp`];
    for (const archive of archives) {
      for (const compress of ["auto"]) {
        const flags = ["--compress", compress, "--passphrase-file", `${dir}/pw`];
        await expectWarp(0, ["create", `${dir}/${name}`, "-o", archive, ...flags]);
      }
    }
    const plainHash = new Uint8Array(32);
    kernels.blake3.hash(known, plainHash);
    const u32 = new Uint8Array(Uint32Array.of(size).buffer);
    const u64 = new Uint8Array(BigUint64Array.of(BigInt(size)).buffer);
    const messagePack = Uint8Array.of(0xce, ...[...u32].reverse());
    const markers = [
      ...[name, content, "planted passphrase", "planted-xattr", "-target"].map((t) =>
        new TextEncoder().encode(t)
      ),
      ...[plainHash, createHash("sha256").update(known).digest(), known.slice(5000, 5032)],
      ...[u64, messagePack, new TextEncoder().encode(String(size))],
    ];
    const bytes = archives.map((archive) => Buffer.from(Deno.readFileSync(archive)));
    for (const marker of markers) {
      for (const form of forms(marker)) {
        if (form.length < 5) continue;
        for (const archive of bytes) {
          assert.equal(
            archive.indexOf(form),
            -1,
            `found ${Buffer.from(marker).toString("latin1")}`,
          );
        }
      }
    }
    // The same files in the clear are all there: the scan can see.
    await expectWarp(0, ["create", `${dir}/${name}`, "-o", `${dir}/p.warp`, "--compress", "none"]);
    const plain = Buffer.from(Deno.readFileSync(`${dir}/p.warp`));
    assert.ok(plain.indexOf(known.slice(5000, 5032)) > 0);

    // Two archives of one tree have no 32 bytes in common, but for fixed fields.
    const seen = new Set<string>();
    for (let at = 1024; at + 16 <= bytes[0]!.length - 256; at += 16) {
      seen.add(bytes[0]!.subarray(at, at + 16).toString("latin1"));
    }
    for (let at = 1024; at + 16 <= bytes[1]!.length - 256; at++) {
      assert.ok(
        !seen.has(bytes[1]!.subarray(at, at + 16).toString("latin1")),
        `shared bytes at ${at}`,
      );
    }
  });
});

Deno.test("wrong and missing keys exit 4, before anything is written", async () => {
  await withTempDir(async (dir) => {
    await sh(
      `mkdir '${dir}/t'; echo x > '${dir}/t/f'; echo right > '${dir}/pw'; echo wrong > '${dir}/pw2'`,
    );
    await expectWarp(0, [
      "create",
      `${dir}/t`,
      "-o",
      `${dir}/x.warp`,
      "--passphrase-file",
      `${dir}/pw`,
    ]);
    await expectWarp(0, ["key", "new", "-o", `${dir}/key.txt`]);
    for (
      const flags of [[], ["--passphrase-file", `${dir}/pw2`], ["--identity", `${dir}/key.txt`]]
    ) {
      for (
        const command of [["list"], ["extract", "-C", `${dir}/out`], ["cat", "t/f"], [
          "diff",
          `${dir}`,
        ]]
      ) {
        const [verb, ...rest] = command as [string, ...string[]];
        const args = verb === "extract"
          ? [verb, `${dir}/x.warp`, ...rest]
          : [verb, `${dir}/x.warp`, ...rest];
        const { stderr } = await expectWarp(4, [...args, ...flags]);
        assert.ok(!stderr.includes("right") && !stderr.includes("wrong"));
      }
    }
    await assert.rejects(Deno.stat(`${dir}/out/t`));
    await expectWarp(0, ["verify", `${dir}/x.warp`]);
    await expectWarp(0, ["info", `${dir}/x.warp`]);
  });
});

Deno.test("signatures are checked, and the wanted signer enforced", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/t'; echo x > '${dir}/t/f'`);
    for (const key of ["a", "b"]) await expectWarp(0, ["key", "new", "-o", `${dir}/${key}.txt`]);
    const signer = async (key: string) =>
      JSON.parse(text((await expectWarp(0, ["key", "show", `${dir}/${key}.txt`, "--json"])).stdout))
        .signer;
    await expectWarp(0, ["create", `${dir}/t`, "-o", `${dir}/x.warp`, "--sign", `${dir}/a.txt`]);
    await expectWarp(0, ["verify", `${dir}/x.warp`, "--signer", await signer("a")]);
    await expectWarp(4, ["verify", `${dir}/x.warp`, "--signer", await signer("b")]);
    await expectWarp(0, ["create", `${dir}/t`, "-o", `${dir}/u.warp`]);
    await expectWarp(4, ["verify", `${dir}/u.warp`, "--signer", await signer("a")]);
  });
});

Deno.test("--base stores only what is new, and extracting finds the base beside or by --base", async () => {
  await withTempDir(async (dir) => {
    const random = new Random(8);
    await sh(`mkdir '${dir}/t' '${dir}/elsewhere'; echo p > '${dir}/pw'`);
    Deno.writeFileSync(`${dir}/t/big`, random.bytes(8 << 20));
    const key = ["--passphrase-file", `${dir}/pw`];
    await expectWarp(0, ["create", `${dir}/t`, "-o", `${dir}/1.warp`, ...key]);
    await sh(
      `head -c 100 /dev/urandom | dd of='${dir}/t/big' bs=1 seek=4000000 conv=notrunc status=none; echo new > '${dir}/t/new'`,
    );
    await expectWarp(0, [
      "create",
      `${dir}/t`,
      "-o",
      `${dir}/2.warp`,
      "--base",
      `${dir}/1.warp`,
      ...key,
    ]);
    Deno.writeFileSync(`${dir}/t/third`, random.bytes(100_000));
    await expectWarp(0, [
      "create",
      `${dir}/t`,
      "-o",
      `${dir}/3.warp`,
      "--base",
      `${dir}/2.warp`,
      "--base",
      `${dir}/1.warp`,
      ...key,
    ]);
    const sizes = [1, 2, 3].map((n) => Deno.statSync(`${dir}/${n}.warp`).size);
    assert.ok(sizes[1]! < 600_000 && sizes[2]! < 300_000, `${sizes}`);
    await expectWarp(0, ["extract", `${dir}/3.warp`, "-C", `${dir}/out`, ...key]);
    await sh(`diff -r '${dir}/t' '${dir}/out/t'; mv '${dir}/1.warp' '${dir}/elsewhere/'`);
    await expectWarp(3, ["extract", `${dir}/3.warp`, "-C", `${dir}/out2`, ...key]);
    const flags = ["--base", `${dir}/elsewhere/1.warp`, "--base", `${dir}/2.warp`];
    await expectWarp(0, ["extract", `${dir}/3.warp`, "-C", `${dir}/out3`, ...flags, ...key]);
    await sh(`diff -r '${dir}/t' '${dir}/out3/t'`);
    // A plain archive cannot lean on an encrypted one, nor the other way round.
    await expectWarp(2, [
      "create",
      `${dir}/t`,
      "-o",
      `${dir}/4.warp`,
      "--base",
      `${dir}/2.warp`,
      "--identity",
      "/dev/null",
    ])
      .catch(() =>
        expectWarp(4, ["create", `${dir}/t`, "-o", `${dir}/4.warp`, "--base", `${dir}/2.warp`])
      );
    await assert.rejects(Deno.stat(`${dir}/4.warp`));
  });
});

Deno.test("a full disk ends with a hint, and the archive can be resumed once there is room", async () => {
  await withTempDir(async (dir) => {
    const isMounted = await sh(
      `mkdir '${dir}/small'; mount -t tmpfs -o size=12m none '${dir}/small' && echo yes || echo no`,
    );
    if (isMounted.trim() !== "yes") {
      console.log("SKIP: this user may not mount a small file system");
      return;
    }
    try {
      Deno.writeFileSync(`${dir}/data`, new Random(2).bytes(24 << 20));
      const args = ["create", `${dir}/data`, "-o", `${dir}/small/x.warp`];
      const { stderr } = await expectWarp(1, args);
      assert.match(stderr, /[Nn]o space|full/);
      await assert.rejects(Deno.stat(`${dir}/small/x.warp`));
      await sh(`mount -o remount,size=64m '${dir}/small'`);
      await expectWarp(0, [...args, "--resume"]);
      await expectWarp(0, ["verify", `${dir}/small/x.warp`]);
      await sh(`mount -o remount,size=26m '${dir}/small'`);
      await expectWarp(1, ["extract", `${dir}/small/x.warp`, "-C", `${dir}/small/out`]);
      assert.equal(await sh(`find '${dir}/small/out' -type f`), "");
    } finally {
      await sh(`umount '${dir}/small'`);
    }
  });
});
