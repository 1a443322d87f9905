/**
 * What a plan must hold whatever the batch: every chunk is somewhere, each content once.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ChunkMap } from "../../../actors/archive/chunk_map.ts";
import { chunkLength, planBatch } from "../../../actors/archive/plan.ts";
import { toHex } from "../../../actors/base/bytes.ts";

/** Ids that often agree in their first bytes, and often entirely. */
const id = fc.tuple(fc.nat(3), fc.nat(3)).map(([head, tail]) => {
  const bytes = new Uint8Array(32).fill(7);
  bytes[0] = head;
  bytes[31] = tail;
  return bytes;
});

Deno.test("planBatch() stores each new content once and refers every chunk to it", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(id, fc.integer({ min: 1, max: 300_000 }), fc.nat(8000)), { maxLength: 60 }),
    fc.array(id, { maxLength: 6 }),
    (chunks, old) => {
      const known = new ChunkMap(1 << 16);
      const oldIds = new Map<string, number>();
      for (const bytes of old) {
        if (oldIds.has(toHex(bytes))) continue;
        known.set(bytes, { source: 1, ordinal: oldIds.size });
        oldIds.set(toHex(bytes), oldIds.size);
      }
      const ids = new Uint8Array(32 * chunks.length);
      const cuts = new Uint32Array(chunks.length);
      chunks.forEach(([bytes, length], i) => {
        ids.set(bytes, 32 * i);
        cuts[i] = (cuts[i - 1] ?? 0) + length;
      });
      const entropy = Uint16Array.from(chunks.map(([, , value]) => value));
      const plan = planBatch({
        cuts,
        ids,
        entropy,
        compression: { mode: "auto" },
        nextChunk: 100,
        nextBlock: 10,
      }, known);
      known.close();
      const key = (i: number) => toHex(chunks[i]![0]);
      const fresh = new Set(chunks.map((_, i) => key(i)).filter((one) => !oldIds.has(one)));
      assert.deepEqual(new Set(plan.order.map(key)), fresh);
      assert.equal(plan.order.length, fresh.size);
      assert.deepEqual(plan.blocks.flatMap((block) => block.chunks), plan.order);
      assert.deepEqual(
        plan.blocks.map(({ ordinal }) => ordinal),
        plan.blocks.map((_, k) => 10 + k),
      );
      plan.refs.forEach(({ source, ordinal }, i) => {
        if (oldIds.has(key(i))) assert.deepEqual([source, ordinal], [1, oldIds.get(key(i))]);
        else assert.equal(key(plan.order[ordinal - 100]!), key(i));
      });
      for (const block of plan.blocks) {
        const raw = block.chunks.slice(0, -1).reduce((sum, i) => sum + chunkLength(cuts, i), 0);
        assert.ok(raw < 512 * 1024);
      }
    },
  ));
});
