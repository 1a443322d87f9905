/**
 * Contexts, jobs and memory of our C library, and what it says to wrong arguments.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, toHex } from "../../actors/base/bytes.ts";
import {
  BLAKE3_HASH,
  blake3Call,
  type Call,
  entropyCall,
  offsetsFrom,
  openCall,
} from "../../kernels/cuda/calls.ts";
import { openPortable } from "./backends.ts";
import {
  EAGAIN,
  EAUTH,
  ECANCELED,
  EINVAL,
  EIO,
  ENODEV,
  ENOMEM,
  OK,
  openTestLibrary,
  TestContext,
} from "./native_support.ts";
import { noise, randomWords } from "./samples.ts";

const library = await openTestLibrary();
const blake3 = await openPortable("blake3");

const SLOTS_MOST = 64;
const CONTEXTS_MOST = 64;

interface Hashing {
  call: Call;
  out: Uint8Array<ArrayBuffer>;
}

/** Hashing of many blocks; `right` says what they hash to. */
const BLOCK = noise(4096, 1);
const right = new Uint8Array(32);
blake3.hash(BLOCK, right);
assert.notEqual(right[0], 0);

/** All digests are of the same block, so that hours of hashing take no memory. */
function hashing(blocks: number): Hashing {
  const offsets = new BigUint64Array(blocks + 1);
  const base = new Uint8Array(BLOCK.length * blocks);
  for (let i = 0; i < blocks; i++) base.set(BLOCK, BLOCK.length * i);
  for (let i = 0; i <= blocks; i++) offsets[i] = BigInt(BLOCK.length * i);
  const out = new Uint8Array(32 * blocks);
  return { call: blake3Call({ mode: BLAKE3_HASH, base, offsets, out }), out };
}

function isDone({ out }: Hashing): boolean {
  for (let at = 0; at < out.length; at += 32) {
    for (let i = 0; i < 32; i++) if (out[at + i] !== right[i]) return false;
  }
  return true;
}

/** Takes a quarter of a second in one thread: whatever is queued behind it has not begun. */
const LONG_BLOCKS = 16_384;

