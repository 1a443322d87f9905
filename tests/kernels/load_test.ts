/**
 * Choice of backends: static order, measurements, force, and what `warp doctor` reports.
 *
 * @module
 */
import assert from "node:assert/strict";
import { toHex } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { cachePath, readMeasurements, writeMeasurements } from "../../kernels/choice_cache.ts";
import { describeKernels, examineKernels } from "../../kernels/examine.ts";
import { loadKernels } from "../../kernels/load.ts";
import { backendsOf, KERNEL_NAMES } from "../../kernels/registry.ts";
import type { Measurements } from "../../kernels/select.ts";

// Libraries opened within a test count as leaks: open them here.
const initial = await loadKernels({ environment: {} });
await loadKernels();
const folder = await Deno.makeTempDir();
const environment = { XDG_CACHE_HOME: folder };
const report = await examineKernels({ environment, budgetMs: 1 });
const path = cachePath(environment)!;
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

Deno.test("loadKernels() serves every kernel and says with what", () => {
  for (const kernel of KERNEL_NAMES) {
    assert.equal(typeof initial[kernel], "object");
    assert.ok(backendsOf(kernel).includes(initial.chosen[kernel]));
    assert.ok(initial.descriptions[kernel].length > 0);
  }
  const out = new Uint8Array(32);
  initial.blake3.hash(new Uint8Array(), out);
  assert.equal(out[0], 0xaf);
});

Deno.test("loadKernels() without options makes one set per Worker", async () => {
  assert.equal(await loadKernels(), await loadKernels());
});

Deno.test("loadKernels() obeys force and environment", async () => {
  const portable = await loadKernels({ force: "portable", environment: {} });
  assert.ok(KERNEL_NAMES.every((kernel) => portable.chosen[kernel] === "portable"));
  const variables = { WARP_BACKEND: "portable", WARP_BACKEND_AEAD: "node" };
  const mixed = await loadKernels({ environment: variables });
  assert.equal(mixed.chosen.aead, "node");
  assert.equal(mixed.chosen.blake3, "portable");
});

Deno.test("loadKernels() fails rather than replace a forced backend", async () => {
  const missing = report.backends.find((row) => !row.isUsable);
  const cases: Record<string, string>[] = [{ WARP_BACKEND: "cuda" }, { WARP_BACKEND_LZ4: "cuda" }];
  if (missing !== undefined) {
    cases.push({ [`WARP_BACKEND_${missing.kernel.toUpperCase()}`]: missing.backend });
  }
  for (const variables of cases) {
    await assert.rejects(
      loadKernels({ environment: variables }),
      (error) => isWarpError(error, "E_BACKEND_UNAVAILABLE"),
    );
  }
});

Deno.test("loadKernels() follows measurements of the same version, and no others", async () => {
  const usable = report.backends.filter((row) => row.kernel === "aead" && row.isUsable);
  const slow = usable.at(-1)!;
  const measured: Measurements = { aead: {} };
  for (const row of usable) {
    const gigabytesPerSecond = row === slow ? 9 : 1;
    measured.aead![row.backend] = { gigabytesPerSecond, description: row.description! };
  }
  const own = { XDG_CACHE_HOME: `${folder}/own` };
  assert.ok(writeMeasurements(cachePath(own), measured));
  assert.equal((await loadKernels({ environment: own })).chosen.aead, slow.backend);
  measured.aead![slow.backend] = { gigabytesPerSecond: 9, description: "of another version" };
  assert.ok(writeMeasurements(cachePath(own), measured));
  assert.equal((await loadKernels({ environment: own })).chosen.aead, usable[0]!.backend);
});

