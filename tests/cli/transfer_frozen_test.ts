import assert from "node:assert/strict";
import { JsonRun } from "../support/json_run.ts";
import { hasMoved, resumed, withScene } from "../support/scene.ts";
import { listen } from "../support/transfer.ts";
import { sh } from "../support/warp.ts";

// Goal: a peer that freezes is given up in time and by name, and the transfer goes on where it was.
// Method: the real command on loopback, slowed down, with signals. Nothing is judged by a clock: a wait
// that has no end is cut off after a minute.

const LIMIT = ["--limit", "4MB"];
/** How long a silent peer is waited for, here. */
const IMPATIENT = { WARP_PEER_TIMEOUT_MS: "2500" };

for (const carrier of ["tcp", "quic"]) {
  Deno.test(`a frozen listener is given up, and resumed when it thaws, over ${carrier}`, async () => {
    await withScene(async (scene) => {
      const { dir, a, b } = scene;
      const server = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key]);
      const args = ["send", `${dir}/file`, server.address, "--carrier", carrier, "--retry", "0"];
      const sender = new JsonRun([...args, ...LIMIT], { ...a.env, ...IMPATIENT });
      await sender.record("progress", hasMoved);
      server.warp.child.kill("SIGSTOP");
      const { code, error } = await sender.ended();
      server.warp.child.kill("SIGCONT");
      assert.equal(code, 6, JSON.stringify(error));
      assert.equal(error["code"], "E_PEER_GONE");
      assert.match(String(error["hint"]), /warp resume/);
      await resumed(scene, `${dir}/in`);
      await server.warp.stop();
    });
  });
}

Deno.test("a listener gives up a frozen sender, and serves it when it comes back", async () => {
  await withScene(async ({ dir, a, b }) => {
    const env = { ...b.env, ...IMPATIENT };
    const args = ["listen", "--dir", `${dir}/in`, "--allow", a.key, "--host", "127.0.0.1"];
    const server = new JsonRun([...args, "--port", "0"], env);
    const { port } = await server.record("listening");
    const address = `127.0.0.1:${port}#${b.key}`;
    const sender = new JsonRun(["send", `${dir}/file`, address, ...LIMIT], a.env);
    await sender.record("progress", hasMoved);
    sender.kill("SIGSTOP");
    const failed = await server.record("session_failed");
    assert.equal(failed["code"], "E_PEER_GONE");
    sender.kill("SIGCONT");
    // It dials again by itself.
    const { code } = await sender.ended();
    assert.equal(code, 0, await sender.stderr);
    await sh(`cmp '${dir}/file' '${dir}/in/file'`);
    server.kill("SIGTERM");
    await server.ended();
  });
});
