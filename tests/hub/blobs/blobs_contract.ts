/**
 * What every `Blobs` must do, as tests.
 *
 * @module
 */
import assert from "node:assert/strict";
import { equal, toHex } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import type { Blobs } from "../../../hub/blobs/blobs.ts";
import { loadKernels } from "../../../kernels/load.ts";
import { Random } from "../../support/random.ts";

export interface Subject {
  blobs: Blobs;
  /** Another one on the same data. */
  again(): Promise<Blobs>;
  remove(): Promise<void>;
}

const { blake3 } = await loadKernels();

export function addressOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(32);
  blake3.hash(bytes, out);
  return out;
}

export function streamOf(...parts: Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(parts);
}

export async function listed(blobs: Blobs): Promise<string[]> {
  const names: string[] = [];
  for await (const { address, copy, bytes } of blobs.list()) {
    names.push(`${toHex(address)} ${copy} ${bytes}`);
  }
  return names.sort();
}

const MiB = 1 << 20;
const LIMITS = { bytesMax: MiB };

export function blobsContract(kind: string, make: () => Promise<Subject>): void {
  const test = (what: string, body: (blobs: Blobs, subject: Subject) => Promise<void>) =>
    Deno.test(`${kind}: ${what}`, async () => {
      const subject = await make();
      try {
        await body(subject.blobs, subject);
      } finally {
        await subject.blobs.close();
        await subject.remove();
      }
    });

  test("what is put comes back, whole and in ranges", async (blobs) => {
    const random = new Random(1);
    for (const length of [0, 1, 4096, 100_000, MiB]) {
      const bytes = random.bytes(length), name = { address: addressOf(bytes), copy: length };
      assert.equal(await blobs.get(name), undefined);
      assert.equal(await blobs.get(name, { start: 0, end: 1 }), undefined);
      assert.equal(await blobs.has(name), false);
      assert.deepEqual(await blobs.put(name, bytes, LIMITS), { bytes: length, isNew: true });
      assert.equal(await blobs.has(name), true);
      const whole = await blobs.get(name);
      assert.equal(whole?.bytes, length);
      assert.ok(equal(whole.body, bytes));
      if (length === 0) continue; // s3rver does not answer when asked for a range of nothing
      for (
        const [start, end] of [[0, 1], [5, 5], [1000, 70_000], [length - 1, length], [0, 2 * MiB], [
          2 * MiB,
          3 * MiB,
        ]]
      ) {
        const part = await blobs.get(name, { start: start!, end: end! });
        assert.equal(part?.bytes, length);
        const expected = bytes.slice(Math.max(0, start!), end);
        assert.ok(equal(part.body, expected), `${length}: ${start} to ${end}, ${part.body.length}`);
      }
    }
  });

  test(
    "a stream of uneven parts; again; copies apart from each other",
    async (blobs, { again }) => {
      const bytes = new Random(2).bytes(300_000), address = addressOf(bytes);
      const parts = [
        bytes.subarray(0, 1),
        bytes.subarray(1, 1),
        bytes.subarray(1, 70_000),
        bytes.subarray(70_000),
      ];
      const name = { address, copy: 2 ** 48 - 1 };
      assert.deepEqual(await blobs.put(name, streamOf(...parts), LIMITS), {
        bytes: 300_000,
        isNew: true,
      });
      assert.deepEqual(await blobs.put(name, streamOf(...parts), LIMITS), {
        bytes: 300_000,
        isNew: false,
      });
      const other = { address, copy: 1 };
      assert.equal(await blobs.has(other), false);
      const second = await again();
      assert.equal((await second.put(other, bytes, LIMITS)).isNew, true);
      assert.equal((await second.get(name))?.bytes, 300_000);
      await second.delete(name);
      await second.close();
      assert.equal(await blobs.has(name), false);
      assert.equal((await blobs.get(other))?.bytes, 300_000);
      assert.deepEqual(await listed(blobs), [`${toHex(address)} 1 300000`]);
    },
  );

  test("deleting, listing, counting", async (blobs) => {
    assert.deepEqual(await blobs.usage(), { blobs: 0, bytes: 0 });
    const names = [];
    for (let i = 0; i < 12; i++) {
      const bytes = new Random(i).bytes(100 + i);
      names.push({ address: addressOf(bytes), copy: i });
      await blobs.put(names[i]!, bytes, LIMITS);
    }
    const expected = names.map(({ address }, i) => `${toHex(address)} ${i} ${100 + i}`).sort();
    assert.deepEqual(await listed(blobs), expected);
    assert.deepEqual(await blobs.usage(), { blobs: 12, bytes: 1266 });
    await blobs.delete(names[3]!);
    await blobs.delete(names[3]!); // there is none; that is fine
    assert.equal(await blobs.get(names[3]!), undefined);
    assert.deepEqual(await blobs.usage(), { blobs: 11, bytes: 1163 });
  });

  test("other bytes than the address says, too many, a stream that breaks: nothing is left", async (blobs) => {
    const bytes = new Random(3).bytes(50_000), name = { address: addressOf(bytes), copy: 0 };
    const damaged = bytes.slice();
    damaged[49_999]! ^= 1;
    const isCode = (code: "E_INTEGRITY" | "E_LIMIT") => (error: unknown) =>
      isWarpError(error, code);
    for (const wrong of [damaged, bytes.subarray(1), new Uint8Array(0)]) {
      await assert.rejects(blobs.put(name, wrong, LIMITS), isCode("E_INTEGRITY"));
      await assert.rejects(blobs.put(name, streamOf(wrong), LIMITS), isCode("E_INTEGRITY"));
    }
    await assert.rejects(blobs.put(name, bytes, { bytesMax: 49_999 }), isCode("E_LIMIT"));
    let isCancelled = false, pulls = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulls++;
        controller.enqueue(new Uint8Array(10_000));
      },
      cancel() {
        isCancelled = true;
      },
    });
    await assert.rejects(blobs.put(name, endless, { bytesMax: 50_000 }), isCode("E_LIMIT"));
    assert.ok(isCancelled && pulls < 10, `${pulls}`);
    const breaks = ReadableStream.from((async function* () {
      yield bytes.subarray(0, 1000);
      await Promise.resolve();
      throw new Error("the client went away");
    })());
    await assert.rejects(blobs.put(name, breaks, LIMITS), /went away/);
    assert.equal(await blobs.has(name), false);
    assert.deepEqual(await listed(blobs), []);
    for (
      const bad of [{ address: bytes.subarray(0, 31), copy: 0 }, { ...name, copy: 2 ** 48 }, {
        ...name,
        copy: -1,
      }, { ...name, copy: 0.5 }]
    ) {
      await assert.rejects(async () => await blobs.get(bad));
      await assert.rejects(async () => await blobs.put(bad, bytes, LIMITS));
    }
    assert.equal((await blobs.put(name, bytes, { bytesMax: 50_000 })).isNew, true);
  });

  test("many at once, the same and others", async (blobs, { again }) => {
    const second = await again();
    const all = Array.from({ length: 4 }, (_, i) => new Random(i).bytes(60_000));
    const puts = Array.from({ length: 24 }, (_, i) => {
      const bytes = all[i % 4]!;
      const content = i % 3 === 0 ? streamOf(bytes.subarray(0, 99), bytes.subarray(99)) : bytes;
      return (i % 2 === 0 ? blobs : second).put(
        { address: addressOf(bytes), copy: 5 },
        content,
        LIMITS,
      );
    });
    const results = await Promise.all(puts);
    assert.ok(results.filter(({ isNew }) => isNew).length >= 4);
    assert.deepEqual(await blobs.usage(), { blobs: 4, bytes: 240_000 });
    await second.close();
    for (const bytes of all) {
      assert.ok(equal((await blobs.get({ address: addressOf(bytes), copy: 5 }))!.body, bytes));
    }
  });
}
