import assert from "node:assert/strict";
import fc from "fast-check";
import { CreditReceiver, CreditSender, ITEM_COST_MIN } from "../../../actors/runtime/credit.ts";
import { Heartbeats } from "../../../actors/runtime/heartbeat.ts";
import { Mailbox } from "../../../actors/runtime/mailbox.ts";
import { onExit, type RestartChild } from "../../../actors/runtime/restart.ts";
import { SlabPool } from "../../../actors/runtime/slab_pool.ts";
import { FlightRecorder } from "../../../actors/runtime/flight_recorder.ts";

Deno.test("credit never stalls, and bounds the bytes in flight to the window and one item", () => {
  const costs = fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 200 });
  fc.assert(
    fc.property(
      costs,
      fc.integer({ min: 1, max: 4000 }),
      fc.infiniteStream(fc.boolean()),
      (items, window, coin) => {
        const sender = new CreditSender(window), receiver = new CreditReceiver(window);
        const inFlight: number[] = [];
        const grants: number[] = [];
        let next = 0;
        const charged = (cost: number) => Math.max(cost, ITEM_COST_MIN);
        for (let steps = 0; next < items.length || inFlight.length > 0; steps++) {
          assert.ok(steps < 20 * items.length + 100, "stalled");
          const mayAct = coin.next().value;
          if (mayAct && next < items.length && sender.maySend()) {
            sender.sent(items[next]!);
            inFlight.push(items[next++]!);
          } else if (inFlight.length > 0) {
            const ceiling = receiver.consumed(inFlight.shift()!);
            // Grants come late, out of order and twice: ceilings only grow, so none of it matters.
            if (ceiling !== undefined) grants.push(ceiling, ceiling);
          }
          if (grants.length > 0 && (coin.next().value || inFlight.length === 0)) {
            sender.granted(grants.splice(grants.length >> 1, 1)[0]!);
            for (const grant of inFlight.length === 0 ? grants.splice(0) : []) {
              sender.granted(grant);
            }
          }
          const bytes = inFlight.reduce((sum, cost) => sum + charged(cost), 0);
          const largest = Math.max(ITEM_COST_MIN, ...items.map(charged));
          assert.ok(bytes < window + largest, `${bytes} in flight`);
        }
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("mailbox keeps order within a lane, lets urgent messages overtake, and is bounded", () => {
  const message = fc.record({ n: fc.integer(), urgent: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      (messages, max) => {
        const box = new Mailbox<{ n: number; urgent: boolean }>(max);
        const kept = messages.filter((m) => box.push(m, m.urgent));
        const normal = kept.filter(({ urgent }) => !urgent);
        assert.ok(normal.length <= max);
        assert.equal(box.dropped, messages.length - kept.length);
        const taken = [];
        for (let m = box.take(); m !== undefined; m = box.take()) taken.push(m);
        assert.deepEqual(taken, [...kept.filter(({ urgent }) => urgent), ...normal]);
        assert.equal(box.size, 0);
      },
    ),
  );
});

const child = (id: string, restart: RestartChild["restart"] = "permanent"): RestartChild => ({
  id,
  restart,
});
const flags = { strategy: "one_for_one", restartsMax: 3, periodMs: 1000 } as const;

Deno.test("onExit() restarts what the strategy says, in order", () => {
  const children = ["a", "b", "c"].map((id) => child(id));
  const decide = (strategy: "one_for_one" | "one_for_all" | "rest_for_one") =>
    onExit(children, { ...flags, strategy }, { id: "b", kind: "crash" }, [], 0);
  assert.deepEqual(decide("one_for_one").start, ["b"]);
  assert.deepEqual(decide("one_for_one").stop, []);
  assert.deepEqual(decide("rest_for_one").start, ["b", "c"]);
  assert.deepEqual(decide("rest_for_one").stop, ["c"]);
  assert.deepEqual(decide("one_for_all").start, ["a", "b", "c"]);
  assert.deepEqual(decide("one_for_all").stop, ["c", "a"]);
});

Deno.test("onExit() heeds permanent, transient and temporary", () => {
  const starts = (restart: RestartChild["restart"], kind: "normal" | "crash") =>
    onExit([child("a", restart)], flags, { id: "a", kind }, [], 0).start.length;
  assert.deepEqual(
    [starts("permanent", "normal"), starts("transient", "normal"), starts("temporary", "crash")],
    [1, 0, 0],
  );
  assert.equal(starts("transient", "crash"), 1);
});

Deno.test("onExit() never allows more restarts in a period than the intensity", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 60 }), (gaps) => {
    let recent: number[] = [], now = 0;
    const restarts: number[] = [];
    for (const gap of gaps) {
      now += gap;
      const decision = onExit([child("a")], flags, { id: "a", kind: "crash" }, recent, now);
      recent = decision.recent;
      if (decision.escalate) {
        const inPeriod = restarts.filter((time) => now - time < flags.periodMs).length;
        assert.equal(inPeriod, flags.restartsMax);
        return;
      }
      restarts.push(now);
      const inPeriod = restarts.filter((time) => now - time < flags.periodMs).length;
      assert.ok(inPeriod <= flags.restartsMax);
      assert.ok(decision.delayMs <= 2000);
    }
  }));
});

Deno.test("a child is late after two unanswered intervals, and an answer clears it", () => {
  const beats = new Heartbeats();
  beats.watch("a", 100, 0);
  assert.deepEqual(beats.due(99), []);
  assert.deepEqual(beats.due(100), ["a"]);
  assert.deepEqual(beats.late(299), []);
  assert.deepEqual(beats.late(300), ["a"]);
  beats.pong("a");
  assert.deepEqual(beats.late(300), []);
  beats.forget("a");
  assert.deepEqual(beats.due(10_000), []);
});

Deno.test("slabs are lent once, come home once, and are not used again when retired", async () => {
  const pool = new SlabPool({ count: 2, bytes: 64 });
  const signal = new AbortController().signal;
  const [a, b] = [await pool.waitLoan(signal), await pool.waitLoan(signal)];
  assert.equal(pool.loan(), undefined);
  assert.equal(pool.outstanding, 2);
  const waiting = pool.waitLoan(signal);
  const lost = pool.buffer(b);
  pool.retire(b);
  const c = await waiting;
  assert.notEqual(pool.buffer(c), lost);
  pool.giveBack(a);
  assert.throws(() => pool.giveBack(a), /given back twice/);
  pool.giveBack(c);
  assert.equal(pool.outstanding, 0);
});

Deno.test("waitLoan() ends when its signal does, and loses no slab by it", async () => {
  const pool = new SlabPool({ count: 1, bytes: 64 });
  const held = pool.loan()!;
  const abort = new AbortController();
  const waiting = pool.waitLoan(abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  pool.giveBack(held);
  assert.notEqual(pool.loan(), undefined);
});

Deno.test("the flight recorder keeps the last 256 envelopes, oldest first", () => {
  const recorder = new FlightRecorder();
  for (let i = 0; i < 300; i++) recorder.note({ atMs: i, from: "x", t: "call", op: "y" });
  const recent = recorder.recent();
  assert.equal(recent.length, 256);
  assert.deepEqual([recent[0]!.atMs, recent.at(-1)!.atMs], [44, 299]);
});
