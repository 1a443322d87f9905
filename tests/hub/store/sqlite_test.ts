import { openDatabase } from "../../../hub/store/open_database_io.ts";
import { openSqlite } from "../../../hub/store/sqlite_io.ts";
import { databaseContract } from "./database_contract.ts";

databaseContract("SQLite", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "warp-test-", dir: "/dev/shm" });
  return {
    database: await openDatabase(`sqlite:${dir}/hub.db`),
    again: () => openSqlite(`${dir}/hub.db`),
    remove: () => Deno.remove(dir, { recursive: true }),
  };
});
