import assert from "node:assert/strict";
import fc from "fast-check";
import { equal, toHex } from "../../../actors/base/bytes.ts";
import { isWarpError, WarpError } from "../../../actors/base/errors.ts";
import type { Blobs } from "../../../hub/blobs/blobs.ts";
import { collectPacks, sweepBlobs } from "../../../hub/store/collect.ts";
import { migrate } from "../../../hub/store/migrate.ts";
import {
  PACK_TABLES,
  type PackHub,
  readPack,
  STORED,
  uploadPack,
} from "../../../hub/store/packs.ts";
import type { Database, Sql } from "../../../hub/store/sql.ts";
import { openSqlite } from "../../../hub/store/sqlite_io.ts";
import { freshDatabase, startPostgres } from "../../support/postgres.ts";
import { Random } from "../../support/random.ts";
import { addressOf } from "../blobs/blobs_contract.ts";
import { MemoryBlobs } from "./memory_blobs.ts";

const GRACE_MS = 1000;
const LIMITS = { bytesMax: 1 << 20 };
const TABLES = {
  name: "packs",
  statements: [
    ...PACK_TABLES,
    "CREATE TABLE pack_refs (address {bytes} NOT NULL, version {bigint} NOT NULL, PRIMARY KEY (version, address))",
    "CREATE INDEX pack_refs_address ON pack_refs (address)",
  ],
};
/** Four packs that everybody uploads. */
const PACKS = Array.from({ length: 4 }, (_, i) => new Random(i).bytes(64 + i));
const ADDRESSES = PACKS.map(addressOf);

/** As the hub does: whoever refers to a pack sees it stored, in the same transaction. */
async function refer(sql: Sql, version: number, pack: number): Promise<boolean> {
  const rows = await sql.all(
    "SELECT copy FROM packs WHERE address = $1 AND state = $2",
    ADDRESSES[pack]!,
    STORED,
  );
  if (rows.length === 0) return false;
  await sql.all(
    `INSERT INTO pack_refs (address, version) VALUES ($1, $2)
     ON CONFLICT (version, address) DO NOTHING`,
    ADDRESSES[pack]!,
    version,
  );
  return true;
}

const refsOf = (sql: Sql, pack: number) =>
  sql.all("SELECT version FROM pack_refs WHERE address = $1", ADDRESSES[pack]!);

async function isWhole(hub: Pick<PackHub, "db" | "blobs">, pack: number): Promise<boolean> {
  const found = await readPack(hub, ADDRESSES[pack]!).catch((error) => {
    if (isWarpError(error, "E_STORE")) return undefined;
    throw error;
  });
  return found !== undefined && equal(found.body, PACKS[pack]!);
}

// ---- What it does, on both databases.

