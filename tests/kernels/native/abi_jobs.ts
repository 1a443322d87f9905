/**
 * Contexts, jobs, buffers and reading through the C interface.
 *
 * @module
 */
import assert from "node:assert/strict";
import { utf8 } from "../../../actors/base/bytes.ts";
import { defaultTable } from "../../../kernels/boundary/spec.ts";
import { openPortable } from "../backends.ts";
import { noise } from "../samples.ts";
import {
  boundaryStruct,
  Context,
  EAGAIN,
  EAUTH,
  ECANCELED,
  EINVAL,
  EIO,
  ENOMEM,
  ENOSPC,
  Guarded,
  OK,
  u64s,
} from "./abi.ts";
import { hashJob, hashMany, type Library, NONE, sealingArguments, slowJob } from "./abi_calls.ts";

const boundary = await openPortable("boundary");

export function testJobs({ abi, hasZstd, folder }: Library): void {
  Deno.test({
    name: "jobs: slots run out, results come by polling, queued ones can be canceled",
    ignore: !hasZstd,
    async fn() {
      using context = new Context(abi, 1, 4);
      const { handle } = context;
      assert.equal(await abi.warp_wait(handle, 1000), EAGAIN, "nothing is under way");
      // One thread: whatever comes after the first job waits in the queue.
      const slow = slowJob(abi, handle);
      assert.equal(await abi.warp_wait(handle, 1000), EAGAIN, "the job takes longer");
      const jobs = [1, 2, 3].map((seed) => hashJob(abi, handle, noise(100_000, seed)));
      assert.deepEqual(jobs.map(({ status }) => status), [OK, OK, OK]);
      const refused = hashJob(abi, handle, noise(10));
      assert.deepEqual([refused.status, refused.job], [EAGAIN, 0n]);
      assert.equal(new Set([slow.job, ...jobs.map(({ job }) => job)]).size, 4);
      assert.deepEqual(context.poll(), []);
      // A call without a job needs no slot.
      const now = new Uint8Array(32);
      assert.equal(
        abi.warp_blake3(handle, 0, null, noise(9), u64s([0, 9]), 1n, now, null),
        OK,
      );
      assert.deepEqual(now, hashMany(noise(9), [0, 9]));

      assert.equal(abi.warp_cancel(handle, jobs[1]!.job), OK);
      assert.equal(abi.warp_cancel(handle, jobs[1]!.job), OK, "again");
      assert.equal(abi.warp_cancel(handle, slow.job), OK, "under way: it runs on");
      assert.equal(abi.warp_cancel(handle, 0n), EINVAL);
      assert.equal(abi.warp_cancel(handle, jobs[0]!.job + (1n << 32n)), EINVAL);
      assert.equal(abi.warp_cancel(handle, (jobs[0]!.job >> 32n << 32n) + 63n), EINVAL);
      assert.equal(await abi.warp_wait(handle, 0), OK, "a canceled job can be polled at once");
      assert.deepEqual(context.poll(0), []);
      assert.deepEqual(context.poll(1), [[jobs[1]!.job, ECANCELED]]);
      assert.deepEqual(jobs[1]!.out, new Uint8Array(32), "it did nothing");
      assert.equal(abi.warp_cancel(handle, jobs[1]!.job), EINVAL, "polled: the handle is stale");

      const statuses = await context.finish(3);
      const expected = [slow.job, jobs[0]!.job, jobs[2]!.job].map((job) => [job, OK] as const);
      assert.deepEqual(statuses, new Map(expected));
      for (const i of [0, 2]) {
        assert.deepEqual(jobs[i]!.out, hashMany(jobs[i]!.base, [0, 100_000]));
      }
      const again = hashJob(abi, handle, noise(10));
      assert.ok(again.job !== 0n && !jobs.some(({ job }) => job === again.job));
      assert.deepEqual(await context.finish(1), new Map([[again.job, OK]]));
    },
  });

  Deno.test("jobs of every kind end as calls do, several at once", async () => {
    using context = new Context(abi, 4, 64);
    const { handle } = context, input = noise(300_000, 4), job = () => new BigUint64Array(1);
    const params = { avgBits: 12, min: 1024, max: 16_384, table: defaultTable() };
    const begun: { status: number; job: BigUint64Array; want: number; check?: () => void }[] = [];
    const keep: unknown[] = [];
    for (let round = 0; round < 8; round++) {
      const cuts = new Uint32Array(300), count = new Uint32Array(1), cutting = job();
      // Arguments are copied: the caller may use their memory again at once.
      const struct = boundaryStruct(params);
      begun.push({
        status: abi.warp_boundary(handle, struct, input, 300_000n, 1, cuts, 300, count, cutting),
        job: cutting,
        want: OK,
        check: () =>
          assert.deepEqual([...cuts.subarray(0, count[0])], boundary.cuts(params, input, true)),
      });
      struct.fill(0);
      const few = job(), fewCuts = new Uint32Array(1), fewCount = new Uint32Array(1);
      begun.push({
        status: abi.warp_boundary(
          handle,
          boundaryStruct(params),
          input,
          300_000n,
          1,
          fewCuts,
          1,
          fewCount,
          few,
        ),
        job: few,
        want: ENOSPC,
      });
      const leaves = input.subarray(0, 32 * 1000), levels = new Uint8Array(32 * 1100);
      const key = noise(32, 1), merkle = job();
      begun.push({
        status: abi.warp_merkle(handle, key, leaves, 1000n, levels, merkle),
        job: merkle,
        want: OK,
        check: () => {
          const first = new Array(501).fill(0).map((_, i) => 64 * i);
          assert.deepEqual(levels.slice(0, 32 * 500), hashMany(leaves, first, noise(32, 1)));
        },
      });
      key.fill(0);
      const opening = job(), statuses = new Uint8Array(1), plain = new Uint8Array(984);
      const given = sealingArguments({
        items: [input.subarray(0, 1000)],
        keys: noise(32),
        stride: 0,
        nonces: noise(12),
        aad: null,
      });
      const places = u64s([0]);
      begun.push({
        status: abi.warp_open(handle, ...given, plain, places, statuses, opening),
        job: opening,
        want: EAUTH,
        check: () => assert.deepEqual([statuses[0], plain], [1, new Uint8Array(984)]),
      });
      keep.push(given, places, cuts, count, fewCuts, fewCount);
    }
    assert.ok(begun.every(({ status }) => status === OK));
    const statuses = await context.finish(begun.length);
    for (const one of begun) {
      assert.equal(statuses.get(one.job[0]!), one.want);
      one.check?.();
    }
    assert.ok(keep.length > 0 && context.lastError().length > 0);
  });

  Deno.test({
    name: "closing waits for what runs, drops what is queued, and makes handles stale",
    ignore: !hasZstd,
    async fn() {
      const context = new Context(abi, 1, 4), { handle } = context;
      const slow = slowJob(abi, handle), hash = hashJob(abi, handle, noise(100_000, 1));
      const memory = new BigUint64Array(1);
      assert.equal(abi.warp_buffer_alloc(handle, 1000n, memory), OK);
      const waiting = abi.warp_wait(handle, 60_000_000);
      assert.equal(await abi.warp_context_close_later(handle), OK);
      assert.equal(await waiting, EINVAL);
      assert.deepEqual(hash.out, new Uint8Array(32), "the queued one never ran");
      const stale = (status: number) => assert.equal(status, EINVAL);
      const word = new Uint32Array(1);
      stale(abi.warp_context_close(handle));
      stale(hashJob(abi, handle, noise(5)).status);
      stale(abi.warp_blake3(handle, 0, null, noise(5), u64s([0, 5]), 1n, new Uint8Array(32), null));
      stale(abi.warp_poll(handle, new BigUint64Array(1), new Int32Array(1), 1, word));
      stale(await abi.warp_wait(handle, 0));
      stale(abi.warp_cancel(handle, slow.job));
      stale(abi.warp_buffer_alloc(handle, 1n, memory));
      stale(abi.warp_last_error(handle, new Uint8Array(8), 8));
      // The place is taken again, by another generation.
      using next = new Context(abi);
      assert.equal(next.handle & 0xffffffffn, handle & 0xffffffffn);
      stale(abi.warp_context_close(handle));
      stale(abi.warp_cancel(next.handle, slow.job));
    },
  });

  Deno.test("64 contexts are open at once, and no more", () => {
    const open: Context[] = [], handle = new BigUint64Array(1);
    for (let i = 0; i < 64; i++) open.push(new Context(abi, 1, 1));
    assert.equal(abi.warp_context_open(0, 1, 1, handle), ENOMEM);
    assert.equal(handle[0], 0n);
    for (const context of open) context.close();
    for (const context of open) assert.equal(abi.warp_context_close(context.handle), EINVAL);
    new Context(abi, 1, 1).close();
  });

  Deno.test({
    name: "buffers are page-aligned, zeroed, and not freed while a job uses them",
    ignore: !hasZstd,
    async fn() {
      using context = new Context(abi, 1, 4);
      const { handle } = context, address = new BigUint64Array(1), bytes = 3_000_001;
      assert.equal(abi.warp_buffer_alloc(handle, BigInt(bytes), address), OK);
      assert.equal(address[0]! % 4096n, 0n);
      const memory = Deno.UnsafePointer.create(address[0]!)!;
      const view = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(memory, bytes));
      assert.ok(view.every((byte) => byte === 0));
      const input = noise(bytes, 2);
      view.set(input);
      const slow = slowJob(abi, handle);
      // Not at its start: any address within counts.
      const within = hashJob(abi, handle, view.subarray(2_000_000));
      assert.equal(abi.warp_buffer_free(handle, memory), EAGAIN);
      const queued = hashJob(abi, handle, view);
      assert.equal(abi.warp_buffer_free(handle, memory), EAGAIN);
      const statuses = await context.finish(3);
      assert.deepEqual(
        statuses,
        new Map([[slow.job, OK], [queued.job, OK], [within.job, OK]]),
      );
      assert.deepEqual(queued.out, hashMany(input, [0, bytes]));
      assert.deepEqual(within.out, hashMany(input, [2_000_000, bytes]));
      const last = Deno.UnsafePointer.create(address[0]! + 4096n);
      assert.equal(abi.warp_buffer_free(handle, last), EINVAL, "not what was given");
      assert.equal(abi.warp_buffer_free(handle, null), EINVAL);
      assert.equal(abi.warp_buffer_free(handle, memory), OK);
      assert.equal(abi.warp_buffer_free(handle, memory), EINVAL, "twice");
      assert.equal(abi.warp_buffer_alloc(handle, 0n, address), EINVAL);
      assert.equal(abi.warp_buffer_alloc(handle, 1n << 60n, address), ENOMEM);
      assert.equal(address[0], 0n);
      // What is left is freed with the context.
      assert.equal(abi.warp_buffer_alloc(handle, 10n, address), OK);
    },
  });

  Deno.test({
    name: "warp_read reads at offsets, stops at the end, and says what failed",
    ignore: Deno.build.os !== "linux",
    async fn() {
      using context = new Context(abi);
      const { handle } = context, content = noise(100_000, 3), file = `${folder}/file`;
      Deno.writeFileSync(file, content);
      using opened = Deno.openSync(file);
      const fd = descriptorOf(file);
      const read = (at: bigint, length: number, descriptor = fd, from = handle) => {
        const out = new Guarded(length), count = new BigUint64Array(1).fill(99n);
        const size = BigInt(length);
        const status = abi.warp_read(from, descriptor, at, out.bytes, size, count, null);
        out.check("read", Number(count[0]));
        return { status, bytes: out.bytes.slice(0, Number(count[0])) };
      };
      for (const from of [handle, 0n]) {
        for (
          const [at, length] of [[0, 100_000], [1, 999], [99_990, 50], [0, 0], [70_000, 30_000]]
        ) {
          const want = { status: OK, bytes: content.slice(at, at! + length!) };
          assert.deepEqual(read(BigInt(at!), length!, fd, from), want);
        }
        assert.deepEqual(read(100_000n, 10, fd, from), { status: OK, bytes: NONE });
        assert.deepEqual(read(1n << 40n, 10, fd, from), { status: OK, bytes: NONE });
        assert.deepEqual(read(1n << 63n, 10, fd, from), {
          status: EINVAL,
          bytes: new Uint8Array(10).fill(0xa5),
        });
      }
      assert.deepEqual(read(0n, 10, 1_000_000), { status: EIO, bytes: NONE });
      assert.match(context.lastError(), /errno 9$/);
      const cut = new Guarded(6);
      assert.equal(abi.warp_last_error(handle, cut.bytes, 6), OK);
      cut.check("text");
      assert.deepEqual(cut.bytes.slice(), utf8("pread\0"));

      const out = new Uint8Array(5000), count = new BigUint64Array(1), job = new BigUint64Array(1);
      assert.equal(abi.warp_read(handle, fd, 95_001n, out, 5000n, count, job), OK);
      assert.deepEqual(await context.finish(1), new Map([[job[0]!, OK]]));
      assert.equal(count[0], 4999n);
      assert.deepEqual(out.subarray(0, 4999), content.subarray(95_001));
      assert.equal(abi.warp_read(handle, 1_000_000, 0n, out, 1n, count, job), OK);
      assert.deepEqual(await context.finish(1), new Map([[job[0]!, EIO]]));
      assert.ok(opened.isTerminal() === false);
    },
  });
}

/** Number of this process's open file `path`. */
function descriptorOf(path: string): number {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === path) return Number(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`${path} is not open`);
}
