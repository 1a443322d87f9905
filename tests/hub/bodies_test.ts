/** Bodies: too long, too slow, cut, without a length; packs, their addresses and the quota. */
import assert from "node:assert/strict";
import { type Bytes, concat, utf8 } from "../../actors/base/bytes.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import {
  anyone,
  assertCode,
  enrol,
  hashOf,
  makePortal,
  type Person,
  random,
  type TestHub,
  TestPortal,
  withHub,
} from "../support/hub.ts";

const addressText = (pack: Bytes) => toBase64Url(hashOf(pack));

/** What the hub answers to these bytes on a socket; the client closes when `isEnough`. */
async function raw(at: TestHub, ...parts: Bytes[]): Promise<string> {
  using socket = await Deno.connect({ hostname: "127.0.0.1", port: at.running.port });
  let text = "";
  const reading = (async () => {
    const buffer = new Uint8Array(64 * 1024), decoder = new TextDecoder();
    for (;;) {
      const got = await socket.read(buffer).catch(() => null);
      if (got === null) return;
      text += decoder.decode(buffer.subarray(0, got), { stream: true });
      // An answer is whole with its JSON.
      if (/\r\n\r\n[^]*\}/.test(text)) return;
    }
  })();
  for (const part of parts) {
    try {
      for (let sent = 0; sent < part.length;) sent += await socket.write(part.subarray(sent));
    } catch {
      break; // it has heard enough
    }
  }
  await reading;
  return text;
}

const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);