async function contract(db: Database): Promise<void> {
  await migrate(db, [TABLES]);
  const blobs = new MemoryBlobs();
  let nowMs = 10_000;
  const random = new Random(7);
  const hub = { db, blobs, clock: { nowMs: () => nowMs, random: (n: number) => random.bytes(n) } };
  const dropped: string[] = [];
  const collect = () =>
    collectPacks(hub, {
      graceMs: GRACE_MS,
      dropped: async (sql, { address, bytes, isStored }) => {
        await sql.all("SELECT 1");
        dropped.push(`${ADDRESSES.findIndex((one) => equal(one, address))} ${bytes} ${isStored}`);
      },
    });
  const upload = (pack: number) => uploadPack(hub, ADDRESSES[pack]!, PACKS[pack]!, LIMITS);

  assert.equal(await readPack(hub, ADDRESSES[0]!), undefined);
  assert.deepEqual(await upload(0), { bytes: 64, isNew: true });
  assert.deepEqual(await upload(0), { bytes: 64, isNew: false });
  assert.deepEqual(await readPack(hub, ADDRESSES[0]!), { bytes: 64, body: PACKS[0] });
  await upload(1);
  await upload(2);
  assert.ok(await db.transaction((sql) => refer(sql, 1, 1)));
  // What is stored counts when a quota lets it.
  await assert.rejects(
    uploadPack(hub, ADDRESSES[3]!, PACKS[3]!, {
      ...LIMITS,
      stored: (_, bytes) => Promise.reject(new WarpError("E_QUOTA", `${bytes}`)),
    }),
    (error) => isWarpError(error, "E_QUOTA") && error.message === "67",
  );
  assert.equal(await db.transaction((sql) => refer(sql, 1, 3)), false);
  assert.equal(await readPack(hub, ADDRESSES[3]!), undefined);

  assert.deepEqual(await collect(), { packs: 0, bytes: 0 }, "all are young");
  nowMs += GRACE_MS / 2;
  await upload(0);
  nowMs += GRACE_MS / 2 + 1;
  assert.deepEqual(await collect(), { packs: 2, bytes: 66 + 67 });
  assert.deepEqual(dropped.sort(), ["2 66 true", "3 67 false"]);
  assert.equal(blobs.blobs.size, 2);
  assert.deepEqual(await db.all("SELECT * FROM pack_trash"), []);
  assert.equal(await readPack(hub, ADDRESSES[2]!), undefined);
  assert.deepEqual(await upload(2), { bytes: 66, isNew: true });
  nowMs += 10 * GRACE_MS;
  await db.all("DELETE FROM pack_refs WHERE version = 1");
  assert.equal((await collect()).packs, 3);
  assert.equal(blobs.blobs.size, 0);

  // A blob store that fails: the next collection goes on.
  await upload(0);
  nowMs += 2 * GRACE_MS;
  const failing: Blobs = Object.assign(Object.create(blobs), {
    delete: () => Promise.reject(new WarpError("E_STORE", "gone")),
  });
  await assert.rejects(
    collectPacks({ ...hub, blobs: failing }, { graceMs: GRACE_MS }),
    (error) => isWarpError(error, "E_STORE"),
  );
  assert.equal(await readPack(hub, ADDRESSES[0]!), undefined);
  await upload(0);
  assert.equal(blobs.blobs.size, 2, "two copies: one is trash");
  await collect();
  assert.equal(blobs.blobs.size, 1);
  assert.ok(await isWhole(hub, 0));

  // Blobs that no row names; and a row whose blob is lost.
  await blobs.put({ address: ADDRESSES[1]!, copy: 12345 }, PACKS[1]!, LIMITS);
  assert.equal(await sweepBlobs(hub), 1);
  assert.equal(await sweepBlobs(hub), 0);
  assert.ok(await isWhole(hub, 0));
  blobs.blobs.clear();
  await assert.rejects(readPack(hub, ADDRESSES[0]!), (error) => isWarpError(error, "E_STORE"));
  await upload(0);
  assert.ok(await isWhole(hub, 0), "an upload mends it");

  // More than one batch, some of them in use.
  for (let i = 0; i < 600; i++) {
    const bytes = new Random(i).bytes(20), address = addressOf(bytes);
    await uploadPack(hub, address, bytes, LIMITS);
    if (i % 3 === 0) {
      await db.all("INSERT INTO pack_refs (address, version) VALUES ($1, 5)", address);
    }
  }
  nowMs += 2 * GRACE_MS;
  assert.equal((await collectPacks(hub, { graceMs: GRACE_MS })).packs, 401);
  assert.equal(blobs.blobs.size, 200);
}

Deno.test("SQLite: packs are stored, read and collected", async () => {
  const db = await openSqlite(":memory:");
  await contract(db);
  await db.close();
});

const cluster = await startPostgres();
if (cluster !== undefined) {
  Deno.test("PostgreSQL: packs are stored, read and collected", async () => {
    const db = await freshDatabase(cluster);
    await contract(db);
    await db.close();
  });

  Deno.test("PostgreSQL: uploads, references and collections at once lose nothing", async () => {
    const db = await freshDatabase(cluster);
    await migrate(db, [TABLES]);
    const random = new Random(5);
    let nowMs = 0;
    // Each look at the clock is an hour later: everything is old at once.
    const clock = { nowMs: () => nowMs += 3_600_000, random: (n: number) => random.bytes(n) };
    const hub = { db, blobs: new MemoryBlobs(), clock };
    let isOver = false;
    let referred = 0;
    const client = async (version: number) => {
      for (let i = 0; i < 25; i++) {
        const pack = random.int(PACKS.length);
        const upload = uploadPack(hub, ADDRESSES[pack]!, PACKS[pack]!, LIMITS);
        // One that is collected again and again gives up, as it may.
        await upload.catch((error) => assert.ok(isWarpError(error, "E_STORE"), error));
        if (await db.transaction((sql) => refer(sql, version, pack))) {
          referred++;
          assert.ok(await isWhole(hub, pack), `pack ${pack}, version ${version}`);
        }
        await db.all("DELETE FROM pack_refs WHERE version = $1", version);
      }
    };
    const collector = async () => {
      while (!isOver) await collectPacks(hub, { graceMs: 1 });
    };
    const collectors = [collector(), collector()];
    await Promise.all([client(1), client(2), client(3)]);
    isOver = true;
    await Promise.all(collectors);
    assert.ok(referred > 5, `${referred}`);
    await collectPacks(hub, { graceMs: 1 });
    assert.equal(hub.blobs.blobs.size, 0);
    await db.close();
  });
}

