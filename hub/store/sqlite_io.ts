/**
 * SQLite: one file, one connection, and many writers that share a commit.
 *
 * An answer means that the data survives a power cut: write-ahead log, synchronous=FULL. Each commit is
 * a flush of the disk, so whatever waits when one begins goes into it together (single statements and whole
 * transactions, one after the other, each undone alone when it fails), and all are answered after it.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { dirname } from "node:path";
import { asWarpError, WarpError } from "../../actors/base/errors.ts";
import {
  checkCount,
  checkNotification,
  checkNumber,
  type Database,
  type Row,
  type Sql,
  type SqlValue,
} from "./sql.ts";

/** Jobs that share one commit: bounds how long the first of them waits. */
const GROUP_MAX = 256;
const STATEMENTS_MAX = 256;
/** The driver blocks the thread while another process writes; longer waits are ours, and do not. */
const BLOCK_MS = 20;
const PAUSE_MS = 10;

export interface SqliteOptions {
  /** How long to wait for another process that writes, in ms. */
  busyMs?: number;
}

/**
 * Opens or creates the database of this path; `:memory:` has no file.
 *
 * @throws {WarpError} E_STORE, E_ACCESS, E_NOT_FOUND (its folder), E_DISK_FULL
 */
export async function openSqlite(path: string, options: SqliteOptions = {}): Promise<Database> {
  if (path !== ":memory:") await createFile(path);
  const busyMs = options.busyMs ?? 10_000;
  let db: DatabaseSync | undefined;
  const endMs = performance.now() + busyMs;
  for (;;) {
    try {
      db = new DatabaseSync(path, { timeout: BLOCK_MS, enableForeignKeyConstraints: true });
      db.exec("PRAGMA journal_mode = WAL");
      db.exec("PRAGMA synchronous = FULL");
      db.exec("PRAGMA fullfsync = ON"); // macOS: flush the drive's cache too
      db.exec("PRAGMA journal_size_limit = 67108864");
      return new SqliteDatabase(db, busyMs);
    } catch (error) {
      db?.close();
      if (!isBusy(error) || performance.now() > endMs) throw translate(error);
      await sleep(PAUSE_MS);
    }
  }
}

/** Its name must survive a power cut as well as its content; the log gets the same mode. */
async function createFile(path: string): Promise<void> {
  try {
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    await file.sync();
    file.close();
    const folder = await Deno.open(dirname(path));
    await folder.sync();
    folder.close();
  } catch (error) {
    throw asWarpError(error);
  }
}

interface Prepared {
  run: StatementSync;
  count: number;
  isRead: boolean;
}

interface Job {
  isRead: boolean;
  attempt: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

type Outcome = { value: unknown } | { error: unknown };

class SqliteDatabase implements Database {
  readonly dialect = "sqlite";
  readonly #db: DatabaseSync;
  readonly #busyMs: number;
  /** The last used is last. */
  readonly #statements = new Map<string, Prepared>();
  readonly #heard: ((text: string) => void)[] = [];
  #waiting: Job[] = [];
  #draining: Promise<void> | undefined;
  /** Whether a group is open: its rows must not be seen before its commit. */
  #isOpen = false;
  #isClosed = false;

  constructor(db: DatabaseSync, busyMs: number) {
    this.#db = db;
    this.#busyMs = busyMs;
  }

  async all(text: string, ...values: SqlValue[]): Promise<Row[]> {
    this.#checkOpen();
    const prepared = this.#prepare(text, values.length);
    const { isRead } = prepared;
    const attempt = () => this.#run(prepared, values);
    if (isRead && !this.#isOpen) return attempt();
    return await this.#enqueue(isRead, attempt) as Row[];
  }

  async transaction<T>(body: (sql: Sql) => Promise<T>): Promise<T> {
    this.#checkOpen();
    return await this.#enqueue(false, () => this.#attempt(body)) as T;
  }

  // deno-lint-ignore require-await -- errors are rejections
  async notify(text: string): Promise<void> {
    this.#checkOpen();
    checkNotification(text);
    for (const heard of this.#heard) queueMicrotask(() => heard(text));
  }

  // deno-lint-ignore require-await
  async listen(heard: (text: string) => void): Promise<void> {
    this.#checkOpen();
    this.#heard.push(heard);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#draining;
    this.#statements.clear();
    this.#heard.length = 0;
    this.#db.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new WarpError("E_STORE", "the database is closed");
  }

  #enqueue(isRead: boolean, attempt: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ isRead, attempt, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Whoever else has something to write in this turn of the event loop comes along.
      await new Promise<void>((resolve) => setImmediate(resolve));
      const group = this.#waiting.slice(0, GROUP_MAX);
      this.#waiting = this.#waiting.slice(GROUP_MAX);
      this.#isOpen = true;
      try {
        await this.#commit(group);
      } finally {
        this.#isOpen = false;
      }
    }
    this.#draining = undefined;
  }

