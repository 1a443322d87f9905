/** @module */
import assert from "node:assert/strict";
import { isWarpError } from "../../actors/base/errors.ts";
import type { BackendName, KernelName } from "../../kernels/kernel.ts";
import { forced, type Measurement, rank } from "../../kernels/select.ts";

const speed = (gigabytesPerSecond: number): Measurement => ({
  gigabytesPerSecond,
  description: "x 1",
});

const TABLE: Record<KernelName, BackendName[]> = {
  blake3: ["native", "node", "portable"],
  aead: ["system", "node", "portable"],
  boundary: ["native", "portable"],
  zstd: ["system", "portable"],
  lz4: ["system", "portable"],
  entropy: ["portable"],
};
const backendsOf = (kernel: KernelName) => TABLE[kernel];

Deno.test("rank() keeps the given order when nothing was measured", () => {
  assert.deepEqual(rank(["native", "node", "portable"], {}), ["native", "node", "portable"]);
});

Deno.test("rank() puts what was measured faster first", () => {
  const measured = { native: speed(2), node: speed(5), portable: speed(0.1) };
  assert.deepEqual(rank(["native", "node", "portable"], measured), ["node", "native", "portable"]);
});

Deno.test("rank() lets a small lead not change the order", () => {
  const close = { native: speed(5), node: speed(5.4) };
  assert.deepEqual(rank(["native", "node"], close), ["native", "node"]);
  const clear = { native: speed(5), node: speed(5.6) };
  assert.deepEqual(rank(["native", "node"], clear), ["node", "native"]);
});

Deno.test("rank() tries what was never measured at its place", () => {
  const measured = { node: speed(1), portable: speed(3) };
  assert.deepEqual(rank(["native", "node", "portable"], measured), ["native", "portable", "node"]);
  assert.deepEqual(rank(["node", "native", "portable"], measured), ["portable", "native", "node"]);
});

Deno.test("forced() reads WARP_BACKEND for every kernel that has the backend", () => {
  assert.deepEqual(forced(backendsOf, undefined, {}), {});
  const system = forced(backendsOf, undefined, { WARP_BACKEND: " System " });
  assert.deepEqual(system, { aead: "system", zstd: "system", lz4: "system" });
  const portable = forced(backendsOf, undefined, { WARP_BACKEND: "portable" });
  assert.deepEqual(Object.keys(portable).length, 6);
  for (const value of ["", "auto"]) {
    assert.deepEqual(forced(backendsOf, undefined, { WARP_BACKEND: value }), {});
  }
});

Deno.test("forced() prefers one kernel's variable over force over the general ones", () => {
  const environment = { WARP_BACKEND: "portable", WARP_BACKEND_AEAD: "node" };
  const result = forced(backendsOf, { aead: "system", blake3: "node" }, environment);
  assert.equal(result.aead, "node");
  assert.equal(result.blake3, "node");
  assert.equal(result.zstd, "portable");
  assert.equal(forced(backendsOf, "node", {}).aead, "node");
  assert.equal(forced(backendsOf, "node", {}).zstd, undefined);
});

Deno.test("forced() refuses names that a kernel does not have, and names that do not exist", () => {
  const cases: [Record<string, string>, string][] = [
    [{ WARP_BACKEND: "cuda" }, "E_BACKEND_UNAVAILABLE"],
    [{ WARP_BACKEND_BOUNDARY: "system" }, "E_BACKEND_UNAVAILABLE"],
    [{ WARP_BACKEND: "fast" }, "E_CONFIG"],
    [{ WARP_BACKEND_LZ4: "quick" }, "E_CONFIG"],
  ];
  for (const [environment, code] of cases) {
    assert.throws(
      () => forced(backendsOf, undefined, environment),
      (error) => isWarpError(error) && error.code === code,
    );
  }
  assert.throws(() => forced(backendsOf, { boundary: "system" }, {}), /boundary has no backend/);
});
