import assert from "node:assert/strict";
import { isWarpError } from "../../../actors/base/errors.ts";
import { openDatabase } from "../../../hub/store/open_database_io.ts";
import { openPostgres } from "../../../hub/store/postgres_io.ts";
import type { Database } from "../../../hub/store/sql.ts";
import { type Cluster, freshDatabase, PASSWORD, startPostgres } from "../../support/postgres.ts";

const cluster = await startPostgres();

const isGone = (error: unknown) => isWarpError(error, "E_STORE");
const isClean = (error: unknown) =>
  !String((error as Error).stack).includes(PASSWORD) &&
  !String((error as Error).stack).includes(encodeURIComponent(PASSWORD)) &&
  (error as Error).cause === undefined;

/** Whether it works again, at most after a few tries: E_STORE says that one may try again. */
async function recovers(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isGone(error) || tries === 30) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Waits until `heard` has this text. */
async function hears(db: Database, heard: string[], word: string): Promise<void> {
  for (let tries = 0; !heard.includes(word); tries++) {
    assert.ok(tries < 100, `heard ${JSON.stringify(heard)}`);
    await recovers(() => db.notify(word));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function tests(cluster: Cluster): void {
  for (const how of ["SIGINT", "SIGKILL"] as const) {
    Deno.test(`PostgreSQL is stopped under use by ${how} and comes back`, async () => {
      const db = await freshDatabase(cluster);
      await db.all("CREATE TABLE things (id BIGINT PRIMARY KEY)");
      const heard: string[] = [];
      await db.listen((text) => heard.push(text));
      let next = 0, isOver = false;
      const stored: number[] = [], errors: unknown[] = [];
      const write = async (isTransaction: boolean) => {
        while (!isOver) {
          const i = next++;
          const insert = "INSERT INTO things (id) VALUES ($1)";
          try {
            if (isTransaction) await db.transaction((sql) => sql.all(insert, i));
            else await db.all(insert, i);
            stored.push(i);
          } catch (error) {
            errors.push(error);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      };
      const writers = [write(false), write(false), write(true), write(true)];
      await new Promise((resolve) => setTimeout(resolve, 150));
      await cluster.stop(how);
      await assert.rejects(db.all("SELECT 1"), isGone);
      await assert.rejects(db.transaction((sql) => sql.all("SELECT 1")), isGone);
      await assert.rejects(db.notify("x"), isGone);
      await cluster.start();
      await recovers(() => db.all("SELECT 1"));
      const before = stored.length;
      await new Promise((resolve) => setTimeout(resolve, 150));
      isOver = true;
      await Promise.all(writers);
      assert.ok(stored.length > before && before > 0, "it worked before and works again");
      for (const error of errors) assert.ok(isGone(error) && isClean(error), String(error));
      const found = new Set((await db.all("SELECT id FROM things")).map(({ id }) => id));
      // With fsync=off a crash of the server loses nothing: the kernel has it.
      for (const i of stored) assert.ok(found.has(i), `${i} was acknowledged`);
      await hears(db, heard, "again");
      assert.ok(heard.includes(""), "who listens is told that something may have been missed");
      await db.close();
    });
  }

  Deno.test("PostgreSQL says nothing: given up after a deadline, then it works again", async () => {
    const db = await freshDatabase(cluster, {
      statementMs: 200,
      connectMs: 500,
      connectionsMax: 3,
    });
    await db.all("CREATE TABLE things (id BIGINT PRIMARY KEY)");
    const heard: string[] = [];
    await db.listen((text) => heard.push(text));
    await cluster.freeze();
    try {
      const calls = [
        db.all("SELECT 1"),
        db.all("INSERT INTO things (id) VALUES (1)"),
        db.transaction((sql) => sql.all("SELECT 1")),
        db.all("SELECT 1"), // waits for a connection
      ];
      const results = await Promise.allSettled(calls);
      for (const one of results) assert.ok(one.status === "rejected" && isGone(one.reason));
      await assert.rejects(db.all("SELECT 1"), isGone);
    } finally {
      await cluster.thaw();
    }
    await recovers(() => db.all("SELECT 1"));
    await recovers(() => db.transaction((sql) => sql.all("INSERT INTO things (id) VALUES (2)")));
    await hears(db, heard, "again");
    await db.close();
  });

  Deno.test("PostgreSQL: a statement that takes too long is ended", async () => {
    const db = await freshDatabase(cluster, { statementMs: 100 });
    await assert.rejects(db.all("SELECT COUNT(*) AS n FROM pg_sleep(30)"), isGone);
    assert.deepEqual(await db.all("SELECT 1 AS one"), [{ one: 1 }]);
    await db.close();
  });

  Deno.test("PostgreSQL: one that loses every race gives up with E_STORE", async () => {
    const db = await freshDatabase(cluster, { random: () => 0 });
    let tries = 0;
    const losing = db.transaction(async (sql) => {
      tries++;
      await sql.all(
        "DO $x$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = 'serialization_failure'; END $x$",
      ).catch(() => {
        throw new Error("which `body` hides");
      });
    });
    await assert.rejects(losing, isGone);
    assert.ok(tries > 5 && tries < 100, `${tries}`);
    await db.close();
  });

  Deno.test("PostgreSQL: wrong passwords, databases and addresses; none is repeated", async () => {
    const address = await cluster.make();
    const config = (url: string) =>
      assert.rejects(
        openDatabase(url),
        (error) => isWarpError(error, "E_CONFIG") && isClean(error),
        url,
      );
    const password = encodeURIComponent(PASSWORD);
    await assert.rejects(
      openDatabase(address.replace(password, "wrong-one")),
      (error) => isWarpError(error, "E_CONFIG") && !String(error.stack).includes("wrong-one"),
    );
    await config(address.replace(/test_\d+$/, "nothing"));
    for (const bad of ["?sslmode=perhaps", "?options=x"]) await config(address + bad);
    for (
      const bad of [
        `postgres://hub:${password}@/x`,
        `postgres://hub:${password}@[h/x`,
        `http://hub:${password}@h/x`,
      ]
    ) {
      await config(bad);
    }
    await assert.rejects(
      openPostgres(address.replace(String(cluster.port), "1")),
      (error) => isGone(error) && isClean(error),
    );
    const other = await openDatabase(`${address}?sslmode=disable`);
    assert.deepEqual(await other.all("SHOW default_transaction_isolation"), [
      { default_transaction_isolation: "serializable" },
    ]);
    await other.close();
  });
}

if (cluster !== undefined) tests(cluster);
