import assert from "node:assert/strict";
import { isWarpError } from "../../../actors/base/errors.ts";
import { openDatabase } from "../../../hub/store/open_database_io.ts";
import { startPostgres } from "../../support/postgres.ts";
import { databaseContract } from "./database_contract.ts";

const cluster = await startPostgres();

if (cluster !== undefined) {
  databaseContract("PostgreSQL", async () => {
    const address = await cluster.make();
    return {
      database: await openDatabase(address),
      again: () => openDatabase(address),
      remove: () => Promise.resolve(),
    };
  });

  Deno.test("PostgreSQL: what another hub made first is E_EXISTS, whatever it is", async () => {
    const database = await openDatabase(await cluster.make());
    const isTaken = (error: unknown) => isWarpError(error, "E_EXISTS");
    try {
      await database.all("CREATE TABLE twice (number INTEGER)");
      await assert.rejects(database.all("CREATE TABLE twice (number INTEGER)"), isTaken);
      // What a race of two CREATE TABLE comes to: a table has a type of its name.
      await database.all("CREATE TYPE thrice AS (number INTEGER)");
      await assert.rejects(database.all("CREATE TYPE thrice AS (number INTEGER)"), isTaken);
      await assert.rejects(database.all("CREATE TABLE thrice (number INTEGER)"), isTaken);
    } finally {
      await database.close();
    }
  });
}
