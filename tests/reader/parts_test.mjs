// Checks each part of the second reader against published vectors or small embedded data:
//
//   node --test tests/reader/parts_test.mjs

import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { argon2id } from "./argon2id.mjs";
import { blake2b } from "./blake2b.mjs";
import * as blake3 from "./blake3.mjs";
import { decodeBlock } from "./lz4.mjs";
import { decode } from "./msgpack.mjs";
import { decodeFrame } from "./zstd.mjs";

const vectors = new URL("../vectors/", import.meta.url);
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const fromHex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");
const fromBase64 = (...lines) => Buffer.from(lines.join(""), "base64");

/** Numbers below `limit` from a linear congruential generator; what the frames below hold. */
function* random(seed, limit, count) {
  for (let x = seed, i = 0; i < count; i++) {
    x = (x * 69069 + 12345) % 2 ** 32;
    yield Math.floor(x / 2 ** 32 * limit);
  }
}

const WORDS = "the quick brown fox jumps over the lazy dog and walks back to its den".split(" ");
const prose = [...random(7, WORDS.length, 120)].map((i) => WORDS[i]).join(" ");
const digits = [...random(1, 10, 500)].join("");

test("BLAKE3: all three modes, with outputs of 32 and 131 bytes", () => {
  const { key, context_string: context, cases } = JSON.parse(
    readFileSync(new URL("blake3/test_vectors.json", vectors), "utf8"),
  );
  const keyBytes = Buffer.from(key);
  for (const { input_len: length, hash, keyed_hash: keyed, derive_key: derived } of cases) {
    const input = Uint8Array.from({ length }, (_, i) => i % 251);
    for (const size of [32, 131]) {
      const start = (text) => text.slice(0, 2 * size);
      assert.equal(hex(blake3.hash(input, size)), start(hash));
      assert.equal(hex(blake3.keyed(keyBytes, input, size)), start(keyed));
      assert.equal(hex(blake3.deriveKey(context, input, size)), start(derived));
    }
  }
});

test("BLAKE2b: lengths around a block, and a short digest", () => {
  for (const length of [0, 1, 127, 128, 129, 256, 257, 1000]) {
    const input = Buffer.alloc(length, 7);
    assert.equal(hex(blake2b(input)), createHash("blake2b512").update(input).digest("hex"));
  }
  assert.equal(
    hex(blake2b(Buffer.from("abc"), 32)),
    "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
  );
});

