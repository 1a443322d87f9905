import assert from "node:assert/strict";
import { endRuns, JsonRun } from "../support/json_run.ts";
import { listen, type Machine, makeMachine } from "../support/transfer.ts";
import { Random } from "../support/random.ts";
import { expectWarp, sh, text, withTempDir } from "../support/warp.ts";

// Goal: when a transfer has ended whole, nothing is left of earlier runs: not of sources that have vanished
// since; and nothing when it is given up.

const random = new Random(Number(Deno.env.get("WARP_SEED") ?? 20261121));

async function withMachines(use: (dir: string, a: Machine, b: Machine) => Promise<void>) {
  await withTempDir(async (dir) => {
    const [a, b] = await Promise.all([makeMachine(`${dir}/a`), makeMachine(`${dir}/b`)]);
    await use(dir, a, b).finally(endRuns);
  });
}

const leftovers = async (dir: string): Promise<number> =>
  Number(await sh(`find '${dir}' -name '.warp-*' | wc -l`));

async function unfinished(machine: Machine): Promise<string> {
  const { stdout } = await expectWarp(0, ["resume", "--json"], { env: machine.env });
  return JSON.parse(text(stdout)).id;
}

/** Large enough that every run is interrupted within a file of its own directory. */
function makeTree(dir: string): void {
  for (const name of ["first", "gone", "last"]) {
    Deno.mkdirSync(`${dir}/${name}`, { recursive: true });
    Deno.writeFileSync(`${dir}/${name}/file`, random.bytes(3 << 20));
  }
}

Deno.test("files in work of sources that vanished are removed when the transfer ends whole", async () => {
  await withMachines(async (dir, a, b) => {
    makeTree(`${dir}/tree`);
    const server = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key]);
    const args = ["send", `${dir}/tree`, server.address, "--limit", "2MB"];
    const sender = new JsonRun(args, a.env);
    const isWithinGone = ({ bytes }: Record<string, unknown>) => Number(bytes) > 3.5e6;
    await sender.record("progress", isWithinGone);
    sender.kill("SIGINT");
    await sender.ended();
    assert.ok(await leftovers(`${dir}/in`) > 0, "there is something to remove");
    // Of another transfer, or of nobody: none of ours.
    const strange = `.warp-000000000000-${"0".repeat(24)}.part`;
    Deno.writeTextFileSync(`${dir}/in/tree/${strange}`, "not ours");
    await sh(`rm -r '${dir}/tree/gone'; rm '${dir}/tree/last/file'`);
    await expectWarp(0, ["resume", await unfinished(a)], { env: a.env });
    assert.equal(await leftovers(`${dir}/in`), 1);
    assert.equal(Deno.readTextFileSync(`${dir}/in/tree/${strange}`), "not ours");
    await sh(`cmp '${dir}/tree/first/file' '${dir}/in/tree/first/file'`);
    assert.deepEqual([...Deno.readDirSync(`${b.env["XDG_STATE_HOME"]}/warp/work`)], []);
    await server.warp.stop();
  });
});

Deno.test("resume --forget removes what the transfer had not finished, and nothing else", async () => {
  await withMachines(async (dir, a, b) => {
    makeTree(`${dir}/tree`);
    const server = await listen(a, ["--dir", dir, "--allow", b.key]);
    const args = ["fetch", `${server.address}/tree`, `${dir}/out`, "--limit", "2MB"];
    const receiver = new JsonRun(args, b.env);
    await receiver.record("progress", ({ bytes }) => Number(bytes) > 3.5e6);
    receiver.kill("SIGKILL");
    await receiver.ended();
    assert.ok(await leftovers(`${dir}/out`) > 0);
    Deno.writeTextFileSync(`${dir}/out/tree/mine.part`, "mine");
    await expectWarp(0, ["resume", await unfinished(b), "--forget"], { env: b.env });
    assert.equal(await leftovers(`${dir}/out`), 0);
    assert.equal(Deno.readTextFileSync(`${dir}/out/tree/mine.part`), "mine");
    await sh(`cmp '${dir}/tree/first/file' '${dir}/out/tree/first/file'`);
    assert.deepEqual([...Deno.readDirSync(`${b.env["XDG_STATE_HOME"]}/warp/work`)], []);
    await server.warp.stop();
  });
});

Deno.test("a listener removes what was interrupted and is not resumed, when its time is over", async () => {
  await withMachines(async (dir, a, b) => {
    makeTree(`${dir}/tree`);
    const allow = ["--allow", a.key, "--host", "127.0.0.1", "--port", "0"];
    const serve = (...more: string[]) => {
      const server = new JsonRun(["listen", "--dir", `${dir}/in`, ...allow, ...more], b.env);
      const stop = async () => {
        server.kill("SIGINT");
        await server.ended();
      };
      return { server, stop };
    };
    const first = serve();
    const { port } = await first.server.record("listening");
    const address = `127.0.0.1:${port}#${b.key}`;
    const sender = new JsonRun(["send", `${dir}/tree`, address, "--limit", "2MB"], a.env);
    await sender.record("progress", ({ bytes }) => Number(bytes) > 3.5e6);
    sender.kill("SIGKILL");
    await sender.ended();
    await first.server.record("session_failed");
    await first.stop();
    const left = await leftovers(`${dir}/in`);
    assert.ok(left > 0);
    // Within its time, and in another directory, it waits.
    const second = serve();
    await second.server.record("listening");
    await second.stop();
    const elsewhere = new JsonRun(
      ["listen", "--dir", `${dir}/other`, ...allow, "--keep", "0s"],
      b.env,
    );
    await elsewhere.record("listening");
    elsewhere.kill("SIGINT");
    await elsewhere.ended();
    assert.equal(await leftovers(`${dir}/in`), left);
    const third = serve("--keep", "0s");
    assert.equal((await third.server.record("abandoned"))["transfers"], 1);
    assert.equal(await leftovers(`${dir}/in`), 0);
    await sh(`cmp '${dir}/tree/first/file' '${dir}/in/tree/first/file'`);
    await third.stop();
  });
});
