/** The audit log: what was done is in it, and nothing can be changed in it, or cut off, unseen. */
import assert from "node:assert/strict";
import { createSigner, verifySignature } from "../../actors/cipher/signature.ts";
import { type AuditEntry, auditHash, auditProblem } from "../../actors/portal/audit.ts";
import { fromBase64Url, toBase64Url } from "../../actors/portal/base64url.ts";
import {
  enrol,
  makePortal,
  random,
  type TestHub,
  type TestPortal,
  withHub,
} from "../support/hub.ts";

interface Log {
  entries: AuditEntry[];
  head: { hash: string; signature: string };
}

const logOf = async (portal: TestPortal) =>
  await portal.owner.do("GET", `${portal.path}/log`) as unknown as Log;

function problemOf(at: TestHub, { entries }: Log, { head }: Log): string | undefined {
  return auditProblem(entries, head, fromBase64Url(at.running.key), verifySignature);
}

/** A portal to which much has happened, its log, and the same log a while before. */
async function history(at: TestHub): Promise<{ portal: TestPortal; log: Log }> {
  const owner = await enrol(at), portal = await makePortal(owner);
  await portal.put(1);
  const link = await portal.link();
  await portal.lease(link);
  await portal.settings({ kind: "downloads", limit: 2 });
  await portal.lease(link);
  await portal.settings({ kind: "all", of: [] }, "extend");
  const reader = await portal.person("read");
  const asked = await reader.do("POST", `${portal.path}/requests`, {
    reason: toBase64Url(random(9)),
  });
  await owner.do("POST", `${portal.path}/requests/${asked["request"]}`, { decision: "deny" });
  await portal.revoke([[...portal.grants.values()].at(-1)!]);
  await portal.state("pause");
  await portal.state("close");
  return { portal, log: await logOf(portal) };
}

Deno.test("the log tells what was done, in order, and its chain holds", async () => {
  await withHub({}, async (at) => {
    const { portal, log } = await history(at);
    assert.equal(problemOf(at, log, log), undefined);
    const told = log.entries.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
    const expected = [
      ...["grant", "create", "open", "policy-open", "put", "grant", "download", "settings"],
      ...["download", "expire", "extend", "reopen", "grant", "request", "deny", "revoke"],
      ...["pause", "close"],
    ];
    assert.deepEqual(told.map(({ action }) => action), expected);
    assert.equal(told[0]!["actor"], portal.owner.key);
    assert.ok(told.some(({ action, actor }) => action === "expire" && actor === "hub"));
    assert.ok(told.every(({ atMs }) => atMs === at.clock.nowMs()));
    // Page by page it is the same.
    const pages: AuditEntry[] = [];
    for (let after = 0; after < told.length; after++) {
      const page = await portal.owner.do(
        "GET",
        `${portal.path}/log?after=${after}`,
      ) as unknown as Log;
      assert.equal(page.entries.length, told.length - after);
      pages.push(page.entries[0]!);
    }
    assert.deepEqual(pages, log.entries);
    await portal.archive();
    const last = await logOf(portal);
    assert.equal(problemOf(at, last, last), undefined);
    assert.equal(last.entries.length, log.entries.length + 1);
    const other = createSigner(random(32)).publicKey;
    assert.notEqual(
      auditProblem(log.entries, log.head, other, verifySignature),
      undefined,
      "of another hub",
    );
  });
});

Deno.test("whoever changes a row of the database is found out", async () => {
  await withHub({}, async (at) => {
    const { portal, log } = await history(at), { db } = at.hub;
    const count = log.entries.length;
    const rows = await db.all("SELECT * FROM audit WHERE portal = $1 ORDER BY entry", portal.id);
    const restore = async () => {
      await db.all("DELETE FROM audit WHERE portal = $1", portal.id);
      for (const { entry, text, hash } of rows) {
        await db.all(
          "INSERT INTO audit (portal, entry, text, hash) VALUES ($1, $2, $3, $4)",
          ...[portal.id, entry!, text!, hash!],
        );
      }
    };
    for (let entry = 1; entry <= count; entry++) {
      const text = (rows[entry - 1]!["text"] as string).replace(/"atMs":\d/, '"atMs":9');
      const where = "WHERE portal = $1 AND entry = $2";
      const changes: [string, ...(string | number | Uint8Array)[]][] = [
        [`UPDATE audit SET text = $3 ${where}`, text],
        [`UPDATE audit SET hash = $3 ${where}`, random(32)],
        [`UPDATE audit SET text = $3, hash = $4 ${where}`, text, auditHash(text)],
        [`DELETE FROM audit ${where}`],
      ];
      for (const [statement, ...values] of changes) {
        await db.all(statement, portal.id, entry, ...values);
        const changed = await logOf(portal);
        // The newest entry is what the hub signs: who remembers what it signed before sees it there.
        const head = entry === count ? log : changed;
        assert.notEqual(problemOf(at, changed, head), undefined, `${entry}: ${statement}`);
        await restore();
        const whole = await logOf(portal);
        assert.equal(problemOf(at, whole, log), undefined);
      }
    }
  });
});

Deno.test("a log whose end is missing, or that is another's, is found out", async () => {
  await withHub({}, async (at) => {
    const { portal, log } = await history(at), { log: others } = await history(at);
    for (let length = 0; length < log.entries.length; length++) {
      const cut = { entries: log.entries.slice(0, length), head: log.head };
      assert.notEqual(problemOf(at, cut, log), undefined, String(length));
    }
    assert.notEqual(problemOf(at, others, log), undefined);
    assert.notEqual(problemOf(at, log, others), undefined);
    const swapped = [...log.entries];
    [swapped[2], swapped[3]] = [swapped[3]!, swapped[2]!];
    assert.notEqual(problemOf(at, { ...log, entries: swapped }, log), undefined);
    // Someone cuts the table itself: the head that was signed before does not fit any more.
    await at.hub.db.all(
      "DELETE FROM audit WHERE portal = $1 AND entry > $2",
      portal.id,
      log.entries.length - 2,
    );
    assert.notEqual(problemOf(at, await logOf(portal), log), undefined);
    // What is signed is the head, by the hub: a hash alone is not enough.
    const unsigned = { ...log, head: { ...log.head, signature: toBase64Url(random(64)) } };
    assert.notEqual(problemOf(at, log, unsigned), undefined);
  });
});
