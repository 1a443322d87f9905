import assert from "node:assert/strict";
import fc from "fast-check";
import { isWarpError, WarpError } from "../../../actors/base/errors.ts";
import {
  decodeStreamFixed,
  encodeStreamHeader,
  openStreamHeader,
  restLength,
  STREAM_FIXED_BYTES,
} from "../../../actors/stream/header.ts";

// Goal: every changed bit of a header is an error, before and after a key is known.

const fileKey = new Uint8Array(32).fill(1);
const salt = Uint8Array.from({ length: 32 }, (_, i) => i);
const keySection = new Uint8Array(100).fill(9);
const made = encodeStreamHeader({ frameBytes: 65536, salt, keySection }, fileKey);

function read(header: Uint8Array): Uint8Array {
  const fixed = decodeStreamFixed(header.subarray(0, STREAM_FIXED_BYTES));
  assert.equal(STREAM_FIXED_BYTES + restLength(fixed), header.length, "length of the header");
  return openStreamHeader(header, fileKey);
}

Deno.test("a header gives the same key to reader and writer", () => {
  assert.deepEqual(read(made.header), made.streamKey);
});

Deno.test("another salt, frame size, key section or file key gives another stream key", () => {
  const variants = [
    encodeStreamHeader({ frameBytes: 65536, salt: new Uint8Array(32), keySection }, fileKey),
    encodeStreamHeader({ frameBytes: 1 << 20, salt, keySection }, fileKey),
    encodeStreamHeader({ frameBytes: 65536, salt, keySection: keySection.fill(8) }, fileKey),
    encodeStreamHeader({ frameBytes: 65536, salt, keySection }, new Uint8Array(32)),
  ];
  keySection.fill(9);
  const keys = [made, ...variants].map(({ streamKey }) => streamKey.join());
  assert.equal(new Set(keys).size, keys.length);
});

Deno.test("every flipped bit is an error of ours", () => {
  for (let bit = 0; bit < 8 * made.header.length; bit++) {
    const header = made.header.slice();
    header[bit >> 3]! ^= 1 << (bit & 7);
    const byte = bit >> 3;
    try {
      read(header);
      assert.fail(`bit ${bit} went unseen`);
    } catch (error) {
      // A changed length of the key section moves the end of the header.
      const isMoved = byte >= 16 && byte < 20;
      assert.ok(isMoved || error instanceof WarpError, `bit ${bit}: ${error}`);
      if (byte >= 32) assert.ok(isWarpError(error, "E_INTEGRITY"));
    }
  }
});

Deno.test("a wrong file key is an error", () => {
  assert.throws(() => openStreamHeader(made.header, new Uint8Array(32)), { code: "E_INTEGRITY" });
});

Deno.test("what is no stream, another version, or cut short is told apart", () => {
  assert.throws(() => decodeStreamFixed(new Uint8Array(64)), { code: "E_NOT_AN_ARCHIVE" });
  const newer = made.header.slice(0, 64);
  newer[8] = 2;
  assert.throws(() => decodeStreamFixed(newer), { code: "E_VERSION" });
  for (let length = 0; length < 64; length++) {
    assert.throws(() => decodeStreamFixed(made.header.subarray(0, length)), {
      code: "E_TRUNCATED",
    });
  }
});

Deno.test("noise is refused without allocating what it asks for", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 56, maxLength: 56 }), (noise) => {
      const bytes = made.header.slice(0, 64);
      bytes.set(noise, 8);
      try {
        const fixed = decodeStreamFixed(bytes);
        assert.ok(fixed.keySectionLength <= 1 << 20 && fixed.frameBytes <= 1 << 20);
      } catch (error) {
        assert.ok(error instanceof WarpError);
      }
    }),
    { numRuns: 500 },
  );
});
