/**
 * Bodies of requests: what is taken, and what is given up.
 *
 * @module
 */
import assert from "node:assert/strict";
import { utf8 } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { receive } from "../../hub/receive.ts";

/** Gives these parts, then ends, breaks, or says nothing more. */
function bodyOf(parts: Uint8Array[], then: "ends" | "breaks" | "hangs") {
  const seen = { isCancelled: false };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const part = parts.shift();
      if (part !== undefined) controller.enqueue(part);
      else if (then === "ends") controller.close();
      else if (then === "breaks") controller.error(new Error("connection reset"));
      else return new Promise(() => {});
    },
    cancel() {
      seen.isCancelled = true;
    },
  });
  return { stream, seen };
}

const hello = () => [utf8("hel"), utf8("lo")];

Deno.test("a body is taken whole, up to its limit", async () => {
  assert.deepEqual(new Uint8Array(await receive(bodyOf(hello(), "ends").stream, 5)), utf8("hello"));
  assert.equal((await receive(null, 5)).length, 0);
  const { stream, seen } = bodyOf(hello(), "hangs");
  await assert.rejects(receive(stream, 4), (error) => isWarpError(error, "E_LIMIT"));
  assert.ok(seen.isCancelled, "the rest is not waited for");
});

Deno.test("a body that is cut, or dawdles, is given up with a typed error", async () => {
  const cut = receive(bodyOf(hello(), "breaks").stream, 100);
  await assert.rejects(cut, (error) => isWarpError(error, "E_PROTOCOL"));
  const { stream, seen } = bodyOf(hello(), "hangs");
  await assert.rejects(receive(stream, 100, 20), (error) => isWarpError(error, "E_DEADLINE"));
  assert.ok(seen.isCancelled);
});
