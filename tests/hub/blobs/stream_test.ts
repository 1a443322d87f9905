/**
 * A blob as a stream: the same bytes, no open file left behind, and the same word for what is not there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { isWarpError } from "../../../actors/base/errors.ts";
import { openDirectory } from "../../../hub/blobs/directory_io.ts";
import { addressOf } from "./blobs_contract.ts";

async function withBlobs(
  body: (blobs: Awaited<ReturnType<typeof openDirectory>>, dir: string) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-stream-" });
  const blobs = await openDirectory(`${dir}/blobs`);
  try {
    await body(blobs, dir);
  } finally {
    await blobs.close().catch(() => {});
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("a stream has the blob's bytes and says how many", async () => {
  await withBlobs(async (blobs) => {
    for (const length of [1, 4096, 65_536, 65_537, 1 << 20, 3_000_001]) {
      const bytes = new Uint8Array(randomBytes(length));
      const name = { address: addressOf(bytes), copy: 7 };
      await blobs.put(name, bytes, { bytesMax: length });
      const found = await blobs.stream!(name);
      assert.equal(found?.bytes, length);
      const got = new Uint8Array(await new Response(found.body).arrayBuffer());
      assert.deepEqual(got, bytes);
    }
  });
});

Deno.test("a stream that nobody reads to its end is closed", async () => {
  await withBlobs(async (blobs) => {
    const bytes = new Uint8Array(randomBytes(1 << 20));
    const name = { address: addressOf(bytes), copy: 0 };
    await blobs.put(name, bytes, { bytesMax: bytes.length });
    for (let i = 0; i < 3; i++) {
      const found = await blobs.stream!(name);
      if (i > 0) await found!.body.getReader().cancel();
      else await found!.body.cancel();
    }
  });
});

Deno.test("no stream of what is not there; a store that is gone says so", async () => {
  await withBlobs(async (blobs, dir) => {
    const name = { address: addressOf(new Uint8Array(3)), copy: 1 };
    assert.equal(await blobs.stream!(name), undefined);
    Deno.renameSync(`${dir}/blobs`, `${dir}/elsewhere`);
    await assert.rejects(blobs.stream!(name), (error) => isWarpError(error, "E_STORE"));
    Deno.renameSync(`${dir}/elsewhere`, `${dir}/blobs`);
  });
});
