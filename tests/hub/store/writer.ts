/**
 * A process that writes until it is killed: `writer.ts FOLDER FIRST`. Each line says what was acknowledged.
 *
 * @module
 */
import { openDirectory } from "../../../hub/blobs/directory_io.ts";
import { openSqlite } from "../../../hub/store/sqlite_io.ts";
import { Random } from "../../support/random.ts";
import { addressOf } from "../blobs/blobs_contract.ts";

const [dir, first] = Deno.args;
const db = await openSqlite(`${dir}/hub.db`);
const blobs = await openDirectory(`${dir}/blobs`);
let next = Number(first);

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

async function rows(): Promise<never> {
  for (;;) {
    const i = next++;
    const insert = "INSERT INTO things (half, body) VALUES ($1, $2)";
    const body = new Random(i).bytes(3000);
    await db.transaction(async (sql) => {
      await sql.all(insert, i, body);
      await new Promise((resolve) => setTimeout(resolve));
      await sql.all(insert, i, body);
    });
    say(`row ${i}`);
  }
}

async function files(): Promise<never> {
  for (;;) {
    const i = next++;
    const bytes = new Random(i).bytes(1000 + (i * 7919) % 60_000);
    await blobs.put({ address: addressOf(bytes), copy: i }, bytes, { bytesMax: 1 << 20 });
    say(`blob ${i}`);
  }
}

await Promise.all([rows(), rows(), rows(), files(), files()]);