function head(method: string, target: string, headers: Record<string, string>): Bytes {
  const lines = Object.entries({ host: "hub", ...headers }).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  return utf8(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
}

const JSON_TYPE = { "content-type": "application/json" };

Deno.test("what is too long is refused before it is read, however it comes", async () => {
  await withHub({}, async (at) => {
    const ann = await enrol(at);
    const told = (length: number) => ({ ...JSON_TYPE, "content-length": String(length) });
    // Not a byte of the body is sent: an answer shows that none was waited for.
    const anonymous = await raw(at, head("POST", "/v1/challenges", told((1 << 20) + 1)));
    assert.equal(statusOf(anonymous), 413, anonymous);
    assert.match(anonymous, /application\/problem\+json[^]*E_LIMIT/);
    const target = "/v1/packs/missing", nothing = new Uint8Array();
    const known = await raw(
      at,
      head("POST", target, { ...told((64 << 20) + 1), ...ann.proof("POST", target, nothing) }),
    );
    assert.equal(statusOf(known), 413, known);
    // Without a token nobody may make the hub wait for a long body.
    assert.equal(statusOf(await raw(at, head("POST", target, told(1 << 30)))), 401);
    const put = `/v1/packs/${addressText(random(32))}`;
    const pack = await raw(
      at,
      head("PUT", put, {
        "content-length": String((64 << 20) + 1),
        ...ann.proof("PUT", put, nothing),
      }),
    );
    assert.equal(statusOf(pack), 413, pack);
    const empty = await raw(
      at,
      head("PUT", put, { "content-length": "0", ...ann.proof("PUT", put, nothing) }),
    );
    assert.equal(statusOf(empty), 413, empty);

    // In chunks nobody knows how much is to come: it ends when it is too much.
    const chunk = concat(utf8("10000\r\n"), new Uint8Array(0x10000).fill(32), utf8("\r\n"));
    const chunked = await raw(
      at,
      head("POST", "/v1/challenges", { ...JSON_TYPE, "transfer-encoding": "chunked" }),
      ...Array.from({ length: 40 }, () => chunk),
    );
    assert.equal(statusOf(chunked), 413, chunked);
    const noLength = await raw(
      at,
      head("PUT", put, { "transfer-encoding": "chunked", ...ann.proof("PUT", put, nothing) }),
      chunk,
    );
    assert.equal(statusOf(noLength), 400, noLength);

    // With a token, too, what does not say its length may not be a long one.
    const portal = `/v1/portals/${"A".repeat(22)}/versions`;
    const unsaid = await raw(
      at,
      head("POST", portal, {
        ...JSON_TYPE,
        "transfer-encoding": "chunked",
        ...ann.proof("POST", portal, nothing),
      }),
      ...Array.from({ length: 40 }, () => chunk),
    );
    assert.equal(statusOf(unsaid), 413, unsaid);
    assert.equal(at.hub.uploads.used, 0, "nothing is kept for what was refused");

    // And what is not too long may come in chunks, of one byte each.
    const body = JSON.stringify({ key: ann.key });
    const small = await raw(
      at,
      head("POST", "/v1/challenges", { ...JSON_TYPE, "transfer-encoding": "chunked" }),
      utf8([...body].map((one) => `1\r\n${one}\r\n`).join("") + "0\r\n\r\n"),
    );
    assert.equal(statusOf(small), 200, small);
    await ann.do("GET", "/v1/usage");
  });
});

Deno.test("who sends slowly, or stops in the middle, keeps nobody waiting", async () => {
  await withHub({}, async (at) => {
    const ann = await enrol(at);
    const pack = random(60_000), target = `/v1/packs/${addressText(pack)}`;
    const sockets: Deno.TcpConn[] = [];
    const start = async (...parts: Bytes[]) => {
      const socket = await Deno.connect({ hostname: "127.0.0.1", port: at.running.port });
      sockets.push(socket);
      for (const part of parts) await socket.write(part);
    };
    try {
      for (let i = 0; i < 20; i++) {
        await start(utf8("POST /v1/tok"));
        const length = { ...JSON_TYPE, "content-length": "1000" };
        await start(head("POST", "/v1/tokens", length), utf8("{"));
        const proof = ann.proof("PUT", target, new Uint8Array());
        const told = { "content-length": String(pack.length) };
        await start(head("PUT", target, { ...told, ...proof }), pack.subarray(0, 5000));
      }
      // The same account, the same pack, and strangers: all are served.
      await ann.upload(pack);
      const bob = await enrol(at);
      await bob.do("GET", "/v1/portals");
      assert.equal((await anyone(at, "GET", "/health")).status, 200);
    } finally {
      for (const socket of sockets) socket.close();
    }
    // Those that were cut have left nothing, and are no fault of the hub's.
    const usage = await ann.do("GET", "/v1/usage");
    assert.deepEqual([usage["packs"], usage["bytes"]], [1, pack.length]);
    assert.equal((await at.hub.blobs.usage()).blobs, 1);
    const cut = head("POST", "/v1/tokens", { ...JSON_TYPE, "content-length": "1000" });
    const socket = await Deno.connect({ hostname: "127.0.0.1", port: at.running.port });
    await socket.write(concat(cut, utf8("{")));
    socket.close();
    assert.equal((await anyone(at, "GET", "/health")).status, 200);
    const { bytes } = await anyone(at, "GET", "/metrics");
    assert.doesNotMatch(new TextDecoder().decode(bytes), /portal_faults_total \d/);
  });
});

async function missing(by: Person, packs: readonly Bytes[]): Promise<unknown> {
  const addresses = toBase64Url(concat(...packs.map(hashOf)));
  return (await by.do("POST", "/v1/packs/missing", { addresses }))["missing"];
}

Deno.test("a pack is what its address says, or nothing is left of it", async () => {
  await withHub({}, async (at) => {
    const ann = await enrol(at), portal = await makePortal(ann);
    const [good, other] = [random(4096), random(4096)];
    const target = `/v1/packs/${addressText(good)}`;
    for (
      const wrong of [other, good.subarray(1), concat(good, Uint8Array.of(0)), new Uint8Array(1)]
    ) {
      const answer = await ann.call("PUT", target, wrong);
      assertCode(answer, "E_INTEGRITY");
      assert.equal(answer.status, 422);
    }
    assert.deepEqual(await missing(ann, [good, other]), [0, 1]);
    const usage = await ann.do("GET", "/v1/usage");
    assert.deepEqual([usage["packs"], usage["bytes"]], [0, 0]);
    assert.deepEqual(await at.hub.blobs.usage(), { blobs: 0, bytes: 0 });
    const { body } = portal.versionBody([{ view: null, packs: [hashOf(good)] }]);
    assertCode(await ann.call("POST", `${portal.path}/versions`, body), "E_NOT_FOUND");
    // A wrong one does no harm to the right one.
    await ann.upload(good);
    assertCode(await ann.call("PUT", target, other), "E_INTEGRITY");
    await portal.add([{ view: null, packs: [hashOf(good)] }]);
    const got = await portal.pack(ann, await portal.lease(ann), hashOf(good));
    assert.deepEqual(got.bytes, good);
  });
});

Deno.test("uploading again counts once, alone and at the same time", async () => {
  await withHub({}, async (at) => {
    const ann = await enrol(at), bob = await enrol(at), pack = random(5000);
    await Promise.all(Array.from({ length: 10 }, () => ann.upload(pack)));
    await ann.upload(pack);
    assert.deepEqual((await ann.do("GET", "/v1/usage"))["bytes"], 5000);
    assert.deepEqual((await bob.do("GET", "/v1/usage"))["bytes"], 0);
    assert.deepEqual(await missing(ann, [pack]), []);
    assert.deepEqual(await missing(bob, [pack]), [0], "that others have it is not told");
    await bob.upload(pack);
    assert.deepEqual((await bob.do("GET", "/v1/usage"))["bytes"], 5000, "and saves nobody space");
    assert.equal((await at.hub.blobs.usage()).blobs, 1, "though it is stored once");
  });
});

Deno.test("the quota is exact at the byte, also for many at once", async () => {
  await withHub({ limits: { quotaBytes: 10_000 } }, async (at) => {
    const ann = await enrol(at);
    const first = random(6000);
    await ann.upload(first);
    const put = (pack: Bytes) => ann.call("PUT", `/v1/packs/${addressText(pack)}`, pack);
    const over = await put(random(4001));
    assertCode(over, "E_QUOTA");
    assert.equal(over.status, 413);
    assert.equal((await put(first)).status, 200, "what is held costs nothing");
    assert.equal((await put(random(4000))).status, 200);
    assertCode(await put(random(1)), "E_QUOTA");
    assert.equal((await ann.do("GET", "/v1/usage"))["bytes"], 10_000);

    const bob = await enrol(at);
    const packs = Array.from({ length: 20 }, () => random(1000));
    const answers = await Promise.all(
      packs.map((pack) => bob.call("PUT", `/v1/packs/${addressText(pack)}`, pack)),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 10);
    assert.equal(answers.filter(({ code }) => code === "E_QUOTA").length, 10);
    assert.equal((await bob.do("GET", "/v1/usage"))["bytes"], 10_000);
    // A length that is a lie: what comes is cut there, or never ends.
    const carol = await enrol(at), pack = random(500);
    const target = `/v1/packs/${addressText(pack)}`;
    const proof = carol.proof("PUT", target, new Uint8Array());
    const lie = await raw(at, head("PUT", target, { "content-length": "100", ...proof }), pack);
    assert.equal(statusOf(lie), 422, lie);
  });
});

Deno.test("a version names packs that are here, and that its author or the portal has", async () => {
  await withHub({}, async (at) => {
    const ann = await enrol(at), eve = await enrol(at);
    const [secret, own, absent] = [random(4096), random(4096), random(4096)];
    const portal = await makePortal(ann), evil = await makePortal(eve);
    const address = await ann.upload(secret);
    await portal.add([{ view: null, packs: [address] }]);
    const mine = await eve.upload(own);
    const tried = (packs: Bytes[]) =>
      eve.call("POST", `${evil.path}/versions`, evil.versionBody([{ view: null, packs }]).body);
    assertCode(await tried([mine, address]), "E_NOT_FOUND", "someone else's");
    assertCode(await tried([mine, hashOf(absent)]), "E_NOT_FOUND", "nobody's");
    const other = evil.versionBody([{ view: null, packs: [mine] }]).body;
    const swapped = {
      ...other,
      views: [{ view: null, packs: toBase64Url(concat(mine, address)) }],
    };
    assertCode(await eve.call("POST", `${evil.path}/versions`, swapped), "E_PROTOCOL", "unsigned");
    assert.equal((await tried([mine])).status, 200);
    // A writer may refer to what the portal has, and to nothing else of the owner's.
    const writer = await portal.person("write");
    const unused = await ann.upload(random(4096));
    const more = await writer.upload(random(4096));
    const { body } = portal.versionBody([{ view: null, packs: [more, unused] }], writer);
    assertCode(await writer.call("POST", `${portal.path}/versions`, body), "E_NOT_FOUND");
    await portal.add([{ view: null, packs: [more, address] }], writer);
    // Nor to another history than the portal's: number, version before, epoch, portal.
    const put = async (
      changes: Partial<Record<"version" | "epoch" | "before" | "id", unknown>>,
    ) => {
      const changed = Object.assign(new TestPortal(ann), portal, changes);
      const { body } = changed.versionBody([{ view: null, packs: [address] }]);
      return (await ann.call("POST", `${portal.path}/versions`, body)).code;
    };
    for (const version of [0, 1, 3]) assert.equal(await put({ version }), "E_BUSY", `${version}`);
    assert.equal(await put({ before: random(32) }), "E_PROTOCOL");
    assert.equal(await put({ id: evil.id }), "E_PROTOCOL");
    await portal.revoke([[...portal.grants.values()].at(-1)!]);
    assert.equal(await put({ epoch: 1 }), "E_BUSY");
    assert.equal(await put({ epoch: 3 }), "E_BUSY");
    assert.equal(await put({}), undefined);
  });
});

Deno.test("no spelling of a path goes around the gate", async () => {
  await withHub({}, async (at) => {
    const portal = await makePortal(await enrol(at));
    const id = portal.text;
    const targets = [
      `/v1/portals/${id}`,
      `/v1//portals/${id}`,
      `//v1/portals/${id}`,
      `/v1/./portals/${id}`,
      `/v1/hub/../portals/${id}`,
      `/v1/hub/%2e%2e/portals/${id}`,
      `/v1/portals/${id}/`,
      `/V1/portals/${id}`,
      `/v1/%70ortals/${id}`,
      `/%76%31/portals/${id}`,
      `/v1/portals/${id}?x=/v1/hub`,
      `/v1/hub;/../portals/${id}`,
      `/v1/hub%00/portals/${id}`,
      `/v1/portals/%ff%fe`,
      `/v1/portals/%zz`,
      `http://other/v1/portals/${id}`,
      `http://[/v1/portals/${id}`,
      "*",
      "/v1/events",
    ];
    for (const target of targets) {
      for (const host of ["hub", "", "a b", "[", "%00", "x:99999"]) {
        for (const method of ["GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT"]) {
          const text = await raw(
            at,
            utf8(`${method} ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`),
          );
          const status = statusOf(text);
          assert.ok([400, 401, 404].includes(status), `${method} ${target} ${host}: ${text}`);
        }
      }
    }
    const { bytes } = await anyone(at, "GET", "/metrics");
    assert.doesNotMatch(new TextDecoder().decode(bytes), /portal_faults_total \d/);
  });
});
