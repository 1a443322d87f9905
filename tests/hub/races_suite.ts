/**
 * What must hold when many ask at once: on one hub, and on two that share a database and a blob store.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fromBase64Url } from "../../actors/portal/base64url.ts";
import { createSigner } from "../../actors/cipher/signature.ts";
import {
  type Answer,
  assertCode,
  Caller,
  enrol,
  Listener,
  makePortal,
  type Person,
  random,
  type TestHub,
} from "../support/hub.ts";

/** @param replicas the same one twice, or two that share everything */
export type Replicas = [TestHub, TestHub];
export type WithReplicas = (body: (replicas: Replicas) => Promise<void>) => Promise<void>;

function codes(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code, status } of answers) {
    const name = code ?? String(status);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Everyone has logged in before the first one asks. */
async function crowd(make: (i: number) => Caller, size: number): Promise<Caller[]> {
  return await Promise.all(Array.from({ length: size }, (_, i) => make(i).login()));
}

export function testRaces(name: string, withReplicas: WithReplicas): void {
  const test = (about: string, body: (replicas: Replicas) => Promise<void>) =>
    Deno.test(`${name}: ${about}`, () => withReplicas(body));

  test("of a hundred with one link, one gets the last download", async ([one, two]) => {
    const owner = await enrol(one), portal = await makePortal(owner);
    const [pack] = await portal.put(1);
    const signer = createSigner(random(32));
    await portal.grant({ kind: "link", grantee: signer.publicKey, level: "read", downloads: 1 });
    const all = await crowd((i) => new Caller(i % 2 === 0 ? one : two, signer), 100);
    const answers = await Promise.all(all.map((link) => portal.tryLease(link)));
    assert.deepEqual(codes(answers), { 200: 1, E_GONE: 99 });
    const winner = answers.findIndex(({ status }) => status === 200);
    const lease = answers[winner]!.json["lease"] as string;
    assert.equal((await portal.pack(all[winner]!, lease, pack!)).status, 200);
    assert.equal((await owner.do("GET", portal.path))["downloads"], 1);
  });

  test("of many people, as many get in as the policy lets", async ([one, two]) => {
    const owner = await enrol(one);
    const portal = await makePortal(owner, { policy: { kind: "downloads", limit: 3 } });
    await portal.put(1);
    const signers = Array.from({ length: 4 }, () => createSigner(random(32)));
    for (const { publicKey } of signers) {
      await portal.grant({ kind: "link", grantee: publicKey, level: "read" });
    }
    const all = await crowd((i) => new Caller(i % 2 === 0 ? one : two, signers[i % 4]!), 24);
    const answers = await Promise.all(all.map((link) => portal.tryLease(link)));
    assert.deepEqual(codes(answers), { 200: 3, E_CLOSED: 21 });
    const { downloads, accessors, state } = await owner.do("GET", portal.path);
    assert.equal(downloads, 3);
    assert.ok((accessors as number) <= 3);
    assert.equal(state, "expired");
  });

  test("a budget of bytes is one for all replicas", async ([one, two]) => {
    const owner = await enrol(one);
    const portal = await makePortal(owner, { policy: { kind: "bytes", limit: 10_000 } });
    const [pack] = await portal.put(1), reader = await portal.person("read");
    const both = [reader, await reader.again(two).login()];
    const lease = await portal.lease(reader);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => portal.pack(both[i % 2]!, lease, pack!)),
    );
    assert.deepEqual(codes(answers), { 200: 3, E_CLOSED: 9 });
    assert.equal((await owner.do("GET", portal.path))["bytes"], 3 * 4096);
  });

  test("of two versions with one number, one is there", async ([one, two]) => {
    const owner = await enrol(one), portal = await makePortal(owner);
    await portal.put(1);
    const there = await owner.again(two).login();
    const packs = await Promise.all(
      Array.from({ length: 6 }, () => owner.upload(random(4096))),
    );
    const answers = await Promise.all(packs.map((pack, i) => {
      const by = i % 2 === 0 ? owner : there;
      const { body } = portal.versionBody([{ view: null, packs: [pack] }], by);
      return by.call("POST", `${portal.path}/versions`, body);
    }));
    assert.deepEqual(codes(answers), { 200: 1, E_BUSY: 5 });
    assert.equal((await owner.do("GET", portal.path))["version"], 2);
  });

  test("a revocation and a version: the new version is of the new epoch, or of the old one before it", async ([one, two]) => {
    for (let round = 0; round < 4; round++) {
      const owner = await enrol(one), portal = await makePortal(owner);
      const writer = await enrol(one);
      const grant = await portal.grant({
        ...{ kind: "account", level: "write" },
        grantee: writer.account,
      });
      await portal.put(1, writer);
      const there = await writer.again(two).login();
      const pack = await writer.upload(random(4096));
      const { body } = portal.versionBody([{ view: null, packs: [pack] }], writer);
      const [revoked, put] = await Promise.all([
        owner.call("POST", `${portal.path}/revocations`, portal.revokeBody([grant])),
        there.call("POST", `${portal.path}/versions`, body),
      ]);
      assert.equal(revoked.status, 200);
      if (put.code !== undefined) assertCode(put, "E_NOT_FOUND");
      const info = await owner.do("GET", portal.path);
      assert.deepEqual([info["epoch"], info["version"]], [2, put.status === 200 ? 2 : 1]);
      const log = await actionsOf(owner, portal.path);
      const after = log.slice(log.indexOf("revoke"));
      assert.ok(!after.includes("put"), log.join());
      assertCode(await there.call("GET", portal.path), "E_NOT_FOUND");
    }
  });

  test("grants at once are all there; of revocations at once one is", async ([one, two]) => {
    const owner = await enrol(one), portal = await makePortal(owner);
    const there = await owner.again(two).login();
    const signers = Array.from({ length: 10 }, () => createSigner(random(32)));
    await Promise.all(signers.map(({ publicKey }, i) =>
      portal.grant(
        { kind: "link", grantee: publicKey, level: "read" },
        i % 2 === 0 ? owner : there,
      )
    ));
    const info = await owner.do("GET", portal.path);
    assert.equal((info["grants"] as unknown[]).length, 11);
    const links = [...portal.grants.values()].slice(1);
    const answers = await Promise.all([0, 1, 2, 3].map((i) => {
      const by = i % 2 === 0 ? owner : there;
      return by.call("POST", `${portal.path}/revocations`, portal.revokeBody([links[i]!], by));
    }));
    assert.deepEqual(codes(answers), { 200: 1, E_BUSY: 3 });
    const after = await owner.do("GET", portal.path);
    assert.equal(after["epoch"], 2);
    const gone = (after["grants"] as { revokedMs: number | null }[])
      .filter(({ revokedMs }) => revokedMs !== null);
    assert.equal(gone.length, 1);
    // A grant that comes between makes a revocation's wraps too few: that is seen.
    portal.epoch = 2;
    const gone1 = answers.findIndex(({ status }) => status === 200);
    portal.grants.delete([...portal.grants.keys()][1 + gone1]!);
    const stale = portal.revokeBody([[...portal.grants.values()].at(-1)!]);
    await portal.link();
    assertCode(await owner.call("POST", `${portal.path}/revocations`, stale), "E_BUSY");
  });

  test("enrolments, uploads and proofs at once", async ([one, two]) => {
    const owner = await enrol(one), there = await owner.again(two).login();
    const pack = random(8192);
    await Promise.all(
      Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? owner : there).upload(pack)),
    );
    const usage = await there.do("GET", "/v1/usage");
    assert.deepEqual([usage["packs"], usage["bytes"]], [1, 8192]);
    // One request, sent to both, is done once.
    const portal = await makePortal(owner), nonce = random(12);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        owner.call.call(
          i % 2 === 0 ? owner : Object.assign(owner.again(two), { token: owner.token }),
          ...["POST", `${portal.path}/state`, { event: "pause" }, {
            signed: { nonce, timeMs: one.clock.nowMs() },
          }] as const,
        )),
    );
    assert.deepEqual(codes(answers), { 200: 1, E_AUTH: 7 });
    // One challenge, signed, gives one token.
    const challenge = await owner.challenge();
    const tokens = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        (i % 2 === 0 ? owner : there).tryToken(
          challenge,
          fromBase64Url(one.running.key),
        )),
    );
    assert.deepEqual(codes(tokens), { 200: 1, E_AUTH: 7 });
  });

  test("a change on one replica is heard at the other, by whom it concerns", async ([one, two]) => {
    const owner = await enrol(one), portal = await makePortal(owner);
    const reader = await portal.person("read"), stranger = await enrol(one);
    const others = await makePortal(stranger);
    const listeners = {
      owner: await Listener.of(owner.again(two)),
      reader: await Listener.of(reader.again(two)),
      stranger: await Listener.of(stranger.again(two)),
    };
    // Within a second; on a machine that has other things to do, the best of some.
    const tookMs: number[] = [];
    for (const event of ["pause", "open", "pause", "open"] as const) {
      const count = listeners.reader.actions(portal).filter((one) => one === event).length;
      const atMs = Date.now();
      await portal.state(event);
      await listeners.reader.until(() =>
        listeners.reader.actions(portal).filter((one) => one === event).length > count
      );
      tookMs.push(Date.now() - atMs);
    }
    assert.ok(Math.min(...tookMs) < 1000, `${tookMs} ms`);
    await portal.put(1);
    const revoked = [...portal.grants.values()][1]!;
    await portal.revoke([revoked]);
    await portal.state("close");
    await listeners.owner.until(() => listeners.owner.actions(portal).includes("close"));
    // The last thing that happens reaches the stranger: whatever was for them came before it.
    await others.state("pause");
    await listeners.stranger.until(() => listeners.stranger.actions(others).includes("pause"));
    const heard = listeners.owner.actions(portal).filter((action) => !action.startsWith("policy"));
    assert.deepEqual(heard, ["pause", "open", "pause", "open", "put", "revoke", "close"]);
    assert.deepEqual(listeners.stranger.heard.length, 1, "nothing of a portal one may not see");
    assert.deepEqual(listeners.owner.actions(others), []);
    assert.ok(!listeners.reader.actions(portal).includes("close"), "nor of one that one saw once");
    for (const listener of Object.values(listeners)) await listener.stop();
  });

  test("a device that is retired hears no more", async ([one, two]) => {
    const owner = await enrol(one), portal = await makePortal(owner);
    const laptop = await (await owner.device(2)).login();
    const listener = await Listener.of(laptop.again(two));
    await owner.do("POST", "/v1/retirements", owner.retireBody(2));
    await portal.state("pause");
    await listener.end();
    assert.deepEqual(listener.heard, []);
  });
}

async function actionsOf(owner: Person, path: string): Promise<string[]> {
  const { entries } = await owner.do("GET", `${path}/log`) as { entries: { text: string }[] };
  return entries.map(({ text }) => (JSON.parse(text) as { action: string }).action);
}
