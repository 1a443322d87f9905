/**
 * Memory that uploads share.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { isWarpError } from "../../actors/base/errors.ts";
import { ByteBudget } from "../../hub/byte_budget.ts";

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("a budget is never exceeded, and everyone gets their turn, in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 150 }), { minLength: 1, maxLength: 40 }),
      fc.infiniteStream(fc.nat(3)),
      async (sizes, picks) => {
        const budget = new ByteBudget(100, 1000);
        const begun: number[] = [];
        const held: (() => void)[] = [];
        for (const [i, size] of sizes.entries()) {
          void budget.take(size).then((giveBack) => {
            begun.push(i);
            held.push(giveBack);
          });
        }
        for (let steps = 0; begun.length < sizes.length || held.length > 0; steps++) {
          assert.ok(steps < 1000, "all are let in, in the end");
          await turn();
          assert.ok(budget.used <= 100, `${budget.used}`);
          const pick = picks.next().value! % Math.max(1, held.length);
          held.splice(pick, 1)[0]?.();
        }
        assert.deepEqual(begun, sizes.map((_, i) => i));
        assert.equal(budget.used, 0);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("giving back twice is giving back once, and a queue has an end", async () => {
  const budget = new ByteBudget(10, 1);
  const first = await budget.take(10);
  const second = budget.take(5);
  await assert.rejects(budget.take(1), (error) => isWarpError(error, "E_RATE"));
  first();
  first();
  assert.equal(budget.used, 5);
  (await second)();
  assert.equal(budget.used, 0);
});
