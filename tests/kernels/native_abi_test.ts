/**
 * Every function of the CPU library called as warp_kernels.h declares it, with contexts and jobs,
 * against the portable kernels.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isWarpError } from "../../actors/base/errors.ts";
import { buildNative } from "../../kernels/native/build.ts";
import { ENODEV, Guarded, OK, openAbi } from "./native/abi.ts";
import { testFused } from "./native/abi_fused.ts";
import { testHashes } from "./native/abi_hashes.ts";
import { testBatches } from "./native/abi_batches.ts";
import { testJobs } from "./native/abi_jobs.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const path = await build();

async function build(): Promise<string | undefined> {
  try {
    return await buildNative({ output: `${folder}/abi.so` });
  } catch (error) {
    const isMissing = isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
      error.message.startsWith("no C compiler");
    if (!isMissing || Deno.env.get("WARP_REQUIRE") === "all") throw error;
    console.log(`SKIP the C interface of the CPU library: ${error.message}`);
    return undefined;
  }
}

if (path !== undefined) {
  const abi = openAbi(path);
  const info = new Uint8Array(168);
  new DataView(info.buffer).setUint32(0, 168, true);
  assert.equal(abi.warp_probe(0, info), OK);
  const capabilities = new DataView(info.buffer).getUint32(8, true);
  const hasLz4 = (capabilities & 8) !== 0, hasZstd = (capabilities & 16) !== 0;
  for (const [name, has] of [["liblz4", hasLz4], ["libzstd", hasZstd]] as const) {
    if (has) continue;
    console.log(`SKIP what needs ${name}: it is not installed`);
    if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error(`${name} is missing`);
  }

  const library = { abi, hasLz4, hasZstd, folder };
  testFused(library);
  testHashes(library);
  testBatches(library);
  testJobs(library);

  Deno.test("warp_probe describes the CPU, cut to the caller's struct", () => {
    assert.equal(abi.warp_abi_version() >>> 16, 2);
    assert.equal(capabilities & ~0x18, 0b11100111);
    assert.ok(info.subarray(40, 104).includes(0) && info.subarray(104).includes(0));
    const short = new Guarded(40);
    short.u32[0] = 40;
    assert.equal(abi.warp_probe(0, short.bytes), OK);
    short.check("short info");
    assert.deepEqual(short.bytes.slice(4), info.slice(4, 40));
    assert.equal(short.u32[0], 40);
    assert.equal(abi.warp_probe(1, info), ENODEV);
  });

  Deno.test("Workers open contexts and run jobs at the same time", async () => {
    const url = new URL("./native/abi_worker.ts", import.meta.url);
    const workers = Array.from({ length: 4 }, () => new Worker(url, { type: "module" }));
    try {
      const answers = workers.map((worker, seed) =>
        new Promise<string>((give, fail) => {
          worker.onmessage = ({ data }) => give(data);
          worker.onerror = (event) => {
            event.preventDefault();
            fail(new Error(event.message));
          };
          worker.postMessage({ path, seed });
        })
      );
      assert.deepEqual(await Promise.all(answers), ["OK", "OK", "OK", "OK"]);
    } finally {
      for (const worker of workers) worker.terminate();
    }
  });

  Deno.test("wrong arguments give WARP_EINVAL and never crash", async () => {
    const script = new URL("./native/abi_arguments.ts", import.meta.url).pathname;
    const { success, stdout, stderr, signal } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", script, path],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    const told = `${signal ?? ""} after ${lines.at(-1)}: ${new TextDecoder().decode(stderr)}`;
    assert.ok(success, told);
    assert.equal(lines.at(-1), "all done", told);
    assert.deepEqual(lines.filter((line) => line.startsWith("WRONG")), []);
    assert.ok(lines.length > 80, `${lines.length} cases`);
  });
}
