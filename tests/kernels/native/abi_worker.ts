/**
 * Runs calls and jobs in contexts of its own; native_abi_test.ts starts several of these.
 *
 * @module
 */
/// <reference lib="webworker" />
import assert from "node:assert/strict";
import { type Abi, Context, EINVAL, OK, openAbi, u64s } from "./abi.ts";
import { openPortable } from "../backends.ts";
import { noise } from "../samples.ts";

const blake3 = await openPortable("blake3");

async function round(abi: Abi, seed: number): Promise<void> {
  const context = new Context(abi, 2, 8), { handle } = context;
  const base = noise(60_000, seed), offsets = [0, 1000, 1000, 30_000, 60_000], want = digests();
  const places = u64s(offsets), outs = Array.from({ length: 8 }, () => new Uint8Array(32 * 4));
  const jobs = outs.map((out) => {
    const job = new BigUint64Array(1);
    assert.equal(abi.warp_blake3(handle, 0, null, base, places, 4n, out, job), OK);
    return job[0]!;
  });
  const now = new Uint8Array(32 * 4);
  assert.equal(abi.warp_blake3(handle, 0, null, base, places, 4n, now, null), OK);
  assert.deepEqual(now, want);
  const statuses = await context.finish(8);
  assert.deepEqual([...statuses.keys()].sort(), [...jobs].sort());
  assert.ok([...statuses.values()].every((status) => status === OK));
  for (const out of outs) assert.deepEqual(out, want);
  // Every other time there are jobs left when the context is closed.
  if (seed % 2 === 0) {
    for (const out of outs) {
      const job = new BigUint64Array(1);
      assert.equal(abi.warp_blake3(handle, 0, null, base, places, 4n, out, job), OK);
    }
  }
  context.close();
  assert.equal(abi.warp_context_close(handle), EINVAL);

  function digests(): Uint8Array {
    const out = new Uint8Array(32 * 4);
    blake3.hashMany(base, offsets, out);
    return out;
  }
}

self.onmessage = async ({ data }: MessageEvent<{ path: string; seed: number }>) => {
  try {
    const abi = openAbi(data.path);
    for (let i = 0; i < 12; i++) await round(abi, 100 * data.seed + i);
    self.postMessage("OK");
  } catch (error) {
    self.postMessage(error instanceof Error ? error.stack : String(error));
  }
};
