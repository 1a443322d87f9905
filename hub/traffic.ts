/**
 * Bytes that go out, counted per portal now and then. Where a policy has a budget of bytes, model/leases.ts
 * counts them at once.
 *
 * @module
 */
import { fromHex, toHex } from "../actors/base/bytes.ts";
import { WarpError } from "../actors/base/errors.ts";
import type { Database } from "./store/sql.ts";

const PENDING_MAX = 10_000;

export class Traffic {
  readonly #db: Database;
  #pending = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  async add(portal: Uint8Array<ArrayBuffer>, bytes: number): Promise<void> {
    const key = toHex(portal);
    this.#pending.set(key, (this.#pending.get(key) ?? 0) + bytes);
    if (this.#pending.size > PENDING_MAX) await this.flush();
  }

  async flush(): Promise<void> {
    const pending = this.#pending;
    if (pending.size === 0) return;
    this.#pending = new Map();
    for (const [key, bytes] of pending) await this.#write(fromHex(key), bytes);
  }

  async #write(portal: Uint8Array<ArrayBuffer>, bytes: number): Promise<void> {
    const rows = await this.#db.all(
      "UPDATE portals SET bytes = bytes + $1 WHERE portal = $2 RETURNING bytes",
      bytes,
      portal,
    );
    if (rows.length === 0) throw new WarpError("E_NOT_FOUND", "there is no such portal");
  }
}
