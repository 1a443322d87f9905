/**
 * One connection to PostgreSQL, used by one at a time and thrown away when it is lost.
 *
 * The library has pools and transactions of its own, but writes to the socket of a connection that is gone
 * (postgres 3.4.9, `begin` rolls back after the connection closed), which ends the process with an error that
 * nobody can catch. So each connection is a pool of one here, which is asked nothing more once it was lost.
 *
 * @module
 */
import postgres from "postgres";
import { checkCount, checkNumber, type Row, type SqlValue } from "./sql.ts";

export interface PostgresAddress {
  host: string;
  port: number;
  database: string;
  username: string;
  password: string;
  ssl: "require" | "allow" | "prefer" | "verify-full" | false;
}

export interface ConnectionOptions {
  connectMs: number;
  /** The server ends a statement after this; the client gives up two seconds later. */
  statementMs: number;
}

/** Nothing came back in time, or the connection went away between two statements. */
export class ConnectionLost extends Error {
  readonly code = "CONNECTION_LOST";
}

/** Type numbers of pg_type.dat. */
const BOOL = 16, BYTEA = 17, INT8 = 20, TEXT = 25, NUMERIC = 1700;

/** Integers come as text; one that a number cannot hold is found in `toRow`. */
const toInteger = (text: string): number | bigint => {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
};

const TYPES = {
  bool: { to: BOOL, from: [BOOL], serialize: String, parse: (x: string) => Number(x === "t") },
  bytea: {
    to: BYTEA,
    from: [BYTEA],
    serialize: (x: Uint8Array) => "\\x" + x.toHex(),
    parse: (x: string) => Uint8Array.fromHex(x.slice(2)),
  },
  int8: { to: INT8, from: [INT8], serialize: String, parse: toInteger },
  // A sum of BIGINTs.
  numeric: { to: NUMERIC, from: [NUMERIC], serialize: String, parse: toInteger },
};

export class Connection {
  readonly #sql: postgres.Sql;
  readonly #deadlineMs: number;
  readonly #onLost: () => void;
  #isLost = false;

  /** `onLost` is called once, unless it is closed first. */
  constructor(
    address: PostgresAddress,
    { connectMs, statementMs }: ConnectionOptions,
    onLost: () => void = () => {},
    onNotify: (text: string) => void = () => {},
  ) {
    this.#onLost = onLost;
    this.#deadlineMs = statementMs + 2_000;
    const options = {
      ...address,
      max: 1,
      connect_timeout: connectMs / 1000,
      idle_timeout: 0,
      max_lifetime: 0,
      keep_alive: 30,
      fetch_types: false,
      onnotice: () => {},
      onclose: () => this.lose(),
      onnotify: (_channel: string, text: string) => onNotify(text),
      connection: {
        application_name: "portal",
        default_transaction_isolation: "serializable" as const,
        statement_timeout: statementMs,
        idle_in_transaction_session_timeout: 2 * statementMs,
      },
      types: TYPES,
    };
    this.#sql = postgres(options) as unknown as postgres.Sql;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * Connects where it has not, and runs one statement.
   *
   * @throws what the library throws, ConnectionLost
   */
  async run(text: string, ...values: SqlValue[]): Promise<Row[]> {
    checkCount(text, values.length);
    const typed = values.map((value) => this.#typed(value));
    if (this.#isLost) throw new ConnectionLost("the connection was lost");
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const giveUp = () => reject(new ConnectionLost(`no answer for ${this.#deadlineMs} ms`));
      timer = setTimeout(giveUp, this.#deadlineMs);
    });
    try {
      const query = this.#sql.unsafe(text, typed as never[], { prepare: true });
      return Array.from(await Promise.race([query, late]), toRow);
    } catch (error) {
      if (isFatal(codeOf(error))) this.lose();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it in good order; nothing may be running. */
  async close(): Promise<void> {
    this.#isLost = true;
    await this.#sql.end({ timeout: 5 });
  }

  /** Gives it up: it is in a state that nobody knows. */
  lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#sql.end({ timeout: 0 }).catch(() => {});
    this.#onLost();
  }

  #typed(value: SqlValue) {
    if (value === null) return null;
    if (typeof value === "string") return this.#sql.typed(value, TEXT);
    if (typeof value !== "number") return this.#sql.typed(value as never, BYTEA);
    checkNumber(value);
    return this.#sql.typed(value, INT8);
  }
}

function toRow(row: Record<string, unknown>): Row {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === "bigint") throw new RangeError(`${name}: ${value} is no safe integer`);
  }
  return row as Row;
}

/** The code of PostgreSQL (five letters and digits), of the library, or of the system. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Codes after which a connection is of no use: refused, ended, lost. */
function isFatal(code: string | undefined): boolean {
  return code !== undefined && /^(08...|28...|3D000|25P03|53300|57P0.|CONN|E[A-Z]{3})/.test(code);
}
