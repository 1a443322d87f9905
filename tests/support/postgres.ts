/**
 * A PostgreSQL cluster of a test file's own: in memory, on a port of loopback, without flushes.
 *
 * @module
 */
import { openPostgres, type PostgresOptions } from "../../hub/store/postgres_io.ts";
import type { Database } from "../../hub/store/sql.ts";

/** A password with characters that an address must escape, to be looked for in errors. */
export const PASSWORD = "geheim/@:%word";

export interface Cluster {
  port: number;
  /** Makes an empty database; its address. */
  make(): Promise<string>;
  address(name: string): string;
  start(): Promise<void>;
  /** Ends it as an administrator does (fast), or as a crash does. */
  stop(how?: "SIGINT" | "SIGKILL"): Promise<void>;
  /** SIGSTOP: it takes connections and says nothing; SIGCONT. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

const PROGRAMS = "/usr/lib/postgresql";

/**
 * Starts a cluster that ends with the tests of the calling file. Undefined, said aloud, where PostgreSQL is
 * not installed; fails with `WARP_REQUIRE=all`.
 */
export async function startPostgres(): Promise<Cluster | undefined> {
  const bin = findPrograms();
  if (bin === undefined) {
    const message = "SKIP: no PostgreSQL (apt-get install postgresql)";
    if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error(message);
    console.log(message);
    return undefined;
  }
  const cluster = new LocalCluster(bin);
  Deno.test.afterAll(() => cluster.remove());
  await cluster.init();
  await cluster.start();
  return cluster;
}

function findPrograms(): string | undefined {
  try {
    const versions = [...Deno.readDirSync(PROGRAMS)].map(({ name }) => Number(name));
    const version = versions.filter(Number.isInteger).sort((a, b) => b - a)[0];
    return version === undefined ? undefined : `${PROGRAMS}/${version}/bin`;
  } catch {
    return undefined;
  }
}

class LocalCluster implements Cluster {
  readonly #bin: string;
  readonly #dir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-postgres-" });
  /** The server refuses to run as root. */
  readonly #user: { uid?: number; gid?: number };
  readonly port = freePort();
  #child: Deno.ChildProcess | undefined;
  #made = 0;

  constructor(bin: string) {
    this.#bin = bin;
    this.#user = Deno.uid() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  }

  async init(): Promise<void> {
    Deno.writeTextFileSync(`${this.#dir}/password`, PASSWORD);
    if (this.#user.uid !== undefined) {
      for (const path of [this.#dir, `${this.#dir}/password`]) {
        Deno.chownSync(path, this.#user.uid, this.#user.gid!);
      }
    }
    const { success, stderr } = await new Deno.Command(`${this.#bin}/initdb`, {
      args: [
        ...["-D", `${this.#dir}/data`, "-U", "hub", "-A", "scram-sha-256"],
        ...["--pwfile", `${this.#dir}/password`, "-E", "UTF8", "--no-locale", "--no-sync"],
      ],
      cwd: this.#dir,
      ...this.#user,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  }

  async start(): Promise<void> {
    this.#child = new Deno.Command(`${this.#bin}/postgres`, {
      args: [
        ...["-D", `${this.#dir}/data`, "-p", String(this.port), "-k", this.#dir],
        ...["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=60"],
        ...["-c", "full_page_writes=off", "-c", "shared_buffers=16MB"],
      ],
      cwd: this.#dir,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      ...this.#user,
    }).spawn();
    for (let tries = 0;; tries++) {
      try {
        return await this.#ask("SELECT 1");
      } catch (error) {
        if (tries > 300) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async stop(how: "SIGINT" | "SIGKILL" = "SIGINT"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill(how);
    await child?.status;
    // Those that it leaves behind notice, and would keep a new one from starting.
    if (how === "SIGKILL") await new Promise((resolve) => setTimeout(resolve, 300));
  }

  freeze = () => this.#signalAll("STOP");
  thaw = () => this.#signalAll("CONT");

  async make(): Promise<string> {
    const name = `test_${++this.#made}`;
    await this.#ask(`CREATE DATABASE ${name}`);
    return this.address(name);
  }

  address(name: string): string {
    return `postgres://hub:${encodeURIComponent(PASSWORD)}@127.0.0.1:${this.port}/${name}`;
  }

  async remove(): Promise<void> {
    await this.stop();
    Deno.removeSync(this.#dir, { recursive: true });
  }

  async #ask(statement: string): Promise<void> {
    const database = await openPostgres(this.address("postgres"), { connectionsMax: 1 });
    try {
      await database.all(statement);
    } finally {
      await database.close();
    }
  }

  /** The server and the processes of its connections. */
  async #signalAll(signal: string): Promise<void> {
    const pid = this.#child!.pid;
    const { success } = await new Deno.Command("sh", {
      args: ["-c", `kill -${signal} ${pid} $(cat /proc/${pid}/task/${pid}/children)`],
    }).output();
    if (!success) throw new Error(`cannot send ${signal}`);
  }
}

function idOf(which: "-u" | "-g"): number {
  const run = (user: string) => new Deno.Command("id", { args: [which, user] }).outputSync();
  const found = [run("postgres"), run("nobody")].find(({ success }) => success);
  if (found === undefined) throw new Error("no user to run PostgreSQL as");
  return Number(new TextDecoder().decode(found.stdout));
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Opens a fresh database of the cluster. */
export async function freshDatabase(
  cluster: Cluster,
  options?: PostgresOptions,
): Promise<Database> {
  return await openPostgres(await cluster.make(), options);
}
