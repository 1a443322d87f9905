import assert from "node:assert/strict";
import { listen, type Machine, makeMachine } from "../support/transfer.ts";
import { expectWarp, sh, text, withTempDir } from "../support/warp.ts";

// Goal: `--carrier auto` takes what gets through, measures both where that pays, remembers what came of
// it, and always says why.
// Method: the real command on loopback; a carrier is blocked by a listener that has only the other one.

type LogLine = Record<string, unknown>;

interface Scene {
  dir: string;
  a: Machine;
  b: Machine;
  serve(args?: string[]): ReturnType<typeof listen>;
}

async function withScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  await withTempDir(async (dir) => {
    const [a, b] = await Promise.all([makeMachine(`${dir}/a`), makeMachine(`${dir}/b`)]);
    // Large by its size, and moved in no time.
    await sh(`truncate -s 65M large; echo x >> large; echo small > small`, dir);
    const serve = (args: string[] = []) =>
      listen(b, ["--dir", `${dir}/in`, "--allow", a.key, "--force", ...args]);
    await use({ dir, a, b, serve });
  });
}

/** What a push of `file` says of its carrier. */
async function push({ dir, a }: Scene, file: string, address: string): Promise<LogLine> {
  const args = ["send", `${dir}/${file}`, address, "--force", "--json"];
  const { stdout } = await expectWarp(0, args, { env: a.env });
  const records = text(stdout).trim().split("\n").map((line) => JSON.parse(line) as LogLine);
  const connected = records.find(({ message_type }) => message_type === "connected")!;
  const sent = records.at(-1)!;
  assert.equal(sent["message_type"], "sent");
  assert.equal(sent["carrier_reason"], connected["reason"]);
  return connected;
}

const figuresOf = (machine: Machine) => `${machine.env["XDG_STATE_HOME"]}/warp/carriers`;

Deno.test("with TCP blocked QUIC is taken, with UDP blocked TCP, and each says why", async () => {
  await withScene(async (scene) => {
    const quic = await scene.serve(["--carrier", "quic"]);
    for (const file of ["small", "large"]) {
      const { carrier, reason } = await push(scene, file, quic.address);
      assert.equal(carrier, "quic");
      assert.match(String(reason), /^TCP does not get through \(.+\)$/);
    }
    await quic.warp.stop();
    const tcp = await scene.serve(["--carrier", "tcp"]);
    const large = await push(scene, "large", tcp.address);
    assert.equal(large["carrier"], "tcp");
    assert.match(String(large["reason"]), /^QUIC does not get through \(.+\)$/);
    // What is small does not wait to find out.
    const small = await push(scene, "small", tcp.address);
    assert.deepEqual([small["carrier"], small["reason"]], ["tcp", "TCP gets through"]);
    await tcp.warp.stop();
  });
});

Deno.test("with both open a large transfer measures, and later ones know", async () => {
  await withScene(async (scene) => {
    const { a, b, dir } = scene;
    const server = await scene.serve();
    const first = await push(scene, "small", server.address);
    assert.deepEqual([first["carrier"], first["reason"]], ["tcp", "TCP gets through"]);
    const large = await push(scene, "large", server.address);
    const measured = /^TCP did [\d.]+ [KMG]?i?B\/s and QUIC [\d.]+ [KMG]?i?B\/s just now$/;
    assert.match(String(large["reason"]), measured);
    const later = await push(scene, "small", server.address);
    assert.match(String(later["reason"]), /^TCP did .* last time$/);
    assert.equal(later["carrier"], large["carrier"]);
    // Whatever is known is followed: here somebody has made QUIC the better one.
    const [file] = [...Deno.readDirSync(figuresOf(a))].map(({ name }) => name);
    const path = `${figuresOf(a)}/${file}`;
    const figures = JSON.parse(Deno.readTextFileSync(path));
    figures.quic.bytesPerSecond = 2 * figures.tcp.bytesPerSecond;
    Deno.writeTextFileSync(path, JSON.stringify(figures));
    const args = ["send", `${dir}/small`, server.address, "--force", "-v"];
    const { stderr } = await expectWarp(0, args, { env: a.env });
    assert.match(stderr, /connected to .* over quic: TCP did .* last time/);
    await server.warp.stop();
    // And when it is blocked, it is not waited for.
    const tcp = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key, "--carrier", "tcp"]);
    const blocked = await expectWarp(
      0,
      ["send", `${dir}/small`, tcp.address, "-v"],
      { env: a.env },
    );
    assert.match(blocked.stderr, /over tcp: QUIC does not get through/);
    await tcp.warp.stop();
  });
});