// ---- Races, one by one. What random histories rarely meet.

/** A hub, and the same hub where something happens after a blob is written or before a transaction. */
async function raceHub(during: { put?: () => Promise<void>; transaction?: () => Promise<void> }) {
  const db = await openSqlite(":memory:");
  await migrate(db, [TABLES]);
  const random = new Random(7), blobs = new MemoryBlobs();
  const clock = { now: 10_000, nowMs: () => clock.now, random: (n: number) => random.bytes(n) };
  const once = async (name: "put" | "transaction") => {
    const act = during[name];
    delete during[name];
    await act?.();
  };
  const slowBlobs: Blobs = Object.assign(Object.create(blobs), {
    put: async (...call: Parameters<Blobs["put"]>) => {
      const done = await blobs.put(...call);
      await once("put");
      return done;
    },
  });
  const slowDb: Database = {
    dialect: db.dialect,
    all: (text, ...values) => db.all(text, ...values),
    transaction: async (body) => {
      await once("transaction");
      return await db.transaction(body);
    },
    notify: () => Promise.resolve(),
    listen: () => Promise.resolve(),
    close: () => db.close(),
  };
  const hub = { db, blobs, clock };
  return { hub, slow: { db: slowDb, blobs: slowBlobs, clock }, upload, collect };

  function upload(one: PackHub) {
    return uploadPack(one, ADDRESSES[0]!, PACKS[0]!, LIMITS);
  }
  function collect(one: PackHub) {
    return collectPacks(one, { graceMs: GRACE_MS });
  }
}

Deno.test("an upload that is collected while it writes writes again", async () => {
  const during: Parameters<typeof raceHub>[0] = {};
  const { hub, slow, upload, collect } = await raceHub(during);
  during.put = async () => {
    hub.clock.now += 2 * GRACE_MS;
    assert.equal((await collect(hub)).packs, 1);
    assert.equal(hub.blobs.blobs.size, 0);
  };
  await upload(slow);
  assert.ok(await isWhole(hub, 0));
  await collect(hub);
  assert.equal(hub.blobs.blobs.size, 1);
  await hub.db.close();
});

Deno.test("an upload does not vouch for the copy of another one", async () => {
  const during: Parameters<typeof raceHub>[0] = {};
  const { hub, slow, upload, collect } = await raceHub(during);
  const broken: Blobs = Object.assign(Object.create(hub.blobs), {
    put: () => Promise.reject(new WarpError("E_STORE", "gone")),
  });
  during.put = async () => {
    hub.clock.now += 2 * GRACE_MS;
    await collect(hub);
    // Claims a copy of its own, and gets no further.
    await assert.rejects(upload({ ...hub, blobs: broken }));
  };
  await upload(slow);
  assert.ok(await isWhole(hub, 0));
  await hub.db.close();
});

Deno.test("a pack that is uploaded after the collector saw it old is kept", async () => {
  const during: Parameters<typeof raceHub>[0] = {};
  const { hub, slow, upload, collect } = await raceHub(during);
  await upload(hub);
  hub.clock.now += 2 * GRACE_MS;
  during.transaction = async () => {
    await upload(hub);
  };
  assert.equal((await collect(slow)).packs, 0);
  assert.ok(await isWhole(hub, 0));
  await hub.db.close();
});

Deno.test("an upload of a pack that is old keeps it from its beginning on", async () => {
  const during: Parameters<typeof raceHub>[0] = {};
  const { hub, slow, upload, collect } = await raceHub(during);
  await upload(hub);
  hub.clock.now += 2 * GRACE_MS;
  during.put = async () => assert.equal((await collect(hub)).packs, 0);
  await upload(slow);
  assert.ok(await isWhole(hub, 0));
  await hub.db.close();
});

