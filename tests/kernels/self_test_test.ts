/**
 * A kernel that is wrong in one bit must not pass its self-test.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Bytes } from "../../actors/base/bytes.ts";
import type { Entropy, KernelName, Kernels } from "../../kernels/kernel.ts";
import { KERNEL_NAMES } from "../../kernels/registry.ts";
import { selfTest } from "../../kernels/self_test.ts";
import { openBackends, openPortable } from "./backends.ts";

const right: Kernels = {
  blake3: await openPortable("blake3"),
  aead: await openPortable("aead"),
  boundary: await openPortable("boundary"),
  zstd: await openPortable("zstd"),
  lz4: await openPortable("lz4"),
  entropy: await openPortable("entropy"),
};
const everyBackend: [string, string | undefined, number][] = [];
for (const kernel of KERNEL_NAMES) {
  for (const { name, kernel: implementation } of await openBackends(kernel)) {
    const before = performance.now();
    const fault = selfTest(kernel, implementation as never);
    everyBackend.push([`${kernel} ${name}`, fault, performance.now() - before]);
  }
}

/** Runs `method` of `object` and then `spoil`. */
function spoilt<T extends object>(object: T, method: keyof T, spoil: (args: never[]) => void): T {
  const original = object[method] as (...args: unknown[]) => unknown;
  return {
    ...bound(object),
    [method]: (...args: unknown[]) => {
      const result = original.apply(object, args);
      spoil(args as never[]);
      return result;
    },
  };
}

/** A copy of a kernel whose methods may be replaced. */
function bound<T extends object>(object: T): T {
  const copy: Record<string, unknown> = {};
  const names = new Set([
    ...Object.getOwnPropertyNames(object),
    ...Object.getOwnPropertyNames(Object.getPrototypeOf(object)),
  ]);
  for (const name of names) {
    const value = (object as Record<string, unknown>)[name];
    if (typeof value === "function" && name !== "constructor") copy[name] = value.bind(object);
  }
  return copy as T;
}

function flip(bytes: Bytes, at: number): void {
  if (bytes.length > at) bytes[at]! ^= 1;
}

function refuses<K extends KernelName>(name: K, kernel: Kernels[K], what: string): void {
  assert.notEqual(selfTest(name, kernel), undefined, `${name}: ${what}`);
}

Deno.test("selfTest() passes every backend that is right, in a few milliseconds", () => {
  for (const [label, fault, elapsed] of everyBackend) {
    assert.equal(fault, undefined, label);
    assert.ok(elapsed < 100, `${label} took ${elapsed} ms`);
  }
});

Deno.test("selfTest() passes a copy of each kernel, so that what follows means something", () => {
  for (const name of KERNEL_NAMES) {
    assert.equal(selfTest(name, bound(right[name]) as never), undefined);
  }
});

Deno.test("selfTest() refuses a blake3 that is wrong in one bit", () => {
  const { blake3 } = right;
  const hash = spoilt(blake3, "hash", ([, out]) => flip(out!, 31));
  refuses("blake3", hash, "hash");
  const many = spoilt(blake3, "hashMany", ([, offsets, out]) => {
    flip(out!, 32 * ((offsets! as number[]).length - 2));
  });
  refuses("blake3", many, "the last digest of a batch");
  const keyless = { ...bound(blake3), hash: (a: Bytes, b: Bytes) => blake3.hash(a, b) };
  refuses("blake3", keyless, "ignores the key");
  const derive = { ...bound(blake3), deriveKey: () => new Uint8Array(32) };
  refuses("blake3", derive, "derives zeros");
});

Deno.test("selfTest() refuses an aead that is wrong, or lenient", () => {
  const { aead } = right;
  refuses("aead", spoilt(aead, "seal", ([, , , , out]) => flip(out!, 0)), "ciphertext");
  refuses("aead", spoilt(aead, "seal", ([, , , , out]) => flip(out!, 114 + 15)), "tag");
  refuses("aead", spoilt(aead, "seal", ([, , , , out]) => flip(out!, 2016)), "long tag");
  refuses("aead", spoilt(aead, "open", ([, , , , out]) => flip(out!, 9)), "plaintext");
  const lenient = bound(aead);
  lenient.open = (...args) => {
    aead.open(...args);
    return true;
  };
  refuses("aead", lenient, "accepts a forgery");
  const leaky = bound(aead);
  leaky.open = (...args) => {
    const isRight = aead.open(...args);
    if (!isRight) args[4].set(args[3].subarray(0, args[4].length));
    return isRight;
  };
  refuses("aead", leaky, "leaves bytes of a forgery");
});

Deno.test("selfTest() refuses boundaries that differ by one byte", () => {
  const { boundary } = right;
  const late = {
    cuts: (...args: Parameters<typeof boundary.cuts>) =>
      boundary.cuts(...args).map((cut, i) => i === 3 ? cut + 1 : cut),
  };
  refuses("boundary", late, "one cut is late");
  const last = {
    cuts: (...args: Parameters<typeof boundary.cuts>) => boundary.cuts(args[0], args[1], true),
  };
  refuses("boundary", last, "ends the last chunk too early");
  const wide = {
    cuts: (...args: Parameters<typeof boundary.cuts>) =>
      boundary.cuts({ ...args[0], max: 2 * args[0].max }, args[1], args[2]),
  };
  refuses("boundary", wide, "max is ignored");
});

Deno.test("selfTest() refuses codecs that are wrong, or lenient", () => {
  for (const name of ["zstd", "lz4"] as const) {
    const codec = right[name];
    refuses(name, spoilt(codec, "compress", ([, out]) => flip(out!, 12)), "compressed bytes");
    refuses(name, spoilt(codec, "decompress", ([, out]) => flip(out!, 300)), "decompressed bytes");
    const lenient = {
      ...bound(codec),
      decompress: (input: Bytes, output: Bytes) => {
        codec.decompress(input, output);
        return true;
      },
    };
    refuses(name, lenient, "accepts anything");
    const strict = { ...bound(codec), decompress: () => false };
    refuses(name, strict, "accepts nothing");
  }
});

Deno.test("selfTest() refuses an entropy that is off by one, and reports what throws", () => {
  const { entropy } = right;
  const many = entropy.estimateMany.bind(entropy);
  const off = {
    estimate: (input: Bytes) => entropy.estimate(input) + (input.length > 3000 ? 1 : 0),
    estimateMany: many,
  };
  refuses("entropy", off, "one millibit");
  const shifted: Entropy["estimateMany"] = (base, offsets, sampleBytes, out) =>
    many(base, offsets, sampleBytes && sampleBytes - 1, out);
  const one = { estimate: (input: Bytes) => entropy.estimate(input), estimateMany: shifted };
  refuses("entropy", one, "another sample");
  const broken = {
    estimate: () => {
      throw new Error("illegal instruction");
    },
    estimateMany: many,
  };
  assert.equal(selfTest("entropy", broken), "illegal instruction");
});
