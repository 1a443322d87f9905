/**
 * Contract suite of the zstd kernel, the golden files of the zstd project, and the rules of
 * kernels/zstd/spec.ts about frames.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat, equal, fromHex } from "../../actors/base/bytes.ts";
import { checkFrame } from "../../kernels/zstd/spec.ts";
import { openBackends } from "./backends.ts";
import { pack, testCodec, unpack } from "./codec_contract.ts";
import { noise, text, vector } from "./samples.ts";

const backends = await openBackends("zstd");

/** Name and content length of files that must be accepted. */
const ACCEPTED: [string, number][] = [
  ["block-128k.zst", 131_068],
  ["empty-block.zst", 0],
  ["rle-first-block.zst", 1_048_576],
  ["zeroSeq_2B.zst", 13],
];
const REJECTED = ["off0.bin.zst", "truncated_huff_state.zst", "zeroSeq_extraneous.zst"];
/** Lengths that old libraries make of the files above. */
const LENGTHS_TRIED = 300;
/** libzstd below this accepts forbidden frames: kernels/zstd/spec.ts, "Old libraries". */
const VERSION_EXACT = [1, 5, 7];

for (const { name, kernel, description } of backends) {
  const others = backends.filter((one) => one.name !== name).map((one) => one.kernel);
  testCodec(`zstd ${name} (${description})`, kernel, others, [3, 1, 6, 19, -5]);

  Deno.test(`zstd ${name} accepts what it must: golden-decompression`, () => {
    for (const [file, length] of ACCEPTED) {
      const frame = vector(`zstd/golden-decompression/${file}`);
      assert.ok(unpack(kernel, frame, length) !== undefined, file);
      assert.equal(unpack(kernel, frame, length + 1), undefined, file);
    }
    const hello = unpack(kernel, vector("zstd/golden-decompression/zeroSeq_2B.zst"), 13)!;
    assert.equal(new TextDecoder().decode(hello), "Hello World!\n");
  });

  Deno.test(`zstd ${name} rejects what it must: golden-decompression-errors`, () => {
    const isOld = isOldLibrary(description);
    for (const file of REJECTED) {
      const frame = vector(`zstd/golden-decompression-errors/${file}`);
      for (let length = 0; length < LENGTHS_TRIED; length++) {
        if (unpack(kernel, frame, length) === undefined) continue;
        assert.ok(isOld, `${file} gave ${length} bytes`);
        console.log(`KNOWN zstd ${name}: ${description} accepts ${file}`);
      }
    }
  });

  Deno.test(`zstd ${name} survives the inputs that broke encoders: golden-compression`, () => {
    const folder = new URL("../vectors/zstd/golden-compression/", import.meta.url);
    const files = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    assert.equal(files.length, 4);
    for (const file of files) {
      const input = vector(`zstd/golden-compression/${file}`);
      for (const level of [1, 3, 9]) {
        const packed = pack(kernel, input, level);
        for (const reader of [kernel, ...others]) {
          assert.ok(equal(unpack(reader, packed, input.length)!, input), `${file} at ${level}`);
        }
      }
    }
  });

  Deno.test(`zstd ${name} writes the content size, no checksum and no dictionary`, () => {
    for (const length of [0, 1, 255, 256, 65_791, 65_792, 300_000]) {
      const frame = pack(kernel, text(length));
      const descriptor = frame[4]!;
      assert.ok((descriptor & 0xe0) !== 0, `content size of ${length}`);
      assert.equal(descriptor & 0x07, 0, "checksum and dictionary bits");
      assert.ok(checkFrame(frame, length));
      assert.ok(!checkFrame(frame, length + 1));
    }
  });

  Deno.test(`zstd ${name} takes one frame and nothing else`, () => {
    const input = text(1000), frame = pack(kernel, input);
    const skippable = fromHex("502a4d180400000001020304");
    assert.equal(unpack(kernel, concat(frame, frame), 2000), undefined);
    assert.equal(unpack(kernel, concat(frame, skippable), 1000), undefined);
    assert.equal(unpack(kernel, concat(skippable, frame), 1000), undefined);
    assert.equal(unpack(kernel, skippable, 0), undefined);
    assert.equal(unpack(kernel, new Uint8Array(), 0), undefined);
  });

  Deno.test(`zstd ${name} refuses a bomb before it allocates`, () => {
    // 64 MiB of zeros in RLE blocks without a stated size: claims must not matter.
    const blocks = 512;
    const bomb = new Uint8Array(6 + 4 * blocks);
    bomb.set(fromHex("28b52ffd0068"));
    for (let i = 0; i < blocks; i++) {
      bomb.set([i === blocks - 1 ? 3 : 2, 0, 0x10, 0], 6 + 4 * i);
    }
    const before = Deno.memoryUsage().rss;
    for (const length of [0, 10, 131_072]) assert.equal(unpack(kernel, bomb, length), undefined);
    const grown = Deno.memoryUsage().rss - before;
    assert.ok(grown < 40e6, `grew by ${grown} bytes`);
    assert.ok(unpack(kernel, bomb, blocks * 131_072) !== undefined, "and opens it when expected");
  });

  Deno.test(`zstd ${name} checks the frame's own checksum when there is one`, () => {
    // "warp\n" by `zstd --check`.
    const frame = fromHex(CHECKED_FRAME);
    assert.equal(new TextDecoder().decode(unpack(kernel, frame, 5)), "warp\n");
    frame[frame.length - 1]! ^= 1;
    assert.equal(unpack(kernel, frame, 5), undefined);
  });

  Deno.test(`zstd ${name} refuses levels it does not have`, () => {
    for (const level of [-8, 23, 1.5, NaN]) {
      assert.throws(() => kernel.compress(text(10), new Uint8Array(100), level), /invariant/);
    }
  });
}

