import { openDatabase } from "../../../hub/store/open_database_io.ts";
import { startPostgres } from "../../support/postgres.ts";
import { databaseContract } from "./database_contract.ts";

const cluster = await startPostgres();

if (cluster !== undefined) {
  databaseContract("PostgreSQL", async () => {
    const address = await cluster.make();
    return {
      database: await openDatabase(address),
      again: () => openDatabase(address),
      remove: () => Promise.resolve(),
    };
  });
}
