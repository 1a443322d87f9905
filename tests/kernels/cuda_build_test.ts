/**
 * The CUDA library as it is built: what it needs, what it exports, and what it says on a machine
 * without a GPU. Building it needs nvcc, running it here does not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isWarpError } from "../../actors/base/errors.ts";
import { buildCuda, builtShimUrl } from "../../cuda/build.ts";
import { loadCudaAt, openCudaAt, probeDevices } from "../../kernels/cuda/library.ts";
import { CUDA_SYMBOLS } from "../../kernels/cuda/symbols.ts";
import { openShim } from "./cuda_support.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const shim = await openShim();
const real = await buildReal();
const loaded = real === undefined ? undefined : loadCudaAt(real);

/** For one architecture: all of them take minutes, and the rest is the same. */
async function buildReal(): Promise<string | undefined> {
  try {
    return await buildCuda({ output: `${folder}/libwarp_cuda.so`, arch: "sm_90" });
  } catch (error) {
    const isMissing = isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
      /^no (CUDA|C\+\+) compiler/.test(error.message);
    if (!isMissing) throw error;
    console.log(`SKIP the CUDA library for GPUs: ${error.message}`);
    return undefined;
  }
}

async function readelf(...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command("readelf", { args }).output();
  assert.ok(success);
  return new TextDecoder().decode(stdout);
}

const header = Deno.readTextFileSync(new URL("../../cuda/warp_kernels.h", import.meta.url));
/** Names and parameter lists, in order. */
const declared = [...header.matchAll(/^WARP_EXPORT \w+ (\w+)\(([^;]*)\);/gms)]
  .map(([, name, list]) => [name!, list!] as const);

const libraries = { shim: shim && builtShimUrl().pathname, real };
for (const [kind, path] of Object.entries(libraries)) {
  if (path === undefined) continue;

  Deno.test(`cuda library (${kind}) exports the header's functions and nothing else`, async () => {
    const symbols = await readelf("--dyn-syms", "--wide", path);
    const defined = symbols.split("\n").map((line) => line.trim().split(/\s+/))
      .filter((words) => /^\d+:$/.test(words[0] ?? "") && words[6] !== "UND" && words.length >= 8)
      .map((words) => words[7]!)
      // The order of threads on the CPU: for tests of the kernels.
      .filter((name) => kind !== "shim" || name !== "warp_shim_reverse");
    assert.deepEqual(defined.sort(), declared.map(([name]) => name).sort());
  });

  Deno.test(`cuda library (${kind}) needs libc only`, async () => {
    const dynamic = await readelf("--dynamic", "--wide", path);
    const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name!);
    // The loader is a part of libc.
    const others = needed.filter((name) => !/^(libc\.so|ld-linux)/.test(name));
    assert.deepEqual(others, []);
  });
}

Deno.test("warp_kernels.h and symbols.ts list the same functions in the same order", () => {
  assert.deepEqual(declared.map(([name]) => name), Object.keys(CUDA_SYMBOLS));
  for (const [name, list] of declared) {
    const count = list === "void" ? 0 : list.replace(/\/\*.*?\*\//gs, "").split(",").length;
    const symbol = CUDA_SYMBOLS[name as keyof typeof CUDA_SYMBOLS];
    assert.equal(symbol.parameters.length, count, name);
  }
});

if (loaded !== undefined) {
  Deno.test("cuda library says why it has no device, or which it has", () => {
    try {
      const devices = probeDevices(loaded.symbols);
      console.log(`SKIP the reason why there is no device: there is ${devices[0]!.name}`);
    } catch (error) {
      assert.ok(isWarpError(error, "E_BACKEND_UNAVAILABLE"));
      assert.match(
        error.message,
        /^(no driver|no device|needs a newer driver: CUDA \d+\.\d+, not)/,
      );
      const context = new BigUint64Array(1);
      assert.equal(loaded.symbols.warp_context_open(0, 0, 4, context), -4);
      assert.equal(context[0], 0n);
    }
  });
}

Deno.test("openCudaAt() says when there is no library, and when a file is not one", () => {
  const unavailable = (path: string, reason: RegExp) =>
    assert.throws(
      () => openCudaAt(path),
      (error) => isWarpError(error, "E_BACKEND_UNAVAILABLE") && reason.test(error.message),
    );
  unavailable(`${folder}/none.so`, /^not built \(deno task build:cuda\)$/);
  Deno.writeTextFileSync(`${folder}/text.so`, "not a library");
  unavailable(`${folder}/text.so`, /text\.so/);
});

Deno.test("buildCuda() says when there is no CUDA compiler", async () => {
  const empty = `${folder}/bin`, path = Deno.env.get("PATH")!;
  await Deno.mkdir(empty);
  for (const tool of ["bash", "dirname", "mktemp", "rm", "g++"]) {
    const { stdout } = await new Deno.Command("which", { args: [tool] }).output();
    const found = new TextDecoder().decode(stdout).trim();
    if (found !== "") await Deno.symlink(found, `${empty}/${tool}`);
  }
  try {
    Deno.env.set("PATH", empty);
    await assert.rejects(
      buildCuda({ output: `${folder}/none.so` }),
      (error) =>
        isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
        /^no (CUDA|C\+\+) compiler/.test(error.message),
    );
  } finally {
    Deno.env.set("PATH", path);
  }
});
