import assert from "node:assert/strict";
import { toHex } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { openDirectory } from "../../../hub/blobs/directory_io.ts";
import { openBlobs } from "../../../hub/blobs/open_blobs_io.ts";
import { Random } from "../../support/random.ts";
import { sh, withTempDir } from "../../support/warp.ts";
import { addressOf, blobsContract, listed } from "./blobs_contract.ts";

const LIMITS = { bytesMax: 1 << 20 };

blobsContract("folder", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "warp-test-", dir: "/dev/shm" });
  return {
    blobs: await openBlobs(`file:${dir}/blobs`),
    again: () => openBlobs(`${dir}/blobs`),
    remove: () => Deno.remove(dir, { recursive: true }),
  };
});

Deno.test("folder: temporary files of the dead are swept, those of the living stay", () =>
  withTempDir(async (dir) => {
    const living = await openDirectory(dir);
    Deno.mkdirSync(`${dir}/tmp/dead`);
    Deno.writeTextFileSync(`${dir}/tmp/dead/lock`, "");
    Deno.writeTextFileSync(`${dir}/tmp/dead/7`, "half a blob");
    Deno.mkdirSync(`${dir}/tmp/never-locked`);
    const second = await openDirectory(dir);
    assert.equal([...Deno.readDirSync(`${dir}/tmp`)].length, 2);
    const bytes = new Random(1).bytes(1000);
    await living.put({ address: addressOf(bytes), copy: 1 }, bytes, LIMITS);
    await living.close();
    await second.close();
    assert.deepEqual([...Deno.readDirSync(`${dir}/tmp`)], []);
  }));

Deno.test("folder: many open it at once", () =>
  withTempDir(async (dir) => {
    const all = await Promise.all(Array.from({ length: 12 }, () => openDirectory(dir)));
    const bytes = new Random(1).bytes(1000);
    await Promise.all(
      all.map((one, copy) => one.put({ address: addressOf(bytes), copy }, bytes, LIMITS)),
    );
    assert.deepEqual(await all[0]!.usage(), { blobs: 12, bytes: 12_000 });
    for (const one of all) await one.close();
  }));

Deno.test("folder: a blob that was cut short is written anew; foreign files are left alone", () =>
  withTempDir(async (dir) => {
    const blobs = await openDirectory(dir);
    const bytes = new Random(1).bytes(1000), name = { address: addressOf(bytes), copy: 1 };
    await blobs.put(name, bytes, LIMITS);
    const hex = toHex(name.address);
    const folder = `${dir}/${hex.slice(0, 2)}/${hex.slice(2, 4)}`;
    const path = `${folder}/${hex}-000000000001`;
    Deno.truncateSync(path, 500);
    assert.equal((await blobs.put(name, bytes, LIMITS)).isNew, true);
    assert.equal(Deno.statSync(path).size, 1000);
    Deno.writeTextFileSync(`${folder}/README`, "");
    Deno.mkdirSync(`${dir}/lost+found`);
    assert.equal((await listed(blobs)).length, 1);
    // Its folders may vanish under it, and come again.
    Deno.removeSync(`${dir}/${hex.slice(0, 2)}`, { recursive: true });
    assert.equal(await blobs.get(name), undefined);
    await assert.rejects(blobs.put(name, bytes, LIMITS), (error) => isWarpError(error, "E_STORE"));
    assert.equal((await blobs.put(name, bytes, LIMITS)).isNew, true);
    await blobs.close();
  }));

Deno.test("folder: one that is gone is no empty one", () =>
  withTempDir(async (dir) => {
    const blobs = await openDirectory(`${dir}/blobs`);
    const bytes = new Random(1).bytes(1000), name = { address: addressOf(bytes), copy: 1 };
    await blobs.put(name, bytes, LIMITS);
    Deno.renameSync(`${dir}/blobs`, `${dir}/away`);
    const isGone = (error: unknown) => isWarpError(error, "E_STORE");
    await assert.rejects(blobs.get(name), isGone);
    await assert.rejects(blobs.has(name), isGone);
    await assert.rejects(blobs.delete(name), isGone);
    await assert.rejects(listed(blobs), isGone);
    const other = new Random(2).bytes(1000);
    await assert.rejects(blobs.put({ address: addressOf(other), copy: 1 }, other, LIMITS), isGone);
    Deno.renameSync(`${dir}/away`, `${dir}/blobs`);
    assert.equal((await blobs.get(name))?.bytes, 1000);
    await blobs.close();
  }));

const mayMount = await (async () => {
  const dir = Deno.makeTempDirSync();
  const script = `mount -t tmpfs none '${dir}' && umount '${dir}' && echo yes || echo no`;
  const isDone = (await sh(script)).trim() === "yes";
  Deno.removeSync(dir);
  if (!isDone) {
    console.log("SKIP: this user may not mount a small file system");
  }
  return isDone;
})();

Deno.test({
  name: "folder: a full disk is said, nothing half is left, and what was there stays",
  ignore: !mayMount,
  fn: () =>
    withTempDir(async (dir) => {
      await sh(`mount -t tmpfs -o size=2m warp-test '${dir}'`);
      try {
        const blobs = await openDirectory(dir);
        const stored: { address: Uint8Array; copy: number }[] = [];
        let full: unknown;
        for (let i = 0; i < 8 && full === undefined; i++) {
          const bytes = new Random(i).bytes(500_000), name = { address: addressOf(bytes), copy: i };
          await blobs.put(name, bytes, LIMITS).then(
            () => stored.push(name),
            (error) => full = error,
          );
        }
        assert.ok(isWarpError(full, "E_DISK_FULL"), String(full));
        assert.ok(stored.length >= 2);
        assert.deepEqual(await blobs.usage(), {
          blobs: stored.length,
          bytes: 500_000 * stored.length,
        });
        await sh(`test -z "$(find '${dir}/tmp' -type f ! -name lock)"`);
        await blobs.delete(stored[0]!);
        const bytes = new Random(99).bytes(500_000);
        await blobs.put({ address: addressOf(bytes), copy: 0 }, bytes, LIMITS);
        for (const name of stored.slice(1)) assert.equal((await blobs.get(name))?.bytes, 500_000);
        await blobs.close();
      } finally {
        await sh(`umount '${dir}'`);
      }
    }),
});

Deno.test("the address of a blob store", async () => {
  for (const wrong of ["", "http://user:geheim@host/", "s4://geheim/"]) {
    await assert.rejects(
      openBlobs(wrong),
      (error) => isWarpError(error, "E_CONFIG") && !String(error.stack).includes("geheim"),
    );
  }
});
