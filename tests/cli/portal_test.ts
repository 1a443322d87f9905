import assert from "node:assert/strict";
import { HubProcess, type Json, Person, TREE_LIST, Wire } from "../support/portal.ts";
import { Random } from "../support/random.ts";
import { sh, warpCommand, withTempDir } from "../support/warp.ts";

// Goal: what people do with portals, through the command alone: a hub as a process, two accounts, and
// visitors with links; on trees with everything in them; and each refusal with its exit code.
// portal_access_test.ts: who may what; portal_hub_test.ts: options and troubles of the hub.

const hubDir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-portal-" });
const hub = new HubProcess(`${hubDir}/hub`);
let ann: Person, bob: Person;

Deno.test.beforeAll(async () => {
  await hub.start();
  [ann, bob] = await Promise.all([
    Person.make(`${hubDir}/ann`, [hub.invite]),
    Person.make(`${hubDir}/bob`, [hub.invite]),
  ]);
});
Deno.test.afterAll(async () => {
  await hub.stop();
  Deno.removeSync(hubDir, { recursive: true });
});

/** Every kind of entry, small and large files, names that are not plain. */
async function makeTree(path: string, seed: number): Promise<void> {
  await sh(`mkdir -p '${path}/sub/empty' '${path}/deep/er'; cd '${path}'
    cp -r /usr/include/linux/netfilter* sub/; : > nothing; ln -s sub/missing link
    printf x > 'a b'; printf y > $'n\\xff'; printf z > $'nl\\nnl'; printf u > ünïcode
    truncate -s 3M sparse; printf end >> sparse; mkdir -m 700 private; chmod 640 'a b'`);
  const random = new Random(seed);
  Deno.writeFileSync(`${path}/large`, random.bytes(5 << 20));
  Deno.writeFileSync(`${path}/deep/er/small`, random.bytes(300));
  await sh(`cd '${path}'; ln large sub/hard; touch -d '2001-02-03 04:05:06.789' large deep/er
    touch -h -d '2002-03-04 05:06:07.5' link`);
}

async function assertSame(a: string, b: string): Promise<void> {
  assert.equal(await sh(TREE_LIST, b), await sh(TREE_LIST, a));
}

const last = (records: Json[]) => records.at(-1)!;

