/**
 * Limits of memory and lost devices of the CUDA library, compiled for the CPU.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isWarpError } from "../../actors/base/errors.ts";
import { offsetsFrom } from "../../kernels/cuda/calls.ts";
import { CudaContext } from "../../kernels/cuda/context.ts";
import { probeDevices } from "../../kernels/cuda/library.ts";
import { EDEVICE, ENOMEM, OK } from "../../kernels/cuda/status.ts";
import { openPortable } from "./backends.ts";
import { longRequest, openShim, Raw, SLOW, withContext, withSettings } from "./cuda_support.ts";
import { noise, text } from "./samples.ts";

const library = await openShim();
const blake3 = await openPortable("blake3");
const aead = await openPortable("aead");

if (library !== undefined) {
  const { symbols } = library;

  Deno.test("cuda device memory stays below the cap, whatever the batch", () => {
    const settings = { WARP_CUDA_SLOT_BYTES: 65536, WARP_CUDA_SHIM_MEMORY: 3 << 20 };
    return withContext(library, { settings }, (context) => {
      const request = longRequest();
      assert.equal(context.sync.blake3(request), OK, "4 MB of input, 1.2 MiB of device memory");
      assert.deepEqual(request.out, request.want);
      // One item takes nearly all of it, then small ones share it again.
      const out = new Uint8Array(32), want = new Uint8Array(32);
      for (const bytes of [900_000, 1000, 900_000]) {
        const one = { ...request, offsets: offsetsFrom([0, bytes]), out };
        assert.equal(context.sync.blake3(one), OK);
        blake3.hash(request.base.subarray(0, bytes), want);
        assert.deepEqual(out, want);
        request.out.fill(0);
        assert.equal(context.sync.blake3(request), OK);
        assert.deepEqual(request.out, request.want);
      }
      const large = { ...request, offsets: offsetsFrom([0, 2_000_000]), out };
      assert.throws(
        () => context.sync.blake3(large),
        (error) =>
          isWarpError(error, "E_LIMIT") && error.details["status"] === ENOMEM &&
          /needs more device memory than the cap/.test(error.message),
      );
      request.out.fill(0);
      assert.equal(context.sync.blake3(request), OK, "the context lives on");
      assert.deepEqual(request.out, request.want);
    });
  });

  Deno.test("cuda a lost device ends all jobs with WARP_EDEVICE and no wrong data", async () => {
    for (const fail of [1, 2, 3, 20, 21]) {
      const settings = { ...SLOW, WARP_CUDA_SHIM_FAIL: fail };
      await withContext(library, { settings, slots: 4 }, async (context) => {
        const raw = new Raw(symbols, context.handle);
        const requests = [1, 2, 3].map(longRequest);
        const jobs = requests.map((one) => raw.hash(one));
        const statuses = await raw.finish(3);
        // A job may have come to its end before a late loss.
        const isLate = fail > 3;
        for (const [i, job] of jobs.entries()) {
          const status = statuses.get(job);
          if (isLate && status === OK) assert.deepEqual(requests[i]!.out, requests[i]!.want);
          else assert.equal(status, EDEVICE, `lost at launch ${fail}`);
        }
        assert.ok(jobs.some((job) => statuses.get(job) === EDEVICE), `lost at launch ${fail}`);
        assert.match(context.lastError(), /: the device was lost$/);
        for (const { out, want } of requests) {
          // Digests of pieces that were done before may be there; no others.
          for (let at = 0; at < out.length; at += 32) {
            const digest = out.subarray(at, at + 32);
            if (digest.some((byte) => byte !== 0)) {
              assert.deepEqual(digest, want.subarray(at, at + 32));
            }
          }
        }
        const later = longRequest();
        assert.throws(
          () => context.sync.blake3(later),
          (error) =>
            isWarpError(error, "E_BACKEND_UNAVAILABLE") && /device was lost/.test(error.message),
        );
        assert.ok(later.out.every((byte) => byte === 0));
        const params = { avgBits: 8, min: 64, max: 1024, table: new Uint32Array(32) };
        const windows = { params, input: noise(10_000), isLast: true };
        const found = { cuts: new Uint32Array(200), count: new Uint32Array(1) };
        await assert.rejects(context.async.boundary({ ...windows, ...found }), /device was lost/);
        assert.equal(found.count[0], 0);
      });
    }
  });

  Deno.test("cuda no plaintext of a lost device's piece is given out", () => {
    // Two launches for each piece; of six pieces, four slots have given out two at least.
    const settings = { ...SLOW, WARP_CUDA_SHIM_FAIL: 12 };
    return withContext(library, { settings, slots: 4 }, (context) => {
      const done = openLost(context, 40, 25_000);
      assert.ok(done > 0 && done < 40, `some pieces were done: ${done}`);
    });
  });

  Deno.test("cuda nor is half of a piece, of which the other half is lost", async () => {
    // Two pieces: the second one's launch is the third. How far the first one, given out in halves, has
    // come by then is chance.
    const settings = { WARP_CUDA_SLOT_BYTES: 500_000, WARP_CUDA_SHIM_FAIL: 3 };
    for (let i = 0; i < 40; i++) {
      await withContext(library, { settings }, (context) => {
        const done = openLost(context, 40, 24_000);
        assert.ok(done % 20 === 0 && done < 40, `${done}`);
      });
    }
  });

  Deno.test("cuda several devices and contexts work at once, and one may die alone", async () => {
    const devices = withSettings({ WARP_CUDA_SHIM_DEVICES: 2 }, () => probeDevices(symbols));
    assert.deepEqual(devices.map(({ name }) => name), ["host shim", "host shim"]);
    const open = (device: number, fail: number) =>
      withSettings(
        { WARP_CUDA_SHIM_DEVICES: 2, WARP_CUDA_SHIM_FAIL: fail, ...SLOW },
        () => new CudaContext(library, { device }),
      );
    const healthy = open(0, 0), dying = open(1, 5), other = open(0, 0);
    const [a, b, c] = [longRequest(), longRequest(), longRequest()];
    const shared = healthy.allocate(c.base.length);
    shared.set(c.base);
    const results = await Promise.allSettled([
      healthy.async.blake3(a),
      dying.async.blake3(b),
      other.async.blake3({ ...c, base: shared }),
    ]);
    assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
    assert.deepEqual(a.out, a.want);
    assert.deepEqual(c.out, c.want);
    for (const context of [healthy, dying, other]) await context.close();
  });
}

/** Opens `n` items of `bytes` where the device is lost at some launch; how many items it still did. */
function openLost(context: CudaContext, n: number, bytes: number): number {
  const key = noise(32), nonces = noise(12 * n, 2), plaintext = text(bytes);
  const base = new Uint8Array(n * (bytes + 16));
  for (let i = 0; i < n; i++) {
    const at = i * (bytes + 16), nonce = nonces.subarray(12 * i, 12 * i + 12);
    aead.seal(key, nonce, new Uint8Array(), plaintext, base.subarray(at, at + bytes + 16));
  }
  const offsets = offsetsFrom(Array.from({ length: n + 1 }, (_, i) => i * (bytes + 16)));
  const out = new Uint8Array(base.length), statuses = new Uint8Array(n).fill(9);
  const request = { base, offsets, keys: key, nonces, out, outOffsets: offsets, statuses };
  assert.throws(() => context.sync.open(request), /device was lost/);
  const done = statuses.filter((status) => status !== 9).length;
  for (let i = 0; i < n; i++) {
    const opened = out.subarray(i * (bytes + 16), i * (bytes + 16) + bytes);
    const want = i < done ? plaintext : new Uint8Array(bytes);
    assert.ok(opened.every((byte, at) => byte === want[at]), `item ${i}`);
  }
  return done;
}
