/**
 * ChaCha20-Poly1305 on WebGPU against RFC 8439, Wycheproof and the reference.
 *
 * @module
 */
import { chacha20 } from "@noble/ciphers/chacha.js";
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat, fromHex, isZero, toHex } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { checkAeadBatch } from "../../kernels/webgpu/aead_batch.ts";
import { layOut, wholePieces } from "../../kernels/webgpu/aead_layout.ts";
import { AeadStages, compileAead } from "../../kernels/webgpu/aead_stages.ts";
import type { AeadBatch, WebGpuKernels } from "../../kernels/webgpu/kernels.ts";
import { openPortable } from "./backends.ts";
import { awkwardSizes, noise, painted, placements, vector, vectorJson } from "./samples.ts";
import { offsetsOf, TINY, webGpuTest } from "./webgpu_open.ts";

interface Message {
  key: Bytes;
  nonce: Bytes;
  aad: Bytes;
  text: Bytes;
}

interface WycheproofVectors {
  testGroups: {
    ivSize: number;
    tests: {
      tcId: number;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: "valid" | "invalid";
    }[];
  }[];
}

const portable = await openPortable("aead");

/** One call's batch, with its bytes at odd places. */
function batchOf(messages: readonly Message[]): AeadBatch {
  return {
    base: concat(new Uint8Array(3), ...messages.map(({ text }) => text)),
    offsets: offsetsOf(messages.map(({ text }) => text.length), 3),
    keys: concat(...messages.map(({ key }) => key)),
    nonces: concat(...messages.map(({ nonce }) => nonce)),
    aad: concat(new Uint8Array(1), ...messages.map(({ aad }) => aad)),
    aadOffsets: offsetsOf(messages.map(({ aad }) => aad.length), 1),
  };
}

async function sealAll(kernels: WebGpuKernels, messages: readonly Message[]): Promise<Bytes[]> {
  const ends = offsetsOf(messages.map(({ text }) => text.length + 17), 5);
  const out = new Uint8Array(ends.at(-1)!).fill(0xee);
  await kernels.sealMany(batchOf(messages), out, ends.slice(0, -1));
  return messages.map((_, i) => {
    assert.equal(out[ends[i + 1]! - 1], 0xee, "writes nothing between results");
    return out.slice(ends[i], ends[i + 1]! - 1);
  });
}

/** Plaintexts in hex, undefined for those that fail: their output must be zero. */
async function openAll(
  kernels: WebGpuKernels,
  messages: readonly Message[],
): Promise<(string | undefined)[]> {
  const ends = offsetsOf(messages.map(({ text }) => Math.max(0, text.length - 16) + 1));
  const out = new Uint8Array(ends.at(-1)!).fill(0xee);
  const statuses = await kernels.openMany(batchOf(messages), out, ends.slice(0, -1));
  assert.equal(statuses.length, messages.length);
  return messages.map((_, i) => {
    const opened = out.subarray(ends[i], ends[i + 1]! - 1);
    assert.equal(out[ends[i + 1]! - 1], 0xee, "writes nothing between results");
    if (statuses[i] === 0) return toHex(opened);
    assert.ok(isZero(opened), "output of a failed open must be zero");
    return undefined;
  });
}

function sealPortable({ key, nonce, aad, text }: Message): Bytes {
  const out = new Uint8Array(text.length + 16);
  portable.seal(key, nonce, aad, text, out);
  return out;
}

function messageOf(size: number, aadSize: number, seed: number): Message {
  return {
    key: noise(32, 4 * seed),
    nonce: noise(12, 4 * seed + 1),
    aad: noise(aadSize, 4 * seed + 2),
    text: noise(size, 4 * seed + 3),
  };
}

async function equalsPortable(kernels: WebGpuKernels, messages: Message[]): Promise<void> {
  const expected = messages.map(sealPortable), sealed = await sealAll(kernels, messages);
  sealed.forEach((one, i) =>
    assert.equal(toHex(one), toHex(expected[i]!), `${messages[i]!.text.length} bytes`)
  );
  const opened = await openAll(kernels, messages.map((one, i) => ({ ...one, text: sealed[i]! })));
  assert.deepEqual(opened, messages.map(({ text }) => toHex(text)));
}

