/**
 * Contract suite of the entropy kernel, run by every backend.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { log2fix } from "../../kernels/entropy/spec.ts";
import { openBackends, openPortable } from "./backends.ts";
import { awkwardSizes, noise, painted, placements, text } from "./samples.ts";

const backends = await openBackends("entropy");
const portable = await openPortable("entropy");

function realMillibits(input: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of input) counts[byte]!++;
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits -= count / input.length * Math.log2(count / input.length);
  }
  return 1000 * bits;
}

for (const { name, kernel, description } of backends) {
  Deno.test(`entropy ${name} (${description}) gives known values`, () => {
    assert.equal(kernel.estimate(new Uint8Array()), 0);
    assert.equal(kernel.estimate(new Uint8Array(1)), 0);
    assert.equal(kernel.estimate(new Uint8Array(100_000).fill(200)), 0);
    assert.equal(kernel.estimate(Uint8Array.of(0, 255)), 1000);
    assert.equal(kernel.estimate(Uint8Array.of(1, 2, 3, 4)), 2000);
    for (const times of [1, 3, 16, 100]) {
      const uniform = Uint8Array.from({ length: 256 * times }, (_, i) => i);
      assert.equal(kernel.estimate(uniform), 8000, `${times} of each`);
    }
  });

  Deno.test(`entropy ${name} is within 1.1 millibits of real arithmetic, never above 8000`, () => {
    const samples = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 3000, max: 9 }),
      fc.tuple(fc.nat(70_000), fc.integer()).map(([length, seed]) => noise(length, seed)),
      fc.tuple(fc.nat(70_000), fc.integer()).map(([length, seed]) => text(length, seed)),
    );
    fc.assert(
      fc.property(samples, (sample) => {
        const result = kernel.estimate(sample);
        assert.ok(Number.isInteger(result) && result >= 0 && result <= 8000);
        if (sample.length > 0) assert.ok(Math.abs(result - realMillibits(sample)) <= 1.1);
        assert.equal(result, portable.estimate(sample));
      }),
      { numRuns: 60 },
    );
  });

  Deno.test(`entropy ${name} handles awkward sizes anywhere in memory`, () => {
    for (const size of awkwardSizes([16, 32, 64, 256, 4096, 65_536])) {
      const expected = portable.estimate(painted(size));
      for (const { place, bytes } of placements(painted(size))) {
        assert.equal(kernel.estimate(bytes), expected, `${size} bytes, ${place}`);
      }
    }
  });

  Deno.test(`entropy ${name} refuses samples above its limit`, () => {
    assert.throws(() => kernel.estimate(new Uint8Array(64 * 1024 * 1024 + 1)), /invariant/);
  });
}

Deno.test("log2fix() grows with its argument and is exact at powers of two", () => {
  for (let bits = 0; bits <= 26; bits++) assert.equal(log2fix(2 ** bits), bits * 65_536);
  let previous = 0;
  for (let x = 1; x < 70_000; x++) {
    const value = log2fix(x);
    assert.ok(value >= previous && Math.abs(value - 65_536 * Math.log2(x)) <= 1.1, `${x}`);
    previous = value;
  }
});