Deno.test("examineKernels() reports every backend, one chosen per kernel, and a reason", () => {
  for (const kernel of KERNEL_NAMES) {
    const rows = report.backends.filter((row) => row.kernel === kernel);
    assert.deepEqual(rows.map((row) => row.backend), backendsOf(kernel));
    const chosen = rows.filter((row) => row.isChosen);
    assert.equal(chosen.length, 1);
    assert.equal(report.chosen[kernel], chosen[0]!.backend);
    for (const row of rows) {
      assert.ok(row.reason.length > 0);
      assert.equal(row.isUsable, row.gigabytesPerSecond !== undefined);
      assert.equal(row.isUsable, row.description !== undefined);
      assert.ok(!row.isUsable || row.isPresent && row.gigabytesPerSecond! > 0);
    }
  }
  const text = describeKernels(report);
  for (const { kernel, backend } of report.backends) {
    assert.match(text, new RegExp(`^[*\\- ] ${kernel} +${backend} `, "m"));
  }
});

Deno.test("examineKernels() leaves what it measured to loadKernels()", async () => {
  assert.equal(report.cacheFile, path);
  const measured = readMeasurements(path);
  for (const row of report.backends.filter((one) => one.isUsable)) {
    assert.equal(measured[row.kernel]![row.backend]!.description, row.description);
  }
  assert.deepEqual((await loadKernels({ environment })).chosen, report.chosen);
});

Deno.test("examineKernels() tells what was forced", async () => {
  const forced = await examineKernels({
    environment: { WARP_BACKEND_LZ4: "portable" },
    budgetMs: 1,
  });
  assert.equal(forced.cacheFile, undefined);
  assert.equal(forced.chosen.lz4, "portable");
  const row = forced.backends.find((one) => one.kernel === "lz4" && one.isChosen)!;
  assert.equal(row.reason, "forced");
});

Deno.test("readMeasurements() takes nothing from a damaged, huge or foreign file", () => {
  const file = `${folder}/damaged.json`;
  const contents = [
    "",
    "{",
    "null",
    "[]",
    '{"aead":7}',
    '{"aead":{"node":{"gigabytesPerSecond":"1","description":"x"}}}',
    '{"aead":{"node":{"gigabytesPerSecond":-1,"description":"x"}}}',
    '{"aead":{"node":{"gigabytesPerSecond":1e999,"description":"x"}}}',
    '{"aead":{"node":{"gigabytesPerSecond":1}}}',
    '{"__proto__":{"aead":{"node":{"gigabytesPerSecond":1,"description":"x"}}}}',
    `{"x":"${"y".repeat(70_000)}"}`,
  ];
  for (const content of contents) {
    Deno.writeTextFileSync(file, content);
    assert.deepEqual(readMeasurements(file), {}, content.slice(0, 60));
  }
  assert.deepEqual(readMeasurements(`${folder}/none.json`), {});
  assert.deepEqual(readMeasurements(undefined), {});
});

Deno.test("writeMeasurements() says so when it cannot write, and leaves no other file", () => {
  assert.equal(writeMeasurements(undefined, {}), false);
  assert.equal(writeMeasurements("/proc/nowhere/warp/kernels.json", {}), false);
  assert.deepEqual([...Deno.readDirSync(`${folder}/warp`)].map((entry) => entry.isFile), [true]);
});

Deno.test("loadKernels() needs no permission to read the environment or to load libraries", async () => {
  const script = new URL("./load_sandboxed.ts", import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-read", "--no-check", script.pathname],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const chosen = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(Object.values(chosen).every((name) => name === "portable" || name === "node"));
});

Deno.test("loadKernels() chooses the same in a Worker, and works on shared memory", async () => {
  const shared = new SharedArrayBuffer(100_000);
  new Uint8Array(shared).fill(3);
  const worker = new Worker(new URL("./load_worker.ts", import.meta.url), { type: "module" });
  const answer = new Promise<{ chosen: unknown; digest: string }>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
  worker.postMessage(shared);
  const { chosen, digest } = await answer;
  worker.terminate();
  const here = await loadKernels();
  const out = new Uint8Array(32);
  here.blake3.hash(new Uint8Array(shared), out);
  assert.deepEqual(chosen, here.chosen);
  assert.equal(digest, toHex(out));
});
