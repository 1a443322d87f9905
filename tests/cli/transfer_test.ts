import assert from "node:assert/strict";
import { Background, listen, type Machine, makeMachine } from "../support/transfer.ts";
import { Random } from "../support/random.ts";
import { expectWarp, ROOT, sh, text, warp, withTempDir } from "../support/warp.ts";

// Goal: what a user does with two machines, through the command alone: send by ticket and to a
// listener, fetch, plan, probe, resume after kill -9, and be refused.

async function withMachines(use: (dir: string, a: Machine, b: Machine) => Promise<void>) {
  await withTempDir(async (dir) => {
    const [a, b] = await Promise.all([makeMachine(`${dir}/a`), makeMachine(`${dir}/b`)]);
    await use(dir, a, b);
  });
}

/** Every kind of entry, small and large files, names that are not plain. */
async function makeTree(path: string): Promise<void> {
  await sh(`mkdir -p '${path}/sub/empty'; cd '${path}'
    cp -r /usr/include/linux/. sub/; head -c 9M /dev/urandom > large; head -c 300 /dev/urandom > small
    : > nothing; ln -s sub/tcp.h link; ln large sub/hard; printf x > 'a b'; printf y > $'n\\xff'
    truncate -s 3M sparse; printf end >> sparse; chmod 640 small; touch -d '2001-02-03 04:05:06.789' large`);
}

async function assertSame(a: string, b: string): Promise<void> {
  await sh(`diff -r --no-dereference '${a}' '${b}'`);
  const list = `find . -printf '%p %y %m %s %T@ %l\\n' | sort`;
  assert.equal(await sh(list, a), await sh(list, b));
}

function records(stdout: Uint8Array): Record<string, unknown>[] {
  return text(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

const last = (stdout: Uint8Array) => records(stdout).at(-1)!;

for (const carrier of ["tcp", "quic"]) {
  Deno.test(`send to a listener, and fetch from it, over ${carrier}`, async () => {
    await withMachines(async (dir, a, b) => {
      await makeTree(`${dir}/tree`);
      const server = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key]);
      const args = ["send", `${dir}/tree`, server.address, "--carrier", carrier, "--json"];
      const { stdout } = await expectWarp(0, args, { env: a.env });
      const sent = last(stdout);
      assert.equal(sent["message_type"], "sent");
      assert.equal(sent["carrier"], carrier);
      await assertSame(`${dir}/tree`, `${dir}/in/tree`);
      // Again: nothing travels.
      const again = last((await expectWarp(0, args, { env: a.env })).stdout);
      assert.equal(again["bytes_moved"], 0);
      const fetch = ["fetch", `${server.address}/tree/sub`, `${dir}/out`, "--carrier", carrier];
      await expectWarp(0, fetch, { env: a.env });
      await assertSame(`${dir}/tree/sub`, `${dir}/out/sub`);
      const nothing = await warp(["fetch", `${server.address}/../b/config`, `${dir}/out`], {
        env: a.env,
      });
      assert.equal(nothing.code, 3, nothing.stderr);
      const link = await warp(["fetch", `${server.address}/tree/link`, `${dir}/out`], {
        env: a.env,
      });
      assert.equal(link.code, 3, link.stderr);
      assert.equal(await server.warp.stop(), 130);
    });
  });
}

Deno.test("send prints a ticket; the first to receive it gets the files, others nothing", async () => {
  await withMachines(async (dir, a, b) => {
    await makeTree(`${dir}/tree`);
    const sender = new Background(["send", `${dir}/tree`, "--host", "127.0.0.1"], a.env);
    const ticket = await sender.line();
    assert.match(ticket, /^warp1[A-Za-z0-9_-]+$/);
    const broken = `${ticket.slice(0, -1)}${ticket.endsWith("A") ? "B" : "A"}`;
    await expectWarp(2, ["receive", broken, "-C", `${dir}/out`], { env: b.env });
    const receipt = `${dir}/receipt.json`;
    const args = ["receive", ticket, "-C", `${dir}/out`, "--receipt", receipt];
    await expectWarp(0, args, { env: b.env });
    assert.equal(await sender.ended(), 0);
    await assertSame(`${dir}/tree`, `${dir}/out/tree`);
    // What both ends signed is checked without either.
    const verified = await expectWarp(0, ["verify", "--receipt", receipt, "--json"]);
    const { sender: by, receiver: to, files } = last(verified.stdout);
    assert.deepEqual([by, to], [a.key, b.key]);
    assert.ok(Number(files) > 100);
    Deno.writeTextFileSync(
      receipt,
      Deno.readTextFileSync(receipt).replace(/"files": \d+/, '"files": 1'),
    );
    await expectWarp(4, ["verify", "--receipt", receipt]);
    // Nobody serves it any more.
    await expectWarp(6, [...args, "--retry", "0"], { env: b.env });
  });
});

