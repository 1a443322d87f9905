/**
 * Brings a database to the tables of this version: numbered migrations, each done once.
 *
 * All that are missing run in one transaction, so that two hubs starting at once are safe: one does it, the
 * other finds it done.
 *
 * @module
 */
import { isWarpError, WarpError } from "../../actors/base/errors.ts";
import type { Database } from "./sql.ts";

/**
 * Its number is its place in the list, from 1: never change or move one that was released. In its statements
 * `{bytes}` and `{bigint}` stand for the types of ids and of integers.
 */
export interface Migration {
  name: string;
  statements: readonly string[];
}

const TYPES = {
  sqlite: { bytes: "BLOB", bigint: "INTEGER" },
  postgres: { bytes: "BYTEA", bigint: "BIGINT" },
} as const;

/** Puts the words of the dialect in place of `{bytes}` and `{bigint}`. */
export function dialectOf(dialect: Database["dialect"], statement: string): string {
  return statement.replace(
    /\{(bytes|bigint)\}/g,
    (_, name: "bytes" | "bigint") => TYPES[dialect][name],
  );
}

/**
 * Runs the migrations that the database lacks; the number of those it ran.
 *
 * @throws {WarpError} E_VERSION when a newer hub has been here, or another one altogether; E_STORE
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
): Promise<number> {
  const say = (statement: string) => dialectOf(database.dialect, statement);
  try {
    await database.all(say(
      "CREATE TABLE IF NOT EXISTS schema (number {bigint} PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    ));
  } catch (error) {
    // Two at once: PostgreSQL may look before the other one creates it.
    if (!isWarpError(error, "E_EXISTS")) throw error;
  }
  return await database.transaction(async (sql) => {
    // First of all, for with the first query PostgreSQL decides what this transaction sees.
    if (database.dialect === "postgres") await sql.all("LOCK TABLE schema IN EXCLUSIVE MODE");
    const done = await sql.all("SELECT number, name FROM schema ORDER BY number");
    done.forEach(({ number, name }, i) => {
      if (number === i + 1 && name === migrations[i]?.name) return;
      throw new WarpError("E_VERSION", `the database has "${name}", which this hub does not know`, {
        hint: "a newer hub has used it: update this one",
        details: { number: Number(number) },
      });
    });
    for (const [i, { name, statements }] of [...migrations.entries()].slice(done.length)) {
      for (const statement of statements) await sql.all(say(statement));
      await sql.all("INSERT INTO schema (number, name) VALUES ($1, $2)", i + 1, name);
    }
    return migrations.length - done.length;
  });
}
