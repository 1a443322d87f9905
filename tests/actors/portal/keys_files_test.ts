/** @module Tests of actors/portal/{config_file_io,key_ring_io,hub_logins}.ts: files, locks, modes. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { equal, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { type ErrorCode, isWarpError, WarpError } from "../../../actors/base/errors.ts";
import { AccountSecrets } from "../../../actors/portal/account_keys.ts";
import {
  readConfigFile,
  replaceConfigFile,
  withLock,
} from "../../../actors/portal/config_file_io.ts";
import {
  formatHubLogins,
  type HubLogins,
  hubUrl,
  loginFor,
  NO_LOGINS,
  parseHubLogins,
  withLogin,
  withoutLogin,
} from "../../../actors/portal/hub_logins.ts";
import { type KeyRing, newKeyRing, openKeyRing } from "../../../actors/portal/key_ring.ts";
import {
  createRing,
  defaultHubsFile,
  defaultRingFile,
  findRing,
  isRing,
  readHubLogins,
  readRing,
  updateHubLogins,
  updateRing,
} from "../../../actors/portal/key_ring_io.ts";
import { withTempDir } from "../../support/warp.ts";

const FAST = { memoryKiB: 64, passes: 1, lanes: 1 };
const isUnix = Deno.build.os !== "windows";
const isCode = (code: ErrorCode) => (error: unknown) => isWarpError(error, code);
const names = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

async function newRing(fill: number, device = 1): Promise<KeyRing> {
  const secrets = await AccountSecrets.fromEntropy(new Uint8Array(32).fill(fill));
  return await newKeyRing(secrets, device, 1_700_000_000_000);
}

Deno.test({
  name: "the ring and the hubs lie beside the key file",
  ignore: !isUnix,
  fn() {
    const of = (name: string) => ({ XDG_CONFIG_HOME: "/x" } as Record<string, string>)[name];
    assert.equal(defaultRingFile(of), "/x/warp/portal.key");
    assert.equal(defaultHubsFile(of), "/x/warp/hubs.json");
  },
});

Deno.test("createRing() stores a ring that opens again, for its owner alone", async () => {
  await withTempDir(async (dir) => {
    for (const passphrase of [undefined, utf8("pass")]) {
      const folder = `${dir}/${passphrase === undefined ? "open" : "sealed"}/warp`;
      const path = `${folder}/portal.key`;
      const ring = await newRing(1);
      assert.equal(findRing(path), undefined);
      assert.throws(() => readRing(path), isCode("E_KEY_NEEDED"));
      assert.equal(isRing(path), false);
      const seen: boolean[] = [];
      const beforehand = () => void seen.push(isRing(path));
      await createRing(path, ring, { passphrase, beforehand, argon2: FAST });
      assert.deepEqual(seen, [false]);
      assert.equal(isRing(path), true);
      const stored = readRing(path);
      assert.equal(stored.isSealed, passphrase !== undefined);
      assert.equal(stored.isExposed, false);
      assert.equal(stored.path, path);
      const opened = await openKeyRing(stored, passphrase);
      assert.deepEqual(opened.keys.copySecrets(), ring.keys.copySecrets());
      assert.deepEqual(names(folder), ["portal.key", "portal.key.lock"]);
      if (!isUnix) continue;
      assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
      assert.equal(Deno.statSync(folder).mode! & 0o777, 0o700);
      Deno.chmodSync(path, 0o604);
      assert.equal(readRing(path).isExposed, true);
    }
  });
});

Deno.test("createRing() never overwrites: a ring, another file, a link that leads nowhere", async () => {
  await withTempDir(async (dir) => {
    const ring = await newRing(2);
    const said: string[] = [];
    const writing = { passphrase: undefined, beforehand: () => void said.push("words") };
    await createRing(`${dir}/ring`, await newRing(1), { passphrase: undefined });
    Deno.writeTextFileSync(`${dir}/other`, "precious");
    Deno.symlinkSync(`${dir}/nowhere`, `${dir}/link`);
    const before = Deno.readFileSync(`${dir}/ring`);
    for (const name of ["ring", "other", "link"]) {
      await assert.rejects(createRing(`${dir}/${name}`, ring, writing), isCode("E_EXISTS"));
    }
    assert.deepEqual(said, [], "no words were shown");
    assert.ok(equal(Deno.readFileSync(`${dir}/ring`), before));
    assert.equal(Deno.readTextFileSync(`${dir}/other`), "precious");
    await assert.rejects(createRing(`${dir}/other/below/it`, ring, writing), WarpError);
  });
});

Deno.test("createRing() writes nothing when the words cannot be shown", async () => {
  await withTempDir(async (dir) => {
    const beforehand = () => {
      throw new WarpError("E_PIPE_CLOSED", "gone");
    };
    const ring = await newRing(1);
    await assert.rejects(
      createRing(`${dir}/ring`, ring, { passphrase: undefined, beforehand }),
      isCode("E_PIPE_CLOSED"),
    );
    assert.deepEqual(names(dir), ["ring.lock"]);
    // And the lock is free again.
    await createRing(`${dir}/ring`, ring, { passphrase: undefined });
  });
});

Deno.test("two who make a ring at once: one does, the other is told", async () => {
  await withTempDir(async (dir) => {
    const path = `${dir}/ring`;
    const rings = await Promise.all([1, 2, 3, 4].map((fill) => newRing(fill)));
    const outcomes = await Promise.allSettled(
      rings.map((ring) => createRing(path, ring, { passphrase: utf8("p"), argon2: FAST })),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      assert.ok(isCode("E_LOCKED")(outcome.reason) || isCode("E_EXISTS")(outcome.reason));
    }
    await openKeyRing(readRing(path), utf8("p"));
  });
});

Deno.test("updateRing() changes passphrase and device in one step, with fresh salt", async () => {
  await withTempDir(async (dir) => {
    const path = `${dir}/ring`;
    await createRing(path, await newRing(1), { passphrase: utf8("old"), argon2: FAST });
    const before = Deno.readFileSync(path);
    const later = await newRing(1, 2);
    const expected = later.keys.copySecrets();
    const writing = { passphrase: utf8("new"), argon2: FAST };
    let seen: KeyRing | undefined;
    await updateRing(path, utf8("old"), writing, (ring) => {
      seen = ring;
      assert.equal(ring.deviceNumber, 1);
      return later;
    });
    assert.throws(() => seen!.keys.identity, /wiped/);
    assert.throws(() => later.keys.identity, /wiped/);
    const after = readRing(path);
    assert.equal(after.about.deviceNumber, 2);
    assert.deepEqual((await openKeyRing(after, utf8("new"))).keys.copySecrets(), expected);
    await assert.rejects(openKeyRing(after, utf8("old")), isCode("E_KEY_WRONG"));
    assert.ok(!equal(before.subarray(24, 52), after.bytes.subarray(24, 52)), "salt and nonce");
    if (isUnix) assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

Deno.test("updateRing() leaves the ring as it is when anything fails", async () => {
  await withTempDir(async (dir) => {
    const path = `${dir}/ring`;
    await createRing(path, await newRing(1), { passphrase: utf8("old"), argon2: FAST });
    const before = Deno.readFileSync(path);
    const writing = { passphrase: undefined };
    const same = (ring: KeyRing) => ring;
    await assert.rejects(updateRing(path, utf8("no"), writing, same), isCode("E_KEY_WRONG"));
    await assert.rejects(updateRing(path, undefined, writing, same), isCode("E_KEY_NEEDED"));
    const fail = () => Promise.reject(new WarpError("E_NETWORK", "no hub"));
    await assert.rejects(updateRing(path, utf8("old"), writing, fail), isCode("E_NETWORK"));
    await withLock(path, "the ring", async () => {
      await assert.rejects(updateRing(path, utf8("old"), writing, same), isCode("E_LOCKED"));
    });
    assert.ok(equal(Deno.readFileSync(path), before));
    assert.deepEqual(names(dir), ["ring", "ring.lock"]);
    await assert.rejects(
      updateRing(`${dir}/none`, undefined, writing, same),
      isCode("E_KEY_NEEDED"),
    );
  });
});

Deno.test("readRing() explains what is no ring", async () => {
  await withTempDir(async (dir) => {
    await Promise.resolve();
    Deno.writeTextFileSync(`${dir}/text`, "AGE-SECRET-KEY-1 or so");
    Deno.writeFileSync(`${dir}/large`, new Uint8Array(1 << 20));
    assert.throws(() => readRing(`${dir}/text`), isCode("E_INTEGRITY"));
    assert.throws(() => readRing(`${dir}/large`), isCode("E_CONFIG"));
    assert.throws(() => readRing(dir), isCode("E_CONFIG"));
    assert.throws(() => readRing("/dev/zero"), isCode("E_CONFIG"));
    assert.equal(isRing(`${dir}/text`), false);
    assert.equal(isRing("/dev/zero"), false);
  });
});

Deno.test("replaceConfigFile() keeps the old file or has the new one, and no leftovers", async () => {
  await withTempDir(async (dir) => {
    await Promise.resolve();
    const path = `${dir}/file`;
    replaceConfigFile(path, "it", utf8("one"));
    // What a crash left behind, with a mode of its own.
    Deno.writeTextFileSync(`${dir}/.file.new`, "half", { mode: 0o644 });
    replaceConfigFile(path, "it", utf8("two"));
    assert.equal(Deno.readTextFileSync(path), "two");
    if (isUnix) assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.deepEqual(names(dir), ["file"]);
    Deno.symlinkSync("file", `${dir}/link`);
    replaceConfigFile(`${dir}/link`, "it", utf8("three"));
    assert.ok(Deno.lstatSync(`${dir}/link`).isSymlink);
    assert.equal(Deno.readTextFileSync(path), "three");
    Deno.mkdirSync(`${dir}/folder/full`, { recursive: true });
    assert.throws(() => replaceConfigFile(`${dir}/folder`, "it", utf8("x")), WarpError);
    assert.deepEqual(names(dir), ["file", "folder", "link"]);
    assert.equal(readConfigFile(`${dir}/none`, "it", 10), undefined);
    assert.equal(readConfigFile(path, "it", 5)!.bytes.length, 5);
    assert.throws(() => readConfigFile(path, "it", 4), isCode("E_CONFIG"));
  });
});

const HUB = "https://hub.example";
const KEY = new Uint8Array(32).fill(3), OTHER = new Uint8Array(32).fill(4);

Deno.test("hubUrl() has one form for one hub, and refuses what is none", () => {
  assert.equal(hubUrl("https://Hub.Example/"), HUB);
  assert.equal(hubUrl(" https://hub.example:443"), HUB);
  assert.equal(hubUrl("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
  const wrong = ["", "hub.example", "ftp://hub.example", "https://u:p@hub.example", `${HUB}/p/x`];
  wrong.push(`${HUB}/?x`, `${HUB}/#x`, "file:///etc/passwd", `https://${"a".repeat(1000)}`);
  for (const text of wrong) assert.throws(() => hubUrl(text), isCode("E_USAGE"), text);
});

Deno.test("withLogin() pins keys; the first hub is the default until another is chosen", () => {
  let logins = withLogin(NO_LOGINS, { url: `${HUB}/`, hubKey: KEY });
  assert.equal(logins.default, HUB);
  logins = withLogin(logins, { url: "http://localhost:8080", hubKey: OTHER });
  assert.equal(logins.default, HUB);
  assert.equal(toHex(loginFor(logins, undefined).hubKey), toHex(KEY));
  assert.equal(toHex(loginFor(logins, "http://localhost:8080/").hubKey), toHex(OTHER));
  logins = withLogin(logins, { url: "http://localhost:8080", hubKey: OTHER }, true);
  assert.equal(logins.default, "http://localhost:8080");
  assert.equal(logins.hubs.length, 2);
  assert.throws(() => withLogin(logins, { url: HUB, hubKey: OTHER }), isCode("E_AUTH"));
  assert.throws(() => loginFor(logins, "https://elsewhere.example"), isCode("E_AUTH"));
  assert.throws(() => loginFor(NO_LOGINS, undefined), isCode("E_AUTH"));
  logins = withoutLogin(logins, "http://localhost:8080");
  assert.equal(logins.default, HUB);
  assert.deepEqual(withoutLogin(logins, HUB), { hubs: [], default: undefined });
  assert.throws(() => {
    for (let i = 0; i < 300; i++) logins = withLogin(logins, { url: `http://h${i}`, hubKey: KEY });
  }, isCode("E_LIMIT"));
});

Deno.test("parseHubLogins() reads what formatHubLogins() writes", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(99), { maxLength: 5 }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      (ports, hubKey) => {
        let logins: HubLogins = NO_LOGINS;
        for (const port of ports) {
          logins = withLogin(logins, { url: `http://h:${port + 8000}`, hubKey }, port % 2 === 0);
        }
        assert.deepEqual(parseHubLogins(formatHubLogins(logins)), logins);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("parseHubLogins() refuses everything else", () => {
  const good = JSON.parse(formatHubLogins(withLogin(NO_LOGINS, { url: HUB, hubKey: KEY })));
  parseHubLogins(JSON.stringify(good));
  const [hub] = good.hubs;
  const wrong = [
    { ...good, version: 0 },
    { ...good, default: "https://elsewhere.example" },
    { ...good, default: null },
    { ...good, hubs: [] },
    { ...good, hubs: [hub, hub] },
    { ...good, hubs: {} },
    { ...good, hubs: [{ ...hub, url: `${HUB}/` }] },
    { ...good, hubs: [{ ...hub, url: 1 }] },
    { ...good, hubs: [{ ...hub, hub_key: hub.hub_key.slice(1) }] },
    { ...good, hubs: [{ ...hub, hub_key: `${hub.hub_key}=` }] },
    { ...good, hubs: [null] },
    [],
    null,
  ].map((value) => JSON.stringify(value));
  for (const text of [...wrong, "", "{", "x".repeat(300_000)]) {
    assert.throws(() => parseHubLogins(text), isCode("E_CONFIG"), text.slice(0, 200));
  }
  assert.throws(() => parseHubLogins(JSON.stringify({ ...good, version: 2 })), isCode("E_VERSION"));
});

Deno.test("updateHubLogins() keeps the list beside the ring, one warp at a time", async () => {
  await withTempDir(async (dir) => {
    const path = `${dir}/warp/hubs.json`;
    assert.deepEqual(readHubLogins(path), NO_LOGINS);
    const login = { url: HUB, hubKey: KEY };
    const logins = await updateHubLogins((now) => withLogin(now, login), path);
    assert.deepEqual(readHubLogins(path), logins);
    const refused = updateHubLogins((now) => withLogin(now, { ...login, hubKey: OTHER }), path);
    await assert.rejects(refused, isCode("E_AUTH"));
    assert.deepEqual(readHubLogins(path), logins);
    await withLock(path, "it", async () => {
      await assert.rejects(updateHubLogins((now) => now, path), isCode("E_LOCKED"));
    });
    Deno.writeTextFileSync(path, "{}");
    assert.throws(() => readHubLogins(path), isCode("E_CONFIG"));
    await assert.rejects(updateHubLogins((now) => now, path), isCode("E_CONFIG"));
    assert.equal(Deno.readTextFileSync(path), "{}", "what cannot be read is not replaced");
  });
});