const wycheproof = vectorJson<WycheproofVectors>("wycheproof/chacha20_poly1305_test.json")
  .testGroups.filter(({ ivSize }) => ivSize === 96).flatMap(({ tests }) => tests)
  .map((one) => ({
    label: `tcId ${one.tcId}`,
    isValid: one.result === "valid",
    key: fromHex(one.key),
    nonce: fromHex(one.iv),
    aad: fromHex(one.aad),
    plaintext: fromHex(one.msg),
    sealed: fromHex(one.ct + one.tag),
  }));

for (const options of [{}, TINY]) {
  const tiles = options === TINY ? "tiny tiles" : "whole tiles";
  webGpuTest(`aead passes Wycheproof in one batch, ${tiles}`, async (kernels) => {
    assert.ok(wycheproof.length > 300);
    const opened = await openAll(kernels, wycheproof.map((one) => ({ ...one, text: one.sealed })));
    wycheproof.forEach(({ label, isValid, plaintext }, i) =>
      assert.equal(opened[i], isValid ? toHex(plaintext) : undefined, label)
    );
    const valid = wycheproof.filter(({ isValid }) => isValid);
    const sealed = await sealAll(kernels, valid.map((one) => ({ ...one, text: one.plaintext })));
    valid.forEach(({ label, sealed: expected }, i) =>
      assert.equal(toHex(sealed[i]!), toHex(expected), label)
    );
  }, options);

  webGpuTest(`aead equals portable for awkward sizes, ${tiles}`, async (kernels) => {
    const marks = [16, 64, 128, 1008, 1024, 2048, 4016, 4032, 4096, 8192];
    const sizes = [...awkwardSizes(marks), 65_537, 70_000];
    await equalsPortable(kernels, sizes.map((size, i) => messageOf(size, 7 * i % 66, i)));
  }, options);
}

webGpuTest("aead gives RFC 8439 section 2.8.2", async (kernels) => {
  const text = new TextDecoder().decode(
    vector("pyca-cryptography/chacha20poly1305_boringssl.txt"),
  );
  const [first] = text.slice(text.indexOf("KEY")).split(/\n\s*\n/);
  const fields = Object.fromEntries(first!.split("\n").map((line) => line.split(/\s*[=:]\s*/, 2)));
  const plaintext = /^"/.test(fields.IN)
    ? new TextEncoder().encode(/"(.*)"/.exec(first!.match(/^IN.*$/m)![0])![1])
    : fromHex(fields.IN);
  const message = {
    key: fromHex(fields.KEY),
    nonce: fromHex(fields.NONCE),
    aad: fromHex(fields.AD),
    text: plaintext,
  };
  // The tag as the RFC prints it.
  assert.equal(fields.TAG, "1ae10b594f09e26a7e902ecbd0600691");
  const [sealed] = await sealAll(kernels, [message]);
  assert.equal(toHex(sealed!), fields.CT + fields.TAG);
});

webGpuTest("aead sums up more than 64 * 64 * 64 blocks", async (kernels) => {
  // Ciphertext of ones keeps all limbs of the polynomial's blocks full.
  const zeros = { ...messageOf(0, 20, 7), text: new Uint8Array(16 * 64 ** 3 + 100) };
  const stream = sealPortable(zeros).subarray(0, -16).map((byte) => ~byte);
  await equalsPortable(kernels, [{ ...zeros, text: stream }]);
});

webGpuTest("aead refuses what was tampered with, and opens its neighbours", async (kernels) => {
  const messages = [0, 1, 64, 100, 5000, 9000].map((size, i) => messageOf(size, i, i));
  const sealed = messages.map((one) => ({ ...one, text: sealPortable(one) }));
  const flipAt = (bytes: Bytes, at: number) =>
    bytes.map((byte, i) => i === at ? byte ^ 1 << at % 8 : byte);
  const forgeries = sealed.flatMap((one, i) => [
    { ...one, text: flipAt(one.text, 0) },
    { ...one, text: flipAt(one.text, one.text.length >> 1) },
    { ...one, text: flipAt(one.text, one.text.length - 1) },
    { ...one, text: one.text.subarray(0, -1) },
    { ...one, text: one.text.subarray(0, i) },
    { ...one, key: flipAt(one.key, 31) },
    { ...one, nonce: flipAt(one.nonce, 5) },
    { ...one, aad: concat(one.aad, new Uint8Array(1)) },
  ]);
  const mixed = forgeries.flatMap((forged, i) => [forged, sealed[i % sealed.length]!]);
  const opened = await openAll(kernels, mixed);
  opened.forEach((one, i) => {
    const expected = i % 2 === 0 ? undefined : messages[(i >> 1) % messages.length]!.text;
    assert.equal(one, expected && toHex(expected), `number ${i}`);
  });
}, TINY);