// ---- Random histories, interleaved at every step, with crashes between them.
//
// Each call of an actor to database or blob store is a step: the request takes a while to arrive, the answer
// takes a while to come back, and in between come steps of the others, in an order that fast-check draws. An
// actor that crashes sees no answer; its last request may arrive long after.

class Crash extends Error {}

type Action =
  | { kind: "upload"; pack: number; version: number | null }
  | { kind: "refer"; pack: number; version: number }
  | { kind: "drop"; version: number }
  | { kind: "collect" }
  | { kind: "sweep" }
  | { kind: "read"; pack: number }
  | { kind: "wait"; ms: number };

interface Actor {
  actions: Action[];
  /** The step at which it crashes, and whether the request still arrives. */
  crash: { step: number; arrives: boolean } | null;
}

const pack = fc.nat({ max: 1 });
const version = fc.nat({ max: 2 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("upload" as const),
      pack,
      version: fc.option(version, { freq: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refer" as const), pack, version }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("drop" as const), version }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("collect" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("read" as const), pack }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(1, GRACE_MS - 1, 3 * GRACE_MS),
    }),
  },
);
const actor: fc.Arbitrary<Actor> = fc.record({
  actions: fc.array(action, { minLength: 1, maxLength: 9, size: "max" }),
  // Most crash early, or never: those who go on make the histories long.
  crash: fc.oneof(
    fc.constant(null),
    fc.record({
      step: fc.oneof(fc.nat({ max: 2 }), fc.nat({ max: 20 })),
      arrives: fc.boolean(),
    }),
  ),
});

/** One who collects all the time, so that whoever is slow is too slow. */
const COLLECTOR: Actor = {
  actions: Array.from({ length: 5 }, (): Action[] => [
    { kind: "wait", ms: 2 * GRACE_MS },
    { kind: "collect" },
  ]).flat(),
  crash: null,
};

class World {
  nowMs = 1;
  readonly blobs = new MemoryBlobs();
  /** How often references to a pack were dropped: whoever reads meanwhile may find nothing. */
  readonly drops = [0, 0];
  readonly late: Promise<unknown>[] = [];
  /** When all actors are done: some requests arrive only then. */
  readonly end = Promise.withResolvers<void>();
  readonly seen = { referred: 0, collected: 0, crashes: 0, swept: 0 };

  constructor(
    readonly db: Database,
    readonly scheduler: fc.Scheduler,
    readonly random: Random,
  ) {}

  /** What this actor sees of the world: each call is a step. */
  hubFor({ crash }: Actor): PackHub {
    let steps = 0;
    const step = async <T>(what: string, effect: () => Promise<T>): Promise<T> => {
      const pause = () => this.scheduler.schedule(Promise.resolve(), what);
      if (crash !== null && steps++ >= crash.step) {
        if (crash.arrives && steps === crash.step + 1) {
          this.late.push(this.arriveLate(pause, effect));
        }
        throw new Crash();
      }
      await pause();
      try {
        return await effect();
      } finally {
        await pause();
      }
    };
    const { db, blobs } = this;
    return {
      clock: { nowMs: () => this.nowMs, random: (length) => this.random.bytes(length) },
      db: {
        dialect: db.dialect,
        all: (text, ...values) => step(text.slice(0, 12), () => db.all(text, ...values)),
        transaction: (body) => step("transaction", () => db.transaction(body)),
        notify: () => Promise.resolve(),
        listen: () => Promise.resolve(),
        close: () => Promise.resolve(),
      },
      blobs: {
        put: (name, bytes, limits) => step("put", () => blobs.put(name, bytes, limits)),
        get: (name) => step("get", () => blobs.get(name)),
        has: (name) => step("has", () => blobs.has(name)),
        delete: (name) => step("delete", () => blobs.delete(name)),
        list: async function* () {
          yield* await step("list", () => Array.fromAsync(blobs.list()));
        },
        usage: () => blobs.usage(),
        close: () => Promise.resolve(),
      },
    };
  }

  async arriveLate(pause: () => Promise<void>, effect: () => Promise<unknown>): Promise<void> {
    if (this.random.int(2) === 0) await this.end.promise;
    for (let pauses = this.random.int(60); pauses >= 0; pauses--) await pause();
    await effect().catch(() => {});
  }

