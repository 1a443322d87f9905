/** @module Tests of actors/cipher/argon2.ts with the vector of RFC 9106 §5.3. */
import assert from "node:assert/strict";
import { toHex, utf8 } from "../../../actors/base/bytes.ts";
import { ARGON2_DEFAULT, argon2id, argon2idPortable } from "../../../actors/cipher/argon2.ts";

const PARAMS = { memoryKiB: 32, passes: 3, lanes: 4 };
const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte);
const EXTRAS = { secret: filled(8, 3), associated: filled(12, 4) };
const TAG = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";

Deno.test("argon2id() reproduces RFC 9106 §5.3", async () => {
  assert.equal(toHex(await argon2id(filled(32, 1), filled(16, 2), PARAMS, EXTRAS)), TAG);
});

Deno.test("argon2idPortable() reproduces RFC 9106 §5.3", async () => {
  assert.equal(toHex(await argon2idPortable(filled(32, 1), filled(16, 2), PARAMS, EXTRAS)), TAG);
});

Deno.test("argon2id() and argon2idPortable() agree on other parameters", async () => {
  for (
    const params of [{ memoryKiB: 8, passes: 1, lanes: 1 }, {
      memoryKiB: 129,
      passes: 2,
      lanes: 3,
    }]
  ) {
    const fast = await argon2id(utf8("correct horse"), filled(16, 9), params);
    const portable = await argon2idPortable(utf8("correct horse"), filled(16, 9), params);
    assert.equal(toHex(fast), toHex(portable));
  }
});

Deno.test("argon2id() takes a passphrase in shared memory and leaves it alone", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(0x61);
  const params = { memoryKiB: 8, passes: 1, lanes: 1 };
  const fromShared = await argon2id(shared, filled(16, 9), params);
  assert.equal(toHex(fromShared), toHex(await argon2id(utf8("aaaa"), filled(16, 9), params)));
  assert.equal(toHex(shared), "61616161");
});

Deno.test("argon2id() refuses parameters the algorithm has no meaning for", async () => {
  for (
    const params of [{ memoryKiB: 31, passes: 1, lanes: 4 }, {
      memoryKiB: 64,
      passes: 0,
      lanes: 1,
    }]
  ) {
    await assert.rejects(argon2id(utf8("x"), filled(16, 0), params), /invariant/);
  }
});

Deno.test("ARGON2_DEFAULT is no weaker than RFC 9106's second recommendation in memory and time", () => {
  assert.ok(ARGON2_DEFAULT.memoryKiB >= 65536 && ARGON2_DEFAULT.passes >= 3);
});