Deno.test("a ticket belongs to the first device that uses it, and expires", async () => {
  await withMachines(async (dir, a, b) => {
    await sh(`head -c 12M /dev/urandom > '${dir}/file'`);
    const sender = new Background(
      ["send", `${dir}/file`, "--host", "127.0.0.1", "--limit", "3MB"],
      a.env,
    );
    const ticket = await sender.line();
    const first = new Background(["receive", ticket, "-C", `${dir}/one`, "--json"], b.env);
    await first.line();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await first.stop("SIGKILL");
    const c = await makeMachine(`${dir}/c`);
    const second = await warp(["receive", ticket, "-C", `${dir}/two`], { env: c.env });
    assert.equal(second.code, 4, second.stderr);
    assert.match(second.stderr, /another device/);
    const { stdout } = await expectWarp(0, ["receive", ticket, "-C", `${dir}/one`, "--json"], {
      env: b.env,
    });
    const { bytes, bytes_moved: moved } = last(stdout);
    assert.ok(Number(moved) < Number(bytes), "what came before the kill does not travel again");
    assert.equal(await sender.ended(), 0);
    await sh(`cmp '${dir}/file' '${dir}/one/file'`);
    const short = new Background(
      ["send", `${dir}/file`, "--host", "127.0.0.1", "--expires", "1s"],
      a.env,
    );
    const late = await short.line();
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await expectWarp(4, ["receive", late, "-C", `${dir}/three`], { env: b.env });
    await short.stop();
  });
});

Deno.test("a listener with a ticket takes one push; strangers are refused before they can do anything", async () => {
  await withMachines(async (dir, a, b) => {
    await sh(`mkdir '${dir}/src'; head -c 1M /dev/urandom > '${dir}/src/f'`);
    const server = await listen(b, ["--dir", `${dir}/in`, "--ticket"]);
    const ticket = await server.warp.line();
    // The right place, but no ticket and no allowance.
    const stranger = await warp(["send", `${dir}/src`, server.address], { env: a.env });
    assert.equal(stranger.code, 4, stranger.stderr);
    assert.match(stranger.stderr, /does not know you/);
    // The right place, but another device than the address says.
    const other = server.address.replace(/#.*/, `#${a.key}`);
    for (const carrier of ["tcp", "quic"]) {
      const fooled = await warp(["send", `${dir}/src`, other, "--carrier", carrier], {
        env: a.env,
      });
      assert.equal(fooled.code, 4, fooled.stderr);
    }
    assert.deepEqual([...Deno.readDirSync(`${dir}/in`)], []);
    await expectWarp(0, ["send", `${dir}/src`, ticket], { env: a.env });
    await sh(`cmp '${dir}/src/f' '${dir}/in/src/f'`);
    const input = new TextEncoder().encode("from a pipe");
    await expectWarp(0, ["send", "-", ticket], { env: a.env, stdin: input });
    assert.equal(Deno.readTextFileSync(`${dir}/in/stdin`), "from a pipe");
    const wrong = await warp(["receive", ticket], { env: a.env });
    assert.equal(wrong.code, 2, wrong.stderr);
    await server.warp.stop();
  });
});

Deno.test("files that differ are left alone without --force; version 2 moves what is new in it", async () => {
  await withMachines(async (dir, a, b) => {
    const random = new Random(3);
    Deno.mkdirSync(`${dir}/v`);
    const v1 = random.bytes(8 << 20);
    Deno.writeFileSync(`${dir}/v/data`, v1);
    Deno.writeFileSync(`${dir}/v/same`, random.bytes(100_000));
    const plain = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key]);
    await expectWarp(0, ["send", `${dir}/v`, plain.address], { env: a.env });
    // An insertion near the start, and a copy of all of it under another name.
    const v2 = new Uint8Array(v1.length + 1000);
    v2.set(random.bytes(5000));
    v2.set(v1.subarray(4000), 5000);
    Deno.writeFileSync(`${dir}/v/data`, v2);
    await sh(`cp -r '${dir}/v' '${dir}/w'`);
    const refused = await warp(["send", `${dir}/v`, plain.address], { env: a.env });
    assert.equal(refused.code, 7, refused.stderr);
    await sh(`cmp -n 1000000 <(head -c 1000000 '${dir}/in/v/data') '${dir}/in/v/data'`);
    assert.deepEqual(Deno.readFileSync(`${dir}/in/v/data`), v1);
    const forbidden = await warp(["send", `${dir}/v`, plain.address, "--force"], { env: a.env });
    assert.equal(forbidden.code, 4, forbidden.stderr);
    const planned = last(
      (await expectWarp(0, ["plan", `${dir}/v`, plain.address, "--json"], { env: a.env })).stdout,
    );
    assert.ok(Number(planned["bytes_to_move"]) < 600_000, JSON.stringify(planned));
    assert.deepEqual(Deno.readFileSync(`${dir}/in/v/data`), v1, "a plan changes nothing");
    const copied = last(
      (await expectWarp(0, ["send", `${dir}/w`, plain.address, "--json"], { env: a.env })).stdout,
    );
    assert.ok(Number(copied["bytes_moved"]) < 600_000, JSON.stringify(copied));
    await assertSame(`${dir}/w`, `${dir}/in/w`);
    await plain.warp.stop();
    const forced = await listen(b, ["--dir", `${dir}/in`, "--allow", a.key, "--force"]);
    const sent = last(
      (await expectWarp(0, ["send", `${dir}/v`, forced.address, "--force", "--json"], {
        env: a.env,
      })).stdout,
    );
    assert.ok(Number(sent["bytes_moved"]) < 600_000, JSON.stringify(sent));
    await assertSame(`${dir}/v`, `${dir}/in/v`);
    await forced.warp.stop();
  });
});

