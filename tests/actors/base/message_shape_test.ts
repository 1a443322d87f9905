import assert from "node:assert/strict";
import { encode } from "@std/msgpack";
import fc from "fast-check";
import { decodeMessage } from "../../../actors/base/entry_codec.ts";
import { isSoundMessage } from "../../../actors/base/message_shape.ts";

// Goal: a value that claims more than its bytes can hold is refused before the decoder makes room for it.

Deno.test("isSoundMessage() takes what MessagePack encodes", () => {
  const value = fc.anything({ maxDepth: 4, withNullPrototype: false });
  fc.assert(fc.property(fc.array(value.filter(isPlain), { maxLength: 5 }), (list) => {
    assert.ok(isSoundMessage(encode(list), 64));
  }));
});

/** JSON has no kinds that MessagePack does not know. */
function isPlain(value: unknown): boolean {
  try {
    encode(value);
    return true;
  } catch {
    return false;
  }
}

Deno.test("decodeMessage() refuses twenty bytes that claim gigabytes", () => {
  // Arrays of 2^23 items, one in the other: 64 MB each for a decoder that believes them.
  const nested = new Uint8Array(12 * 5 + 1);
  for (let at = 0; at < 60; at += 5) nested.set([0xdd, 0x00, 0x80, 0x00, 0x00], at);
  const before = Deno.memoryUsage().rss;
  assert.throws(() => decodeMessage(nested), { code: "E_INTEGRITY" });
  assert.throws(() => decodeMessage(Uint8Array.of(0xdc, 0xff, 0xff)), { code: "E_INTEGRITY" });
  assert.throws(() => decodeMessage(new Uint8Array(40).fill(0x91)), { code: "E_INTEGRITY" });
  assert.ok(Deno.memoryUsage().rss - before < 50e6);
});