/** A message of one block whose polynomial is 2^130 - 5 + `excess`: it must be taken mod 2^130 - 5. */
function messageAtModulus(excess: number, seed: number): Message | undefined {
  const p = 2n ** 130n - 5n, message = messageOf(16, 0, seed);
  const number = (bytes: Bytes) => BigInt("0x" + toHex(bytes.toReversed()));
  const power = (x: bigint, exponent: bigint): bigint => {
    if (exponent === 0n) return 1n;
    const half = power(x * x % p, exponent / 2n);
    return exponent % 2n === 0n ? half : half * x % p;
  };
  const mask = 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const oneTimeKey = chacha20(message.key, message.nonce, new Uint8Array(32));
  const inverse = power(number(oneTimeKey.subarray(0, 16)) & mask, p - 2n);
  // ((block + 2^128) r + lengths + 2^128) r = excess, of which the block is wanted.
  const lengths = 2n ** 128n + (16n << 64n);
  const sum = ((BigInt(excess) * inverse - lengths) * inverse % p + p) % p;
  if (sum >> 128n !== 1n) return undefined;
  const block = fromHex((sum - 2n ** 128n).toString(16).padStart(32, "0")).reverse();
  const stream = sealPortable({ ...message, text: new Uint8Array(16) });
  return { ...message, text: block.map((byte, i) => byte ^ stream[i]!) };
}

webGpuTest("aead reduces sums of 2^130 - 5 .. 2^130 - 1", async (kernels) => {
  const messages = [0, 1, 2, 3, 4].flatMap((excess) =>
    Array.from({ length: 16 }, (_, i) => messageAtModulus(excess, 100 + i) ?? [])
  ).flat();
  assert.ok(messages.length >= 10);
  await equalsPortable(kernels, messages);
});

webGpuTest("aead decrypts nothing on the device when the tag is wrong", async (_, gpu) => {
  const messages = [messageOf(100, 0, 1), messageOf(70, 0, 2)];
  const texts = messages.map(sealPortable);
  texts[0]![5]! ^= 1;
  const batch = batchOf(messages.map((one, i) => ({ ...one, text: texts[i]! })));
  const checked = checkAeadBatch(batch, new Uint8Array(200), [0, 100], -16);
  const pieces = wholePieces(checked, { first: 0, end: 2, isLarge: false }, 16);
  const layout = layOut(checked, pieces, 16), pipelines = await compileAead(gpu);
  await gpu.run((commands) => {
    const stages = new AeadStages(commands, pipelines, layout, batch.base);
    stages.authenticate("open", new Uint32Array(5));
    stages.cipher(true);
    return [stages.output];
  }, ([slots]) => {
    assert.ok(isZero(slots!.subarray(0, 112)));
    assert.equal(toHex(slots!.subarray(112, 112 + 70)), toHex(messages[1]!.text));
  });
});

webGpuTest("aead refuses every flipped bit of a tag", async (kernels) => {
  const message = messageOf(70, 20, 1), sealed = sealPortable(message);
  const forged = Array.from({ length: 128 }, (_, bit) => {
    const text = sealed.slice();
    text[70 + (bit >> 3)]! ^= 1 << (bit & 7);
    return { ...message, text };
  });
  assert.deepEqual(new Set(await openAll(kernels, forged)), new Set([undefined]));
});

