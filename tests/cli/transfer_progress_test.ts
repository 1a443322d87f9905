import assert from "node:assert/strict";
import { endRuns, JsonRun, type LogLine } from "../support/json_run.ts";
import { makeMachine } from "../support/transfer.ts";
import { sh, withTempDir } from "../support/warp.ts";

// Goal: a transfer tells how fast it goes, how long it will take, over what, and what need not travel.
// Method: the real command on loopback, slowed down, and its `--json` records.

Deno.test("progress tells rate, time left, carrier, and what need not travel, on both sides", async () => {
  await withTempDir(async (dir) => {
    const [a, b] = await Promise.all([makeMachine(`${dir}/a`), makeMachine(`${dir}/b`)]);
    // Every third megabyte is there twice.
    await sh(
      `mkdir tree; head -c 3M /dev/urandom > tree/a; head -c 6M /dev/urandom > tree/c
      cp tree/a tree/b`,
      dir,
    );
    const args = ["listen", "--dir", `${dir}/in`, "--allow", a.key, "--host", "127.0.0.1"];
    const server = new JsonRun([...args, "--port", "0"], b.env);
    const { port } = await server.record("listening");
    const address = `127.0.0.1:${port}#${b.key}`;
    const sender = new JsonRun(["send", `${dir}/tree`, address, "--limit", "3MB"], a.env);
    const isTelling = (record: LogLine): boolean =>
      Number(record["bytes"]) > 0 && Number(record["bytes_saved"]) > 0 &&
      record["eta_seconds"] !== null && record["bytes_total"] !== null;
    for (const side of [sender, server]) {
      const record = await side.record("progress", isTelling);
      assert.equal(record["bytes_total"], 12 << 20);
      assert.equal(record["carrier"], "tcp");
      assert.ok(Number(record["bytes_per_second"]) > 0);
      assert.ok(Number(record["eta_seconds"]) > 0);
    }
    assert.equal((await sender.ended()).code, 0, await sender.stderr);
    const sent = sender.records.at(-1)!;
    assert.equal(sent["bytes_saved"], 3 << 20);
    assert.equal(sent["bytes_moved"], 9 << 20);
    await server.record("session_done");
    server.kill("SIGTERM");
    await server.ended();
  }).finally(endRuns);
});
