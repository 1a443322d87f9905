import assert from "node:assert/strict";
import { equal } from "../../../actors/base/bytes.ts";
import { isWarpError, WarpError } from "../../../actors/base/errors.ts";
import { openDirectory } from "../../../hub/blobs/directory_io.ts";
import { openSqlite } from "../../../hub/store/sqlite_io.ts";
import { addressOf } from "../blobs/blobs_contract.ts";
import { Random } from "../../support/random.ts";
import { ROOT, sh, text, withTempDir } from "../../support/warp.ts";

// Goal: what was acknowledged is there after any crash, and nothing half is.
// Method: a process that writes rows and blobs as fast as it can, and says what was acknowledged, is
// killed at a random moment, again and again, on the same data. WARP_SEED replays the moments.

const SEED = Number(Deno.env.get("WARP_SEED") ?? 20261121);
const KILLS = 20;

/** Blob `i` of the writer. */
const blobOf = (i: number) => new Random(i).bytes(1000 + (i * 7919) % 60_000);

Deno.test(`${KILLS} kills of a process that writes: what it acknowledged is there (seed ${SEED})`, () =>
  withTempDir(async (dir) => {
    const random = new Random(SEED);
    const db = await openSqlite(`${dir}/hub.db`);
    await db.all("CREATE TABLE things (id INTEGER PRIMARY KEY, half INTEGER NOT NULL, body BLOB)");
    await db.close();
    let first = 0, acknowledged = 0;
    for (let round = 0; round < KILLS; round++) {
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          "--quiet",
          "--no-check",
          `${ROOT}tests/hub/store/writer.ts`,
          dir,
          String(first),
        ],
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      // So many answers, and a bit: the kill strikes while it writes on.
      const wanted = 1 + random.int(60), laterMs = random.int(4);
      let output = "";
      for await (const part of child.stdout) {
        output += text(part);
        if (output.split("\n").length > wanted) break;
      }
      await new Promise((resolve) => setTimeout(resolve, laterMs));
      child.kill("SIGKILL");
      const stderr = await new Response(child.stderr).text();
      await child.status;
      const told = output.split("\n").slice(0, -1).map((line) => line.split(" "));
      assert.ok(told.length > 0, stderr);
      const db = await openSqlite(`${dir}/hub.db`);
      const blobs = await openDirectory(`${dir}/blobs`);
      // Of the pair of rows that a transaction writes, none is alone.
      const halves =
        "SELECT half, COUNT(*) AS count FROM things GROUP BY half HAVING COUNT(*) <> 2";
      assert.deepEqual(await db.all(halves), []);
      for (const [kind, number] of told) {
        const i = Number(number);
        if (kind === "row") {
          const rows = await db.all("SELECT id FROM things WHERE half = $1", i);
          assert.equal(rows.length, 2, `round ${round}: row ${i} was acknowledged`);
        } else {
          const address = addressOf(blobOf(i));
          const blob = await blobs.get({ address, copy: i });
          assert.ok(blob !== undefined && equal(blob.body, blobOf(i)), `round ${round}: blob ${i}`);
        }
      }
      // Whatever else is there is whole.
      for await (const { address, copy } of blobs.list()) {
        if (copy < first) continue;
        assert.ok(equal(addressOf((await blobs.get({ address, copy }))!.body), address));
        first = Math.max(first, copy + 1);
      }
      const [last] = await db.all("SELECT MAX(half) AS half FROM things");
      first = Math.max(first, Number(last!["half"] ?? -1) + 1);
      acknowledged += told.length;
      assert.deepEqual(await db.all("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
      await blobs.close();
      await db.close();
      assert.deepEqual([...Deno.readDirSync(`${dir}/blobs/tmp`)], [], "temporary files are swept");
    }
    assert.ok(acknowledged >= KILLS);
  }));

const mayMount = await (async () => {
  const dir = Deno.makeTempDirSync();
  const script = `mount -t tmpfs none '${dir}' && umount '${dir}' && echo yes || echo no`;
  const isDone = (await sh(script)).trim() === "yes";
  Deno.removeSync(dir);
  if (!isDone) console.log("SKIP: this user may not mount a small file system");
  return isDone;
})();

Deno.test({
  name: "SQLite on a full disk says so, loses nothing, and works again with space",
  ignore: !mayMount,
  fn: () =>
    withTempDir(async (dir) => {
      await sh(`mount -t tmpfs -o size=2m warp-test '${dir}'`);
      try {
        const db = await openSqlite(`${dir}/hub.db`);
        await db.all("CREATE TABLE things (id INTEGER PRIMARY KEY, body BLOB)");
        const body = new Random(1).bytes(100_000);
        const insert = (i: number) =>
          db.all("INSERT INTO things (id, body) VALUES ($1, $2)", i, body);
        let full: unknown;
        let stored = 0;
        for (; full === undefined && stored < 100; stored++) {
          await insert(stored).catch((error) => full = error);
        }
        stored--;
        assert.ok(isWarpError(full, "E_DISK_FULL"), String(full));
        assert.ok(stored > 3);
        // Among others that are small enough, only the large one fails.
        const results = await Promise.allSettled([
          db.all("UPDATE things SET id = id WHERE id = 0"),
          insert(200),
          db.transaction(async (sql) => {
            await sql.all("INSERT INTO things (id, body) VALUES (201, $1)", body);
          }),
          db.transaction(() => Promise.reject(new WarpError("E_CLOSED", "no"))),
        ]);
        const codes = results.map((one) => one.status === "rejected" ? one.reason.code : "done");
        assert.deepEqual(codes.slice(1), ["E_DISK_FULL", "E_DISK_FULL", "E_CLOSED"]);
        assert.deepEqual(await db.all("SELECT COUNT(*) AS count FROM things"), [{ count: stored }]);
        await sh(`mount -o remount,size=16m '${dir}'`);
        await insert(300);
        assert.deepEqual(await db.all("SELECT COUNT(*) AS count FROM things"), [{
          count: stored + 1,
        }]);
        await db.close();
      } finally {
        await sh(`umount -l '${dir}'`);
      }
    }),
});

Deno.test("SQLite: a database that another process keeps locked", () =>
  withTempDir(async (dir) => {
    const [db, other] = [
      await openSqlite(`${dir}/hub.db`, { busyMs: 40 }),
      await openSqlite(`${dir}/hub.db`),
    ];
    await other.all("CREATE TABLE things (id INTEGER PRIMARY KEY)");
    const held = Promise.withResolvers<void>(), begun = Promise.withResolvers<void>();
    const holding = other.transaction(async (sql) => {
      await sql.all("INSERT INTO things (id) VALUES (1)");
      begun.resolve();
      await held.promise;
    });
    await begun.promise;
    await assert.rejects(
      db.all("INSERT INTO things (id) VALUES (2)"),
      (error) => isWarpError(error, "E_STORE"),
    );
    assert.deepEqual(await db.all("SELECT id FROM things"), [], "reading goes on");
    held.resolve();
    await holding;
    await db.all("INSERT INTO things (id) VALUES (2)");
    assert.deepEqual(await other.all("SELECT COUNT(*) AS count FROM things"), [{ count: 2 }]);
    await db.close();
    await other.close();
  }));

Deno.test("SQLite: a file that is none, a folder that is not there", () =>
  withTempDir(async (dir) => {
    Deno.writeTextFileSync(`${dir}/text`, "This is no database. ".repeat(100));
    await assert.rejects(openSqlite(`${dir}/text`), (error) => isWarpError(error, "E_STORE"));
    await assert.rejects(
      openSqlite(`${dir}/no/hub.db`),
      (error) => isWarpError(error, "E_NOT_FOUND"),
    );
    const db = await openSqlite(`${dir}/hub.db`);
    await db.all("CREATE TABLE things (id INTEGER)");
    assert.equal(Deno.statSync(`${dir}/hub.db`).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(`${dir}/hub.db-wal`).mode! & 0o777, 0o600);
    await db.close();
  }));
