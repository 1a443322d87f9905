/**
 * base64url as the engine and as the package have it are one: same texts, same refusals.
 *
 * @module
 */
import assert from "node:assert/strict";
import { base64urlnopad } from "@scure/base";
import fc from "fast-check";
import { isWarpError } from "../../../actors/base/errors.ts";
import { fromBase64Url, toBase64Url } from "../../../actors/portal/base64url.ts";

Deno.test("what is written is what the package writes, and comes back", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const text = toBase64Url(bytes);
    assert.equal(text, base64urlnopad.encode(new Uint8Array(bytes)));
    assert.deepEqual(fromBase64Url(text, bytes.length), new Uint8Array(bytes));
  }));
});

Deno.test("a text is taken only when it is the one encoding of its bytes", () => {
  const characters = [..."AZaz09-_+/= \n\tQgwB."];
  const texts = fc.array(fc.constantFrom(...characters), { maxLength: 9 }).map((all) =>
    all.join("")
  );
  let taken = 0;
  fc.assert(
    fc.property(texts, (text) => {
      let bytes: Uint8Array;
      try {
        bytes = fromBase64Url(text);
      } catch (error) {
        assert.ok(isWarpError(error, "E_PROTOCOL"));
        assert.throws(() => base64urlnopad.decode(text), JSON.stringify(text));
        return;
      }
      taken++;
      assert.equal(toBase64Url(bytes), text);
      assert.deepEqual(bytes, new Uint8Array(base64urlnopad.decode(text)));
    }),
    { numRuns: 3000 },
  );
  assert.ok(taken > 100);
});

Deno.test("a wrong length, padding, white space and spare bits are refused", () => {
  assert.throws(() => fromBase64Url("AAAA", 4), (error) => isWarpError(error, "E_PROTOCOL"));
  for (const text of ["A", "AA==", "AB", "AAA=", "AAB", "AA AA", "AAAA\n", "AA+A", "AAAAA"]) {
    assert.throws(() => fromBase64Url(text), (error) => isWarpError(error, "E_PROTOCOL"), text);
  }
});
