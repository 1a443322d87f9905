/**
 * `warp bench kernels` from outside: rows, records, refusals. How fast anything is, is not tested.
 *
 * @module
 */
import assert from "node:assert/strict";
import { expectWarp, text } from "../support/warp.ts";

interface Row {
  message_type: string;
  kernel: string;
  backend: string;
  gigabytes_per_second_one: number | null;
  ratio_to_copy: number | null;
  note: string;
}

async function bench(args: string[]): Promise<Row[]> {
  const { stdout } = await expectWarp(0, [
    "bench",
    "kernels",
    "--json",
    "--seconds",
    "0.01",
    ...args,
  ]);
  return text(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test("warp bench kernels measures what a backend has, next to the copy", async () => {
  const [limit, ...rows] = await bench(["--backend", "portable", "--kernel", "entropy"]);
  assert.equal(limit!.message_type, "limit");
  assert.deepEqual(rows.map(({ kernel, backend }) => [kernel, backend]), [["entropy", "portable"]]);
  assert.ok(rows[0]!.gigabytes_per_second_one! > 0 && rows[0]!.ratio_to_copy! > 0);
});

Deno.test("warp bench kernels goes over every backend, and says which are missing", async () => {
  const rows = await bench(["--kernel", "blake3"]);
  const backends = rows.map(({ backend }) => backend);
  for (const name of ["native", "node", "portable", "cuda"]) {
    assert.ok(backends.includes(name), name);
  }
});

Deno.test("warp bench kernels prints a table for people", async () => {
  const { stdout } = await expectWarp(0, [
    ...["bench", "kernels", "--seconds", "0.01", "--backend", "portable", "--kernel", "boundary"],
  ]);
  assert.match(text(stdout), /^memcpy: .* GB\/s one thread/);
  assert.match(text(stdout), /^boundary +portable +\d/m);
});

Deno.test("warp bench kernels refuses backends that do not exist or cannot be had", async () => {
  await expectWarp(2, ["bench", "kernels", "--backend", "abacus"]);
  const env = { WARP_CUDA_LIB: "/nonexistent/libwarp_cuda.so" };
  const args = ["bench", "kernels", "--seconds", "0.01", "--backend", "cuda"];
  const { stderr } = await expectWarp(1, args, { env });
  assert.match(stderr, /cuda: not built/);
});
