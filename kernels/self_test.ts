/**
 * Known answers that a backend must give before it is used, in about a millisecond each.
 *
 * Answers are from the standards' vectors where there are any (named beside them), else from
 * `portable`. The full suite is in tests/kernels; this one catches a library that was built wrong, a
 * CPU whose instructions differ, and a call convention that does not fit.
 *
 * @module
 */
import { type Bytes, equal, fromHex, isZero, toHex, utf8 } from "../actors/base/bytes.ts";
import { defaultTable } from "./boundary/spec.ts";
import type { Aead, Blake3, BlockCodec, Boundary, Entropy, KernelName, Kernels } from "./kernel.ts";
import { checkFrame } from "./zstd/spec.ts";

/** A check that fails with its name. */
class Fault extends Error {}

function expect(isRight: boolean, what: string): void {
  if (!isRight) throw new Fault(what);
}

const TESTS: { [K in KernelName]: (kernel: Kernels[K]) => void } = {
  blake3: testBlake3,
  aead: testAead,
  boundary: testBoundary,
  zstd: testZstd,
  lz4: testLz4,
  entropy: testEntropy,
};

/** What is wrong with the backend, or undefined when all answers are right. */
export function selfTest<K extends KernelName>(name: K, kernel: Kernels[K]): string | undefined {
  try {
    TESTS[name](kernel);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Bytes 0, 1, ..., 250, 0, ...: as in BLAKE3's own vectors. */
function painted(length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = i % 251;
  return out;
}

/** Reproducible noise: the high bytes of a linear congruence. */
function noise(length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  for (let i = 0, state = 1; i < length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    out[i] = state >>> 24;
  }
  return out;
}

function testBlake3(blake3: Blake3): void {
  // BLAKE3 test_vectors.json, input_len 0, 1025 and 2049.
  const key = utf8("whats the Elvish word for friend");
  const input = painted(2049), out = new Uint8Array(32);
  const hashOf = (bytes: Bytes, hashKey?: Bytes) => {
    blake3.hash(bytes, out, hashKey);
    return toHex(out);
  };
  expect(hashOf(input.subarray(0, 0)) === ANSWERS.blake3Empty, "hash of nothing");
  expect(hashOf(input) === ANSWERS.blake3Hash2049, "hash of 2049 bytes");
  expect(hashOf(input.subarray(0, 1025), key) === ANSWERS.blake3Keyed1025, "keyed hash");
  const derived = blake3.deriveKey("BLAKE3 2019-12-27 16:29:52 test vectors context", input, 32);
  expect(toHex(derived) === ANSWERS.blake3Derived2049, "key derivation");
  // Lanes that end at different blocks, leaves and tree shapes.
  const lengths = [0, 1, 64, 65, 1023, 1024, 1025, 2048, 3073, 5000, 63, 1, 7000, 2049, 4096, 1536];
  const offsets = [3];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  const base = painted(offsets.at(-1)!), digests = new Uint8Array(32 * lengths.length);
  blake3.hashMany(base, offsets, digests);
  expect(hashOf(digests) === ANSWERS.blake3Many, "batch");
  blake3.hashMany(base, offsets, digests, key);
  expect(hashOf(digests, key) === ANSWERS.blake3ManyKeyed, "keyed batch");
}

function testAead(aead: Aead): void {
  // RFC 8439 §2.8.2.
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const nonce = fromHex("070000004041424344454647"), aad = fromHex("50515253c0c1c2c3c4c5c6c7");
  const sunscreen = utf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
      "sunscreen would be it.",
  );
  const sealed = new Uint8Array(sunscreen.length + 16);
  aead.seal(key, nonce, aad, sunscreen, sealed);
  expect(toHex(sealed) === ANSWERS.aeadRfc8439, "seal, RFC 8439");
  const opened = new Uint8Array(sunscreen.length).fill(1);
  expect(aead.open(key, nonce, aad, sealed, opened), "open, RFC 8439");
  expect(equal(opened, sunscreen), "plaintext, RFC 8439");
  sealed[5]! ^= 1;
  expect(!aead.open(key, nonce, aad, sealed, opened) && isZero(opened), "forged ciphertext");
  // Long enough for every SIMD path, in place, without aad.
  const slab = new Uint8Array(2001 + 16);
  slab.set(painted(2001));
  aead.seal(key, nonce, new Uint8Array(), slab.subarray(0, 2001), slab);
  expect(toHex(slab.subarray(2001 - 16)) === ANSWERS.aeadTail2001, "seal in place");
  expect(aead.open(key, nonce, new Uint8Array(), slab, slab.subarray(0, 2001)), "open in place");
  expect(equal(slab.subarray(0, 2001), painted(2001)), "plaintext in place");
}

function testBoundary(boundary: Boundary): void {
  const input = noise(24_000);
  input.fill(7, 9000, 12_000);
  const table = defaultTable();
  const cutsOf = (avgBits: number, min: number, max: number, isLast: boolean) =>
    boundary.cuts({ avgBits, min, max, table }, input.subarray(1), isLast).join(" ");
  expect(cutsOf(10, 256, 2048, true) === ANSWERS.boundaryAvg1024, "cuts, average 1 KiB");
  expect(cutsOf(8, 64, 1024, false) === ANSWERS.boundaryAvg256, "cuts, average 256 bytes");
}

function testZstd(zstd: BlockCodec): void {
  const output = new Uint8Array(ANSWERS.text.length), text = utf8(ANSWERS.text);
  const frame = fromHex(ANSWERS.zstdFrame);
  expect(zstd.decompress(frame, output) && equal(output, text), "decompress");
  testCodec(zstd, frame, text);
  const made = new Uint8Array(zstd.bound(text.length));
  const length = zstd.compress(text, made, 3);
  expect(checkFrame(made.subarray(0, length), text.length), "frame header");
  expect((made[4]! & 0xe0) !== 0 && (made[4]! & 0x07) === 0, "content size only in the header");
}

function testLz4(lz4: BlockCodec): void {
  const output = new Uint8Array(ANSWERS.text.length), text = utf8(ANSWERS.text);
  const block = fromHex(ANSWERS.lz4Block);
  expect(lz4.decompress(block, output) && equal(output, text), "decompress");
  testCodec(lz4, block, text);
  // A match that points before the start.
  expect(!lz4.decompress(fromHex("1061ffff50616263646566"), new Uint8Array(10)), "wild match");
}

function testCodec(codec: BlockCodec, packed: Bytes, content: Bytes): void {
  const { length } = content;
  expect(!codec.decompress(packed, new Uint8Array(length - 1)), "refuse what is too long");
  expect(!codec.decompress(packed, new Uint8Array(length + 1)), "refuse what is too short");
  expect(!codec.decompress(packed.subarray(0, -1), new Uint8Array(length)), "refuse a short input");
  const made = new Uint8Array(codec.bound(length)), output = new Uint8Array(length);
  const used = codec.compress(content, made, 1);
  expect(used > 0 && used < length, "compress");
  expect(
    codec.decompress(made.subarray(0, used), output) && equal(output, content),
    "decompress what was compressed",
  );
  expect(codec.compress(content, new Uint8Array(used >> 1), 1) === 0, "refuse a short output");
}

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);