for (const options of [{}, TINY]) {
  const tiles = options === TINY ? "tiny tiles" : "whole tiles";
  webGpuTest(`aead works in place, with one key, in any memory, ${tiles}`, async (kernels) => {
    const sizes = [0, 1, 63, 64, 9000, 17], slots = offsetsOf(sizes.map((size) => size + 16), 2);
    const keys = painted(32), nonces = noise(12 * sizes.length), count = sizes.length;
    for (const { place, bytes: slab } of placements(noise(slots.at(-1)! + 3))) {
      const before = slab.slice();
      // Items with room for their tag behind each: the gaps are items too, which must stay.
      for (const [i, size] of sizes.entries()) {
        const offsets = [slots[i]!, slots[i]! + size], nonce = nonces.subarray(12 * i, 12 * i + 12);
        await kernels.sealMany({ base: slab, offsets, keys, nonces: nonce }, slab, [slots[i]!]);
        const text = before.subarray(slots[i], slots[i]! + size);
        const expected = sealPortable({ key: keys, nonce, aad: new Uint8Array(), text });
        assert.equal(toHex(slab.subarray(slots[i], slots[i + 1])), toHex(expected), place);
      }
      const batch = { base: slab, offsets: slots, keys, nonces };
      const statuses = await kernels.openMany(batch, slab, slots);
      assert.deepEqual([...statuses], new Array(count).fill(0), place);
      sizes.forEach((size, i) => {
        const [from, to] = [slots[i]!, slots[i]! + size];
        assert.equal(toHex(slab.subarray(from, to)), toHex(before.subarray(from, to)), place);
      });
      assert.deepEqual(slab.slice(slots.at(-1)), before.slice(slots.at(-1)));
    }
  }, options);
}

webGpuTest("aead equals portable on random batches", async (kernels) => {
  const sizes = fc.array(fc.tuple(fc.oneof(fc.nat(200), fc.nat(9000)), fc.nat(100)), {
    maxLength: 10,
  });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.nat(2 ** 24),
      (list, seed) =>
        equalsPortable(
          kernels,
          list.map(([size, aadSize], i) => messageOf(size, aadSize, seed + i)),
        ),
    ),
    { numRuns: 8 },
  );
}, TINY);

webGpuTest("aead takes no items, and 5,000", async (kernels) => {
  const nothing = { base: painted(5), offsets: [], keys: painted(32), nonces: new Uint8Array() };
  await kernels.sealMany(nothing, new Uint8Array(), []);
  assert.equal((await kernels.openMany(nothing, new Uint8Array(), [])).length, 0);
  const count = 5000, one = messageOf(20, 0, 3), nonces = noise(12 * count, 8);
  const offsets = Array.from({ length: count + 1 }, (_, i) => 4 * i);
  const out = new Uint8Array(20 * count), places = offsets.slice(0, -1).map((at) => 5 * at);
  const base = noise(4 * count);
  await kernels.sealMany({ base, offsets, keys: one.key, nonces }, out, places);
  for (let i = 0; i < count; i += 77) {
    const nonce = nonces.subarray(12 * i, 12 * i + 12), text = base.subarray(4 * i, 4 * i + 4);
    const expected = sealPortable({ key: one.key, nonce, aad: new Uint8Array(), text });
    assert.equal(toHex(out.subarray(20 * i, 20 * i + 20)), toHex(expected), `item ${i}`);
  }
});

webGpuTest(
  "aead refuses wrong sizes as bugs, and additional data above a tile",
  async (kernels) => {
    const right = {
      base: painted(40),
      offsets: [0, 20, 40],
      keys: painted(32),
      nonces: painted(24),
    };
    const out = new Uint8Array(72), places = [0, 36];
    await kernels.sealMany(right, out, places);
    const wrong: Partial<AeadBatch>[] = [
      { keys: painted(31) },
      { keys: painted(96) },
      { nonces: painted(12) },
      { offsets: [0, 20, 41] },
      { offsets: [20, 0, 40] },
      { aad: painted(4) },
      { aadOffsets: [0, 0, 0] },
      { aad: painted(4), aadOffsets: [0, 4] },
      { aad: painted(4), aadOffsets: [0, 4, 5] },
    ];
    for (const change of wrong) {
      await assert.rejects(kernels.sealMany({ ...right, ...change }, out, places), /invariant/);
      await assert.rejects(kernels.openMany({ ...right, ...change }, out, places), /invariant/);
    }
    for (const outOffsets of [[0], [0, 37], [-1, 36], [0.5, 36]]) {
      await assert.rejects(kernels.sealMany(right, out, outOffsets), /invariant/, `${outOffsets}`);
    }
    const large = { ...right, aad: painted(8100), aadOffsets: [0, 4000, 8100] };
    await assert.rejects(kernels.sealMany(large, out, places), (e) => isWarpError(e, "E_LIMIT"));
  },
  TINY,
);
