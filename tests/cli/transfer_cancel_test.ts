import assert from "node:assert/strict";
import { JsonRun } from "../support/json_run.ts";
import { FILE_BYTES, hasMoved, moved, resumed, unfinished, withScene } from "../support/scene.ts";
import { listen } from "../support/transfer.ts";
import { expectWarp, sh, text } from "../support/warp.ts";

// Goal: whoever is interrupted tells the other side, which ends at once; both keep what was verified.
// Method: the real command on loopback, slowed down, with signals. Nothing is judged by a clock: a wait
// that has no end is cut off after a minute.

const LIMIT = ["--limit", "4MB"];

Deno.test("a sender, or a listener, that is interrupted ends the other side", async () => {
  await withScene(async (scene) => {
    const { dir, a, b } = scene;
    const args = ["listen", "--dir", `${dir}/in`, "--allow", a.key, "--host", "127.0.0.1"];
    const server = new JsonRun([...args, "--port", "0"], b.env);
    const { port } = await server.record("listening");
    const address = `127.0.0.1:${port}#${b.key}`;
    const send = () => new JsonRun(["send", `${dir}/file`, address, ...LIMIT], a.env);
    // The sender.
    const first = send();
    await first.record("progress", hasMoved);
    first.kill("SIGINT");
    const failed = await server.record("session_failed");
    assert.equal(failed["code"], "E_CANCELLED");
    assert.equal((await first.ended()).code, 130);
    // The listener.
    const id = await unfinished(a);
    const second = new JsonRun(["resume", id], a.env);
    await second.record("progress", hasMoved);
    server.kill("SIGTERM");
    const { code, error } = await second.ended();
    assert.equal(code, 130, JSON.stringify(error));
    assert.equal(error["code"], "E_CANCELLED");
    assert.match(String(error["message"]), /the peer cancelled/);
    assert.equal((await server.ended()).code, 130);
    // Both kept what was verified.
    const again = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key, "--port", `${port}`]);
    await resumed(scene, `${dir}/in`);
    await again.warp.stop();
  });
});

Deno.test("a receiver that is interrupted ends the sender; the ticket stays good", async () => {
  await withScene(async ({ dir, a, b }) => {
    const sender = new JsonRun(["send", `${dir}/file`, "--host", "127.0.0.1", ...LIMIT], a.env);
    const { ticket } = await sender.record("ticket");
    const receive = ["receive", String(ticket), "-C", `${dir}/out`];
    const receiver = new JsonRun(receive, b.env);
    await receiver.record("progress", hasMoved);
    receiver.kill("SIGINT");
    assert.equal((await receiver.ended()).code, 130);
    const { code, error } = await sender.ended();
    assert.equal(code, 130, JSON.stringify(error));
    assert.equal(error["code"], "E_CANCELLED");
    const again = new JsonRun(["resume", await unfinished(a)], a.env);
    assert.equal((await again.record("ticket"))["ticket"], ticket);
    const { stdout } = await expectWarp(0, ["resume", await unfinished(b), "--json"], {
      env: b.env,
    });
    const received = JSON.parse(text(stdout).trim().split("\n").at(-1)!);
    assert.ok(moved(received) < FILE_BYTES);
    assert.equal((await again.ended()).code, 0);
    await sh(`cmp '${dir}/file' '${dir}/out/file'`);
  });
});
