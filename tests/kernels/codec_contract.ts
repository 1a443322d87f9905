/**
 * The contract of a block codec, run by every backend of zstd and LZ4.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, equal } from "../../actors/base/bytes.ts";
import type { BlockCodec } from "../../kernels/kernel.ts";
import { awkwardSizes, noise, painted, placements, randomWords, text } from "./samples.ts";

export function pack(codec: BlockCodec, input: Bytes, level = 3): Uint8Array<ArrayBuffer> {
  const output = new Uint8Array(codec.bound(input.length));
  const length = codec.compress(input, output, level);
  assert.ok(length > 0, "what has room for the bound must fit");
  return output.slice(0, length);
}

/** The content, or undefined when the codec refuses. */
export function unpack(
  codec: BlockCodec,
  packed: Bytes,
  length: number,
): Uint8Array<ArrayBuffer> | undefined {
  const output = new Uint8Array(length);
  return codec.decompress(packed, output) ? output : undefined;
}

/**
 * @param label kernel and backend, for the names of the tests
 * @param others further backends of the same kernel, which must read what `codec` writes
 */
export function testCodec(
  label: string,
  codec: BlockCodec,
  others: BlockCodec[],
  levels: number[],
): void {
  const roundTrip = (input: Bytes, level: number) => {
    const packed = pack(codec, input, level);
    for (const reader of [codec, ...others]) {
      assert.ok(equal(unpack(reader, packed, input.length)!, input), `${input.length} bytes`);
    }
    return packed;
  };

  Deno.test(`${label} gives back what it was given, at every level, to every backend`, () => {
    for (const level of levels) {
      for (const input of [new Uint8Array(70_000), text(200_000), noise(70_000), painted(66_000)]) {
        roundTrip(input, level);
      }
    }
  });

  Deno.test(`${label} handles awkward sizes`, () => {
    for (const size of awkwardSizes([13, 16, 64, 255, 270, 1024, 65_536, 131_072])) {
      for (const input of [painted(size), noise(size), new Uint8Array(size), text(size)]) {
        roundTrip(input, levels[0]!);
      }
    }
  });

  Deno.test(`${label} shrinks text and barely grows noise`, () => {
    assert.ok(pack(codec, text(100_000)).length < 60_000);
    assert.ok(pack(codec, new Uint8Array(100_000)).length < 1000);
    assert.ok(pack(codec, noise(100_000)).length < 100_500);
  });

  Deno.test(`${label} gives the same bytes each time, whatever came before`, () => {
    const input = text(50_000, 9);
    const first = pack(codec, input);
    for (const between of [noise(9000), text(300_000, 4), new Uint8Array(1)]) {
      pack(codec, between, levels.at(-1)!);
      assert.ok(equal(pack(codec, input), first));
    }
  });

  Deno.test(`${label} does not care where bytes lie`, () => {
    const input = text(5000, 2), packed = pack(codec, input);
    const inputs = placements(input), outputs = placements(new Uint8Array(codec.bound(5000)));
    inputs.forEach(({ place, bytes }, i) => {
      const output = outputs[i]!.bytes;
      const length = codec.compress(bytes, output, 3);
      assert.ok(equal(output.subarray(0, length), packed), place);
      bytes.fill(0);
      assert.ok(codec.decompress(output.subarray(0, length), bytes));
      assert.ok(equal(bytes, input), place);
    });
  });

  Deno.test(`${label} returns 0 for an output that is too small, and writes no further`, () => {
    for (const input of [text(3000), noise(3000)]) {
      const { length } = pack(codec, input);
      for (const room of [0, 1, 2, 7, length >> 1, length - 1]) {
        const slab = new Uint8Array(room + 64).fill(0xee);
        const used = codec.compress(input, slab.subarray(32, 32 + room), 3);
        assert.ok(used <= room);
        assert.ok(used === 0, `${used} bytes in ${room} of ${length}`);
        assert.ok(slab.subarray(0, 32).every((byte) => byte === 0xee));
        assert.ok(slab.subarray(32 + room).every((byte) => byte === 0xee));
      }
    }
  });

  Deno.test(`${label} refuses every truncation, extension and wrong length`, () => {
    const input = text(700), packed = pack(codec, input);
    for (let length = 0; length < packed.length; length++) {
      assert.equal(unpack(codec, packed.subarray(0, length), 700), undefined, `cut to ${length}`);
    }
    for (const extra of [[0], [0, 0, 0, 0], [1, 0, 0], [0x50, 1, 2, 3, 4, 5]]) {
      assert.equal(unpack(codec, new Uint8Array([...packed, ...extra]), 700), undefined);
    }
    for (const length of [0, 1, 350, 698, 699, 701, 702, 1400, 70_000]) {
      assert.equal(unpack(codec, packed, length), undefined, `expecting ${length}`);
    }
  });

  Deno.test(`${label} writes nothing outside its output, whatever the input`, () => {
    const packed = pack(codec, text(900));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 850, max: 950 }),
        (changes, length) => {
          const damaged = packed.slice();
          for (const [at, byte] of changes) damaged[at] = byte;
          const slab = new Uint8Array(length + 128).fill(0xee);
          codec.decompress(damaged, slab.subarray(64, 64 + length));
          assert.ok(slab.subarray(0, 64).every((byte) => byte === 0xee));
          assert.ok(slab.subarray(64 + length).every((byte) => byte === 0xee));
        },
      ),
      { numRuns: 300 },
    );
  });

  Deno.test(`${label} gives bytes that depend on the input alone, whatever the input`, () => {
    const next = randomWords(11);
    const contents = [text(400), painted(600), new Uint8Array(300)];
    const packs = contents.map((content) => pack(codec, content));
    let accepted = 0;
    for (let run = 0; run < 6000; run++) {
      const damaged = packs[run % 3]!.slice(), length = contents[run % 3]!.length;
      for (let change = next() % 3; change > 0; change--) {
        damaged[next() % damaged.length] = next() % 3 === 0 ? 0 : next();
      }
      const first = new Uint8Array(length).fill(0x11), second = new Uint8Array(length).fill(0xee);
      const isAccepted = codec.decompress(damaged, first);
      assert.equal(codec.decompress(damaged, second), isAccepted, `run ${run}`);
      if (!isAccepted) continue;
      accepted++;
      assert.ok(equal(first, second), `run ${run} shows what the output held before`);
    }
    assert.ok(accepted > 1000);
  });
}