Deno.test("probe measures both carriers; known peers have names", async () => {
  await withMachines(async (dir, a, b) => {
    const server = await listen(b, ["--dir", dir, "--allow", a.key]);
    const place = server.address.split("#")[0];
    Deno.writeTextFileSync(`${a.dir}/config/warp/peers`, `# mine\nnas ${b.key} ${place}\n`);
    const { stdout } = await expectWarp(0, ["probe", "nas", "--seconds", "0.2", "--json"], {
      env: a.env,
    });
    assert.deepEqual(records(stdout).map((r) => r["carrier"]).filter(Boolean).length >= 2, true);
    for (const record of records(stdout).filter((r) => r["message_type"] === "probe")) {
      assert.ok(Number(record["rtt_ms"]) > 0 && Number(record["bytes_per_second"]) > 1e6);
    }
    await server.warp.stop();
    await expectWarp(6, ["probe", "nas"], { env: a.env });
    await expectWarp(2, ["probe", "unknown"], { env: a.env });
  });
});

Deno.test("a live stream goes from pipe to pipe, either side with the ticket, and a cut is an error", async () => {
  await withMachines(async (dir, a, b) => {
    const data = new Random(9).bytes(20 << 20);
    const file = `${dir}/data`;
    Deno.writeFileSync(file, data);
    const env = (machine: Machine) => Object.entries(machine.env).map(([k, v]) => `${k}=${v}`);
    const command = `'${Deno.execPath()}' run -A --quiet '${ROOT}cli.ts'`;
    const host = "--host 127.0.0.1";
    // The sender prints the ticket.
    await sh(`mkfifo '${dir}/t1'
      (env ${env(a).join(" ")} ${command} stream send ${host} < '${file}' > '${dir}/t1') &
      read ticket < '${dir}/t1'
      env ${env(b).join(" ")} ${command} stream receive $ticket > '${dir}/out1'
      wait; cmp '${file}' '${dir}/out1'`);
    // The receiver prints it, on standard error.
    await sh(`mkfifo '${dir}/t2'
      (env ${env(b).join(" ")} ${command} stream receive ${host} > '${dir}/out2' 2> '${dir}/t2') &
      read ticket < '${dir}/t2'
      env ${env(a).join(" ")} ${command} stream send $ticket --carrier quic < '${file}'
      wait; cmp '${file}' '${dir}/out2'`);
    // The sender dies in the middle: what came is a prefix, and the receiver says that it was cut.
    const [asA, asB] = [a, b].map((machine) => `env ${env(machine).join(" ")} ${command}`);
    const code = await sh(`cd '${dir}'; mkfifo t3
      (cat data; exec sleep 30) 2> /dev/null | ${asA} stream send ${host} > t3 2> /dev/null &
      sender=$!
      read ticket < t3
      ${asB} stream receive $ticket > out3 2> err3 &
      receiver=$!
      for i in $(seq 200); do [ "$(stat -c %s out3)" = ${data.length} ] && break; sleep 0.1; done
      kill -9 $sender; set +e; wait $receiver; echo $?
      cmp data out3 >&2`);
    assert.ok(["5", "6"].includes(code.trim()), code + Deno.readTextFileSync(`${dir}/err3`));
  });
});
