/**
 * PostgreSQL: a few connections, everything SERIALIZABLE and tried again when it loses.
 *
 * A lost connection fails what ran on it with E_STORE, and the next statement makes a new one: the server may
 * go and come back.
 *
 * @module
 */
import { isWarpError, WarpError } from "../../actors/base/errors.ts";
import { codeOf, Connection, type PostgresAddress } from "./postgres_connection_io.ts";
import { checkNotification, type Database, type Row, type Sql, type SqlValue } from "./sql.ts";

export interface PostgresOptions {
  /** Jitter between tries, from 0 to 1; default Math.random. */
  random?: () => number;
  /** Default 10. */
  connectionsMax?: number;
  /** Default 5,000. */
  connectMs?: number;
  /** The server ends a statement after this; the client gives up two seconds later. Default 10,000. */
  statementMs?: number;
}

const TRIES_MAX = 24;
const PAUSE_MS_MAX = 200;
const LISTEN_AGAIN_MS = 500;
const CHANNEL = "portal_hub";

/**
 * Connects to `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=require`; `?host=/folder` for a socket.
 *
 * @throws {WarpError} E_CONFIG (the address, or the server refuses it), E_STORE
 */
export async function openPostgres(url: string, options: PostgresOptions = {}): Promise<Database> {
  const database = new PostgresDatabase(addressOf(url), options);
  try {
    await database.all("SELECT 1");
  } catch (error) {
    await database.close();
    throw error;
  }
  return database;
}

/** The address may hold a password: no error repeats any of it but host and port. */
function addressOf(url: string): PostgresAddress {
  try {
    const { protocol, hostname, port, pathname, username, password, searchParams } = new URL(url);
    if (!/^postgres(ql)?:$/.test(protocol)) throw new Error();
    const modes = ["require", "allow", "prefer", "verify-full"] as const;
    const sslmode = searchParams.get("sslmode") ?? "prefer";
    const ssl = sslmode === "disable" ? false : modes.find((mode) => mode === sslmode);
    const host = searchParams.get("host") ?? decodeURIComponent(hostname);
    for (const key of searchParams.keys()) {
      if (key !== "sslmode" && key !== "host") throw new Error();
    }
    if (ssl === undefined || host === "" || pathname.length < 2) throw new Error();
    return {
      host,
      port: port === "" ? 5432 : Number(port),
      database: decodeURIComponent(pathname.slice(1)),
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
      ssl: host.startsWith("/") ? false : ssl,
    };
  } catch {
    throw new WarpError("E_CONFIG", "not the address of a PostgreSQL database", {
      hint: "postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=require",
    });
  }
}

