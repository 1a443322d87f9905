/**
 * Small files in one call each: the same entries, cuts and files as the long way gives.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Batcher } from "../../../actors/chunker/batcher.ts";
import type { Batch } from "../../../actors/chunker/protocol.ts";
import { walkSources } from "../../../actors/chunker/source_io.ts";
import type { NewFileMeta } from "../../../actors/base/fs/backend.ts";
import { fsBackend } from "../../../actors/base/fs/choose.ts";
import { defaultTable } from "../../../kernels/boundary/spec.ts";
import { loadKernels } from "../../../kernels/load.ts";
import { openSmallFiles } from "../../../kernels/native/files.ts";
import { noise } from "../../kernels/samples.ts";
import { withTempDir } from "../../support/warp.ts";

const { boundary } = await loadKernels();
const calls = openSmallFiles();
if (calls === undefined) {
  console.log("SKIP small files in one call: the C library is not built (deno task build:native)");
  if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error("WARP_REQUIRE=all");
}

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name,
    ignore: calls === undefined,
    async fn() {
      try {
        await fn();
      } finally {
        fsBackend.useSmallFiles(undefined);
      }
    },
  });

const SLAB_BYTES = 1 << 18;

/** Everything the batcher makes of `dir`, slabs included. */
function batches(dir: string): { batch: Batch; bytes: Uint8Array }[] {
  const params = { avgBits: 12, min: 1024, max: 16_384, table: defaultTable() };
  const batcher = new Batcher(walkSources([dir], { exclude: [] }), boundary, params);
  const out: { batch: Batch; bytes: Uint8Array }[] = [];
  for (let isLast = false; !isLast;) {
    const slab = new Uint8Array(SLAB_BYTES);
    const batch = batcher.fill(slab);
    out.push({ batch, bytes: slab.slice(0, batch.cuts.at(-1) ?? 0) });
    isLast = batch.isLast;
  }
  batcher.close();
  return out;
}

test("take() gives the batches that opening gives", async () => {
  await withTempDir(async (dir) => {
    await Promise.resolve();
    const sizes = [0, 1, 511, 512, 513, 1023, 4096, 65_535, 65_537, 262_143, 262_144, 262_145];
    for (const [i, size] of sizes.entries()) {
      Deno.mkdirSync(`${dir}/tree/${i % 3}`, { recursive: true });
      Deno.writeFileSync(`${dir}/tree/${i % 3}/file-${i}`, noise(size, i));
    }
    Deno.linkSync(`${dir}/tree/0/file-3`, `${dir}/tree/2/link`);
    Deno.symlinkSync("file-3", `${dir}/tree/0/symlink`);
    Deno.chmodSync(`${dir}/tree/1/file-1`, 0o4711);
    const sparse = Deno.openSync(`${dir}/tree/sparse`, { write: true, create: true });
    sparse.truncateSync(200_000);
    sparse.seekSync(100_000, Deno.SeekMode.Start);
    sparse.writeSync(noise(5000, 9));
    sparse.close();
    const slow = batches(`${dir}/tree`);
    fsBackend.useSmallFiles(calls);
    assert.deepEqual(batches(`${dir}/tree`), slow);
    assert.ok(slow.length > 2);
  });
});

const META: NewFileMeta = {
  mode: 0o640,
  mtimeS: 1_234_567_890,
  mtimeNs: 123_456_789,
  owner: undefined,
  isReplacing: false,
};

test("put() makes the file with its content and metadata, or nothing", async () => {
  await withTempDir(async (dir) => {
    await Promise.resolve();
    fsBackend.useSmallFiles(calls);
    const root = fsBackend.openRoot(dir);
    const put = (name: string, data: Uint8Array, meta: Partial<NewFileMeta> = {}) =>
      fsBackend.put(root, ".temporary", name, data, { ...META, ...meta });
    const names = () => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
    try {
      for (const size of [0, 1, 70_000]) {
        assert.ok(put(`file-${size}`, noise(size, 1)));
        assert.deepEqual(Deno.readFileSync(`${dir}/file-${size}`), noise(size, 1));
        const { mode, mtime } = Deno.statSync(`${dir}/file-${size}`);
        assert.equal(mode! & 0o7777, 0o640);
        assert.equal(mtime!.getTime(), 1_234_567_890_123);
      }
      const before = names();
      assert.ok(!put("file-1", noise(3, 2)), "a taken name");
      assert.deepEqual(Deno.readFileSync(`${dir}/file-1`), noise(1, 1));
      assert.ok(put("file-1", noise(3, 2), { isReplacing: true }));
      assert.deepEqual(Deno.readFileSync(`${dir}/file-1`), noise(3, 2));
      Deno.mkdirSync(`${dir}/directory`);
      assert.ok(!put("directory", noise(3, 2), { isReplacing: true }), "never a directory");
      Deno.symlinkSync("/etc/passwd", `${dir}/.temporary`);
      assert.ok(!put("other", noise(3, 2)), "a link waits under the temporary name");
      Deno.removeSync(`${dir}/.temporary`);
      assert.deepEqual(names(), [...before, "directory"].sort());
      assert.ok(!fsBackend.put(root, ".t", "a/b", noise(3, 2), META), "no such directory");
    } finally {
      fsBackend.close(root);
    }
  });
});

test("putMany() makes those that can be made, and says which", async () => {
  await withTempDir(async (dir) => {
    fsBackend.useSmallFiles(calls);
    Deno.mkdirSync(`${dir}/inner`);
    Deno.writeTextFileSync(`${dir}/taken`, "mine");
    Deno.symlinkSync("/etc/passwd", `${dir}/.waits`);
    const root = fsBackend.openRoot(dir), inner = fsBackend.openDir(root, "inner");
    const data = noise(100_000, 3);
    const put = (dir: number, temporary: string, name: string, start: number, end: number) => ({
      ...{ dir, temporary, name, start, end },
      meta: { ...META, mtimeS: META.mtimeS + start },
    });
    try {
      const made = await fsBackend.putMany([
        put(root, ".1", "first", 0, 10),
        put(inner, ".2", "\u00e9\u00ff", 10, 70_000),
        put(root, ".3", "taken", 70_000, 70_001),
        put(root, ".waits", "linked", 70_001, 70_002),
        put(root, ".5", "empty", 5, 5),
        put(root, ".6", "inner", 0, 1),
        put(root, ".7", "no/such", 0, 1),
        put(root, ".8", "last", 99_999, 100_000),
      ], data);
      assert.deepEqual(made, [true, true, false, false, true, false, false, true]);
      const name = fsBackend.list(inner);
      assert.deepEqual(name, ["\u00e9\u00ff"], "names are bytes");
      const at = (path: string) => Deno.readFileSync(`${dir}/${path}`);
      assert.deepEqual(at("first"), data.slice(0, 10));
      assert.deepEqual(at("last"), data.slice(99_999));
      assert.equal(at("empty").length, 0);
      assert.equal(new TextDecoder().decode(at("taken")), "mine");
      assert.equal(
        Deno.statSync(`${dir}/last`).mtime!.getTime(),
        (META.mtimeS + 99_999) * 1e3 + 123,
      );
      assert.equal(Deno.statSync(`${dir}/first`).mode! & 0o7777, 0o640);
      const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
      assert.deepEqual(names, [".waits", "empty", "first", "inner", "last", "taken"]);
      assert.deepEqual(await fsBackend.putMany([], data), []);
      const long = "n".repeat(5000);
      assert.deepEqual(await fsBackend.putMany([put(root, ".9", long, 0, 1)], data), [false]);
    } finally {
      fsBackend.close(inner);
      fsBackend.close(root);
    }
  });
});
