/**
 * Holdings in SQLite, one database per directory, under the state folder.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Bytes, toHex } from "../base/bytes.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import type { Holding, Holdings } from "./holdings.ts";
import { stateFolder } from "./state_io.ts";

/** Chunks that wait for a transaction: it is better done when nobody waits for the transfer. */
const WAITING_CHUNKS_MAX = 1 << 16;

interface Waiting {
  path: Uint8Array;
  ids: Bytes;
  offsets: ArrayLike<number>;
}

class SqliteHoldings implements Holdings {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #addFile: StatementSync;
  readonly #addChunk: StatementSync;
  readonly #isEmpty: boolean;
  readonly #waiting: Waiting[] = [];
  #chunks = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
      CREATE TABLE IF NOT EXISTS file (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
      CREATE TABLE IF NOT EXISTS chunk (
        id BLOB PRIMARY KEY, file INTEGER NOT NULL, start INTEGER NOT NULL) WITHOUT ROWID;`);
    this.#find = database.prepare(
      "SELECT path, start FROM chunk JOIN file ON file.id = chunk.file WHERE chunk.id = ?",
    );
    this.#addFile = database.prepare(
      "INSERT INTO file (path) VALUES (?) ON CONFLICT (path) DO UPDATE SET path = path RETURNING id",
    );
    this.#addChunk = database.prepare(
      "INSERT INTO chunk (id, file, start) VALUES (?, ?, ?) " +
        "ON CONFLICT (id) DO UPDATE SET file = excluded.file, start = excluded.start",
    );
    this.#isEmpty = database.prepare("SELECT 1 FROM chunk LIMIT 1").get() === undefined;
  }

  find(id: Bytes): Holding | undefined {
    // A first transfer asks for every chunk: nothing to look up then.
    if (this.#isEmpty) return undefined;
    const row = this.#find.get(id as Uint8Array) as { path: Uint8Array; start: number } | undefined;
    return row === undefined ? undefined : { path: row.path, offset: row.start };
  }

  add(path: Bytes, ids: Bytes, offsets: ArrayLike<number>): void {
    if (offsets.length === 0) return;
    this.#waiting.push({ path: new Uint8Array(path), ids, offsets });
    this.#chunks += offsets.length;
    if (this.#chunks >= WAITING_CHUNKS_MAX) this.#flush();
  }

  close(): void {
    this.#flush();
    this.#database.close();
  }

  #flush(): void {
    const waiting = this.#waiting.splice(0);
    this.#chunks = 0;
    if (waiting.length === 0) return;
    try {
      this.#database.exec("BEGIN");
      for (const { path, ids, offsets } of waiting) {
        const { id: file } = this.#addFile.get(path) as { id: number };
        for (let i = 0; i < offsets.length; i++) {
          const id = ids.subarray(32 * i, 32 * i + 32) as Uint8Array;
          this.#addChunk.run(id, file, offsets[i]!);
        }
      }
      this.#database.exec("COMMIT");
    } catch {
      // A full disk must not end a transfer because of a hint: it is forgotten, not wrong.
    }
  }
}

/** The holdings of a directory; undefined where there is no state folder to keep them in. */
export function openHoldings(directory: string): Holdings | undefined {
  const folder = stateFolder("holdings");
  if (folder === undefined) return undefined;
  const name = toHex(
    nodeCrypto().createHash("sha256").update(Deno.realPathSync(directory)).digest(),
  );
  try {
    return new SqliteHoldings(new DatabaseSync(`${folder}/${name.slice(0, 32)}.sqlite`));
  } catch {
    return undefined; // damaged, or not ours: it is only a hint
  }
}
