/**
 * The database that an address names.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import type { Database } from "./sql.ts";

/**
 * `postgres://…`, `sqlite:PATH`, or a path. Only the driver that is needed is loaded.
 *
 * @throws {WarpError} E_CONFIG, E_STORE; what opening a file throws
 */
export async function openDatabase(url: string): Promise<Database> {
  if (/^postgres(ql)?:/.test(url)) {
    const { openPostgres } = await import("./postgres_io.ts");
    return await openPostgres(url);
  }
  const path = url.startsWith("sqlite:") ? url.slice("sqlite:".length) : url;
  if (path === "" || /^[a-z][a-z0-9+]+:\/\//i.test(path)) {
    // Not repeated: it may hold a password.
    throw new WarpError("E_CONFIG", "not the address of a database", {
      hint: "sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/NAME",
    });
  }
  const { openSqlite } = await import("./sqlite_io.ts");
  return await openSqlite(path);
}
