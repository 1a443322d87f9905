import assert from "node:assert/strict";
import { expectWarp, sh, warp, withTempDir } from "../support/warp.ts";

interface TraceEvent {
  ph: string;
  tid: number;
  name: string;
  id?: string;
  ts?: number;
  dur?: number;
  args?: Record<string, unknown>;
}

Deno.test("--trace FILE is a trace in which every message has a track, a time and its sender", async () => {
  await withTempDir(async (dir) => {
    await sh(`cp -a /usr/include/linux '${dir}/t'`);
    await expectWarp(0, [
      "create",
      `${dir}/t`,
      "-o",
      `${dir}/x.warp`,
      "--trace",
      `${dir}/trace.json`,
    ]);
    const { traceEvents } = JSON.parse(Deno.readTextFileSync(`${dir}/trace.json`)) as {
      traceEvents: TraceEvent[];
    };
    const tracks = new Map(
      traceEvents.filter(({ ph }) => ph === "M").map((e) => [e.tid, e.args!.name]),
    );
    for (const actor of ["root", "archive", "chunker", "cipher.0"]) {
      assert.ok([...tracks.values()].includes(actor), actor);
    }
    const slices = traceEvents.filter(({ ph }) => ph === "X" || ph === "b");
    const flows = (ph: string) => traceEvents.filter((e) => e.ph === ph).map(({ id }) => id).sort();
    assert.deepEqual(flows("s"), slices.map(({ args }) => args!.trace).sort());
    assert.deepEqual(flows("f"), flows("s"));
    for (const slice of slices) {
      assert.ok(tracks.has(slice.tid));
      assert.match(String(slice.args!.trace), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.equal(slice.args!.outcome, "ok");
    }
    const traces = new Set(slices.map(({ args }) => String(args!.trace).slice(3, 35)));
    assert.equal(traces.size, 1, "one command is one trace");
    for (const op of ["open", "next", "hash", "seal", "create"]) {
      assert.ok(slices.some(({ name }) => name === op), op);
    }
  });
});

Deno.test("--trace - shows the messages as they are handled", async () => {
  await withTempDir(async (dir) => {
    Deno.writeTextFileSync(`${dir}/f`, "hello ".repeat(1000));
    const { stderr } = await expectWarp(0, [
      "create",
      `${dir}/f`,
      "-o",
      `${dir}/x.warp`,
      "--trace",
      "-",
    ]);
    assert.match(stderr, /archive → cipher\.\d {2}call seal .* ok/);
    assert.match(stderr, /root → archive {2}stream create/);
  });
});

Deno.test("a lost archive actor leaves a crash report without payload, and its path is named", async () => {
  await withTempDir(async (dir) => {
    Deno.writeTextFileSync(`${dir}/very-private-name`, "very private content ".repeat(1000));
    const env = { WARP_FAULT: "archive:create:1:throw", XDG_STATE_HOME: `${dir}/state` };
    const { code, stderr } = await warp([
      "create",
      `${dir}/very-private-name`,
      "-o",
      `${dir}/x.warp`,
    ], { env });
    assert.ok(code === 70 || code === 1, stderr);
    const path = /see "(.*\.json)"/.exec(stderr)![1]!;
    const text = Deno.readTextFileSync(path);
    const report = JSON.parse(text);
    assert.equal(report.exits[0].id, "archive");
    assert.equal(report.exits[0].recent.at(-1).op, "create");
    assert.ok(!text.includes("private"));
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});
