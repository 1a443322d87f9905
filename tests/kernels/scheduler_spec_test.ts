/**
 * The constants and helper functions of the scheduler's definition: they are what they claim to be.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  BIAS,
  edgeCost,
  KEY_NONE,
  keyOf,
  log2fix,
  mix32,
  NOISE,
  rankOf,
  TAU,
  VALUE_MOST,
  WORD_NONE,
} from "../../kernels/scheduler/spec.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });

Deno.test("NOISE is Gumbel noise of scale TAU", () => {
  const expected = Array.from(
    { length: 32 },
    (_, i) => Math.round(-TAU * Math.log(-Math.log((i + 0.5) / 32))),
  );
  assert.deepEqual(NOISE, expected);
  assert.ok(Math.max(...NOISE) < BIAS);
});

Deno.test("keyOf() is positive, and below KEY_NONE for usable edges alone", () => {
  fc.assert(fc.property(word, word, (chunkHash, hash) => {
    const dearest = (VALUE_MOST << 13 | (hash & 0xfff) << 1 | 1) >>> 0;
    const key = keyOf(chunkHash, dearest, 4095);
    assert.ok(key > 0 && key < KEY_NONE);
    assert.ok(keyOf(chunkHash, WORD_NONE, 0) >= KEY_NONE);
    assert.equal(key & 0xfff, 4095);
  }));
});

Deno.test("keyOf() spreads chunks over equal edges evenly", () => {
  const counts = new Uint32Array(4);
  for (let n = 0; n < 40_000; n++) {
    const keys = [0x2a5, 0x71c, 0xd03, 0x9e8].map((hash, edge) =>
      keyOf(Math.imul(n, 0x9e3779b1), hash << 1 | 1, edge)
    );
    counts[keys.indexOf(Math.min(...keys))]!++;
  }
  // Ties of equal noise (1 in 32) go to the lower edge.
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 700, `${counts}`);
});

Deno.test("log2fix() is a piecewise linear log2 with 8 fraction bits", () => {
  for (let bits = 0; bits <= 53; bits++) assert.equal(log2fix(2 ** bits), 256 * bits);
  assert.equal(log2fix(3), 256 + 128);
  assert.equal(log2fix(2 ** 53 - 1), 256 * 52 + 255);
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 53 - 2 }), (x) => {
    // The chord lies at most 0.0861 below the curve.
    const error = Math.log2(x) - log2fix(x) / 256;
    assert.ok(error > -1e-9 && error < 0.0861 + 1 / 256);
    assert.ok(log2fix(x + 1) >= log2fix(x));
  }));
});

Deno.test("mix32() is MurmurHash3's finaliser", () => {
  // MurmurHash3_x86_32 of no bytes, with these seeds.
  assert.equal(mix32(0), 0);
  assert.equal(mix32(1), 0x514e28b7);
  assert.equal(mix32(0xffffffff), 0x81f16f39);
});

Deno.test("rankOf() sorts by priority first", () => {
  fc.assert(fc.property(word, word, fc.nat(6), (a, b, priority) => {
    assert.ok(rankOf(a, priority) < rankOf(b, priority + 1));
    assert.equal(rankOf(a, 7), rankOf(a, 255));
  }));
});

Deno.test("edgeCost() adds its five terms, of which 1.0 is 2560", () => {
  const one = 65_536;
  const free = { time: 0, load: 0, health: one, isMetered: false, drain: 0 };
  assert.equal(edgeCost(free), 0);
  assert.equal(edgeCost({ ...free, time: one }), 1024);
  assert.equal(edgeCost({ ...free, time: 100 * one }), 16 * 1024);
  assert.equal(edgeCost({ ...free, load: one }), 512);
  assert.equal(edgeCost({ ...free, load: one / 2 }), 128);
  assert.equal(edgeCost({ ...free, health: 0 }), 512);
  assert.equal(edgeCost({ ...free, isMetered: true }), 256);
  assert.equal(edgeCost({ ...free, drain: one }), 256);
  assert.equal(
    edgeCost({ time: one, load: one, health: 0, isMetered: true, drain: one }),
    2560,
  );
  assert.equal(edgeCost({ ...free, time: -5, load: 9 * one, health: 2 * one }), 512);
});
