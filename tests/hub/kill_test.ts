import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { concat, equal, toHex } from "../../actors/base/bytes.ts";
import { asWarpError } from "../../actors/base/errors.ts";
import { createSigner, verifySignature } from "../../actors/cipher/signature.ts";
import { AccountSecrets } from "../../actors/portal/account_keys.ts";
import { connect, deviceAccess } from "../../actors/portal/access_io.ts";
import { bytes, signedJson } from "../../actors/portal/api_fields.ts";
import { auditProblem } from "../../actors/portal/audit.ts";
import { fromBase64Url, toBase64Url } from "../../actors/portal/base64url.ts";
import { addressOf } from "../../actors/portal/content/pack_store.ts";
import { newKeyRing } from "../../actors/portal/key_ring.ts";
import {
  createPortal,
  type Desk,
  deskOf,
  findPortal,
  grantPortal,
} from "../../actors/portal/operations.ts";
import { signRecord } from "../../actors/portal/records.ts";
import { ageIdentity } from "../../actors/portal/wrap.ts";
import { loadKernels } from "../../kernels/load.ts";
import { identityToRecipient } from "age-encryption";
import { HubProcess, Person } from "../support/portal.ts";
import { startPostgres } from "../support/postgres.ts";
import { sh, withTempDir } from "../support/warp.ts";

// Goal: what the hub has said yes to is there whatever happens to it: killed with -9 under load, its disk full,
// its database gone. Method: the real process; clients that note each answer; WARP_KILLS=50 for a long run.

const KILLS = Number(Deno.env.get("WARP_KILLS") ?? 8);
const CLIENTS = 3;
/** Deadline of a restart; what it took is printed. */
const RESTART_MS = 10_000;
const POLICY_ALWAYS = '{"kind":"all","of":[]}';

const { blake3 } = await loadKernels();
const cluster = await startPostgres();
const random = (length: number) => new Uint8Array(randomBytes(length));
const hashOf = (content: Uint8Array) => addressOf(blake3, content);
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** An account of its own with a portal, and all that the hub has acknowledged to it. */
class Client {
  readonly packs: Uint8Array[] = [];
  readonly grants: string[] = [];
  readonly versions: number[] = [];
  /** Answers that never came: the hub may have done it, or not. */
  lost = 0;
  #version = 0;
  #before: Uint8Array = new Uint8Array(32);

  private constructor(readonly desk: Desk, readonly portal: Uint8Array<ArrayBuffer>) {}

  get acknowledged(): number {
    return this.packs.length + this.grants.length + this.versions.length;
  }

  static async make(hub: HubProcess): Promise<Client> {
    const secrets = await AccountSecrets.fromEntropy(random(32));
    const ring = await newKeyRing(secrets, 1, Date.now());
    const access = deviceAccess(ring, hub.url, fromBase64Url(hub.key, 32));
    const { client, directory } = connect(access);
    await client.enrol("POST /v1/accounts", {
      key: toBase64Url(ring.account),
      account: signedJson(ring.accountRecord),
      device: signedJson(ring.deviceRecord),
      invite: hub.invite.split(".").at(-1)!,
    });
    const signer = createSigner(access.signingSeed);
    const desk = deskOf({
      client,
      directory,
      key: { publicKey: signer.publicKey, sign: (message) => signer.sign(message) },
      identities: access.identities,
      account: access.account!,
      verify: verifySignature,
    });
    const id = await createPortal(desk, { name: "load", policy: POLICY_ALWAYS, isOpen: true });
    return new Client(desk, id);
  }

  async upload(length = 48 * 1024): Promise<Uint8Array> {
    const content = random(length), address = hashOf(content);
    await this.desk.client.putPack(address, content);
    this.packs.push(address);
    return address;
  }