test("Argon2id: RFC 9106, section 5.3", () => {
  const options = { memory: 32, passes: 3, lanes: 4 };
  const secret = Buffer.alloc(8, 3), data = Buffer.alloc(12, 4);
  const tag = argon2id(Buffer.alloc(32, 1), Buffer.alloc(16, 2), { ...options, secret, data });
  assert.equal(hex(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
});

test("Argon2id: more than one address block, and uneven memory", () => {
  const password = Buffer.from("password"), salt = Buffer.from("somesaltsomesalt");
  assert.equal(
    hex(argon2id(password, salt, { memory: 1037, passes: 2, lanes: 3 })),
    "dabcf92ffae5368457c9f492d91fa18ba5bae7217413f05e563893ea49f22774",
  );
});

const FRAMES = {
  prose: fromBase64( // FSE coded Huffman weights, one stream, FSE tables of its own
    "KLUv/QRo5QUA8gMOEpDPAWCDTZDBBhss2N3d0dh1DqVFCke6hkkxfdcm9rJKgcHfmH3YlkQvLWA8Z7QfuGB8NsSH",
    "iQFRqKErSAp7HTBEgCC8DjCElNKmNZuRvUzLTYPGlisI2RR9fSURyERiscqQHE6DmgAiSqeA4SnHsvjt88g6SvFZ",
    "B6iEUMWgV6AhTqAXk5a8ffBhrs8MGDk6G4VKt5j50Cj6N2cVfN3owqdeYsquwnejehgPPCAcQOaDwB0KpqmLvipz",
    "M7ko",
  ),
  digits: fromBase64( // four Huffman streams
    "KLUv/QRoPQcARt84CMB3SaRIG+DgNQA1ADYAClcocIcfDF4T12pJKko+/87GFsDZZhsKOPoi5h9Cq4Fnn6hBSKl8",
    "hAuo0xPI91rl/4RChgpW9YGVrMWg0MDFASzkvWybjgXsnhL0PAhcEjsBwO1lfGacFoLyG6nQN6lOHRN9wC4RY6Wt",
    "Axf9v2WiFYwdFLU2bDYiDEnH84Lmsu/WZzEx0M0k+auHARwyuKZFJFaKAaR0N7xURka0ggGGBzJhS/zY+YBJ/hkv",
    "gj6wewoLIDcUuGNTlkrxo7rrjyUXxPdoFy6ID22awtiPwQBafSd9+wcAHrnQHA==",
  ),
  repeated: fromBase64("KLUv/QRYTQAAEHh4AQCz8wEWUeRVXg=="), // one long match
  raw: fromBase64("KLUv/QBYIQAAcmF3IQ=="), // a raw block, no checksum
};

test("zstd: embedded frames", () => {
  const expected = { prose, digits, repeated: "x".repeat(3000), raw: "raw!" };
  for (const [name, frame] of Object.entries(FRAMES)) {
    const content = decodeFrame(frame, expected[name].length);
    assert.equal(Buffer.from(content).toString(), expected[name]);
    assert.throws(() => decodeFrame(frame, expected[name].length - 1), /too long/);
    assert.throws(() => decodeFrame(Buffer.concat([frame, Buffer.alloc(1)]), 4000), /after/);
  }
});

test("zstd: no cut or flipped bit of a frame with a checksum gives wrong content", () => {
  const frame = FRAMES.prose;
  for (let length = 0; length < frame.length; length++) {
    assert.throws(() => decodeFrame(frame.subarray(0, length), 4000), /^Error: zstd/);
  }
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    const bad = Buffer.from(frame);
    bad[bit >> 3] ^= 1 << (bit & 7);
    let content;
    try {
      content = Buffer.from(decodeFrame(bad, 4000)).toString();
    } catch (error) {
      assert.match(String(error), /^Error: zstd/);
    }
    // Bits without an effect remain, such as the window size: the content is still right.
    if (content !== undefined) assert.equal(content, prose, `bit ${bit}`);
  }
});

test("zstd: frames that must and must not be accepted", () => {
  const good = new URL("zstd/golden-decompression/", vectors);
  for (const name of readdirSync(good)) decodeFrame(readFileSync(new URL(name, good)), 1 << 21);
  const bad = new URL("zstd/golden-decompression-errors/", vectors);
  for (const name of readdirSync(bad).filter((name) => name.endsWith(".zst"))) {
    assert.throws(() => decodeFrame(readFileSync(new URL(name, bad)), 1 << 21), /zstd/, name);
  }
});

test("LZ4: a block with literals, matches and an overlapping match", () => {
  const block = fromBase64(
    "8QZ0aGUgZGVuIGFuZCBicm93biBpdHMSAPEEZG9nIGp1bXBzIG92ZXIgYmFjayYAAQ4AAhkAQmxhenkQAAAtAABL",
    "AAENAAAJAAFYAGFvZyBmb3hSAAEUAHFvIHdhbGtzRwACCgAAHwAAJwAEdQAAJwACGgABXAACkgABGQAXbxwAB5cA",
    "AxwAAS4AI3RvMQAAYAACJAABtgACFQAElgACGQAFjAAAegAGNgAATwABlAADAQEBQAAEDQABcQACDQEBMQACQQBW",
    "cXVpY2v9AAIVAAclAQIRACl0b+wAAC8AAHAAABQABpUAAgYAAlEACF0AIml0KgECDgACBgABYgAkaXQ1AARJAAc9",
    "AQRUAQXxAAe7AAArAAAzAAeuAAATAAE4AAZqAAIsAAgGAAIYAE9kb2d6AQD/FFB6enp6eg==",
  );
  const text = prose + "z".repeat(300);
  assert.equal(Buffer.from(decodeBlock(block, text.length)).toString(), text);
  for (const size of [0, text.length - 1, text.length + 1]) {
    assert.throws(() => decodeBlock(block, size), /LZ4/);
  }
  for (let length = 0; length < block.length; length++) {
    assert.throws(() => decodeBlock(block.subarray(0, length), text.length), /LZ4/);
  }
  assert.equal(decodeBlock(Uint8Array.of(0), 0).length, 0);
  assert.throws(() => decodeBlock(fromHex("10 61 02 00 10 61"), 6), /before the start/);
  assert.throws(() => decodeBlock(fromHex("10 61 00 00 10 61"), 6), /before the start/);
});

test("MessagePack: values", () => {
  const cases = [
    ["c0", null],
    ["c2", false],
    ["c3", true],
    ["7f", 127],
    ["e0", -32],
    ["cc ff", 255],
    ["cd 01 00", 256],
    ["ce ff ff ff ff", 0xffffffff],
    ["cf 00 1f ff ff ff ff ff ff", Number.MAX_SAFE_INTEGER],
    ["d0 80", -128],
    ["d1 80 00", -32768],
    ["d2 80 00 00 00", -(2 ** 31)],
    ["d3 ff ff ff ff 00 00 00 00", -(2 ** 32)],
    ["a2 c3 a9", "é"],
    ["d9 01 61", "a"],
    ["da 00 01 61", "a"],
    ["c4 02 00 ff", Buffer.from([0, 255])],
    ["c5 00 01 07", Buffer.from([7])],
    ["92 01 91 c0", [1, [null]]],
    ["dc 00 01 05", [5]],
    ["82 a1 61 01 a1 62 90", { a: 1, b: [] }],
    ["de 00 01 a1 61 01", { a: 1 }],
  ];
  for (const [bytes, expected] of cases) {
    const value = decode(fromHex(bytes));
    const plain = value !== null && Object.getPrototypeOf(value) === null ? { ...value } : value;
    assert.deepEqual(plain, expected, bytes);
  }
});

test("MessagePack: what is refused", () => {
  const cases = [
    "", // no value
    "c0 c0", // two values
    "c1", // a tag that is never used
    "cb 3f f0 00 00 00 00 00 00", // floating point
    "d4 00 00", // an extension
    "cf 00 20 00 00 00 00 00 00", // 2^53
    "a1 ff", // not UTF-8
    "81 01 01", // a key that is not text
    "82 a1 61 01 a1 61 01", // a repeated key
    "92 01", // cut off
    "dd ff ff ff ff 01",
    "c6 ff ff ff ff 01",
    "91".repeat(100) + "c0", // nested too deeply
  ];
  for (const bytes of cases) assert.throws(() => decode(fromHex(bytes)), undefined, bytes);
});
