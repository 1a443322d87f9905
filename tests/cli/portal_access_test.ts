import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { equal, toHex, utf8 } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import type { Connection } from "../../actors/portal/access_io.ts";
import { bytes, signedOf } from "../../actors/portal/api_fields.ts";
import { auditProblem } from "../../actors/portal/audit.ts";
import { fromBase64Url } from "../../actors/portal/base64url.ts";
import { openHead } from "../../actors/portal/content/head_codec.ts";
import { VersionReader } from "../../actors/portal/content/version_reader.ts";
import { HubStore } from "../../actors/portal/hub_store.ts";
import { readRecord } from "../../actors/portal/records.ts";
import { type PortalKeys, unwrapKeys } from "../../actors/portal/wrap.ts";
import { verifySignature } from "../../actors/cipher/signature.ts";
import { loadKernels } from "../../kernels/load.ts";
import { createHash } from "node:crypto";
import { HubProcess, type Json, Person, TREE_LIST } from "../support/portal.ts";
import { MarkerScan } from "../support/marker_scan.ts";
import { Random } from "../support/random.ts";
import { sh, withTempDir } from "../support/warp.ts";

// Goal: who may what. Each level, parts of a tree, groups, revocations and links let in whom they should, and
// what the hub gives the others says nothing to them: looked at with their keys, from within.

const kernels = await loadKernels();
const hubDir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-portal-" });
const hub = new HubProcess(`${hubDir}/hub`);
let ann: Person, bob: Person, cat: Person;

Deno.test.beforeAll(async () => {
  await hub.start();
  [ann, bob, cat] = await Promise.all(
    ["ann", "bob", "cat"].map((name) => Person.make(`${hubDir}/${name}`, [hub.invite])),
  ) as [Person, Person, Person];
});
Deno.test.afterAll(async () => {
  await hub.stop();
  Deno.removeSync(hubDir, { recursive: true });
});

const last = (records: Json[]) => records.at(-1)!;
const idOf = (record: Json) => String(record["portal"]);

async function assertSame(a: string, b: string): Promise<void> {
  assert.equal(await sh(TREE_LIST, b), await sh(TREE_LIST, a));
}