  /** A version of these packs; the first stands for the head. */
  async put(packs: readonly Uint8Array[]): Promise<void> {
    const { client, key } = this.desk, portal = toBase64Url(this.portal);
    const sorted = [...packs].sort((a, b) => toHex(a) < toHex(b) ? -1 : 1);
    const record = signRecord("version", {
      portal: this.portal,
      sequence: this.#version + 1,
      epoch: 1,
      before: this.#before,
      heads: [{ view: null, head: packs[0]! }],
      packs: hashOf(concat(...sorted)),
      atMs: Date.now(),
    }, key.sign);
    try {
      await client.call("POST /v1/portals/{portal}/versions", { portal }, {
        version: signedJson(record),
        views: [{ view: null, packs: toBase64Url(concat(...packs)) }],
      });
    } catch (error) {
      // It may have been entered, and the answer lost.
      const { version } = await client.call("GET /v1/portals/{portal}", { portal });
      if (version !== this.#version + 1) throw error;
      this.lost++;
    }
    this.#version++;
    this.#before = hashOf(record.bytes);
    this.versions.push(this.#version);
  }

  async grant(): Promise<void> {
    const portal = await findPortal(this.desk, toBase64Url(this.portal));
    const { grant } = await grantPortal(this.desk, portal, {
      kind: "link",
      grantee: createSigner(random(32)).publicKey,
      recipient: await identityToRecipient(ageIdentity(random(32))),
      level: "read",
      path: null,
      label: "",
      expiresMs: null,
      downloads: null,
    });
    this.grants.push(toBase64Url(grant));
  }

  /** Uploads, puts and grants until the signal, through whatever happens to the hub. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const packs = await Promise.all([this.upload(), this.upload(), this.upload(5000)]);
        await this.put(packs);
        await this.grant();
      } catch (error) {
        const { code, message } = asWarpError(error);
        const isForeseen = ["E_NETWORK", "E_BUSY"].includes(code);
        assert.ok(isForeseen, `${code}: ${message}`);
        this.lost++;
        await sleep(50);
      }
    }
  }

  /** Nothing that was acknowledged is missing. */
  async check(hub: HubProcess): Promise<void> {
    const { client } = this.desk, portal = toBase64Url(this.portal);
    const { missing } = await client.call("POST /v1/packs/missing", {}, {
      addresses: toBase64Url(concat(...this.packs)),
    });
    assert.deepEqual(missing, [], "packs");
    const info = await client.call("GET /v1/portals/{portal}", { portal });
    const granted = new Set(info.grants!.map(({ grant }) => grant));
    assert.deepEqual(this.grants.filter((grant) => !granted.has(grant)), [], "grants");
    assert.equal(info.version, this.versions.at(-1) ?? 0);
    const entries: { text: string; hash: string }[] = [];
    for (;;) {
      const after = String(entries.length);
      const answer = await client.call("GET /v1/portals/{portal}/log", { portal }, { after });
      entries.push(...answer.entries);
      if (answer.entries.length > 0) continue;
      const key = fromBase64Url(hub.key, 32);
      assert.equal(auditProblem(entries, answer.head, key, verifySignature), undefined);
      break;
    }
    const log = entries.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
    const put = new Set(log.filter(({ action }) => action === "put").map((one) => one["version"]));
    assert.deepEqual(this.versions.filter((version) => !put.has(version)), [], "versions");
  }

  /** The newest packs can be fetched, and are what they were. */
  async checkContent(): Promise<void> {
    const { client } = this.desk, portal = toBase64Url(this.portal);
    const lease = await client.call("POST /v1/portals/{portal}/leases", { portal }, {});
    for (const address of this.packs.slice(-3)) {
      const content = await client.getPack(this.portal, bytes(lease.lease, 16), address);
      assert.ok(equal(hashOf(content), address));
    }
  }
}

/** Every file that has a blob's name is that blob, whole. @returns how many there are */
function checkBlobs(root: string, known: Set<string>): number {
  let count = 0;
  for (const { name: upper } of Deno.readDirSync(root)) {
    if (!/^[0-9a-f]{2}$/.test(upper)) continue;
    for (const { name: lower } of Deno.readDirSync(`${root}/${upper}`)) {
      for (const { name } of Deno.readDirSync(`${root}/${upper}/${lower}`)) {
        count++;
        if (known.has(name)) continue;
        assert.match(name, /^[0-9a-f]{64}-[0-9a-f]{12}$/);
        const content = Deno.readFileSync(`${root}/${upper}/${lower}/${name}`);
        assert.equal(toHex(hashOf(content)), name.slice(0, 64), "a blob is whole");
        known.add(name);
      }
    }
  }
  return count;
}

async function isWell(hub: HubProcess): Promise<number> {
  try {
    const answer = await fetch(`${hub.url}/health`);
    await answer.body?.cancel();
    return answer.status;
  } catch {
    return 0;
  }
}

Deno.test(`a hub that is killed ${KILLS} times under load keeps what it has said yes to`, async () => {
  await withTempDir(async (dir) => {
    const hub = await new HubProcess(`${dir}/hub`).start();
    const restarts: number[] = [];
    const whole = new Set<string>();
    const stop = new AbortController();
    try {
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => Client.make(hub)));
      const sum = () => clients.reduce((all, client) => all + client.acknowledged, 0);
      const working = clients.map((client) => client.work(stop.signal));
      const failed = Promise.all(working);
      failed.catch(() => {});
      for (let kill = 0; kill < KILLS; kill++) {
        // Some of what follows a restart has to be acknowledged before the next kill.
        const before = sum();
        while (sum() < before + 8 * CLIENTS) await Promise.race([sleep(10), failed]);
        await sleep(Math.random() * 150);
        assert.equal(await hub.stop("SIGKILL"), 137);
        checkBlobs(`${hub.data}/blobs`, whole);
        const startedAt = performance.now();
        await hub.start();
        while (await isWell(hub) !== 200) await sleep(5);
        const tookMs = performance.now() - startedAt;
        restarts.push(tookMs);
        assert.ok(tookMs < RESTART_MS, `${tookMs} ms`);
      }
      const before = clients.map(({ acknowledged }) => acknowledged);
      while (clients.some((one, i) => one.acknowledged < before[i]! + 5)) {
        await Promise.race([sleep(10), failed]);
      }
      stop.abort();
      await failed;
      for (const client of clients) {
        await client.check(hub);
        await client.put([await client.upload(), await client.upload(), await client.upload()]);
        await client.grant();
        await client.check(hub);
        await client.checkContent();
      }
      const blobs = checkBlobs(`${hub.data}/blobs`, whole);
      const packs = clients.flatMap((client) => client.packs);
      for (const address of packs) {
        const prefix = toHex(address);
        assert.ok([...whole].some((name) => name.startsWith(prefix)), "a pack is on the disk");
      }
      restarts.sort((a, b) => a - b);
      const of = (what: "packs" | "grants" | "versions") =>
        clients.reduce((all, client) => all + client[what].length, 0);
      const lost = clients.reduce((all, client) => all + client.lost, 0);
      console.log(
        `${KILLS} kills: ${of("packs")} packs, ${of("versions")} versions, ${
          of("grants")
        } grants ` +
          `acknowledged, ${lost} answers lost, ${blobs} blobs; serving again after ` +
          `${restarts[restarts.length >> 1]!.toFixed(0)} ms (median), ${
            restarts.at(-1)!.toFixed(0)
          } ms (most)`,
      );
      assert.equal(await hub.stop(), 0);
    } finally {
      stop.abort();
      await hub.stop("SIGKILL");
    }
  });
});

