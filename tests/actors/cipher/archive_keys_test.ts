/** @module Tests of actors/cipher/archive_keys.ts against noble's HKDF. */
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import assert from "node:assert/strict";
import { deriveArchiveKeys, hkdfSha256 } from "../../../actors/cipher/archive_keys.ts";
import { concat, fromHex, toHex, utf8 } from "../../../actors/base/bytes.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const ID = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);

const expected = (info: Uint8Array) => toHex(hkdf(sha256, KEY, ID, info, 32));

Deno.test("deriveArchiveKeys() gives the keys of docs/format.md §4, as noble computes them", () => {
  const keys = deriveArchiveKeys(KEY, ID);
  assert.equal(toHex(keys.nonceKey), expected(utf8("warp/archive/v1/nonce")));
  assert.equal(toHex(keys.headKey), expected(utf8("warp/archive/v1/head")));
  const cases: [number, number, string][] = [
    [1, 0, "010000000000000000"],
    [7, 1, "070100000000000000"],
    [1, 0x1_0000_0001, "010100000001000000"],
    [255, 2 ** 40, "ff0000000000010000"],
  ];
  for (const [kind, epoch, position] of cases) {
    const info = concat(utf8("warp/archive/v1/seal"), fromHex(position));
    assert.equal(toHex(keys.sealKey(kind, epoch)), expected(info), `kind ${kind} epoch ${epoch}`);
  }
});

Deno.test("hkdfSha256() reproduces RFC 5869 test case 1", () => {
  const okm = hkdfSha256(
    fromHex("0b".repeat(22)),
    fromHex("000102030405060708090a0b0c"),
    fromHex("f0f1f2f3f4f5f6f7f8f9"),
    42,
  );
  assert.equal(
    toHex(okm),
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
});

Deno.test("sealKey() gives each kind and epoch its own key, and the same one each time", () => {
  const keys = deriveArchiveKeys(KEY, ID);
  const seen = new Set<string>();
  // More than the cache holds, so that keys are derived again.
  for (let epoch = 0; epoch < 2500; epoch++) {
    for (const kind of [1, 3]) seen.add(toHex(keys.sealKey(kind, epoch)));
  }
  assert.equal(seen.size, 5000);
  for (const epoch of [0, 1, 2499]) assert.ok(seen.has(toHex(keys.sealKey(1, epoch))));
  assert.equal(keys.sealKey(3, 7), keys.sealKey(3, 7), "cached");
});

Deno.test("deriveArchiveKeys() keeps its own copy of the archive key", () => {
  const key = KEY.slice();
  const keys = deriveArchiveKeys(key, ID);
  key.fill(0);
  assert.equal(
    toHex(keys.sealKey(2, 5)),
    toHex(deriveArchiveKeys(KEY, ID).sealKey(2, 5)),
  );
});

Deno.test("deriveArchiveKeys() refuses keys, ids, kinds and epochs of the wrong size", () => {
  assert.throws(() => deriveArchiveKeys(KEY.subarray(1), ID), /invariant/);
  assert.throws(() => deriveArchiveKeys(KEY, ID.subarray(1)), /invariant/);
  const keys = deriveArchiveKeys(KEY, ID);
  assert.throws(() => keys.sealKey(256, 0), /invariant/);
  assert.throws(() => keys.sealKey(-1, 5), /invariant/);
  assert.throws(() => keys.sealKey(1, -1), /invariant/);
  assert.throws(() => keys.sealKey(1, 0.5), /invariant/);
});
