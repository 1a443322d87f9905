import assert from "node:assert/strict";
import fc from "fast-check";
import { ProgressLine } from "../../../actors/base/progress.ts";
import {
  fasterOf,
  type Figures,
  planCarrier,
  withFigure,
} from "../../../actors/transfer/carrier_choice.ts";
import { Silence, TICKS_MAX } from "../../../actors/transfer/liveness.ts";
import { progressOf } from "../../../actors/transfer/print.ts";
import { RateMeter } from "../../../actors/transfer/rate.ts";

// Goal: what a transfer decides and tells by figures alone: carriers, silence, rates, the progress line.

const DAY = 24 * 3600 * 1000;
const NOW = 1_900_000_000_000;

Deno.test("what is asked for is taken; what is known is followed; what is large is measured", () => {
  const figure = (bytesPerSecond: number, ageMs = DAY) => ({ bytesPerSecond, atMs: NOW - ageMs });
  const both: Figures = { tcp: figure(1e6), quic: figure(2e6) };
  for (const isLarge of [false, true]) {
    for (const policy of ["tcp", "quic"] as const) {
      const plan = planCarrier(policy, both, isLarge, NOW);
      assert.deepEqual(plan, {
        way: "prefer",
        carrier: policy,
        isOpen: false,
        reason: "as asked for",
      });
    }
    const known = planCarrier("auto", both, isLarge, NOW);
    assert.ok(known.way === "prefer" && known.carrier === "quic" && known.isOpen);
    assert.match(known.reason, /^TCP did .* and QUIC .* last time$/);
  }
  // QUIC must be clearly better, and figures grow old.
  assert.equal(fasterOf(1e6, 1.05e6).carrier, "tcp");
  for (const figures of [{}, { tcp: figure(1e6) }, { ...both, quic: figure(2e6, 8 * DAY) }]) {
    assert.equal(planCarrier("auto", figures, true, NOW).way, "measure");
    const small = planCarrier("auto", figures, false, NOW);
    assert.ok(small.way === "prefer" && small.carrier === "tcp" && small.isOpen);
  }
});

Deno.test("of what a carrier did within a week, the best is kept", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ rate: fc.integer({ min: 1, max: 1e9 }), days: fc.nat(9) })),
    (steps) => {
      let figures: Figures = {};
      let now = NOW;
      for (const { rate, days } of steps) {
        now += days * DAY;
        const before = figures.tcp;
        figures = withFigure(figures, "tcp", rate, now);
        const isKept = before !== undefined && now - before.atMs < 7 * DAY &&
          before.bytesPerSecond >= rate;
        assert.deepEqual(figures.tcp, isKept ? before : { bytesPerSecond: rate, atMs: now });
      }
    },
  ));
});

Deno.test("a peer is gone after so many ticks without a byte while it is waited for, and never else", () => {
  const step = fc.record({ bytes: fc.nat(1), isWaiting: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const silence = new Silence();
    let read = 0, quiet = 0, isFirst = true;
    for (const { bytes, isWaiting } of steps) {
      read += bytes;
      quiet = !isFirst && bytes === 0 && isWaiting ? quiet + 1 : 0;
      isFirst = false;
      assert.equal(silence.tick(read, isWaiting), quiet >= TICKS_MAX);
    }
  }));
});

Deno.test("a rate is that of the last seconds, and starts anew with another transfer", () => {
  const meter = new RateMeter();
  assert.equal(meter.bytesPerSecond, null);
  for (let i = 0; i <= 300; i++) meter.update(1000 * i, 100 * i);
  assert.ok(Math.abs(meter.bytesPerSecond! - 10_000) < 1);
  assert.ok(Math.abs(meter.secondsFor(50_000)! - 5) < 0.01);
  for (let i = 0; i <= 300; i++) meter.update(300_000, 30_000 + 100 * i);
  assert.equal(meter.secondsFor(1), null, "nothing moves: nobody knows");
  meter.update(10, 70_000);
  assert.equal(meter.bytesPerSecond, null);
});

Deno.test("the progress line has carrier, share, rate, time left, and what was saved", () => {
  const line = new ProgressLine();
  const at = (bytes: number, nowMs: number) =>
    line.update(
      progressOf({
        type: "progress",
        phase: "sending",
        bytes,
        bytesOffered: bytes,
        bytesTotal: 100 << 20,
        bytesMoved: bytes / 2,
        bytesSaved: bytes / 2,
        files: 3,
        wire: bytes,
        carrier: "quic",
        lanes: 2,
      }),
      nowMs,
      120,
    );
  at(10 << 20, 0);
  assert.equal(
    at(20 << 20, 1000),
    "sending over quic   20%  20.0 MiB  10.0 MiB/s  eta 0:08  3 files  10.0 MiB saved",
  );
});
