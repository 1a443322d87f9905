/**
 * The WebGPU device: what it says of itself, how it refuses, fails and is lost.
 *
 * @module
 */
import assert from "node:assert/strict";
import { WarpError } from "../../actors/base/errors.ts";
import { GpuDevice } from "../../kernels/webgpu/device.ts";
import { DeviceLostError, WebGpuKernels } from "../../kernels/webgpu/kernels.ts";
import { planTiles, prefixSums } from "../../kernels/webgpu/tiles.ts";
import { noise, painted } from "./samples.ts";
import { TINY, webGpuTest } from "./webgpu_open.ts";

webGpuTest("describes its adapter, and takes software only when asked", async (kernels) => {
  const { adapter, isSoftware, tileBytes, limits } = kernels.describe();
  assert.ok(adapter.length > 0);
  assert.equal(tileBytes, 32 * 1024 * 1024);
  assert.ok(limits.maxStorageBufferBindingSize >= 4 * tileBytes);
  if (!isSoftware) return (await WebGpuKernels.open()).close();
  await assert.rejects(
    WebGpuKernels.open(),
    (error) =>
      error instanceof WarpError && error.code === "E_BACKEND_UNAVAILABLE" &&
      error.message.includes(adapter),
  );
});

webGpuTest("refuses tiles that are no power of two, too small or too large", async () => {
  for (const tileBytes of [0, 4095, 5000, 2048, 2 ** 26, NaN, -4096]) {
    await assert.rejects(GpuDevice.open({ allowSoftware: true, tileBytes }), /invariant/);
  }
});

webGpuTest("says when the device is lost, and stays lost", async (kernels, gpu) => {
  const right = await kernels.blake3Many(painted(5000), [0, 5000]);
  const pending = kernels.blake3Many(painted(5000), [0, 5000]);
  gpu.lose();
  // What was under way may have come through; it is then right.
  await pending.then(
    (digest) => assert.deepEqual(digest, right),
    (error) => assert.ok(error instanceof DeviceLostError, String(error)),
  );
  const nonces = new Uint8Array(12), keys = new Uint8Array(32), base = painted(100);
  const out = new Uint8Array(200);
  const calls = [
    () => kernels.blake3Many(painted(10), [0, 10]),
    () => kernels.sealMany({ base, offsets: [0, 100], keys, nonces }, out, [0]),
    () => kernels.openMany({ base, offsets: [0, 100], keys, nonces }, out, [0]),
    () =>
      kernels.boundaryCuts(
        { avgBits: 8, min: 64, max: 256, table: new Uint32Array(32) },
        base,
        true,
      ),
  ];
  for (const call of [...calls, ...calls]) {
    await assert.rejects(
      call,
      (error) =>
        error instanceof DeviceLostError && error.code === "E_BACKEND_UNAVAILABLE" &&
        error.details["isLost"] === true,
    );
  }
  assert.ok(out.every((byte) => byte === 0));
});

webGpuTest("refuses calls after close()", async (kernels) => {
  kernels.close();
  await assert.rejects(kernels.blake3Many(painted(10), [0, 10]), DeviceLostError);
});

webGpuTest("reports code that does not compile", async (_, gpu) => {
  await assert.rejects(gpu.pipeline("fn nothing( {", "nothing"), /invariant: webgpu: nothing/);
});

webGpuTest("reports wrong commands, and works afterwards", async (kernels, gpu) => {
  const wrong = gpu.run((commands) => {
    const buffer = commands.storage(256);
    return [{ buffer, offset: 256, bytes: 256 }];
  }, () => assert.fail("must not be read"));
  await assert.rejects(wrong, /invariant: webgpu/);
  const thrown = gpu.run(() => {
    throw new Error("in the middle");
  }, () => undefined);
  await assert.rejects(thrown, /in the middle/);
  const digest = await kernels.blake3Many(painted(0), [0, 0]);
  assert.equal(digest[0], 0xaf);
});

webGpuTest("gives back the bytes that went up, to the last one", async (_, gpu) => {
  for (const length of [0, 1, 2, 3, 4, 5, 255, 256, 257, 1001]) {
    const base = noise(length + 7, length);
    const whole = Math.ceil(length / 4) * 4;
    await gpu.run((commands) => {
      const buffer = commands.bytes(base, 3, 3 + length);
      return [{ buffer, bytes: whole }];
    }, ([view]) => {
      assert.deepEqual(view!.slice(0, length), base.slice(3, 3 + length), `${length} bytes`);
      assert.ok(view!.subarray(length).every((byte) => byte === 0));
    });
  }
});

webGpuTest("wipes keys when the commands have run", async (_, gpu) => {
  // One buffer of this size exists: the second call gets that of the first.
  const key = new Uint8Array(64).fill(0x5a);
  await gpu.run((commands) => [{ buffer: commands.secret(key), bytes: 64 }], ([view]) => {
    assert.deepEqual(view!.slice(), key);
  });
  const count = gpu.bufferCount;
  await gpu.run((commands) => [{ buffer: commands.storage(64), bytes: 64 }], ([view]) => {
    assert.deepEqual(view!.slice(), new Uint8Array(64));
  });
  assert.equal(gpu.bufferCount, count);
});

webGpuTest("uses its buffers again", async (kernels, gpu) => {
  const run = () => kernels.blake3Many(painted(40_000), [0, 3, 40_000]);
  await run();
  const count = gpu.bufferCount;
  for (let i = 0; i < 5; i++) await run();
  // Which calls overlap depends on time, hence how many buffers are needed at once.
  assert.ok(gpu.bufferCount <= 3 * count, `${gpu.bufferCount} buffers, ${count} at first`);
}, TINY);

Deno.test("planTiles() keeps order and bounds, and puts large items by themselves", () => {
  const sizes = [10, 4000, 33, 4033, 0, 100_000, 0, 1];
  assert.deepEqual(planTiles(sizes.length, (i) => sizes[i]!, 4096), [
    { first: 0, end: 1, isLarge: false },
    { first: 1, end: 2, isLarge: false },
    { first: 2, end: 3, isLarge: false },
    { first: 3, end: 4, isLarge: true },
    { first: 4, end: 5, isLarge: false },
    { first: 5, end: 6, isLarge: true },
    { first: 6, end: 8, isLarge: false },
  ]);
  assert.deepEqual(planTiles(0, () => 1, 4096), []);
  assert.deepEqual([...prefixSums([3, 0, 4])], [0, 3, 3, 7]);
});