Deno.test("a tree is put, listed, granted and got: identical, and what is there does not travel", async () => {
  await withTempDir(async (dir) => {
    await makeTree(`${dir}/tree`, 1);
    const made = last(await ann.run(["portal", "create", "trip", `${dir}/tree`]));
    const portal = String(made["portal"]);
    assert.deepEqual([made["message_type"], made["version"], made["unchanged"]], ["put", 1, false]);
    assert.ok(Number(made["bytes"]) > 8 << 20);
    await ann.fails(1, "E_EXISTS", ["portal", "create", "trip"]);

    // Nothing changed: not a byte travels, and there is no new version.
    const same = last(await ann.run(["portal", "put", "trip", `${dir}/tree`]));
    const { unchanged, version, bytes_sent: none, packs_sent: packs } = same;
    assert.deepEqual([unchanged, version, none, packs], [true, 1, 0, 0]);

    await bob.fails(3, "E_NOT_FOUND", ["portal", "get", portal, "-C", `${dir}/refused`]);
    await ann.run(["portal", "grant", "trip", bob.account, "--label", "for bob"]);
    const [seen] = await bob.run(["portal", "list"]);
    assert.deepEqual([seen!["name"], seen!["level"], seen!["owner"]], [
      "trip",
      "read",
      ann.account,
    ]);
    assert.deepEqual([seen!["state"], seen!["open"], seen!["version"]], ["active", true, 1]);
    const got = last(await bob.run(["portal", "get", "trip", "-C", `${dir}/bob`]));
    await assertSame(`${dir}/tree`, `${dir}/bob/tree`);
    assert.ok(Number(got["bytes_fetched"]) > 5 << 20 && Number(got["bytes_fetched"]) < 8 << 20);
    const [shown] = await ann.run(["portal", "show", portal]);
    const grants = shown!["grants"] as Json[];
    const own = grants.find((grant) => grant["grantee"] === bob.account)!;
    assert.deepEqual([own["label"], own["downloads"], own["level"]], ["for bob", 1, "read"]);
    assert.equal(shown!["downloads"], 1);

    // 100 bytes more at the front of a large file, one name gone, one new: little travels, either way.
    const large = Deno.readFileSync(`${dir}/tree/large`);
    const longer = new Uint8Array([...new Random(5).bytes(100), ...large]);
    Deno.writeFileSync(`${dir}/tree/large`, longer);
    await sh(`cd '${dir}/tree'; rm nothing; echo more > more`);
    const second = last(await ann.run(["portal", "put", "trip", `${dir}/tree`]));
    assert.equal(second["version"], 2);
    assert.ok(Number(second["bytes_sent"]) < 1 << 20, JSON.stringify(second));
    assert.ok(Number(second["bytes_new"]) < 600_000, JSON.stringify(second));
    const again = await bob.try(["portal", "get", "trip", "-C", `${dir}/bob`]);
    assert.equal(again.code, 7, "files that differ are left alone without --force");
    assert.deepEqual(Deno.readFileSync(`${dir}/bob/tree/large`), large);
    const forced = last(await bob.run(["portal", "get", portal, "-f", "-C", `${dir}/bob`]));
    // What moved in the file is found there: only what is new has to come, in whole packs.
    assert.ok(Number(forced["bytes_fetched"]) < 1.5 * 2 ** 20, JSON.stringify(forced));
    await sh(`rm '${dir}/bob/tree/nothing'`);
    await assertSame(`${dir}/tree`, `${dir}/bob/tree`);
    // Once more: head and pages alone.
    const idle = last(await bob.run(["portal", "get", portal, "-C", `${dir}/bob`]));
    assert.ok(Number(idle["bytes_fetched"]) < 300_000, JSON.stringify(idle));
    assert.ok(Number(idle["bytes_had"]) > 5 << 20, JSON.stringify(idle));

    // An earlier version is still there.
    const args = ["portal", "get", portal, "-C", `${dir}/old`, "--version-number"];
    assert.equal(last(await bob.run([...args, "1"]))["version"], 1);
    assert.deepEqual(Deno.readFileSync(`${dir}/old/tree/large`), large);
    await bob.fails(3, "E_NOT_FOUND", [...args, "9"]);

    // Into a folder that has most of it: all but one file.
    await sh(
      `cp -a '${dir}/tree/.' '${dir}/most'; mkdir '${dir}/part'; mv '${dir}/most' '${dir}/part/tree'
      rm '${dir}/part/tree/deep/er/small'`,
    );
    const rest = last(await bob.run(["portal", "get", portal, "-f", "-C", `${dir}/part`]));
    assert.ok(Number(rest["bytes_fetched"]) < 1.5 * 2 ** 20, JSON.stringify(rest));
    await sh(`cmp '${dir}/tree/deep/er/small' '${dir}/part/tree/deep/er/small'`);
  });
});

Deno.test("a get that is killed goes on where it was, and is one download", async () => {
  await withTempDir(async (dir) => {
    const size = 24 << 20;
    Deno.mkdirSync(`${dir}/data`);
    for (const name of ["a", "b", "c"]) {
      Deno.writeFileSync(`${dir}/data/${name}`, new Random(name.charCodeAt(0)).bytes(size / 3));
    }
    const { portal } = last(await ann.run(["portal", "create", "big", `${dir}/data`]));
    Deno.writeTextFileSync(`${dir}/data/d`, "new in version 2");
    await ann.run(["portal", "put", "big", `${dir}/data`]);
    const { link } = await ann.one(["portal", "link", "big", "--max-downloads", "2"]);
    const wire = new Wire(hub.port);
    try {
      const visitor = Person.visitor(`${dir}/visitor`);
      const args = ["portal", "get", wire.via(String(link)), "-C", `${dir}/out`];
      wire.hold("down", size / 2);
      const first = warpCommand(args, { env: visitor.env }).spawn();
      await wire.held();
      // What has come is being written.
      await waitFor(async () => Number(await sh(`du -s -B1 '${dir}/out' | cut -f1`)) > size / 4);
      first.kill("SIGKILL");
      await first.output();
      wire.release();
      // Another version is another download, and does not disturb the one that was cut.
      const old = [...args.slice(0, 3), "-C", `${dir}/old`, "--version-number", "1"];
      assert.equal(last(await visitor.run(old))["version"], 1);
      await assert.rejects(Deno.stat(`${dir}/old/data/d`));
      const second = last(await visitor.run(args));
      assert.equal(second["version"], 2);
      assert.ok(Number(second["bytes_fetched"]) < size * 0.85, JSON.stringify(second));
      assert.ok(Number(second["bytes_had"]) > size / 5, JSON.stringify(second));
      await assertSame(`${dir}/data`, `${dir}/out/data`);
      assert.equal(await sh(`find '${dir}/out' -name '.warp*'`), "", "nothing is left behind");
      const [shown] = await ann.run(["portal", "show", String(portal)]);
      assert.equal(shown!["downloads"], 2, "one of each version");
      await visitor.fails(3, "E_GONE", args);
    } finally {
      wire.close();
    }
  });
});

