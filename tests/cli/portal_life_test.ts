import assert from "node:assert/strict";
import { HubProcess, type Json, Person } from "../support/portal.ts";
import { Random } from "../support/random.ts";
import { sh, withTempDir } from "../support/warp.ts";

// Goal: a portal's life through the command: paused, closed, extended, asked for again; its policy, flag by
// flag; and the hub as its owner runs it: quota, invitations, TLS, gone, and another one in its place.

const hubDir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-portal-" });
const hub = new HubProcess(`${hubDir}/hub`);
let ann: Person, bob: Person;

Deno.test.beforeAll(async () => {
  await hub.start();
  [ann, bob] = await Promise.all(
    ["ann", "bob"].map((name) => Person.make(`${hubDir}/${name}`, [hub.invite])),
  ) as [Person, Person];
});
Deno.test.afterAll(async () => {
  await hub.stop();
  Deno.removeSync(hubDir, { recursive: true });
});

const last = (records: Json[]) => records.at(-1)!;
const idOf = (record: Json) => String(record["portal"]);

Deno.test("a portal is opened, paused, closed, asked for, extended and archived", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/tree'; echo content > '${dir}/tree/file'`);
    const portal = idOf(
      last(await ann.run(["portal", "create", "life", `${dir}/tree`, "--closed"])),
    );
    await ann.run(["portal", "grant", portal, bob.account]);
    let outs = 0;
    const get = () => ["portal", "get", portal, "-C", `${dir}/out${outs++}`];
    const stateOf = async (verb: string) => last(await ann.run(["portal", verb, "life"]))["state"];
    await bob.fails(4, "E_CLOSED", get());
    assert.equal(await stateOf("open"), "active");
    await bob.run(get());
    assert.equal(await stateOf("pause"), "paused");
    await bob.fails(4, "E_CLOSED", get());
    assert.equal(await stateOf("open"), "active");
    assert.equal(await stateOf("close"), "expired");
    await bob.fails(4, "E_CLOSED", get());
    await bob.fails(3, "E_NOT_FOUND", ["portal", "put", "unknown", `${dir}/tree`]);

    // Bob asks, is denied, asks again, and is let in although it is closed.
    const reason = "one file is missing — ✓";
    const ask = async () =>
      String((await bob.one(["portal", "request", portal, "--reason", reason]))["request"]);
    const first = await ask();
    const [pending] = await ann.run(["portal", "requests", "life"]);
    assert.deepEqual([pending!["request"], pending!["reason"], pending!["state"]], [
      first,
      reason,
      "pending",
    ]);
    await bob.fails(1, "E_ACCESS", ["portal", "requests", portal]);
    await ann.run(["portal", "deny", "--", "life", first]);
    await bob.fails(4, "E_CLOSED", get());
    const second = await ask();
    await bob.fails(1, "E_ACCESS", ["portal", "approve", "--", portal, second]);
    await ann.run([
      "portal",
      "approve",
      "--expires",
      "1h",
      "--max-downloads",
      "1",
      "--",
      "life",
      second,
    ]);
    await ann.fails(3, "E_NOT_FOUND", ["portal", "approve", "--", "life", second]);
    await bob.run(get());
    await bob.fails(3, "E_GONE", get());

    const extended = last(await ann.run(["portal", "extend", "life", "--expires", "1h"]));
    assert.deepEqual([extended["state"], extended["open"]], ["active", true]);
    assert.ok(Number(extended["changes_ms"]) > Date.now() + 3_000_000);
    const { link } = await ann.one(["portal", "link", "life"]);
    const visitor = Person.visitor(`${dir}/visitor`);
    await visitor.run(["portal", "get", String(link), "-C", `${dir}/linked`]);
    // A link asks, too.
    await visitor.run(["portal", "request", String(link), "--reason", "by the link"]);
    const asked = await ann.run(["portal", "requests", "life"]);
    assert.ok(asked.some((one) => one["reason"] === "by the link"));
    await ann.run(["portal", "close", "life", "--archive"]);
    await ann.fails(3, "E_GONE", ["portal", "open", portal]);
    await bob.fails(3, "E_GONE", get());
  });
});