function testEntropy(entropy: Entropy): void {
  expect(entropy.estimate(new Uint8Array()) === 0, "nothing");
  expect(entropy.estimate(new Uint8Array(4096)) === 0, "zeros");
  expect(entropy.estimate(ALL_BYTES) === 8000, "uniform");
  expect(entropy.estimate(noise(3001)) === ANSWERS.entropyNoise3001, "noise");
  expect(entropy.estimate(utf8(ANSWERS.text)) === ANSWERS.entropyText, "text");
  const many = new Uint16Array(3);
  entropy.estimateMany(noise(9000), [5, 5, 8005, 8105], 256, many);
  expect(many.join(" ") === ANSWERS.entropyMany, "samples of many");
}

const ANSWERS = {
  blake3Empty: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
  blake3Hash2049: "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
  blake3Keyed1025: "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69",
  blake3Derived2049: "2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273",
  blake3Many: "f6d01879ab00b2740c796dc92fc3cf93beb77199d53e69fbffcd1ef1178a62ae",
  blake3ManyKeyed: "c1f9a03a1d8da776517a7be39b75edb8a4c5fda597c29292f1ba12e566fc609b",
  aeadRfc8439:
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69" +
    "da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad67594" +
    "5585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
  aeadTail2001: "6533580c1273c238b36995f8294f01942ec45be6edcc7dab83ed123b1c7e794e",
  boundaryAvg1024:
    "1511 2540 4097 5230 6575 7012 7488 8568 8861 10909 12492 13598 15040 16669 18455 19531 " +
    "20561 21702 23081 23999",
  boundaryAvg256:
    "275 546 836 923 1292 1734 2011 2232 2370 2645 2994 3271 3635 3904 4097 4358 4618 4911 " +
    "5230 5517 5802 6086 6562 6983 7290 7488 7899 8155 8568 8665 8861 8928 9952 10976 12000 " +
    "12361 12492 12767 13044 13371 13703 14026 14136 14410 14702 15040 15304 15663 16082 " +
    "16461 16823 17133 17392 17735 18040 18322 18587 18858 19149 19423 19679 19959 20219 " +
    "20488 20602 20909 21205 21518 21916 22128 22442 22723 23081 23344 23432 23767",
  text: "The warp is what the weft crosses; the weft crosses what the warp is. ".repeat(5) +
    "Portal, portal, portal: 0123456789.",
  /** Made by libzstd 1.5.4 and liblz4 1.9.4. */
  zstdFrame:
    "28b52ffd60810055020064035468652077617270206973207768617420746566742063726f737365733b2e20" +
    "506f7274616c2c20703a20303132333435363738392e0600abe3542441215738963240cd49889d61",
  lz4Block:
    "f0035468652077617270206973207768617420741100cd6566742063726f737365733b12000728000239002f" +
    "2e204600ff0699506f7274616c2c20700800d03a20303132333435363738392e",
  entropyNoise3001: 7939,
  entropyText: 3872,
  entropyMany: "0 7229 6153",
} as const;