Deno.test("checkFrame() refuses headers that the rules exclude", () => {
  const cases: Record<string, string> = {
    "wrong magic": "28b52ffe2000010000",
    "reserved bit": "28b52ffd2800010000",
    "dictionary id": "28b52ffd210100010000",
    "reserved block type": "28b52ffd2000070000",
    "no last block": "28b52ffd2000000000",
    "block above the window": "28b52ffd20001d0000000000",
    "window above 8 MiB, no size": "28b52ffd0070010000",
    "header cut short": "28b52ffde000000000",
    "window above 128 MiB": "28b52ffd808900000000010000",
  };
  assert.ok(checkFrame(fromHex("28b52ffd2000010000"), 0), "an empty frame is fine");
  assert.ok(checkFrame(fromHex("28b52ffd0068010000"), 0), "a window of 8 MiB is fine");
  assert.ok(checkFrame(fromHex("28b52ffd808800000000010000"), 0), "a window of 128 MiB is fine");
  for (const [what, hex] of Object.entries(cases)) {
    assert.ok(!checkFrame(fromHex(hex), 0), what);
  }
});

Deno.test("checkFrame() never reads past the input", () => {
  const frames: Bytes[] = [text(40), noise(40), fromHex("28b52ffdff")];
  for (const bytes of frames) {
    for (let length = 0; length <= bytes.length; length++) {
      const cut = bytes.slice(0, length);
      if (length >= 4) cut.set(fromHex("28b52ffd"));
      assert.equal(typeof checkFrame(cut, 10), "boolean");
    }
  }
});

function isOldLibrary(description: string): boolean {
  const match = /\blibzstd (\d+)\.(\d+)\.(\d+)/.exec(description);
  if (match === null) return false;
  const version = match.slice(1).map(Number);
  for (let i = 0; i < 3; i++) {
    if (version[i] !== VERSION_EXACT[i]) return version[i]! < VERSION_EXACT[i]!;
  }
  return false;
}

const CHECKED_FRAME = "28b52ffd2405290000776172700ac47de20e";