  /** Runs jobs in one transaction and answers them; one by one when the transaction itself is lost. */
  async #commit(group: Job[]): Promise<void> {
    const outcomes: Outcome[] = [];
    let failure: unknown;
    try {
      if (group.some(({ isRead }) => !isRead)) await this.#begin();
      const isWriting = this.#db.isTransaction;
      for (const { attempt } of group) {
        try {
          const value = attempt();
          outcomes.push({ value: value instanceof Promise ? await value : value });
        } catch (error) {
          outcomes.push({ error });
          // A full disk or a broken one undoes everything.
          if (this.#db.isTransaction !== isWriting) throw error;
        }
      }
      if (isWriting) this.#db.exec("COMMIT");
    } catch (error) {
      failure = error;
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    }
    if (failure === undefined) {
      group.forEach((job, i) => {
        const outcome = outcomes[i]!;
        if ("error" in outcome) job.reject(translate(outcome.error));
        else job.resolve(outcome.value);
      });
    } else if (group.length === 1) {
      group[0]!.reject(translate(failure));
    } else {
      for (const job of group) await this.#commit([job]);
    }
  }

  async #begin(): Promise<void> {
    const endMs = performance.now() + this.#busyMs;
    for (;;) {
      try {
        return this.#db.exec("BEGIN IMMEDIATE");
      } catch (error) {
        if (!isBusy(error) || performance.now() > endMs) throw error;
        await sleep(PAUSE_MS);
      }
    }
  }

  async #attempt<T>(body: (sql: Sql) => Promise<T>): Promise<T> {
    let isOver = false;
    const failures: unknown[] = [];
    const sql: Sql = {
      // deno-lint-ignore require-await
      all: async (text, ...values) => {
        if (isOver) throw new Error("the transaction is over");
        if (failures.length > 0) throw failures[0];
        try {
          return this.#run(this.#prepare(text, values.length), values);
        } catch (error) {
          failures.push(translate(error));
          throw failures[0];
        }
      },
    };
    this.#db.exec("SAVEPOINT job");
    try {
      const value = await body(sql);
      if (failures.length > 0) throw failures[0];
      this.#db.exec("RELEASE job");
      return value;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK TO job; RELEASE job");
      throw error;
    } finally {
      isOver = true;
    }
  }

  #run({ run }: Prepared, values: SqlValue[]): Row[] {
    try {
      return run.all(...values.map(toDriver)).map(plain);
    } catch (error) {
      throw translate(error);
    }
  }

  #prepare(text: string, count: number): Prepared {
    let prepared = this.#statements.get(text);
    if (prepared === undefined) {
      checkCount(text, count);
      try {
        prepared = {
          run: this.#db.prepare(text.replace(/\$(\d+)/g, "?$1")),
          count,
          isRead: /^\s*SELECT\b/i.test(text),
        };
      } catch (error) {
        throw translate(error);
      }
      if (this.#statements.size >= STATEMENTS_MAX) {
        this.#statements.delete(this.#statements.keys().next().value!);
      }
    } else {
      this.#statements.delete(text);
    }
    this.#statements.set(text, prepared);
    if (prepared.count !== count) checkCount(text, count);
    return prepared;
  }
}

/** The driver's rows have no prototype; PostgreSQL's have. A spread of them takes twice as long. */
function plain(row: Record<string, unknown>): Row {
  const copy: Row = {};
  for (const name in row) copy[name] = row[name] as SqlValue;
  return copy;
}

/** Numbers as the driver takes them are REAL; integers must stay integers. */
function toDriver(value: SqlValue): null | bigint | string | Uint8Array {
  if (typeof value !== "number") return value;
  checkNumber(value);
  return BigInt(value);
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && /^database (table )?is locked/.test(error.message);
}

/** Deno's driver gives no result codes, but SQLite's texts are as fixed as they are. */
function translate(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof WarpError) return error;
  const { message } = error;
  if (/^UNIQUE constraint failed/.test(message)) return new WarpError("E_EXISTS", message);
  if (/^database or disk is full/.test(message)) {
    return new WarpError("E_DISK_FULL", "the disk of the database is full");
  }
  if (isBusy(error)) return new WarpError("E_STORE", "another process keeps the database locked");
  const isGone =
    /^(disk I\/O error|unable to open database|database disk image is malformed|file is not a database|attempt to write a readonly database|database is not open|locking protocol)/;
  return isGone.test(message) ? new WarpError("E_STORE", `SQLite: ${message}`) : error;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
