/**
 * What every `Database` must do, as tests.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isWarpError, WarpError } from "../../../actors/base/errors.ts";
import { dialectOf, migrate, type Migration } from "../../../hub/store/migrate.ts";
import type { Database } from "../../../hub/store/sql.ts";

export interface Subject {
  database: Database;
  /** Another one on the same data, as another process has it. */
  again(): Promise<Database>;
  remove(): Promise<void>;
}

export function databaseContract(kind: string, make: () => Promise<Subject>): void {
  const test = (
    what: string,
    body: (db: Database, again: () => Promise<Database>) => Promise<void>,
  ) =>
    Deno.test(`${kind}: ${what}`, async () => {
      const subject = await make();
      const others: Database[] = [];
      const again = async () => {
        const other = await subject.again();
        others.push(other);
        return other;
      };
      try {
        await body(subject.database, again);
      } finally {
        for (const other of others) await other.close();
        await subject.database.close();
        await subject.remove();
      }
    });
  const create = (db: Database, statement: string) => db.all(dialectOf(db.dialect, statement));
  const TABLE =
    "CREATE TABLE things (id {bigint} PRIMARY KEY, bytes {bytes}, text TEXT UNIQUE, number {bigint})";

  test("values come back as they went in", async (db) => {
    await create(db, TABLE);
    const bytes = new Uint8Array([9, 0, 1, 255, 128, 9]).subarray(1, 5);
    const rows = [
      { id: 1, bytes, text: "Grüße 🎁 'quoted' \\x00 $1", number: Number.MAX_SAFE_INTEGER },
      { id: 2, bytes: new Uint8Array(0), text: "", number: Number.MIN_SAFE_INTEGER },
      { id: 3, bytes: null, text: null, number: 0 },
    ];
    const insert = "INSERT INTO things (id, bytes, text, number) VALUES ($1, $2, $3, $4)";
    for (const { id, bytes, text, number } of rows) {
      assert.deepEqual(await db.all(insert, id, bytes, text, number), []);
    }
    const found = await db.all("SELECT id, bytes, text, number FROM things ORDER BY id");
    assert.deepEqual(found, rows.map((row) => ({ ...row, bytes: row.bytes?.slice() ?? null })));
    const got = found[0]!["bytes"] as Uint8Array;
    assert.equal(Object.getPrototypeOf(got), Uint8Array.prototype);
    assert.equal(got.buffer.byteLength, got.length, "bytes of their own");
    assert.deepEqual(await db.all("SELECT id FROM things WHERE bytes = $1", bytes), [{ id: 1 }]);
  });

  test("parameters in any order and twice; RETURNING; upserts; sums, counts and truths", async (db) => {
    await create(db, TABLE);
    const upsert = `INSERT INTO things (id, number) VALUES ($2, $1) ON CONFLICT (id)
      DO UPDATE SET number = things.number + excluded.number RETURNING id, number`;
    assert.deepEqual(await db.all(upsert, 5_000_000_000, 1), [{ id: 1, number: 5_000_000_000 }]);
    assert.deepEqual(await db.all(upsert, 7, 1), [{ id: 1, number: 5_000_000_007 }]);
    await db.all("INSERT INTO things (id, number) VALUES ($1, $1)", 2);
    const [row] = await db.all(
      "SELECT COUNT(*) AS count, SUM(number) AS sum, MAX(number) AS max, COUNT(*) = 2 AS two, 1 = 2 AS no FROM things",
    );
    assert.deepEqual(row, { count: 2, sum: 5_000_000_009, max: 5_000_000_007, two: 1, no: 0 });
    assert.deepEqual(await db.all("SELECT number / 2 AS half FROM things WHERE id = $1", 1), [
      { half: 2_500_000_003 },
    ]);
    assert.deepEqual(await db.all("UPDATE things SET number = 0 WHERE id = $1", 9), []);
    assert.deepEqual(await db.all("DELETE FROM things WHERE id > $1 RETURNING id", 1), [{ id: 2 }]);
  });

  test("numbers that are no safe integers are refused both ways", async (db) => {
    await create(db, TABLE);
    for (const number of [2 ** 53, 1.5, NaN, Infinity]) {
      await assert.rejects(db.all("INSERT INTO things (id) VALUES ($1)", number), /safe integer/);
    }
    await db.all("INSERT INTO things (id, number) VALUES (1, 9007199254740992)");
    await assert.rejects(db.all("SELECT number FROM things"), RangeError);
    assert.deepEqual(await db.all("SELECT id FROM things"), [{ id: 1 }], "and it goes on");
  });

  test("errors: a unique constraint, nonsense, too few values", async (db) => {
    await create(db, TABLE);
    await db.all("INSERT INTO things (id, text) VALUES (1, $1)", "secret");
    await assert.rejects(
      db.all("INSERT INTO things (id, text) VALUES (2, $1)", "secret"),
      (error) => isWarpError(error, "E_EXISTS") && !String(error.stack).includes("secret"),
    );
    await assert.rejects(db.all("SELEKT"), (error) => !isWarpError(error));
    await assert.rejects(db.all("SELECT id FROM things WHERE id = $1"), (e) => !isWarpError(e));
    await assert.rejects(db.all("SELECT id FROM things", 1), (error) => !isWarpError(error));
    assert.deepEqual(await db.all("SELECT id FROM things"), [{ id: 1 }]);
  });

  test("a transaction is done whole or not at all", async (db) => {
    await create(db, TABLE);
    const value = await db.transaction(async (sql) => {
      await sql.all("INSERT INTO things (id) VALUES (1)");
      await sql.all("INSERT INTO things (id) VALUES (2)");
      return await sql.all("SELECT COUNT(*) AS count FROM things");
    });
    assert.deepEqual(value, [{ count: 2 }]);
    const no = new WarpError("E_QUOTA", "no");
    await assert.rejects(
      db.transaction(async (sql) => {
        await sql.all("INSERT INTO things (id) VALUES (3)");
        throw no;
      }),
      (error) => error === no,
    );
    assert.deepEqual(await db.all("SELECT COUNT(*) AS count FROM things"), [{ count: 2 }]);
  });

  test("an error of a statement ends its transaction, caught or not", async (db) => {
    await create(db, TABLE);
    await db.all("INSERT INTO things (id) VALUES (1)");
    const caught = db.transaction(async (sql) => {
      await sql.all("INSERT INTO things (id) VALUES (2)");
      await sql.all("INSERT INTO things (id) VALUES (1)").catch(() => {});
      await sql.all("INSERT INTO things (id) VALUES (3)").catch(() => {});
    });
    await assert.rejects(caught, (error) => isWarpError(error, "E_EXISTS"));
    const renamed = db.transaction(async (sql) => {
      await sql.all("INSERT INTO things (id) VALUES (2)");
      try {
        await sql.all("INSERT INTO things (id) VALUES (1)");
      } catch {
        throw new WarpError("E_CLOSED", "in other words");
      }
    });
    await assert.rejects(renamed, (error) => isWarpError(error, "E_CLOSED"));
    assert.deepEqual(await db.all("SELECT id FROM things"), [{ id: 1 }]);
  });

  test("a transaction that is over takes no more statements", async (db) => {
    await create(db, TABLE);
    const sql = await db.transaction((sql) => Promise.resolve({ sql }));
    await assert.rejects(sql.sql.all("INSERT INTO things (id) VALUES (1)"), /over/);
    assert.deepEqual(await db.all("SELECT id FROM things"), []);
  });

  test("nobody sees half of a transaction, nor what it took back", async (db) => {
    await create(db, TABLE);
    await db.all("INSERT INTO things (id, number) VALUES (1, 50), (2, 50)");
    const seen = new Set<unknown>();
    let isDone = false;
    const look = async () => {
      while (!isDone) {
        for (const { sum } of await db.all("SELECT SUM(number) AS sum FROM things")) seen.add(sum);
        await new Promise((resolve) => setTimeout(resolve));
      }
    };
    const move = async (i: number) => {
      await db.transaction(async (sql) => {
        await sql.all("UPDATE things SET number = number - 1 WHERE id = 1");
        await new Promise((resolve) => setTimeout(resolve));
        await sql.all("UPDATE things SET number = number + 1 WHERE id = 2");
        if (i % 3 === 0) throw new WarpError("E_CLOSED", "taken back");
      }).catch((error) => assert.ok(isWarpError(error, "E_CLOSED"), error));
    };
    const looking = look();
    for (let i = 0; i < 12; i++) await move(i);
    isDone = true;
    await looking;
    assert.deepEqual([...seen], [100]);
    assert.deepEqual(await db.all("SELECT number FROM things ORDER BY id"), [
      { number: 42 },
      { number: 58 },
    ]);
  });

  test("counters of many at once lose nothing, from two processes too", async (db, again) => {
    await create(db, TABLE);
    await db.all("INSERT INTO things (id, number) VALUES (1, 0)");
    const other = await again();
    const bump = (one: Database) =>
      one.transaction(async (sql) => {
        const [row] = await sql.all("SELECT number FROM things WHERE id = 1");
        await Promise.resolve();
        await sql.all("UPDATE things SET number = $1 WHERE id = 1", Number(row!["number"]) + 1);
      });
    const single = (one: Database) => one.all("UPDATE things SET number = number + 1 WHERE id = 1");
    await Promise.all(
      Array.from({ length: 6 }, () => [bump(db), bump(other), single(db), single(other)]).flat(),
    );
    assert.deepEqual(await other.all("SELECT number FROM things"), [{ number: 24 }]);
    assert.deepEqual(await db.all("SELECT number FROM things"), [{ number: 24 }]);
  });

  test("no write skew: of two who each leave if the other stays, one stays", async (db, again) => {
    await create(db, TABLE);
    const other = await again();
    for (let round = 0; round < 5; round++) {
      await db.all("DELETE FROM things");
      await db.all("INSERT INTO things (id, number) VALUES (1, 1), (2, 1)");
      const leave = (one: Database, id: number) =>
        one.transaction(async (sql) => {
          const [row] = await sql.all("SELECT COUNT(*) AS count FROM things WHERE number = 1");
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (row!["count"] === 2) await sql.all("UPDATE things SET number = 0 WHERE id = $1", id);
        });
      await Promise.all([leave(db, 1), leave(other, 2)]);
      assert.deepEqual(await db.all("SELECT COUNT(*) AS count FROM things WHERE number = 1"), [
        { count: 1 },
      ]);
    }
  });

  test("of many writes at once only those fail that must", async (db) => {
    await create(db, TABLE);
    const results = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => {
      if (i % 3 === 2) {
        return db.transaction(async (sql) => {
          await sql.all("INSERT INTO things (id) VALUES ($1)", i);
          if (i % 2 === 0) throw new WarpError("E_CLOSED", "no");
        });
      }
      // Every second one is there already.
      return db.all("INSERT INTO things (id) VALUES ($1)", i % 3 === 0 ? i : i - 1);
    }));
    results.forEach((result, i) => {
      const isBad = i % 3 === 2 && i % 2 === 0;
      if (i % 3 === 2) assert.equal(result.status, isBad ? "rejected" : "fulfilled", String(i));
    });
    for (let i = 0; i < 60; i += 3) {
      const pair = [results[i]!.status, results[i + 1]!.status].sort();
      assert.deepEqual(pair, ["fulfilled", "rejected"], String(i));
    }
    assert.deepEqual(await db.all("SELECT COUNT(*) AS count FROM things"), [{ count: 30 }]);
  });

  test("references are enforced", async (db) => {
    await create(db, "CREATE TABLE parents (id {bigint} PRIMARY KEY)");
    await create(db, "CREATE TABLE children (parent {bigint} NOT NULL REFERENCES parents (id))");
    await assert.rejects(db.all("INSERT INTO children (parent) VALUES (1)"));
    await db.all("INSERT INTO parents (id) VALUES (1)");
    await db.all("INSERT INTO children (parent) VALUES (1)");
    await assert.rejects(db.all("DELETE FROM parents"));
  });

  test("who listens hears what is told", async (db) => {
    const heard: string[] = [];
    let onEnd = () => {};
    const end = new Promise<void>((resolve) => onEnd = resolve);
    await db.listen((text) => {
      heard.push(text);
      if (text === "end") onEnd();
    });
    const long = "ö".repeat(3500);
    await db.notify("'; DROP TABLE things; --");
    await db.notify(long);
    await db.notify("end");
    await end;
    assert.deepEqual(heard, ["'; DROP TABLE things; --", long, "end"]);
    await assert.rejects(db.notify(long + "x"), /bytes/);
    await assert.rejects(db.notify(""), /bytes/);
  });

  test("closed is closed", async (db) => {
    await create(db, TABLE);
    const last = db.all("INSERT INTO things (id) VALUES (1)");
    await Promise.all([last, db.close()]);
    await db.close();
    for (
      const call of [
        () => db.all("SELECT 1"),
        () => db.transaction(() => Promise.resolve()),
        () => db.notify("x"),
        () => db.listen(() => {}),
      ]
    ) await assert.rejects(call, (error) => isWarpError(error, "E_STORE"));
  });

  const FIRST: Migration = {
    name: "first",
    statements: ["CREATE TABLE one (id {bytes} PRIMARY KEY, number {bigint} NOT NULL)"],
  };
  const SECOND: Migration = {
    name: "second",
    statements: [
      "INSERT INTO one (id, number) VALUES ('', 7)",
      "CREATE INDEX ones ON one (number)",
    ],
  };

  test("migrations are done once, in order, and a newer database is refused", async (db) => {
    assert.equal(await migrate(db, [FIRST]), 1);
    assert.equal(await migrate(db, [FIRST]), 0);
    assert.equal(await migrate(db, [FIRST, SECOND]), 1);
    assert.deepEqual(await db.all("SELECT number FROM one"), [{ number: 7 }]);
    const isNewer = (error: unknown) => isWarpError(error, "E_VERSION");
    await assert.rejects(migrate(db, [FIRST]), isNewer);
    await assert.rejects(migrate(db, [SECOND, FIRST]), isNewer);
    assert.deepEqual(await db.all("SELECT number, name FROM schema ORDER BY number"), [
      { number: 1, name: "first" },
      { number: 2, name: "second" },
    ]);
  });

  test("a migration that fails leaves nothing of it nor of those before", async (db) => {
    const broken = { name: "broken", statements: ["CREATE TABLE two (id {bigint})", "SELEKT"] };
    await assert.rejects(migrate(db, [FIRST, broken]));
    await assert.rejects(db.all("SELECT * FROM one"));
    await assert.rejects(db.all("SELECT * FROM two"));
    assert.equal(await migrate(db, [FIRST, SECOND]), 2);
  });

  test("hubs that start at once migrate once", async (db, again) => {
    const others = [await again(), await again(), await again()];
    const counts = await Promise.all([db, ...others].map((one) => migrate(one, [FIRST, SECOND])));
    assert.deepEqual(counts.sort(), [0, 0, 0, 2]);
    assert.deepEqual(await others[2]!.all("SELECT number FROM one"), [{ number: 7 }]);
  });
}