Deno.test("each policy flag closes when it should", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/tree'`);
    Deno.writeFileSync(`${dir}/tree/file`, new Random(8).bytes(3 << 20));
    // Days and hours that are not now, whatever the day.
    const away = [
      "Sun",
      "Mon",
      "Tue",
      "Wed",
      "Thu",
      "Fri",
      "Sat",
    ][(new Date().getUTCDay() + 3) % 7]!;
    const make = async (name: string, ...flags: string[]) => {
      const portal = idOf(last(await ann.run(["portal", "create", name, `${dir}/tree`, ...flags])));
      await ann.run(["portal", "grant", portal, bob.account]);
      return portal;
    };
    const [expiring, scheduled, counted, budgeted, conditional] = await Promise.all([
      make("expiring", "--expires", "20s"),
      make("scheduled", "--active", `${away} 09:00-18:00 UTC`),
      make("counted", "--max-downloads", "1"),
      make("budgeted", "--max-bytes", "1MB"),
      make("conditional", "--when", "before 2020-01-01T00:00:00Z or downloads < 1"),
    ]);
    const shown = await ann.run(["portal", "list"]);
    const by = (name: string) => shown.find((one) => one["name"] === name)!;
    const until = Number(by("expiring")["changes_ms"]);
    assert.ok(until > Number(by("expiring")["created_ms"]) + 15_000, "20 s, by whole seconds");
    assert.equal(by("scheduled")["open"], false);
    assert.ok(Number(by("scheduled")["changes_ms"]) > Date.now());
    const get = (portal: string, out: string) => ["portal", "get", portal, "-C", `${dir}/${out}`];
    await Promise.all([
      bob.fails(4, "E_CLOSED", get(scheduled, "scheduled")),
      bob.run(get(counted, "counted")).then(() => bob.fails(4, "E_CLOSED", get(counted, "again"))),
      bob.run(get(conditional, "conditional"))
        .then(() => bob.fails(4, "E_CLOSED", get(conditional, "conditional2"))),
      // The budget ends in the middle: what is not there yet does not come, and nothing wrong is left.
      bob.fails(4, "E_CLOSED", get(budgeted, "budgeted")),
    ]);
    await assert.rejects(Deno.stat(`${dir}/budgeted/tree/file`));
    const [over] = await ann.run(["portal", "show", "counted"]);
    assert.deepEqual([over!["state"], over!["downloads"]], ["expired", 1]);
    while (Date.now() <= until) await new Promise((resolve) => setTimeout(resolve, 100));
    await bob.fails(4, "E_CLOSED", get(expiring, "expiring"));
    const extended = last(await ann.run(["portal", "extend", "expiring", "--expires", "1h"]));
    assert.equal(extended["open"], true);
    await bob.run(get(expiring, "expiring"));
  });
});

Deno.test("the words and the hub's address bring an account back, with its portals", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir '${dir}/tree'; echo kept > '${dir}/tree/file'`);
    await bob.run(["portal", "create", "kept", `${dir}/tree`]);
    Deno.writeTextFileSync(`${dir}/words`, bob.words + "\n");
    const again = Person.visitor(`${dir}/again`);
    const recovered = await again.one([
      ...["key", "recover", "--words-file", `${dir}/words`],
      "--unsealed",
    ]);
    assert.equal(recovered["account"], bob.account);
    const [shown] = await again.run(["key", "show"]);
    assert.deepEqual([shown!["account"], shown!["sealed"]], [bob.account, false]);
    await again.run(["hub", "login", hub.address]);
    await again.run(["portal", "get", "kept", "-C", `${dir}/out`]);
    await sh(`cmp '${dir}/tree/file' '${dir}/out/tree/file'`);
  });
});
