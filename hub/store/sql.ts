/**
 * One dialect of SQL for both databases: `$1` parameters, `ON CONFLICT`, `RETURNING`; booleans are 0 and 1,
 * times and sizes are integers below 2^53, ids and records are bytes.
 *
 * What keeps it one: names are in lower case; every `$n` is given a value; a parameter stands where its type
 * is plain (`column = $1`, not `$1 IS NULL`); the greater of two values is a CASE; rows have no order but
 * that of an ORDER BY.
 *
 * @module
 */
import { utf8 } from "../../actors/base/bytes.ts";

/** What goes in and comes out; bytes come out as a Uint8Array of their own. Numbers are safe integers. */
export type SqlValue = null | number | string | Uint8Array;
export type Row = Record<string, SqlValue>;

export interface Sql {
  /**
   * Runs one statement; its rows, of a SELECT or a RETURNING.
   *
   * @throws {WarpError} E_STORE (the database is gone; whether a write was done is not known), E_DISK_FULL,
   * E_EXISTS (a unique constraint; of PostgreSQL also a table or type that is made twice). Inside a
   * transaction an error ends it, caught or not.
   */
  all(statement: string, ...values: SqlValue[]): Promise<Row[]>;
}

export interface Database extends Sql {
  /** For the few words that differ, see `dialectOf` in migrate.ts. */
  readonly dialect: "sqlite" | "postgres";
  /**
   * Runs `body` in one transaction that no other one can see half of: SQLite BEGIN IMMEDIATE, one at a time;
   * PostgreSQL SERIALIZABLE, tried again when it loses. `body` may run more than once and must have no
   * effects but on the database; it uses the `sql` it is given, for the database itself would wait for it.
   *
   * @throws {WarpError} E_STORE (the database is gone), E_DISK_FULL; what `body` throws
   */
  transaction<T>(body: (sql: Sql) => Promise<T>): Promise<T>;
  /** Tells all who listen on the same database; with SQLite only those of this process. At most 7,000 bytes. */
  notify(text: string): Promise<void>;
  /**
   * Calls back for what any process tells, this one too; calls back with an empty text when some may have been
   * missed, because the connection was lost.
   */
  listen(heard: (text: string) => void): Promise<void>;
  /** Waits for what runs. After it everything throws E_STORE. */
  close(): Promise<void>;
}

/** Longest text of a notification, in bytes of UTF-8: PostgreSQL takes 7,999. */
export const NOTIFY_BYTES_MAX = 7_000;

export function checkNotification(text: string): void {
  const { length } = utf8(text);
  if (length === 0 || length > NOTIFY_BYTES_MAX) {
    throw new Error(`a notification has 1 to ${NOTIFY_BYTES_MAX} bytes, not ${length}`);
  }
}

/** Drivers take NULL for a value that is missing, or overlook one too many: that would be a bug unseen. */
export function checkCount(statement: string, count: number): void {
  let most = 0;
  for (const [, number] of statement.matchAll(/\$(\d+)/g)) most = Math.max(most, Number(number));
  if (most !== count) throw new Error(`${count} values for ${most} parameters: ${statement}`);
}

/** Integers alone mean the same to both. */
export function checkNumber(value: number): void {
  if (!Number.isSafeInteger(value)) throw new Error(`${value} is no safe integer`);
}