/** Status codes of all answers while `use` runs. */
async function statusesOf(use: () => Promise<void>): Promise<number[]> {
  const seen: number[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (...args: Parameters<typeof fetch>) => {
    const answer = await fetch(...args);
    seen.push(answer.status);
    return answer;
  };
  try {
    await use();
  } finally {
    globalThis.fetch = fetch;
  }
  return seen;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return asWarpError(error).code;
  }
}

Deno.test("a full disk is 507, is said so, and passes when there is space again", async () => {
  await withTempDir(async (dir) => {
    const disk = `${dir}/disk`;
    Deno.mkdirSync(disk);
    const args = ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk];
    const mounted = await new Deno.Command("mount", { args, stderr: "null" }).output()
      .catch(() => ({ success: false }));
    if (!mounted.success) {
      assert.notEqual(Deno.env.get("WARP_REQUIRE"), "all");
      return console.log("SKIP: no small disk can be mounted here");
    }
    const hub = new HubProcess(`${disk}/hub`);
    try {
      Deno.writeFileSync(`${disk}/filler`, new Uint8Array(16 << 20));
      await hub.start();
      const client = await Client.make(hub);
      const statuses = await statusesOf(async () => {
        const fill = async () => {
          for (let i = 0; i < 40; i++) await client.upload(1 << 20);
        };
        assert.equal(await codeOf(fill()), "E_DISK_FULL");
      });
      assert.equal(statuses.at(-1), 507);
      assert.ok(client.packs.length >= 3, "some went");
      // To the last byte: the database finds no place either.
      await sh(`dd if=/dev/zero of='${disk}/last' bs=4k 2> /dev/null || true`);
      assert.equal(await codeOf(client.upload(1 << 20)), "E_DISK_FULL");
      const code = await codeOf(client.grant());
      assert.ok(["E_DISK_FULL", "no error"].includes(code), code);
      assert.equal(await isWell(hub), 200, "it can be read");
      checkBlobs(`${hub.data}/blobs`, new Set());
      await sh(`rm '${disk}/last' '${disk}/filler'`);
      await client.put([await client.upload(1 << 20)]);
      await client.grant();
      await client.check(hub);
      // The same through the command.
      const person = await Person.make(`${dir}/ann`, [hub.invite]);
      await sh(`mkdir '${dir}/tree'; head -c 3M /dev/urandom > '${dir}/tree/file'
        dd if=/dev/zero of='${disk}/filler' bs=4k 2> /dev/null || true; truncate -s -2M '${disk}/filler'`);
      const failed = await person.try(["portal", "create", "full", `${dir}/tree`]);
      assert.equal(failed.code, 1, failed.stderr);
      assert.match(failed.stderr, /"code":"E_DISK_FULL".*the hub's disk is full/);
      await sh(`rm '${disk}/filler'`);
      await person.run(["portal", "put", "full", `${dir}/tree`]);
    } finally {
      await hub.stop("SIGKILL");

      await sh(`umount '${disk}'`);
    }
  });
});

Deno.test("a database that is gone is 503, and when it is back the hub goes on", async () => {
  if (cluster === undefined) return;
  await withTempDir(async (dir) => {
    const hub = new HubProcess(`${dir}/hub`, [], { WARP_HUB_DATABASE: await cluster.make() });
    try {
      await hub.start();
      const client = await Client.make(hub);
      await client.put([await client.upload()]);
      await client.grant();
      await cluster.stop();
      const statuses = await statusesOf(async () => {
        assert.equal(await codeOf(client.upload()), "E_STORE");
      });
      assert.ok(statuses.length >= 2 && statuses.every((status) => status === 503), `${statuses}`);
      assert.equal(await isWell(hub), 503);
      const body = await (await fetch(`${hub.url}/health`)).json() as { code: string };
      assert.equal(body.code, "E_STORE");
      await cluster.start();
      await client.put([await client.upload()]);
      await client.grant();
      await client.check(hub);
      assert.equal(await isWell(hub), 200);
    } finally {
      await hub.stop("SIGKILL");
    }
  });
});