/** Everything that answers of the hub consist of while `use` runs. */
async function recordAnswers(use: () => Promise<void>): Promise<Uint8Array[]> {
  const answers: Uint8Array[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (...args: Parameters<typeof fetch>) => {
    const answer = await fetch(...args);
    const body = new Uint8Array(await answer.arrayBuffer());
    answers.push(body, utf8(JSON.stringify([...answer.headers])));
    return new Response(body, { status: answer.status, headers: answer.headers });
  };
  try {
    await use();
  } finally {
    globalThis.fetch = fetch;
  }
  return answers;
}

/** What of a version its keys open: head, pages, and every chunk that a page has a key for. */
async function openView(
  { client, access }: Connection,
  portal: string,
): Promise<{ keys: PortalKeys; bodies: Uint8Array[]; heads: Uint8Array[]; lease: Uint8Array }> {
  const id = fromBase64Url(portal, 16);
  const info = await client.call("GET /v1/portals/{portal}", { portal });
  const keys = await unwrapKeys(bytes(info.grant!.wrap), access.identities, id);
  const lease = await client.call("POST /v1/portals/{portal}/leases", { portal }, {});
  const version = readRecord("version", signedOf(lease.version));
  const own = version.heads.find(({ view }) =>
    view === null ? keys.view === null : keys.view !== null && equal(view, keys.view)
  )!;
  const leaseId = bytes(lease.lease, 16);
  const store = new HubStore(client, id, leaseId);
  const reader = await VersionReader.open({
    store,
    kernels,
    sha256: () => createHash("sha256"),
    viewKey: keys.epochs.find(({ epoch }) => epoch === version.epoch)!.key,
    head: own.head,
    signal: new AbortController().signal,
  });
  const bodies: Uint8Array[] = [utf8(Deno.inspect(reader.head))];
  for await (const { body } of reader.pages()) bodies.push(new Uint8Array(body));
  for (const { address } of reader.head.packs) await client.getPack(id, leaseId, address);
  reader.close();
  return {
    keys,
    bodies,
    heads: version.heads.map(({ head }) => new Uint8Array(head)),
    lease: leaseId,
  };
}

function has(haystack: readonly Uint8Array[], text: string): boolean {
  const scan = new MarkerScan().add(text, text);
  return haystack.some((one) => scan.find(one).length > 0);
}

Deno.test("a part of a tree, a list, and a group: each gets what it is for, and not a name more", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir -p '${dir}/tree/public/inner' '${dir}/tree/hidden-folder'; cd '${dir}/tree'
      echo shown > public/inner/shown-file; echo secret > hidden-folder/hidden-file
      echo secret2 > zz-hidden-last; ln -s hidden-target hidden-link`);
    // In one pack with what is shown.
    Deno.writeFileSync(`${dir}/tree/public/random`, new Random(1).bytes(200_000));
    Deno.writeFileSync(`${dir}/tree/hidden-random`, new Random(2).bytes(200_000));
    const portal = idOf(last(await ann.run(["portal", "create", "parts"])));
    await Promise.all([
      ann.run(["portal", "grant", portal, cat.account, "--path", "tree/public"]),
      ann.run([
        "portal",
        "grant",
        portal,
        bob.account,
        "--level",
        "list",
        "--label",
        "hidden-label",
      ]),
    ]);
    await ann.run(["portal", "put", portal, `${dir}/tree`]);

    await cat.run(["portal", "get", portal, "-C", `${dir}/cat`]);
    await assertSame(`${dir}/tree/public`, `${dir}/cat/tree/public`);
    assert.equal(
      (await sh(`ls -A '${dir}/cat' '${dir}/cat/tree' | xargs`)).trim().split("/").pop(),
      "tree: public",
    );
    await bob.fails(1, "E_ACCESS", ["portal", "get", portal, "-C", `${dir}/bob`]);
    await assert.rejects(Deno.stat(`${dir}/bob/tree`));
    await bob.fails(1, "E_ACCESS", ["portal", "put", portal, `${dir}/tree`]);
    await cat.fails(1, "E_ACCESS", ["portal", "link", portal]);
    await cat.fails(1, "E_ACCESS", ["portal", "log", portal]);

    // Everything that the hub answers to cat, and all that her keys open of it.
    const connection = await cat.connection(hub.url);
    const { client } = connection;
    let opened: Awaited<ReturnType<typeof openView>> | undefined;
    const answers = await recordAnswers(async () => {
      opened = await openView(connection, portal);
      await client.call("GET /v1/portals");
      await client.call("GET /v1/groups");
      await client.call("GET /v1/usage");
      const refused = async (what: Promise<unknown>) => {
        await assert.rejects(what, (error) => isWarpError(error));
      };
      await refused(client.call("GET /v1/portals/{portal}/log", { portal }, { after: "0" }));
      await refused(client.call("GET /v1/portals/{portal}/requests", { portal }));
      // The version's record names the heads of the other views; they are not hers to fetch.
      const { heads, lease } = opened;
      const id = fromBase64Url(portal, 16);
      const fetched = await Promise.allSettled(
        heads.map((head) => client.getPack(id, lease, head)),
      );
      assert.deepEqual(fetched.map(({ status }) => status).sort(), [
        "fulfilled",
        "rejected",
        "rejected",
      ]);
    });
    const all = [...answers, ...opened!.bodies];
    for (
      const name of [
        "hidden-folder",
        "hidden-f",
        "hidden-l",
        "hidden-r",
        "hidden-t",
        "zz-hidden",
        "secret",
      ]
    ) assert.ok(!has(all, name), name);
    for (const name of ["shown-file", "public"]) assert.ok(has(opened!.bodies, name), name);
    // The list has names, and no key of a chunk.
    const list = await openView(await bob.connection(hub.url), portal);
    assert.ok(has(list.bodies, "hidden-file") && has(list.bodies, "shown-file"));
    assert.ok(!has(list.bodies, "secret") && list.bodies.length === 2);
    // Who sees everything sees that the search can find.
    const whole = await openView(await ann.connection(hub.url), portal);
    assert.ok(has(whole.bodies, "hidden-file"));

    // A group: one grant for all who are in it, and none for who left before the next one.
    const name = "the team";
    const made = await ann.one([
      "portal",
      "group",
      name,
      "--add",
      bob.account,
      "--add",
      cat.account,
    ]);
    assert.equal((made["members"] as string[]).length, 3);
    const plans = idOf(last(await ann.run(["portal", "create", "plans", `${dir}/tree`])));
    await ann.run(["portal", "grant", plans, name]);
    await ann.fails(3, "E_NOT_FOUND", ["portal", "grant", plans, "no such team"]);
    await bob.run(["portal", "get", "plans", "-C", `${dir}/bob`]);
    await assertSame(`${dir}/tree`, `${dir}/bob/tree`);
    const [seen] = await cat.run(["portal", "group"]);
    assert.deepEqual([seen!["name"], seen!["owner"]], [name, ann.account]);
    await ann.run(["portal", "group", name, "--remove", bob.account]);
    await bob.fails(3, "E_NOT_FOUND", ["portal", "get", plans, "-C", `${dir}/bob`]);
    await cat.run(["portal", "get", plans, "-C", `${dir}/team`]);
  });
});

Deno.test("writers put, admins let in; whoever is revoked opens nothing that is put later", async () => {
  await withTempDir(async (dir) => {
    await sh(
      `mkdir '${dir}/one' '${dir}/two'; echo first > '${dir}/one/first'; echo second > '${dir}/two/second'`,
    );
    const portal = idOf(last(await ann.run(["portal", "create", "team", `${dir}/one`])));
    await ann.run(["portal", "grant", portal, bob.account, "--level", "write"]);
    // The second account puts, the first one gets.
    const put = last(await bob.run(["portal", "put", "team", `${dir}/two`]));
    assert.equal(put["version"], 2);
    await ann.run(["portal", "get", portal, "-C", `${dir}/ann`]);
    await assertSame(`${dir}/two`, `${dir}/ann/two`);
    await bob.fails(1, "E_ACCESS", ["portal", "grant", portal, cat.account]);
    await bob.fails(1, "E_ACCESS", ["portal", "pause", portal]);

    await ann.run(["portal", "grant", portal, bob.account, "--level", "admin"]);
    await bob.run(["portal", "grant", portal, cat.account]);
    await bob.fails(1, "E_ACCESS", ["portal", "grant", portal, cat.account, "--level", "write"]);
    await bob.fails(1, "E_ACCESS", ["portal", "close", portal, "--archive"]);
    assert.ok((await bob.run(["portal", "log", portal])).length >= 6);
    await cat.run(["portal", "get", portal, "-C", `${dir}/cat`]);
    const { link } = await bob.one(["portal", "link", portal]);

    // Cat keeps her keys. Then she is revoked.
    const before = await openView(await cat.connection(hub.url), portal);
    await ann.run(["portal", "revoke", portal, cat.account]);
    await ann.fails(3, "E_NOT_FOUND", ["portal", "revoke", portal, cat.account]);
    await cat.fails(3, "E_NOT_FOUND", ["portal", "get", portal, "-C", `${dir}/cat`]);
    await cat.fails(3, "E_NOT_FOUND", ["portal", "show", portal]);
    await sh(`echo third > '${dir}/two/third-file'`);
    await ann.run(["portal", "put", portal, `${dir}/two`]);
    // Who stays has the new key, links too.
    const visitor = Person.visitor(`${dir}/visitor`);
    await Promise.all([
      visitor.run(["portal", "get", String(link), "-C", `${dir}/out`]),
      bob.run(["portal", "get", portal, "-C", `${dir}/bob`]),
    ]);
    await assertSame(`${dir}/two`, `${dir}/out/two`);

    // The hub hands its whole disk to her: her keys open what she could have got before, and nothing since.
    const now = await openView(await ann.connection(hub.url), portal);
    const opens = (keys: PortalKeys, pack: Uint8Array) =>
      keys.epochs.some(({ key }) => {
        try {
          openHead(kernels.aead, key, pack).versionKey.fill(0);
          return true;
        } catch {
          return false;
        }
      });
    const [first, second, third] = headsOnDisk(portal);
    const opened = (keys: PortalKeys) => [first!, second!, third!].map((pack) => opens(keys, pack));
    assert.deepEqual(opened(before.keys), [true, true, false]);
    assert.deepEqual(opened(now.keys), [true, true, true]);
    assert.equal(now.keys.epochs.length, 2);
    const all = blobsOnDisk();
    assert.equal(all.filter((pack) => opens(before.keys, pack)).length, 2);
  });
});

function blobsOnDisk(name = ""): Uint8Array[] {
  const root = `${hub.data}/blobs`;
  const found: Uint8Array[] = [];
  for (const { name: upper } of Deno.readDirSync(root)) {
    if (!/^[0-9a-f]{2}$/.test(upper)) continue;
    for (const { name: lower } of Deno.readDirSync(`${root}/${upper}`)) {
      for (const { name: file } of Deno.readDirSync(`${root}/${upper}/${lower}`)) {
        if (file.startsWith(name)) {
          found.push(Deno.readFileSync(`${root}/${upper}/${lower}/${file}`));
        }
      }
    }
  }
  return found;
}

/** Heads of the whole tree, by version. */
function headsOnDisk(portal: string): Uint8Array[] {
  const db = new DatabaseSync(`${hub.data}/hub.sqlite`, { readOnly: true });
  try {
    const rows = db.prepare(
      "SELECT record, signature FROM versions WHERE portal = ? ORDER BY version",
    )
      .all(fromBase64Url(portal, 16)) as { record: Uint8Array; signature: Uint8Array }[];
    return rows.map(({ record, signature }) => {
      const own = { bytes: new Uint8Array(record), signature: new Uint8Array(signature) };
      const { heads } = readRecord("version", own);
      return blobsOnDisk(toHex(heads.find(({ view }) => view === null)!.head))[0]!;
    });
  } finally {
    db.close();
  }
}

Deno.test("links: with a password, once, for a while, of a part", async () => {
  await withTempDir(async (dir) => {
    await sh(`mkdir -p '${dir}/tree/sub'; cd '${dir}/tree'; echo a > a; echo b > sub/b
      echo 'open sesame' > ../right; echo 'open barley' > ../wrong`);
    const portal = idOf(last(await ann.run(["portal", "create", "linked"])));
    const make = async (...flags: string[]) =>
      await ann.one(["portal", "link", portal, ...flags]) as { link: string; grant: string };
    const [plain, locked, once, late, part] = await Promise.all([
      make(),
      make("--password-file", `${dir}/right`, "--label", "locked"),
      make("--one-time"),
      make("--expires", "1s"),
      make("--path", "tree/sub"),
    ]);
    await ann.run(["portal", "put", portal, `${dir}/tree`]);
    const visitor = Person.visitor(`${dir}/visitor`);
    const get = (link: { link: string }, out: string, ...flags: string[]) => [
      ...["portal", "get", link.link, "-C", `${dir}/${out}`],
      ...flags,
    ];
    await Promise.all([
      visitor.run(get(plain!, "plain")).then(() => assertSame(`${dir}/tree`, `${dir}/plain/tree`)),
      visitor.fails(4, "E_KEY_NEEDED", get(locked!, "none")),
      visitor.fails(4, "E_KEY_WRONG", get(locked!, "none", "--password-file", `${dir}/wrong`)),
      visitor.run(get(locked!, "locked", "--password-file", `${dir}/right`)),
      visitor.fails(3, "E_GONE", get(late!, "none")),
      visitor.run(get(part!, "part")),
    ]);
    await sh(
      `cmp '${dir}/tree/sub/b' '${dir}/part/tree/sub/b'; ! [ -e '${dir}/part/tree/a' ]; ! [ -e '${dir}/none/tree' ]`,
    );
    await sh(`cmp '${dir}/tree/a' '${dir}/locked/tree/a'`);
    // Of two who come at once, one gets the only download.
    const other = Person.visitor(`${dir}/other`);
    const both = await Promise.all(
      [other, visitor].map((who, i) => who.try(get(once!, `once${i}`))),
    );
    assert.deepEqual(both.map(({ code }) => code).sort(), [0, 3]);
    await other.fails(3, "E_GONE", get(once!, "once2"));
    const [shown] = await ann.run(["portal", "show", portal]);
    const grants = shown!["grants"] as Json[];
    const used = grants.find((grant) => grant["grant"] === once!.grant)!;
    assert.deepEqual([used["downloads"], used["downloads_max"], used["kind"]], [1, 1, "link"]);
    assert.equal(grants.find((grant) => grant["label"] === "locked")!["downloads"], 1);
    await ann.run(["portal", "revoke", portal, plain!.grant, locked!.grant]);
    await visitor.fails(3, "E_GONE", get(plain!, "none"));
    await visitor.fails(4, "E_KEY_WRONG", get(locked!, "none", "--password-file", `${dir}/right`));
    // A link of another portal's name, and one that is damaged by a character.
    const damaged = plain!.link.replace(/.$/, (end) => end === "A" ? "E" : "A");
    const { code } = await visitor.try(get({ link: damaged }, "none"));
    assert.ok(code === 2 || code === 3, String(code));
  });
});

Deno.test("the log is whole and signed; whatever is changed in it or left out is E_INTEGRITY", async () => {
  await withTempDir(async (dir) => {
    const portal = idOf(last(await ann.run(["portal", "create", "logged"])));
    await ann.run(["portal", "grant", portal, bob.account]);
    await ann.run(["portal", "pause", portal]);
    const entries = await ann.run(["portal", "log", portal]);
    const actions = entries.map(({ action }) => action);
    for (const action of ["create", "open", "grant", "pause"]) assert.ok(actions.includes(action));
    assert.equal(actions.at(-1), "pause");
    const file = `${dir}/log.json`;
    await ann.run(["portal", "log", portal, "--export", file]);
    const exported = JSON.parse(Deno.readTextFileSync(file)) as {
      hub: string;
      head: { hash: string; signature: string };
      entries: { text: string; hash: string }[];
    };
    const key = fromBase64Url(exported.hub, 32);
    const check = (list: typeof exported.entries, head = exported.head) =>
      auditProblem(list, head, key, verifySignature);
    assert.equal(exported.hub, hub.key);
    assert.equal(check(exported.entries), undefined);
    const changed = exported.entries.map((entry) => ({ ...entry }));
    for (const entry of changed) entry.text = entry.text.replace('"read"', '"list"');
    for (const tampered of [changed, exported.entries.slice(1), exported.entries.slice(0, -1)]) {
      assert.ok(check(tampered) !== undefined);
    }
    assert.ok(
      check(exported.entries, { ...exported.head, signature: "A".repeat(86) }) !== undefined,
    );

    // The same in the hub's own database.
    const db = new DatabaseSync(`${hub.data}/hub.sqlite`, { timeout: 5000 });
    try {
      const id = fromBase64Url(portal, 16);
      const granted = entries.findIndex(({ kind, level }) =>
        kind === "account" && level === "read"
      ) + 1;
      const run = (sql: string, ...values: (Uint8Array | string)[]) =>
        db.prepare(sql).run(...values);
      const [{ text }] = db.prepare(
        `SELECT text FROM audit WHERE portal = ? AND entry = ${granted}`,
      )
        .all(id) as [{ text: string }];
      const set = `UPDATE audit SET text = ? WHERE portal = ? AND entry = ${granted}`;
      run(set, text.replace('"read"', '"list"'), id);
      await ann.fails(5, "E_INTEGRITY", ["portal", "log", portal]);
      run(set, text, id);
      await ann.run(["portal", "log", portal]);
      run("DELETE FROM audit WHERE portal = ? AND entry = 2", id);
      await ann.fails(5, "E_INTEGRITY", ["portal", "log", portal, "--export", `${dir}/no`]);
      await assert.rejects(Deno.stat(`${dir}/no`));
    } finally {
      db.close();
    }
  });
});
