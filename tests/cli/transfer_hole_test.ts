import assert from "node:assert/strict";
import { endRuns, JsonRun } from "../support/json_run.ts";
import { listen, type Machine, makeMachine } from "../support/transfer.ts";
import { Random } from "../support/random.ts";
import { expectWarp, sh, text, withTempDir } from "../support/warp.ts";

// Goal: holes are content: what stands at the other end has zeros where the source has, whatever stood
// there before, under the name or in what an interrupted run left.

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

Deno.test("a file that is here with content in the holes of the new one is another file", async () => {
  await withMachines(async (dir, a, b) => {
    // The same data, and something between it, before it, behind it.
    await sh(
      `mkdir src dirty in
      truncate -s 1M src/f; head -c 300000 /dev/urandom >> src/f; truncate -s 5M src/f
      echo end >> src/f; truncate -s 6M src/f
      for place in 10 3000000 6000000; do
        cp src/f dirty/$place; printf DIRT | dd of=dirty/$place bs=1 seek=$place conv=notrunc
      done 2> dd.log`,
      dir,
    );
    const args = ["--dir", `${dir}/in`, "--allow", a.key];
    const careful = await listen(b, args);
    const send = (address: string, code: number, ...more: string[]) =>
      expectWarp(code, ["send", `${dir}/src/f`, address, ...more], { env: a.env });
    const places = [...Deno.readDirSync(`${dir}/dirty`)].map(({ name }) => name);
    assert.equal(places.length, 3);
    await sh(`cp '${dir}/dirty/3000000' '${dir}/in/f'`);
    await send(careful.address, 7);
    await sh(`cmp '${dir}/dirty/3000000' '${dir}/in/f'`);
    await careful.warp.stop();
    const forced = await listen(b, [...args, "--force"]);
    for (const place of places) {
      await sh(`cp '${dir}/dirty/${place}' '${dir}/in/f'`);
      await send(forced.address, 0, "--force");
      await sh(`cmp '${dir}/src/f' '${dir}/in/f'`);
    }
    // Same beginning, and more behind it.
    await sh(`(cat src/f; echo more) > in/f`, dir);
    await send(forced.address, 0, "--force");
    await sh(`cmp '${dir}/src/f' '${dir}/in/f'`);
    await forced.warp.stop();
  });
});

Deno.test("a hole that the source got between two runs is one at the other end", async () => {
  await withMachines(async (dir, a, b) => {
    Deno.writeFileSync(`${dir}/f`, random.bytes(8 << 20));
    const server = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key]);
    const sender = new JsonRun(["send", `${dir}/f`, server.address, "--limit", "3MB"], a.env);
    await sender.record("progress", ({ bytes }) => Number(bytes) > 4e6);
    sender.kill("SIGINT");
    await sender.ended();
    assert.equal(await leftovers(`${dir}/in`), 1);
    await sh(`fallocate -p -o 1M -l 2M '${dir}/f' || {
      dd if=/dev/zero of='${dir}/f' bs=1M seek=1 count=2 conv=notrunc; }`);
    await expectWarp(0, ["resume", await unfinished(a)], { env: a.env });
    await sh(`cmp '${dir}/f' '${dir}/in/f'`);
    await server.warp.stop();
  });
});
