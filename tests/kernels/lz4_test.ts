/**
 * Contract suite of the LZ4 block kernel, frames made by the lz4 program, and the precise difference
 * between the reference decoder and liblz4 on damaged blocks.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat, equal, fromHex } from "../../actors/base/bytes.ts";
import type { BlockCodec } from "../../kernels/kernel.ts";
import { openBackends, openPortable } from "./backends.ts";
import { pack, testCodec, unpack } from "./codec_contract.ts";
import { painted, randomWords, text, vector } from "./samples.ts";

const backends = await openBackends("lz4");
const portable = await openPortable("lz4");

const FRAME_MAGIC = 0x184d2204, LEGACY_MAGIC = 0x184c2102, SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_MOST = 4 * 1024 * 1024, LEGACY_BLOCK = 8 * 1024 * 1024;

/** Reads lz4 frames with independent blocks; block sizes are found by trial where not stated. */
function readFrames(codec: BlockCodec, bytes: Bytes, content: Bytes): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let at = 0, done = 0;
  const take = (length: number, most: number): boolean => {
    if (at + length > bytes.length) return false;
    const size = Math.min(most, content.length - done);
    const part = unpack(codec, bytes.subarray(at, at + length), size);
    if (part === undefined) return false;
    parts.push(part);
    done += size;
    at += length;
    return true;
  };
  while (at + 4 <= bytes.length) {
    const magic = view.getUint32(at, true);
    at += 4;
    if (magic >>> 4 === SKIPPABLE_MAGIC >>> 4) {
      at += 4 + view.getUint32(at, true);
    } else if (magic === LEGACY_MAGIC) {
      while (at + 4 <= bytes.length && view.getUint32(at, true) !== FRAME_MAGIC) {
        at += 4;
        if (!take(view.getUint32(at - 4, true), LEGACY_BLOCK)) return undefined;
      }
    } else {
      assert.equal(magic, FRAME_MAGIC);
      const flags = view.getUint8(at), most = 2 ** (8 + 2 * (view.getUint8(at + 1) >> 4 & 7));
      assert.equal(flags & 0x21, 0x20, "independent blocks, no dictionary");
      assert.ok(most <= BLOCK_MOST);
      at += 3 + ((flags & 8) === 0 ? 0 : 8);
      for (;;) {
        if (at + 4 > bytes.length) return undefined;
        const word = view.getUint32(at, true);
        at += 4;
        if (word === 0) break;
        const length = word & 0x7fffffff;
        if (word >>> 31 === 1) {
          parts.push(bytes.subarray(at, at + length));
          done += length;
          at += length;
        } else if (!take(length, most)) {
          return undefined;
        }
        if ((flags & 0x10) !== 0) at += 4;
      }
      if ((flags & 4) !== 0) at += 4;
    }
  }
  return concat(...parts);
}

/**
 * The block format without its rules about the end of a block, and with an offset of 0 allowed:
 * what liblz4 may accept though the reference decoder refuses.
 */
function isNearlyValid(input: Bytes, length: number): boolean {
  let read = 0, written = 0;
  const more = (nibble: number): number => {
    let total = nibble;
    for (let byte = 255; nibble === 15 && byte === 255; total += byte) byte = input[read++] ?? 0;
    return total;
  };
  while (read < input.length) {
    const token = input[read++]!;
    const literals = more(token >> 4);
    read += literals;
    written += literals;
    if (read === input.length) return written === length;
    const offset = input[read]! | input[read + 1]! << 8;
    read += 2;
    if (read > input.length || offset > written) return false;
    written += 4 + more(token & 15);
  }
  return false;
}

for (const { name, kernel, description } of backends) {
  const others = backends.filter((one) => one.name !== name).map((one) => one.kernel);
  testCodec(`lz4 ${name} (${description})`, kernel, others, [1]);

  Deno.test(`lz4 ${name} reads what the lz4 program wrote`, () => {
    const folder = new URL("../vectors/lz4-generated/", import.meta.url);
    const files = [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((file) =>
      /^(counter|empty|one|text|zeros).*\.lz4$/.test(file)
    );
    assert.equal(files.length, 30);
    for (const file of files) {
      const content = vector(`lz4-generated/${file.split(".")[0]}.in`);
      const read = readFrames(kernel, vector(`lz4-generated/${file}`), content);
      assert.ok(read !== undefined && equal(read, content), file);
    }
  });

  Deno.test(`lz4 ${name} refuses a frame that was cut short`, () => {
    const content = vector("lz4-generated/text-200k.in");
    const read = readFrames(kernel, vector("lz4-generated/BAD-truncated.lz4"), content);
    assert.equal(read, undefined);
  });

  Deno.test(`lz4 ${name} refuses malformed blocks`, () => {
    const ten = "30313233343536373839";
    const whole = unpack(kernel, fromHex(`a4${ten}0400806162636465666768`), 26);
    assert.equal(new TextDecoder().decode(whole), "012345678967896789abcdefgh");
    const cases: [string, number, string][] = [
      [`a4${ten}0b00806162636465666768`, 26, "offset beyond the start"],
      [`a4${ten}0400`, 18, "ends with a match"],
      ["", 0, "no token"],
      ["10", 1, "literal missing"],
      ["f0", 15, "length missing"],
      ["f0ff", 270, "length not ended"],
      ["f0" + "ff".repeat(300), 100, "length far above the output"],
      [`af${ten}0400` + "ff".repeat(300) + "506162636465", 50, "match far above the output"],
    ];
    for (const [hex, length, why] of cases) {
      assert.equal(unpack(kernel, fromHex(hex), length), undefined, why);
    }
    assert.equal(unpack(kernel, fromHex("00"), 0)?.length, 0);
  });
}

Deno.test("lz4 portable refuses blocks that end against the rules", () => {
  const refuse = (hex: string, length: number, why: string) =>
    assert.equal(unpack(portable, fromHex(hex), length), undefined, why);
  const ten = "30313233343536373839";
  refuse(`a4${ten}0000806162636465666768`, 26, "offset 0");
  refuse(`a4${ten}0400406162636465`, 22, "four last literals");
  refuse(`a0${ten}0400506162636465`, 19, "a match within the last twelve bytes");
});

for (const { name, kernel, description } of backends) {
  if (name === "portable") continue;
  Deno.test(`lz4 ${name} equals portable on damaged blocks, but for the known exceptions`, () => {
    const next = randomWords(7);
    let accepted = 0, excepted = 0;
    const bases = [text(400), painted(600), new Uint8Array(300)].map((input) =>
      pack(kernel, input)
    );
    bases.push(pack(portable, text(90)), pack(portable, painted(280)));
    const lengths = [400, 600, 300, 90, 280];
    for (let run = 0; run < 30_000; run++) {
      const which = run % bases.length;
      const damaged = bases[which]!.slice();
      for (let change = next() % 3; change >= 0; change--) {
        damaged[next() % damaged.length] = next() % 4 === 0 ? 0 : next();
      }
      const length = lengths[which]! + (next() % 3 === 0 ? next() % 9 - 4 : 0);
      const reference = unpack(portable, damaged, length);
      const result = unpack(kernel, damaged, length);
      if (reference !== undefined) {
        accepted++;
        assert.ok(result !== undefined && equal(result, reference), `${description}, run ${run}`);
      } else if (result !== undefined) {
        excepted++;
        assert.ok(isNearlyValid(damaged, length), `${description} accepts run ${run}`);
      }
    }
    assert.ok(accepted > 500, `${accepted} damaged blocks were still well formed`);
    console.log(`KNOWN lz4 ${name}: accepts ${excepted} of 30000 blocks that portable refuses`);
  });
}
