import assert from "node:assert/strict";
import { HubProcess, Person } from "../support/portal.ts";
import { Random } from "../support/random.ts";
import { requirePart, sh, withTempDir } from "../support/warp.ts";

// Goal: the hub as its owner runs it: invitations, quota, TLS, gone, and another one in its place.

Deno.test("an open hub takes anyone, another one the invited; quotas hold", async () => {
  await withTempDir(async (dir) => {
    const [closed, open] = await Promise.all([
      new HubProcess(`${dir}/closed`, ["--quota", "2MB"]).start(),
      new HubProcess(`${dir}/open`, ["--open"]).start(),
    ]);
    try {
      const guest = await Person.make(`${dir}/guest`, [open.address]);
      await guest.fails(1, "E_ACCESS", ["hub", "login", closed.address]);
      await guest.fails(1, "E_ACCESS", ["hub", "login", `${closed.address}.${"A".repeat(22)}`]);
      await guest.run(["hub", "login", closed.invite, "--default"]);
      const status = await guest.one(["hub", "status"]);
      assert.deepEqual([status["url"], status["quota_bytes"]], [closed.url, 2e6]);
      await sh(`mkdir '${dir}/tree'`);
      Deno.writeFileSync(`${dir}/tree/file`, new Random(9).bytes(3 << 20));
      const create = ["portal", "create", "large", `${dir}/tree`];
      const message = await guest.fails(1, "E_QUOTA", create);
      assert.match(message, /full/);
      assert.ok(Number((await guest.one(["hub", "status"]))["bytes"]) <= 2e6);
      await guest.run([...create, "--hub", open.url]);
      const stored = await guest.one(["hub", "status", "--hub", open.url]);
      assert.ok(Number(stored["bytes"]) >= 3 << 20);
    } finally {
      await Promise.all([closed.stop(), open.stop()]);
    }
  });
});

Deno.test("a hub that is gone is exit 6; another one in its place is refused", async () => {
  await withTempDir(async (dir) => {
    const [hub, other] = [new HubProcess(`${dir}/hub`), new HubProcess(`${dir}/other`, ["--open"])];
    try {
      await hub.start();
      const ann = await Person.make(`${dir}/ann`, [hub.invite]);
      await ann.run(["portal", "create", "here"]);
      assert.equal(await hub.stop(), 0);
      await Promise.all([
        ann.fails(6, "E_NETWORK", ["portal", "list"]),
        ann.fails(6, "E_NETWORK", ["hub", "status"]),
        ann.fails(6, "E_NETWORK", [
          "portal",
          "get",
          `${hub.url}/p/AAAAAAAAAAAAAAAAAAAAAA#AFMEuy2ieWxNndmd9WEFh10`,
        ]),
      ]);
      await other.start(hub.port);
      assert.notEqual(other.key, hub.key);
      const message = await ann.fails(4, "E_SIGNATURE", ["portal", "list"]);
      assert.match(message, /not the one/);
      const { code } = await ann.try(["hub", "login", other.url]);
      assert.equal(code, 4);
      const named = await ann.try(["hub", "login", other.address]);
      assert.equal(named.code, 4, named.stderr);
      // The right one is back: nothing was pinned anew.
      await other.stop();
      await hub.start();
      assert.equal((await ann.run(["portal", "list"])).length, 1);
    } finally {
      await Promise.all([hub.stop(), other.stop()]);
    }
  });
});

Deno.test("TLS with a certificate of one's own: DENO_CERT names whom to trust", async () => {
  if (!requirePart("openssl", "makes a certificate")) return;
  await withTempDir(async (dir) => {
    await sh(`cd '${dir}'
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem \\
        -days 2 -subj '/CN=test authority' -addext basicConstraints=critical,CA:TRUE 2> /dev/null
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out hub.csr \\
        -subj '/CN=127.0.0.1' 2> /dev/null
      printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > ext
      openssl x509 -req -in hub.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem 2> /dev/null
      mkdir tree; echo sealed > tree/file`);
    const tls = ["--tls-cert", `${dir}/cert.pem`, "--tls-key", `${dir}/key.pem`];
    const hub = new HubProcess(`${dir}/hub`, tls);
    try {
      await hub.start();
      assert.match(hub.url, /^https:/);
      const trusting = { DENO_CERT: `${dir}/ca.pem` };
      const ann = await Person.make(`${dir}/ann`, [hub.invite], { env: trusting });
      await ann.run(["portal", "create", "tls", `${dir}/tree`]);
      const { link } = await ann.one(["portal", "link", "tls"]);
      assert.match(String(link), /^https:/);
      const visitor = Person.visitor(`${dir}/visitor`, trusting);
      await visitor.run(["portal", "get", String(link), "-C", `${dir}/out`]);
      await sh(`cmp '${dir}/tree/file' '${dir}/out/tree/file'`);
      // Who does not know the authority does not speak to it.
      const stranger = Person.visitor(`${dir}/stranger`);
      await stranger.fails(6, "E_NETWORK", ["portal", "get", String(link), "-C", `${dir}/no`]);
    } finally {
      await hub.stop();
    }
    const half = await Person.visitor(`${dir}/x`).try([
      "hub",
      "serve",
      "--tls-cert",
      `${dir}/cert.pem`,
    ]);
    assert.equal(half.code, 2, half.stderr);
  });
});