async function waitFor(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !await isSo(); tries++) {
    assert.ok(tries < 600, "it does not come");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("two puts at once both succeed; a file that vanishes under way is exit 7", async () => {
  await withTempDir(async (dir) => {
    const wire = new Wire(hub.port);
    try {
      await ann.one(["hub", "login", wire.via(hub.address)]);
      await sh(`mkdir '${dir}/one' '${dir}/two'; echo two > '${dir}/two/file'`);
      Deno.writeFileSync(`${dir}/one/file`, new Random(31).bytes(6 << 20));
      await ann.run(["portal", "create", "busy"]);
      // The slow one has begun when the quick one comes, and ends after it: it has to begin anew.
      wire.hold("up", 2 << 20);
      const slow = ann.run(["portal", "put", "busy", `${dir}/one`, "--hub", wire.url]);
      await wire.held();
      const quick = last(await ann.run(["portal", "put", "busy", `${dir}/two`]));
      wire.release();
      assert.deepEqual([quick["version"], last(await slow)["version"]], [1, 2]);
      await ann.run(["portal", "get", "busy", "-C", `${dir}/out`]);
      await assertSame(`${dir}/one`, `${dir}/out/one`);

      // What is read waits for what is sent: the last folder has not been looked into when it loses a file.
      await sh(
        `mkdir -p '${dir}/three/z'; cd '${dir}/three'; echo 1 > z/here; echo 2 > z/vanishes`,
      );
      for (const name of ["a", "b", "c", "d"]) {
        Deno.writeFileSync(
          `${dir}/three/${name}`,
          new Random(100 + name.charCodeAt(0)).bytes(8 << 20),
        );
      }
      wire.hold("up", 2 << 20);
      const reading = ann.try(["portal", "put", "busy", `${dir}/three`, "--hub", wire.url]);
      await wire.held();
      await new Promise((resolve) => setTimeout(resolve, 300));
      await sh(`cd '${dir}/three'; rm -r d; truncate -s 1M c`);
      wire.release();
      const { code, records, stderr, out } = await reading;
      assert.equal(code, 7, stderr + out);
      assert.ok(Number(last(records)["problems"]) > 0);
      // The rest is there.
      await ann.run(["portal", "get", "busy", "-C", `${dir}/out`]);
      await sh(
        `cd '${dir}'; cmp three/a out/three/a; cmp three/b out/three/b; cmp three/z/here out/three/z/here`,
      );
    } finally {
      wire.close();
    }
  });
});

Deno.test("what a command is given wrongly is said, with its exit code", async () => {
  await withTempDir(async (dir) => {
    const nobody = Person.visitor(`${dir}/nobody`);
    await Promise.all([
      ann.fails(3, "E_NOT_FOUND", ["portal", "show", "unknown"]),
      ann.fails(3, "E_NOT_FOUND", ["portal", "get", "AAAAAAAAAAAAAAAAAAAAAA"]),
      ann.fails(2, "E_USAGE", ["portal", "get", `${hub.url}/p/damaged#AAAA`]),
      ann.fails(2, "E_USAGE", ["portal", "get", `${hub.url}/p/AAAAAAAAAAAAAAAAAAAAAA`]),
      ann.fails(2, "E_USAGE", [
        "portal",
        "get",
        `${hub.url}/p/AAAAAAAAAAAAAAAAAAAAAA#${"_".repeat(23)}`,
      ]),
      ann.fails(2, "E_USAGE", ["hub", "login", `${hub.address}x`]),
      ann.fails(2, "E_USAGE", ["hub", "login", "ftp://hub"]),
      ann.fails(2, "E_CONFIG", ["portal", "create", "bad", "--when", "nonsense("]),
      ann.fails(2, "E_CONFIG", ["portal", "create", "bad", "--expires", "yesterday-ish"]),
      nobody.fails(4, "E_AUTH", ["portal", "list"]),
    ]);
    const missing = await ann.try(["portal", "create", "half", `${dir}/missing`]);
    assert.equal(missing.code, 3, missing.stderr);
    await ann.fails(4, "E_AUTH", ["portal", "list", "--hub", "http://127.0.0.1:1"]);
    const refused = await ann.try(["portal", "grant", "unknown", "portal1damaged"]);
    assert.ok([2, 3].includes(refused.code), refused.stderr);
  });
});