class PostgresDatabase implements Database {
  readonly dialect = "postgres";
  readonly #address: PostgresAddress;
  readonly #options: Required<PostgresOptions>;
  readonly #idle: Connection[] = [];
  readonly #waiting: ((connection: Connection) => void)[] = [];
  /** What has begun, until it is answered. */
  readonly #running = new Set<Promise<unknown>>();
  readonly #heard: ((text: string) => void)[] = [];
  #count = 0;
  #listener: Connection | undefined;
  #listening: Promise<void> | undefined;
  #listenTimer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(address: PostgresAddress, options: PostgresOptions) {
    this.#address = address;
    this.#options = {
      random: Math.random,
      connectionsMax: 10,
      connectMs: 5_000,
      statementMs: 10_000,
      ...options,
    };
  }

  all(text: string, ...values: SqlValue[]): Promise<Row[]> {
    return this.#work((connection) => connection.run(text, ...values));
  }

  transaction<T>(body: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#work((connection) => this.#attempt(connection, body));
  }

  async notify(text: string): Promise<void> {
    checkNotification(text);
    await this.all("SELECT pg_notify($1, $2)", CHANNEL, text);
  }

  async listen(heard: (text: string) => void): Promise<void> {
    this.#checkOpen();
    const work = this.#listening ??= this.#startListening();
    this.#running.add(work);
    try {
      await work;
    } catch (error) {
      throw this.#translate(error);
    } finally {
      this.#running.delete(work);
    }
    this.#heard.push(heard);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#listenTimer);
    await Promise.allSettled(this.#running);
    const all = this.#listener === undefined ? this.#idle : [...this.#idle, this.#listener];
    await Promise.all(all.map((connection) => connection.isLost || connection.close()));
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new WarpError("E_STORE", "the database is closed");
  }

  async #work<T>(attempt: (connection: Connection) => Promise<T>): Promise<T> {
    this.#checkOpen();
    const work = this.#tryOften(attempt);
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  async #tryOften<T>(attempt: (connection: Connection) => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      const connection = await this.#acquire();
      try {
        return await attempt(connection);
      } catch (error) {
        if (!isRace(error)) throw this.#translate(error);
        if (tries === TRIES_MAX) {
          throw new WarpError("E_STORE", `${this.#name()}: lost ${tries} races in a row`);
        }
      } finally {
        this.#release(connection);
      }
      const pauseMs = Math.min(PAUSE_MS_MAX, 2 ** tries) * this.#options.random();
      await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async #attempt<T>(connection: Connection, body: (sql: Sql) => Promise<T>): Promise<T> {
    let isOver = false;
    // What ends the transaction; a lost race may hide behind an error that `body` makes of it.
    const failures: unknown[] = [];
    const sql: Sql = {
      all: async (text, ...values) => {
        if (isOver) throw new Error("the transaction is over");
        try {
          return await connection.run(text, ...values);
        } catch (error) {
          failures.push(error);
          throw this.#translate(error);
        }
      },
    };
    try {
      await connection.run("BEGIN ISOLATION LEVEL SERIALIZABLE");
      const value = await body(sql);
      isOver = true;
      if (failures.length > 0) throw failures[0];
      await connection.run("COMMIT");
      return value;
    } catch (error) {
      isOver = true;
      if (!connection.isLost) await connection.run("ROLLBACK").catch(() => connection.lose());
      throw isRace(failures[0]) ? failures[0] : error;
    }
  }

  #connect(): Connection {
    this.#count++;
    return new Connection(this.#address, this.#options);
  }

  async #acquire(): Promise<Connection> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.isLost) return idle;
      this.#count--;
    }
    if (this.#count < this.#options.connectionsMax) return this.#connect();
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(resolve), 1);
      reject(new WarpError("E_STORE", `${this.#name()}: all connections are busy`));
    }, this.#options.statementMs + 2_000);
    this.#waiting.push(resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #release(connection: Connection): void {
    if (connection.isLost) this.#count--;
    const next = this.#waiting.shift();
    if (next !== undefined) next(connection.isLost ? this.#connect() : connection);
    else if (!connection.isLost) this.#idle.push(connection);
  }

  async #startListening(): Promise<void> {
    const listener = new Connection(
      this.#address,
      this.#options,
      () => this.#listenAgain(),
      (text) => this.#heard.forEach((heard) => heard(text)),
    );
    this.#listener = listener;
    await listener.run(`LISTEN ${CHANNEL}`);
  }

  /** Called when the listening connection is lost; also the one that was to be the next. */
  #listenAgain(): void {
    this.#listener = this.#listening = undefined;
    if (this.#isClosed || this.#heard.length === 0) return;
    clearTimeout(this.#listenTimer);
    this.#listenTimer = setTimeout(() => {
      this.#listening = this.#startListening();
      const work = this.#listening.then(
        () => this.#heard.forEach((heard) => heard("")),
        () => {}, // it was lost, and comes here again
      );
      this.#running.add(work);
      work.finally(() => this.#running.delete(work));
    }, LISTEN_AGAIN_MS);
  }

  #name(): string {
    return `PostgreSQL at ${this.#address.host}:${this.#address.port}`;
  }

  /** Errors of the server and of connections. No details: they may hold values of rows. */
  #translate(error: unknown): unknown {
    if (isWarpError(error)) return error;
    const code = codeOf(error);
    if (code === undefined) return error;
    const text = `${this.#name()}: ${code}`;
    if (code === "23505") return new WarpError("E_EXISTS", `${text}, a unique constraint`);
    // duplicate_object, duplicate_table: another hub was faster, for IF NOT EXISTS looks before it acts.
    if (code === "42710" || code === "42P07") {
      return new WarpError("E_EXISTS", `${text}, it exists`);
    }
    if (code === "53100") return new WarpError("E_DISK_FULL", `${text}, its disk is full`);
    if (/^(28...|3D000)$/.test(code)) {
      return new WarpError("E_CONFIG", `${text}, it refuses user, password or database`);
    }
    // Classes of the manual's appendix A: connection, resources, intervention, system; and ours.
    const isGone = /^(08...|53...|57...|58...|25P03|25006|XX...|55P03|CONN|E[A-Z]{3})/;
    return isGone.test(code) ? new WarpError("E_STORE", text) : error;
  }
}

/** Serialization failure, deadlock: the same again may well succeed. */
function isRace(error: unknown): boolean {
  const code = codeOf(error);
  return code === "40001" || code === "40P01";
}