if (library !== undefined) {
  const { symbols, path: libraryFile } = library, blocking = openBlocking(libraryFile);
  const slowly = <T>(body: () => T): T => {
    symbols.warp_isa_limit(0);
    try {
      return body();
    } finally {
      symbols.warp_isa_limit(3);
    }
  };

  Deno.test("native jobs run beside the caller and end as calls do", async () => {
    const context = new TestContext(symbols, { threads: 3, slots: SLOTS_MOST });
    const next = randomWords(4), pending = new Map<bigint, Hashing>();
    let done = 0, begun = 0;
    while (done < 300) {
      while (begun < 300) {
        const work = hashing(1 + next() % 40), job = context.begin(work.call);
        if (job === BigInt(EAGAIN)) break;
        assert.ok(job > 0n && !pending.has(job));
        pending.set(job, work);
        begun++;
      }
      assert.equal(await symbols.warp_wait(context.handle, 60_000_000), OK);
      for (const [job, status] of context.poll()) {
        assert.equal(status, OK);
        assert.ok(isDone(pending.get(job)!));
        pending.delete(job);
        done++;
      }
    }
    assert.equal(pending.size, 0);
    context.close();
  });

  Deno.test("native WARP_EAGAIN says that all slots are taken, until jobs are polled", async () => {
    const context = new TestContext(symbols, { slots: 2 });
    const works = [1, 2, 3].map(() => hashing(10)), sync = hashing(10);
    const first = context.begin(works[0]!.call), second = context.begin(works[1]!.call);
    assert.ok(first > 0n && second > 0n && first !== second);
    assert.equal(context.begin(works[2]!.call), BigInt(EAGAIN));
    assert.equal(context.run(sync.call), OK, "a call that waits needs no slot");
    assert.ok(isDone(sync));
    assert.deepEqual(await context.finish(2), new Map([[first, OK], [second, OK]]));
    const third = context.begin(works[2]!.call);
    assert.ok(third > 0n && third !== first && third !== second, "a handle is not used again");
    assert.deepEqual([...await context.finish(1)], [[third, OK]]);
    assert.equal(await symbols.warp_wait(context.handle, 1000), EAGAIN);
    assert.equal(symbols.warp_cancel(context.handle, first), EINVAL);
    context.close();
  });

  Deno.test("native a job's status is that of its call, and the context keeps its words", async () => {
    const context = new TestContext(symbols);
    assert.equal(context.lastError(), "");
    const statuses = new Uint8Array(2).fill(9);
    const call = openCall({
      base: noise(60),
      offsets: offsetsFrom([0, 30, 60]),
      keys: noise(32),
      nonces: noise(24),
      out: new Uint8Array(28),
      outOffsets: offsetsFrom([0, 14]),
      statuses,
    });
    assert.equal(await context.job(call), EAUTH);
    assert.deepEqual([...statuses], [1, 1]);
    assert.equal(context.lastError(), "open: 2 of 2 tags are wrong");
    const short = new Uint8Array(5);
    assert.equal(symbols.warp_last_error(context.handle, short, 5), OK);
    assert.equal(new TextDecoder().decode(short), "open\0");
    context.close();
  });

  Deno.test("native cancel ends what has not begun, and nothing else", async () => {
    // One thread, so that jobs run one after another.
    const context = new TestContext(symbols, { threads: 1, slots: 4 });
    const works = [LONG_BLOCKS, 5, 5, 5].map(hashing);
    const jobs = slowly(() => {
      const jobs = works.map(({ call }) => context.begin(call));
      assert.equal(symbols.warp_cancel(context.handle, jobs[3]!), OK);
      assert.equal(symbols.warp_cancel(context.handle, jobs[3]!), OK, "again");
      assert.equal(symbols.warp_cancel(context.handle, 0n), EINVAL);
      assert.equal(symbols.warp_cancel(context.handle, jobs[2]! + (1n << 32n) * 1000n), EINVAL);
      assert.deepEqual(context.poll(), new Map([[jobs[3]!, ECANCELED]]));
      return jobs;
    });
    const statuses = await context.finish(3);
    assert.ok(works[3]!.out.every((byte) => byte === 0), "it did nothing");
    for (const i of [0, 1, 2]) {
      assert.equal(statuses.get(jobs[i]!), OK);
      assert.ok(isDone(works[i]!));
    }
    context.close();
  });

  Deno.test("native close waits for what has begun and drops the rest", () => {
    const context = new TestContext(symbols, { threads: 1, slots: 3 });
    const works = [LONG_BLOCKS, 5, 5].map(hashing);
    slowly(() => {
      for (const { call } of works) assert.ok(context.begin(call) > 0n);
      // The first one may not have begun by now.
      while (Atomics.load(works[0]!.out, 0) === 0);
      context.close();
    });
    assert.ok(isDone(works[0]!));
    assert.ok(works[1]!.out.every((byte) => byte === 0));
  });

  Deno.test("native stale handles give WARP_EINVAL", async () => {
    const context = new TestContext(symbols), { handle } = context;
    context.close();
    assert.equal(context.begin(hashing(1).call), BigInt(EINVAL));
    assert.equal(context.run(hashing(1).call), EINVAL);
    assert.equal(symbols.warp_context_close(handle), EINVAL);
    assert.equal(symbols.warp_buffer_alloc(handle, 1n, new BigUint64Array(1)), EINVAL);
    assert.equal(await symbols.warp_wait(handle, 1), EINVAL);
    assert.equal(symbols.warp_last_error(handle, new Uint8Array(8), 8), EINVAL);
    const none = [new BigUint64Array(1), new Int32Array(1), new Uint32Array(1)] as const;
    assert.equal(symbols.warp_poll(handle, none[0], none[1], 1, none[2]), EINVAL);
    for (const other of [0n, 1n << 32n | 99n, 0xffffffffffffffffn]) {
      assert.equal(symbols.warp_context_close(other), EINVAL);
      assert.equal(symbols.warp_cancel(other, 1n), EINVAL);
    }
    const again = new TestContext(symbols);
    assert.notEqual(again.handle, handle);
    assert.equal(symbols.warp_context_close(handle), EINVAL, "the place is another's now");
    again.close();
  });

  Deno.test("native there are 64 contexts at most, and places are used again", () => {
    const contexts = Array.from({ length: CONTEXTS_MOST }, () => new TestContext(symbols));
    const out = new BigUint64Array(1).fill(7n);
    assert.equal(symbols.warp_context_open(0, 0, 1, out), ENOMEM);
    assert.equal(out[0], 0n);
    contexts.pop()!.close();
    contexts.push(new TestContext(symbols));
    assert.equal(new Set(contexts.map(({ handle }) => handle)).size, CONTEXTS_MOST);
    for (const context of contexts) context.close();
  });

  Deno.test("native memory is page-aligned, zeroed, and kept while a job uses it", async () => {
    const context = new TestContext(symbols, { threads: 1 });
    const work = hashing(LONG_BLOCKS), bytes = LONG_BLOCKS * BLOCK.length;
    const used = context.allocate(bytes), other = context.allocate(10);
    assert.ok(other.memory.every((byte) => byte === 0));
    assert.equal(Deno.UnsafePointer.value(used.pointer) % 4096n, 0n);
    used.memory.set(work.call.parameters[2] as Uint8Array);
    const parameters = work.call.parameters.with(2, used.memory);
    const job = slowly(() => {
      const job = context.begin({ ...work.call, parameters });
      assert.equal(symbols.warp_buffer_free(context.handle, used.pointer), EAGAIN);
      assert.equal(symbols.warp_buffer_free(context.handle, other.pointer), OK, "no job's");
      return job;
    });
    assert.deepEqual([...await context.finish(1)], [[job, OK]]);
    assert.ok(isDone(work));
    assert.equal(symbols.warp_buffer_free(context.handle, used.pointer), OK);
    assert.equal(symbols.warp_buffer_free(context.handle, used.pointer), EINVAL, "again");
    assert.equal(symbols.warp_buffer_free(context.handle, null), EINVAL);
    const none = new BigUint64Array(1);
    assert.equal(symbols.warp_buffer_alloc(context.handle, 0n, none), EINVAL);
    assert.equal(symbols.warp_buffer_alloc(context.handle, 1n << 62n, none), ENOMEM);
    assert.equal(none[0], 0n);
    context.close();
  });

  Deno.test("native contexts closed by one thread while others use them", async () => {
    for (let round = 0; round < 15; round++) {
      const context = new TestContext(symbols, { threads: 2, slots: 8 }), { handle } = context;
      const jobs = Array.from({ length: 6 }, () => hashing(300)),
        beside = [1, 2].map(() => hashing(300));
      for (const { call } of jobs) assert.ok(context.begin(call) > 0n);
      const waits = [0, 1, 2].map(() => blocking.warp_wait(handle, 5_000_000));
      const calls = beside.map(({ call }) =>
        blocking.warp_blake3(handle, ...(call.parameters as Blake3Parameters), null)
      );
      if (round % 3 === 0) await waits[0];
      assert.equal(await blocking.warp_context_close(handle), OK);
      for (const status of await Promise.all(waits)) assert.ok([OK, EINVAL].includes(status));
      for (const [i, status] of (await Promise.all(calls)).entries()) {
        assert.ok(status === OK ? isDone(beside[i]!) : status === EINVAL);
      }
      // Nothing writes there any longer: each is whole, or was never begun.
      for (const { out } of jobs) {
        const isWhole = isDone({ call: jobs[0]!.call, out });
        assert.ok(isWhole || out.every((byte) => byte === 0));
      }
    }
  });

  Deno.test("native calls from Workers that end share one pool", async () => {
    const script = new URL("./native_worker.ts", import.meta.url);
    for (let round = 0; round < 3; round++) {
      const workers = [1, 2, 3].map(() => new Worker(script, { type: "module" }));
      const answers = await Promise.all(
        workers.map((worker) =>
          new Promise<string>((resolve, reject) => {
            worker.onmessage = ({ data }) => resolve(data as string);
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage({ path: libraryFile, block: BLOCK });
          })
        ),
      );
      assert.deepEqual(answers, Array(3).fill(toHex(right)));
      // They are within a call, or between two.
      for (const worker of workers) worker.terminate();
    }
    const context = new TestContext(symbols), work = hashing(500);
    assert.equal(context.run(work.call), OK);
    assert.ok(isDone(work));
    context.close();
  });

  Deno.test("native reads files into memory", async () => {
    const context = new TestContext(symbols, { slots: 2 }), { handle } = context;
    const path = await Deno.makeTempFile(), content = noise(300_000, 8);
    await Deno.writeFile(path, content);
    const fd = openFile(path), { memory } = context.allocate(400_000);
    const count = new BigUint64Array(1), job = new BigUint64Array(1);
    const read = (offset: number, length: number, job: BigUint64Array<ArrayBuffer> | null = null) =>
      symbols.warp_read(handle, fd, BigInt(offset), memory, BigInt(length), count, job);
    assert.equal(read(1000, 50_000), OK);
    assert.equal(count[0], 50_000n);
    assert.deepEqual(memory.slice(0, 50_000), content.slice(1000, 51_000));
    assert.equal(read(200_000, 400_000), OK);
    assert.equal(count[0], 100_000n, "up to the end of the file");
    assert.equal(read(300_000, 5), OK);
    assert.equal(count[0], 0n);
    assert.equal(read(0, 300_000, job), OK);
    assert.deepEqual([...await context.finish(1)], [[job[0], OK]]);
    assert.deepEqual(memory.slice(0, 300_000), content);
    closeFile(fd);
    assert.equal(read(0, 5), EIO);
    assert.equal(context.lastError(), "pread: errno 9");
    assert.equal(symbols.warp_read(handle, -1, 0n, memory, 5n, count, null), EINVAL);
    assert.equal(symbols.warp_read(handle, fd, 1n << 63n, memory, 5n, count, null), EINVAL);
    await Deno.remove(path);
    context.close();
  });

  Deno.test("native probing says what there is, to old callers too", () => {
    const info = new Uint8Array(200).fill(0xee), view = new DataView(info.buffer);
    view.setUint32(0, 168, true);
    assert.equal(symbols.warp_probe(0, info), OK);
    assert.equal(view.getUint32(4, true), 0);
    assert.equal(view.getUint32(8, true) & 0b11100111, 0b11100111);
    assert.ok(view.getUint32(12, true) >= 1);
    assert.ok(view.getBigUint64(24, true) > 0n);
    assert.ok(info.subarray(168).every((byte) => byte === 0xee));
    info.fill(0xee);
    view.setUint32(0, 44, true);
    assert.equal(symbols.warp_probe(0, info), OK);
    assert.ok(info.subarray(44).every((byte) => byte === 0xee));
    view.setUint32(0, 8, true);
    assert.equal(symbols.warp_probe(0, info), EINVAL);
    assert.equal(symbols.warp_probe(0, null), EINVAL);
    view.setUint32(0, 168, true);
    assert.equal(symbols.warp_probe(1, info), ENODEV);
    const out = new BigUint64Array(1);
    assert.equal(symbols.warp_context_open(1, 0, 4, out), ENODEV);
    for (const slots of [0, 65]) assert.equal(symbols.warp_context_open(0, 0, slots, out), EINVAL);
    assert.equal(symbols.warp_isa_limit(-1), EINVAL);
    assert.equal(symbols.warp_isa_limit(4), EINVAL);
  });

  Deno.test("native one thread's context limit is no other's", () => {
    const narrow = new TestContext(symbols, { threads: 1 });
    const wide = new TestContext(symbols, { threads: 4 });
    const estimates = new Uint16Array(50), base = noise(50_000);
    const offsets = offsetsFrom(Array.from({ length: 51 }, (_, i) => 1000 * i));
    for (const context of [narrow, wide, narrow]) {
      assert.equal(context.run(entropyCall({ base, offsets, sample: 0, out: estimates })), OK);
      assert.ok(estimates.every((one) => one > 7500));
      const work = hashing(200);
      assert.equal(context.run(work.call), OK);
      assert.ok(isDone(work));
    }
    narrow.close();
    wide.close();
  });
}

type Blake3Parameters = [number, null, Bytes, BigUint64Array, bigint, Bytes];

/** The functions that block, each call in a thread of its own. */
function openBlocking(path: string) {
  const { symbols } = Deno.dlopen(path, {
    warp_context_close: { parameters: ["u64"], result: "i32", nonblocking: true },
    warp_wait: { parameters: ["u64", "u32"], result: "i32", nonblocking: true },
    warp_blake3: {
      parameters: ["u64", "u32", "buffer", "buffer", "buffer", "u64", "buffer", "buffer"],
      result: "i32",
      nonblocking: true,
    },
  });
  return symbols;
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
