/**
 * A GPU beside the ciphers. The CUDA library stands in compiled for the CPU, from the same sources, so
 * that all of it runs on any machine: with a device, with one that fails half way, and with none.
 *
 * @module
 */
import assert from "node:assert/strict";
import { builtShimUrl } from "../../cuda/build.ts";
import { openShim } from "../kernels/cuda_support.ts";
import { noise } from "../kernels/samples.ts";
import { expectWarp, text, withTempDir } from "../support/warp.ts";

const shim = await openShim();
const SHIM = { WARP_CUDA_LIB: decodeURIComponent(builtShimUrl().pathname) };

interface Created {
  device_calls: number;
  bytes: number;
}

/** Packs `data` with `env`, extracts it again without a device, and compares. */
async function roundTrip(data: Uint8Array, env: Record<string, string>): Promise<Created> {
  let created: Created | undefined;
  await withTempDir(async (dir) => {
    Deno.writeFileSync(`${dir}/data`, data);
    Deno.writeTextFileSync(`${dir}/pw`, "correct horse");
    const key = ["--passphrase-file", "pw"];
    const create = ["create", "data", "-o", "a.warp", "--json", ...key];
    const { stdout } = await expectWarp(0, create, { cwd: dir, env });
    created = text(stdout).trim().split("\n").map((line) => JSON.parse(line))
      .find((record) => record.message_type === "created");
    await expectWarp(0, ["verify", "a.warp", ...key], { cwd: dir });
    await expectWarp(0, ["extract", "a.warp", "-C", "out", ...key], {
      cwd: dir,
      env: { WARP_DEVICE: "never" },
    });
    assert.deepEqual(Deno.readFileSync(`${dir}/out/data`), data);
  });
  return created!;
}

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, ignore: shim === undefined, fn });

const DATA = noise(24_000_000, 3);

test("a device hashes and seals what ciphers can open", async () => {
  const { device_calls } = await roundTrip(DATA, {
    ...SHIM,
    WARP_CUDA_SHIM_DEVICES: "1",
    WARP_DEVICE: "always",
  });
  // Per batch of 4 MiB: chunk ids, seal, Merkle leaves.
  assert.ok(device_calls >= 15, `${device_calls} calls`);
});

test("a device that is lost half way costs nothing but its help", async () => {
  for (const launch of [3, 20]) {
    const { device_calls } = await roundTrip(DATA, {
      ...SHIM,
      WARP_CUDA_SHIM_DEVICES: "1",
      WARP_CUDA_SHIM_FAIL: `${launch}`,
      WARP_DEVICE: "always",
    });
    assert.ok(device_calls < 15, `${device_calls} calls`);
  }
});

test("a library without a device, and one that is no library, are done without", async () => {
  const none = await roundTrip(DATA.subarray(0, 1_000_000), {
    ...SHIM,
    WARP_CUDA_SHIM_DEVICES: "0",
    WARP_DEVICE: "always",
  });
  assert.equal(none.device_calls, 0);
  const foreign = { WARP_CUDA_LIB: `${Deno.cwd()}/deno.json`, WARP_DEVICE: "always" };
  assert.equal((await roundTrip(DATA.subarray(0, 1_000_000), foreign)).device_calls, 0);
});

Deno.test("WARP_DEVICE names a device, or is refused", async () => {
  await withTempDir(async (dir) => {
    const outcome = await expectWarp(2, ["create", dir, "-o", `${dir}.warp`], {
      env: { WARP_DEVICE: "gpu" },
    });
    assert.match(outcome.stderr, /WARP_DEVICE: "gpu" is no device/);
  });
});
