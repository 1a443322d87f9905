/**
 * One dialect of SQL for both databases: `$1` parameters, `ON CONFLICT`, `RETURNING`; booleans are 0 and 1,
 * times and sizes are integers below 2^53, ids and records are bytes.
 *
 * @module
 */

/** What goes in and comes out; bytes come out as a Uint8Array of their own. */
export type SqlValue = null | number | string | Uint8Array;
export type Row = Record<string, SqlValue>;

export interface Sql {
  /** Runs one statement; its rows, of a SELECT or a RETURNING. */
  all(statement: string, ...values: SqlValue[]): Promise<Row[]>;
}

export interface Database extends Sql {
  /**
   * Runs `body` in one transaction that no other one can see half of: SQLite BEGIN IMMEDIATE, one at a time;
   * PostgreSQL SERIALIZABLE, tried again when it loses. `body` may run more than once and must have no
   * effects but on the database.
   *
   * @throws {WarpError} E_STORE (the database is gone), E_DISK_FULL
   */
  transaction<T>(body: (sql: Sql) => Promise<T>): Promise<T>;
  /** Tells other processes on the same database; SQLite has none. At most 7,000 bytes. */
  notify(text: string): Promise<void>;
  /** Calls back for what any process tells, this one too. */
  listen(heard: (text: string) => void): Promise<void>;
  close(): Promise<void>;
}
