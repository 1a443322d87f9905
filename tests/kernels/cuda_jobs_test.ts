/**
 * Contexts, jobs, buffers and arguments of the CUDA library, compiled for the CPU.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isWarpError } from "../../actors/base/errors.ts";
import { offsetsFrom } from "../../kernels/cuda/calls.ts";
import { CudaContext } from "../../kernels/cuda/context.ts";
import { CAPABILITY, probeDevices } from "../../kernels/cuda/library.ts";
import {
  EAGAIN,
  EAUTH,
  ECANCELED,
  EINVAL,
  EIO,
  ENODEV,
  ENOMEM,
  ENOSPC,
  ENOTSUP,
  OK,
} from "../../kernels/cuda/status.ts";
import { openPortable } from "./backends.ts";
import { longRequest, openShim, Raw, SLOW, withContext, withSettings } from "./cuda_support.ts";
import { noise } from "./samples.ts";

const library = await openShim();
const aead = await openPortable("aead");

if (library !== undefined) {
  const { symbols } = library;

  Deno.test("cuda jobs run beside the caller and end as calls do", () =>
    withContext(library, { settings: SLOW, slots: 2 }, async (context) => {
      // More jobs than slots: later ones wait for their turn.
      const requests = Array.from({ length: 6 }, longRequest);
      const statuses = await Promise.all(requests.map((one) => context.async.blake3(one)));
      assert.deepEqual(statuses, [OK, OK, OK, OK, OK, OK]);
      for (const { out, want } of requests) assert.deepEqual(out, want);
      const entropies = new Uint16Array(1);
      const offsets = offsetsFrom([0, 1]);
      const wrong = context.async.entropy({ base: noise(1), offsets, sample: 0, out: entropies });
      assert.equal(await wrong, OK);
      const sealed = { base: noise(40), offsets: offsetsFrom([0, 40]), keys: noise(32) };
      const opening = { ...sealed, nonces: noise(12), out: new Uint8Array(24) };
      const statusBytes = new Uint8Array(1);
      const opened = context.async.open({
        ...opening,
        outOffsets: offsetsFrom([0]),
        statuses: statusBytes,
      });
      assert.equal(await opened, EAUTH);
      assert.equal(statusBytes[0], 1);
    }));

  Deno.test("cuda WARP_EAGAIN says that all slots are taken, until jobs are polled", () =>
    withContext(library, { settings: SLOW, slots: 2 }, async (context) => {
      const raw = new Raw(symbols, context.handle), requests = [1, 2, 3].map(longRequest);
      const first = raw.hash(requests[0]!), second = raw.hash(requests[1]!);
      assert.ok(first > 0n && second > 0n && first !== second);
      assert.equal(raw.hash(requests[2]!), BigInt(EAGAIN));
      assert.deepEqual(await raw.finish(2), new Map([[first, OK], [second, OK]]));
      const third = raw.hash(requests[2]!);
      assert.ok(third > 0n && third !== first && third !== second, "a handle is not used again");
      // One call that waits does not need a slot.
      const sync = longRequest();
      assert.equal(context.sync.blake3(sync), OK);
      assert.deepEqual(sync.out, sync.want);
      assert.deepEqual([...await raw.finish(1)], [[third, OK]]);
      assert.equal(await symbols.warp_wait(context.handle, 1000), EAGAIN);
      assert.equal(symbols.warp_cancel(context.handle, first), EINVAL);
    }));

  Deno.test("cuda cancel ends what has not begun, and nothing else", () =>
    withContext(library, { settings: SLOW, slots: 4 }, async (context) => {
      const raw = new Raw(symbols, context.handle);
      const requests = Array.from({ length: 4 }, longRequest);
      const jobs = requests.map((one) => raw.hash(one));
      assert.equal(symbols.warp_cancel(context.handle, jobs[3]!), OK);
      assert.equal(symbols.warp_cancel(context.handle, jobs[3]!), OK, "again");
      assert.equal(symbols.warp_cancel(context.handle, 0n), EINVAL);
      assert.equal(symbols.warp_cancel(context.handle, jobs[2]! + (1n << 32n)), EINVAL);
      const statuses = await raw.finish(4);
      assert.equal(statuses.get(jobs[3]!), ECANCELED);
      assert.ok(requests[3]!.out.every((byte) => byte === 0), "it did nothing");
      for (const i of [0, 1, 2]) {
        assert.equal(statuses.get(jobs[i]!), OK);
        assert.deepEqual(requests[i]!.out, requests[i]!.want);
      }
    }));

  Deno.test("cuda close waits for running jobs and cancels the rest", async () => {
    const context = withSettings(SLOW, () => new CudaContext(library, { slots: 3 }));
    const requests = [1, 2, 3].map(longRequest);
    const results = requests.map((one) => context.async.blake3(one).catch((error) => error.code));
    const memory = context.allocate(1000);
    assert.equal(memory.length, 1000);
    await context.close();
    assert.deepEqual(await Promise.all(results), ["E_CANCELLED", "E_CANCELLED", "E_CANCELLED"]);
    // Whatever had begun is over: nothing writes here any longer.
    const after = requests.map(({ out }) => out.slice());
    await new Promise((done) => setTimeout(done, 50));
    assert.deepEqual(requests.map(({ out }) => out), after);
  });

  Deno.test("cuda stale handles give WARP_EINVAL", async () => {
    const context = new CudaContext(library);
    const { handle } = context;
    await context.close();
    const raw = new Raw(symbols, handle), out = new BigUint64Array(1);
    assert.equal(raw.hash(longRequest()), BigInt(EINVAL));
    assert.equal(symbols.warp_context_close(handle), EINVAL);
    assert.equal(symbols.warp_buffer_alloc(handle, 1n, out), EINVAL);
    assert.equal(await symbols.warp_wait(handle, 1), EINVAL);
    assert.equal(symbols.warp_last_error(handle, new Uint8Array(8), 8), EINVAL);
    for (const none of [0n, 1n << 32n | 99n, 0xffffffffffffffffn]) {
      assert.equal(symbols.warp_context_close(none), EINVAL);
    }
    const again = new CudaContext(library);
    assert.notEqual(again.handle, handle);
    assert.equal(symbols.warp_context_close(handle), EINVAL, "the slot is another's now");
    await again.close();
  });

  Deno.test("cuda wrong arguments give WARP_EINVAL and touch nothing", () =>
    withContext(library, {}, (context) => {
      const { handle } = context, bytes = noise(64), out = new Uint8Array(64).fill(7);
      const good = offsetsFrom([0, 64]), falling = offsetsFrom([64, 0]);
      const hash = (mode: number, key: BufferSource | null, offsets: BufferSource | null) =>
        symbols.warp_blake3(handle, mode, key, bytes, offsets, 1n, out, null);
      assert.equal(hash(0, null, falling), EINVAL);
      assert.equal(hash(0, null, null), EINVAL);
      assert.equal(hash(9, null, good), EINVAL);
      assert.equal(hash(1, null, good), EINVAL, "a keyed digest without a key");
      assert.equal(symbols.warp_blake3(handle, 0, null, null, good, 1n, out, null), EINVAL);
      assert.equal(symbols.warp_blake3(handle, 0, null, bytes, good, 1n, null, null), EINVAL);
      assert.equal(symbols.warp_blake3(handle, 0, null, bytes, good, 1n << 62n, out, null), EINVAL);
      const code = (codec: number, dictionary: BufferSource | null) =>
        symbols.warp_compress(
          handle,
          codec,
          1,
          dictionary,
          0n,
          bytes,
          good,
          1n,
          out,
          good,
          new Uint32Array(1),
          null,
        );
      assert.equal(code(0, null), EINVAL);
      assert.equal(code(3, null), EINVAL);
      assert.equal(code(1, bytes), EINVAL, "LZ4 has no dictionary");
      assert.equal(code(2, null), ENOTSUP);
      assert.equal(symbols.warp_isa_limit(3), ENOTSUP);
      const seal = (stride: number, nonces: BufferSource | null) =>
        symbols.warp_seal(
          handle,
          bytes,
          offsetsFrom([0, 8]),
          1n,
          bytes,
          stride,
          nonces,
          null,
          null,
          out,
          good,
          null,
        );
      assert.equal(seal(1, bytes), EINVAL);
      assert.equal(seal(32, null), EINVAL);
      const params = new Uint32Array(36), count = new Uint32Array(1), cuts = new Uint32Array(9);
      const cut = (size: number, avgBits: number, min: number, max: number) => {
        params.set([size, avgBits, min, max]);
        return symbols.warp_boundary(handle, params, bytes, 64n, 1, cuts, 9, count, null);
      };
      assert.equal(cut(144, 8, 64, 256), OK);
      assert.equal(cut(143, 8, 64, 256), EINVAL);
      assert.equal(cut(144, 7, 64, 256), EINVAL);
      assert.equal(cut(144, 8, 63, 256), EINVAL);
      assert.equal(cut(144, 8, 64, 255), EINVAL);
      assert.equal(cut(144, 8, 257, 300), EINVAL);
      assert.equal(cut(144, 8, 64, 2 ** 26 + 1), EINVAL);
      assert.ok(out.every((byte) => byte === 7));
      const opened = new BigUint64Array(1);
      assert.equal(symbols.warp_context_open(0, 0, 0, opened), EINVAL);
      assert.equal(symbols.warp_context_open(0, 0, 65, opened), EINVAL);
      assert.equal(symbols.warp_context_open(7, 0, 4, opened), ENODEV);
      assert.equal(opened[0], 0n);
    }));

  Deno.test("cuda buffers are aligned, zeroed, and kept while a job uses them", () =>
    withContext(library, { settings: SLOW }, async (context) => {
      const request = longRequest();
      const memory = context.allocate(request.base.length);
      assert.ok(memory.every((byte) => byte === 0));
      const start = Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
      assert.equal(start % 4096n, 0n);
      memory.set(request.base);
      const raw = new Raw(symbols, context.handle);
      const job = raw.hash({ ...request, base: memory });
      assert.throws(() => context.free(memory), (error) => isWarpError(error, "E_BUSY"));
      assert.deepEqual([...await raw.finish(1)], [[job, OK]]);
      assert.deepEqual(request.out, request.want);
      context.free(memory);
      const pointer = Deno.UnsafePointer.of(new Uint8Array(8));
      assert.equal(symbols.warp_buffer_free(context.handle, pointer), EINVAL);
      assert.equal(symbols.warp_buffer_free(context.handle, null), EINVAL);
      const none = new BigUint64Array(1);
      assert.equal(symbols.warp_buffer_alloc(context.handle, 0n, none), EINVAL);
      const most = 1n << 46n;
      assert.equal(symbols.warp_buffer_alloc(context.handle, most, none), ENOMEM);
      assert.equal(none[0], 0n);
    }));

  Deno.test("cuda seal works in place", () =>
    withContext(library, {}, (context) => {
      for (const size of [0, 1, 64, 70_000]) {
        const slab = context.allocate(size + 16), plaintext = noise(size, 3);
        slab.set(plaintext);
        const keys = noise(32, 4), nonces = noise(12, 5), want = new Uint8Array(size + 16);
        const offsets = offsetsFrom([0, size]);
        context.sync.seal({ base: slab, offsets, keys, nonces, out: slab, outOffsets: offsets });
        aead.seal(keys, nonces, new Uint8Array(), plaintext, want);
        assert.deepEqual(slab, want);
      }
    }));

  Deno.test("cuda reads files into memory", () =>
    withContext(library, { settings: SLOW, slots: 2 }, async (context) => {
      const { handle } = context, path = await Deno.makeTempFile();
      const content = noise(300_000, 8);
      await Deno.writeFile(path, content);
      const fd = openFile(path);
      const memory = context.allocate(400_000), count = new BigUint64Array(1);
      const read = (offset: number, length: number, job: BigUint64Array<ArrayBuffer> | null) =>
        symbols.warp_read(handle, fd, BigInt(offset), memory, BigInt(length), count, job);
      assert.equal(read(1000, 50_000, null), OK);
      assert.equal(count[0], 50_000n);
      assert.deepEqual(memory.slice(0, 50_000), content.slice(1000, 51_000));
      assert.equal(read(200_000, 400_000, null), OK);
      assert.equal(count[0], 100_000n, "up to the end of the file");
      assert.equal(read(300_000, 5, null), OK);
      assert.equal(count[0], 0n);
      const job = new BigUint64Array(1), raw = new Raw(symbols, handle);
      assert.equal(read(0, 300_000, job), OK);
      assert.deepEqual([...await raw.finish(1)], [[job[0], OK]]);
      assert.deepEqual(memory.slice(0, 300_000), content);
      closeFile(fd);
      assert.equal(read(0, 5, null), EIO);
      assert.equal(context.lastError(), "pread: errno 9");
      assert.equal(symbols.warp_read(handle, -1, 0n, memory, 5n, count, null), EINVAL);
      await Deno.remove(path);
    }));

  Deno.test("cuda probing says what there is", () => {
    const [device] = library.devices;
    const all = CAPABILITY.boundary | CAPABILITY.blake3 | CAPABILITY.aead | CAPABILITY.lz4 |
      CAPABILITY.entropy | CAPABILITY.fused | CAPABILITY.pinned;
    assert.equal(device!.capabilities & all, all);
    assert.equal(device!.capabilities & CAPABILITY.zstd, 0);
    const probe = () => probeDevices(symbols);
    assert.throws(
      () => withSettings({ WARP_CUDA_SHIM_DEVICES: 0 }, probe),
      (error) => isWarpError(error, "E_BACKEND_UNAVAILABLE") && error.message === "no device",
    );
    // A caller with a shorter struct gets what it knows, and no more.
    const info = new Uint8Array(200).fill(0xee);
    new DataView(info.buffer).setUint32(0, 44, true);
    assert.equal(symbols.warp_probe(0, info), OK);
    assert.ok(info.subarray(44).every((byte) => byte === 0xee));
    new DataView(info.buffer).setUint32(0, 8, true);
    assert.equal(symbols.warp_probe(0, info), EINVAL);
    assert.equal(symbols.warp_probe(0, null), EINVAL);
  });

  Deno.test("cuda fused says when its output is too small, before it begins", () =>
    withContext(library, {}, (context) => {
      const params = { avgBits: 8, min: 64, max: 1024, table: new Uint32Array(32) };
      const request = {
        params,
        codec: 0,
        sealKey: noise(32),
        nonce: noise(12),
        input: noise(1000),
        isLast: true,
        out: new Uint8Array(1000),
        rawOffsets: new BigUint64Array(30),
        outOffsets: new BigUint64Array(30),
        ids: new Uint8Array(32 * 29),
        codecs: new Uint8Array(29),
        count: new Uint32Array(1),
      };
      assert.throws(
        () => context.sync.fused(request),
        (error) => isWarpError(error, "E_LIMIT") && error.details["status"] === ENOSPC,
      );
    }));
}

const libc = Deno.build.os === "linux"
  ? Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  })
  : undefined;

/** A descriptor of the system's own, which Deno does not give. */
function openFile(path: string): number {
  const fd = libc!.symbols.open(new TextEncoder().encode(path + "\0"), 0);
  assert.ok(fd >= 0);
  return fd;
}

function closeFile(fd: number): void {
  assert.equal(libc!.symbols.close(fd), 0);
}