  async run(one: Actor): Promise<void> {
    const hub = this.hubFor(one);
    try {
      for (const action of one.actions) await this.act(hub, action);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.seen.crashes++;
    }
  }

  async act(hub: PackHub, action: Action): Promise<void> {
    switch (action.kind) {
      case "upload": {
        const { pack, version } = action;
        const beginMs = this.nowMs;
        await uploadPack(hub, ADDRESSES[pack]!, PACKS[pack]!, LIMITS);
        if (version === null) return;
        const isHere = await hub.db.transaction((sql) => refer(sql, version, pack));
        if (isHere) this.seen.referred++;
        const isYoung = this.nowMs - beginMs <= GRACE_MS;
        assert.ok(isHere || !isYoung, "a young upload can be referred to");
        return;
      }
      case "refer":
        await hub.db.transaction((sql) => refer(sql, action.version, action.pack));
        return;
      case "drop":
        this.drops.forEach((_, i) => this.drops[i]!++);
        await hub.db.all("DELETE FROM pack_refs WHERE version = $1", action.version);
        this.drops.forEach((_, i) => this.drops[i]!++);
        return;
      case "collect":
        this.seen.collected += (await collectPacks(hub, { graceMs: GRACE_MS })).packs;
        return;
      case "sweep":
        this.seen.swept += await sweepBlobs(hub);
        return;
      case "read": {
        const drops = this.drops[action.pack]!;
        const refs = await hub.db.all(
          "SELECT version FROM pack_refs WHERE address = $1",
          ADDRESSES[action.pack]!,
        );
        const isFound = await isWhole(hub, action.pack);
        const isKept = refs.length > 0 && drops === this.drops[action.pack] && drops % 2 === 0;
        assert.ok(isFound || !isKept, "a pack that is referred to can be read");
        return;
      }
      case "wait":
        await this.scheduler.schedule(Promise.resolve(), "wait");
        this.nowMs += action.ms;
    }
  }
}

Deno.test("no history loses a live pack, and the dead are collected in the end", async () => {
  const total = { referred: 0, collected: 0, crashes: 0, swept: 0, live: 0 };
  const property = fc.asyncProperty(
    fc.scheduler(),
    fc.array(actor, { minLength: 2, maxLength: 6, size: "max" }),
    fc.nat(),
    async (scheduler, actors, seed) => {
      const db = await openSqlite(":memory:");
      try {
        await migrate(db, [TABLES]);
        const world = new World(db, scheduler, new Random(seed));
        await scheduler.waitFor(Promise.all([COLLECTOR, ...actors].map((one) => world.run(one))));
        const hub = {
          db,
          blobs: world.blobs,
          clock: { nowMs: () => world.nowMs, random: () => new Uint8Array(6) },
        };
        const checkLive = async () => {
          const live: number[] = [];
          for (const pack of [0, 1]) {
            if ((await refsOf(db, pack)).length === 0) continue;
            live.push(pack);
            assert.ok(await isWhole(hub, pack), `pack ${pack} is live`);
          }
          return live;
        };
        const collect = async () => {
          world.nowMs += 2 * GRACE_MS;
          world.seen.collected += (await collectPacks(hub, { graceMs: GRACE_MS })).packs;
        };
        await checkLive();
        await collect();
        await checkLive();
        world.end.resolve();
        await scheduler.waitFor(Promise.all(world.late));
        await checkLive();
        await collect();
        world.seen.swept += await sweepBlobs(hub);
        const live = await checkLive();
        const left = [...world.blobs.blobs.keys()].map((name) => name.slice(0, 64)).sort();
        assert.deepEqual(left, live.map((pack) => toHex(ADDRESSES[pack]!)).sort());
        const rows = await db.all("SELECT COUNT(*) AS count FROM packs");
        assert.deepEqual(rows, [{ count: live.length }]);
        for (const key of Object.keys(world.seen) as (keyof World["seen"])[]) {
          total[key] += world.seen[key];
        }
        total.live += live.length;
      } finally {
        await db.close();
      }
    },
  );
  await fc.assert(property, { numRuns: Number(Deno.env.get("WARP_RUNS") ?? 700) });
  // The histories are of the kind that could go wrong.
  for (const [what, count] of Object.entries(total)) assert.ok(count > 5, `${what}: ${count}`);
});
