/** @module Tests of actors/base/progress.ts and log.ts. */
import assert from "node:assert/strict";
import { utf8 } from "../../../actors/base/bytes.ts";
import { createLog, formatRecord } from "../../../actors/base/log.ts";
import { formatDuration, ProgressLine } from "../../../actors/base/progress.ts";
import { MiB } from "../../../actors/base/units.ts";

Deno.test("update() draws at most ten lines a second, and always the latest facts", () => {
  const line = new ProgressLine();
  const drawn: string[] = [];
  for (let ms = 0; ms < 1000; ms++) {
    const text = line.update({ filesDone: ms }, ms, 80);
    if (text !== undefined) drawn.push(text);
  }
  assert.equal(drawn.length, 10);
  assert.deepEqual(drawn.slice(0, 3), ["0 files", "100 files", "200 files"]);
});

Deno.test("update() tells rate, share and time left", () => {
  const line = new ProgressLine();
  const bytesTotal = 100 * MiB;
  let text: string | undefined;
  for (let second = 0; second <= 20; second++) {
    const update = { phase: "storing", bytesDone: second * MiB, bytesTotal, filesDone: second };
    text = line.update(update, second * 1000, 120);
  }
  assert.equal(text, "storing   20%  20.0 MiB  1.00 MiB/s  eta 1:20  20 files");
});

Deno.test("the rate follows a change within a few seconds, and a new phase starts afresh", () => {
  const line = new ProgressLine();
  const rateAfter = (seconds: number, bytesPerSecond: number, from: number) => {
    let text = "";
    for (let i = 1; i <= seconds; i++) {
      done += bytesPerSecond;
      text = line.update({ phase: "a", bytesDone: done }, (from + i) * 1000, 120)!;
    }
    return Number(/([\d.]+) MiB\/s/.exec(text)![1]);
  };
  let done = 0;
  line.update({ phase: "a", bytesDone: 0 }, 0, 120);
  assert.ok(Math.abs(rateAfter(10, 10 * MiB, 0) - 10) < 0.01);
  const after = rateAfter(9, 20 * MiB, 10);
  assert.ok(after > 19 && after <= 20, `${after}`);
  assert.equal(line.update({ phase: "b", bytesDone: 0 }, 30_000, 120), "b  0 B");
});

Deno.test("update() fits the terminal, cutting the path first and escaping it", () => {
  const line = new ProgressLine();
  const update = { filesDone: 7, currentPath: utf8("some/long/\x1bpath/of/a/file.txt") };
  assert.equal(line.update(update, 0, 80), "7 files  some/long/\\x1bpath/of/a/file.txt");
  assert.equal(line.update(update, 100, 25), "7 files  …/of/a/file.txt");
  assert.equal(line.update(update, 200, 12), "7 files");
  for (let columns = 2; columns < 60; columns++) {
    const text = line.update(update, 1000 + columns * 100, columns)!;
    assert.ok([...text].length < columns, `${columns}: ${text}`);
  }
});

Deno.test("formatDuration() is short at every scale", () => {
  const cases: [number, string][] = [
    [0, "0:00"],
    [4200, "0:05"],
    [754_000, "12:34"],
    [3_723_000, "1:02:03"],
    [(3 * 24 + 4) * 3_600_000, "3d 4h"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

Deno.test("createLog() shows a level from its number of -v on, as text or as JSON", () => {
  const run = (verbosity: number, isJson: boolean) => {
    const shown: string[] = [];
    const log = createLog({
      options: { isJson, verbosity, traceFile: undefined, isSingleThread: false, isDebug: false },
      note: (text) => shown.push(`note ${text}`),
      warn: (text) => shown.push(`warn ${text}`),
      json: (record) => shown.push(JSON.stringify(record)),
    });
    log("debug", "page_read", { offset: 12 });
    log("info", "opened", { path: "a b" });
    log("warn", "slow");
    return shown;
  };
  assert.deepEqual(run(-1, false), ["warn slow"]);
  assert.deepEqual(run(0, false), ["warn slow"]);
  assert.deepEqual(run(1, false), ['note info opened path="a b"', "warn slow"]);
  assert.equal(run(2, false).length, 3);
  assert.deepEqual(run(1, true), [
    '{"message_type":"log","level":"info","event":"opened","path":"a b"}',
    '{"message_type":"log","level":"warn","event":"slow"}',
  ]);
});

Deno.test("formatRecord() quotes what would be ambiguous and escapes what is dangerous", () => {
  const text = formatRecord("e", { a: 1n, b: "", c: 'x="y"', d: "\x1b", e: undefined, f: true });
  assert.equal(text, 'e a=1 b="" c="x=\\"y\\"" d=\\x1b f=true');
});
