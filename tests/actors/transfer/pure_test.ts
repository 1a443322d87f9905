import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { concat, equal, utf8 } from "../../../actors/base/bytes.ts";
import { createSigner, verifySignature } from "../../../actors/cipher/signature.ts";
import {
  certificateBody,
  certificatePem,
  deviceHostname,
  privateKeyPem,
  trustAnchorPem,
} from "../../../actors/transfer/certificate.ts";
import {
  Bitmap,
  decodePage,
  encodePage,
  ManifestRoot,
  type Page,
  PageOrder,
  runsOf,
} from "../../../actors/transfer/manifest.ts";
import { Pace } from "../../../actors/transfer/pace.ts";
import { sha256 } from "../../../actors/transfer/peers_io.ts";
import { formatTicket, looksLikeTicket, parseTicket } from "../../../actors/transfer/ticket.ts";
import { anyMeta, arbItems, type Item, paginate } from "../../support/pages.ts";
import { Random } from "../../support/random.ts";

// Goal: the parts of a transfer that touch nothing keep their promises for all inputs.
// Method: properties against the obvious slow way; the certificate against OpenSSL.

const options = { seed: Number(Deno.env.get("WARP_SEED") ?? 20261121), numRuns: 300 };

const rootOf = (pages: Page[]) => {
  const root = new ManifestRoot(createHash("sha256"));
  for (const page of pages) root.add(page);
  const { files, bytes, entries } = root;
  return { digest: root.digest(), files, bytes, entries };
};

Deno.test("a bitmap holds what was added, and runs are exactly the wanted chunks", () => {
  const chunk = fc.record({ length: fc.integer({ min: 1, max: 400 }), isWanted: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(chunk, { maxLength: 200 }),
      fc.integer({ min: 400, max: 2000 }),
      (chunks, max) => {
        const wanted = new Bitmap(chunks.length);
        chunks.forEach(({ isWanted }, i) => isWanted && wanted.add(i));
        assert.equal(wanted.bytes.length, Math.ceil(chunks.length / 8));
        const again = new Bitmap(chunks.length, new Uint8Array(wanted.bytes));
        chunks.forEach(({ isWanted }, i) => assert.equal(again.has(i), isWanted));
        const lengths = Uint32Array.from(chunks, ({ length }) => length);
        const covered: number[] = [];
        let before = { first: -1, count: 0, bytes: 0 };
        for (const run of runsOf(wanted, lengths, max)) {
          assert.ok(run.count > 0 && run.first >= before.first + before.count);
          const own = lengths.subarray(run.first, run.first + run.count);
          assert.equal(run.bytes, own.reduce((sum, length) => sum + length, 0));
          assert.ok(run.bytes <= max);
          // Two runs that touch could not have been one.
          if (run.first === before.first + before.count) assert.ok(before.bytes + own[0]! > max);
          for (let i = 0; i < run.count; i++) covered.push(run.first + i);
          before = run;
        }
        assert.deepEqual(covered, chunks.flatMap(({ isWanted }, i) => isWanted ? [i] : []));
      },
    ),
    options,
  );
});

Deno.test("the root does not depend on where pages end, and on everything else", () => {
  fc.assert(
    fc.property(arbItems, fc.nat(), fc.nat(), fc.nat(), (items, one, two, change) => {
      const first = paginate(items, new Random(one)), second = paginate(items, new Random(two));
      const root = rootOf(first);
      assert.deepEqual(root, rootOf(second));
      assert.equal(root.entries, items.length);
      for (const pages of [first, second]) {
        const order = new PageOrder();
        for (const page of pages) order.check(decodePage(encodePage(page)));
        assert.equal(order.pages, pages.length);
      }
      if (items.length === 0) return;
      const other = changed(items, new Random(change));
      assert.ok(!equal(root.digest, rootOf(paginate(other, new Random(one))).digest));
    }),
    options,
  );
});

/** The same tree but for one thing. */
function changed(items: Item[], random: Random): Item[] {
  const at = random.int(items.length);
  const item = items[at]!;
  const replaced = ((): Item[] => {
    if (random.int(4) === 0) return [];
    switch (item.type) {
      case "dir":
        return [{ type: "fifo", path: item.path }];
      case "fifo":
        return [{ type: "dir", path: item.path }];
      case "symlink":
        return [{ ...item, target: concat(item.target, utf8("x")) }];
      case "small":
        return [{ ...item, content: concat(item.content, utf8("x")) }];
      case "file": {
        const more = {
          length: 1 + random.int(9),
          id: random.int(2) === 0 ? null : random.bytes(32),
        };
        return [{ ...item, parts: [...item.parts, more] }];
      }
    }
  })();
  return [...items.slice(0, at), ...replaced, ...items.slice(at + 1)];
}

const file = (path: string, offset = 0, size = offset): Page["entries"][number] => ({
  type: "file",
  path: utf8(path),
  meta: anyMeta(),
  size,
  offset,
  extents: size === offset ? [] : [{ length: size - offset, source: 0, first: 0, count: 0 }],
  inline: null,
});
const piece = (path: string, offset: number, length: number): Page["entries"][number] => ({
  type: "piece",
  path: utf8(path),
  offset,
  extents: [{ length, source: 0, first: 0, count: 0 }],
  size: 100,
  mtimeS: 0,
  mtimeNs: 0,
});
const link = (path: string): Page["entries"][number] => ({
  type: "symlink",
  path: utf8(path),
  meta: anyMeta(),
  target: utf8("t"),
});

Deno.test("pages and entries must come in order, each file from its beginning and without gaps", () => {
  const check = (...pages: Page["entries"][]) => {
    const order = new PageOrder();
    pages.forEach((entries, batch) =>
      order.check({ batch, entries, lengths: new Uint32Array(), ids: new Uint8Array() })
    );
  };
  const good: Page["entries"][][] = [
    [[]],
    [[file("a"), file("b")], [], [file("c")]],
    [[file("a/b"), file("a.b")]],
    [[piece("a", 0, 5)], [piece("a", 5, 5)], [file("a", 10, 20)], [link("b")]],
    // Its source was lost half-way.
    [[piece("a", 0, 5)], [file("b")]],
  ];
  for (const pages of good) check(...pages);
  const bad: Page["entries"][][] = [
    [[file("b"), file("a")]],
    [[file("a")], [file("a")]],
    [[file("a.b"), file("a/b")]],
    [[link("a")], [file("a")]],
    [[file("a"), link("a")]],
    [[file("a", 5, 10)]],
    [[piece("a", 5, 5)]],
    [[piece("a", 0, 5)], [piece("a", 6, 5)]],
    [[piece("a", 0, 5)], [file("a", 4, 10)]],
    [[piece("a", 0, 5)], [file("b", 5, 10)]],
    [[piece("a", 0, 5)], [link("a")]],
    [[file("a", 0, 5)], [piece("a", 5, 5)]],
  ];
  for (const [i, pages] of bad.entries()) {
    assert.throws(() => check(...pages), { code: "E_PROTOCOL" }, `case ${i}`);
  }
  const empty = { entries: [], lengths: new Uint32Array(), ids: new Uint8Array() };
  for (const batches of [[1], [0, 0], [0, 2], [0, 1, 0]]) {
    const order = new PageOrder();
    assert.throws(() => batches.forEach((batch) => order.check({ batch, ...empty })), {
      code: "E_PROTOCOL",
    });
  }
});

Deno.test("a page whose numbers do not add up is refused", () => {
  const good = {
    batch: 0,
    entries: [file("a", 0, 0)],
    lengths: Uint32Array.of(7, 9),
    ids: new Uint8Array(64),
  };
  const of = (length: number, first: number, count: number, source = 0): Page => {
    const entry = { ...file("a", 0, length), extents: [{ length, source, first, count }] };
    return { ...good, entries: [entry as Page["entries"][number]] };
  };
  decodePage(encodePage(of(16, 0, 2)));
  decodePage(encodePage(of(9, 1, 1)));
  const bad = [of(15, 0, 2), of(9, 0, 1), of(9, 2, 1), of(16, 0, 3), of(16, 0, 2, 1)];
  for (const page of bad) assert.throws(() => decodePage(encodePage(page)), { code: "E_PROTOCOL" });
  const tooMany = Array.from({ length: 513 }, (_, i) => file(`f${String(i).padStart(4, "0")}`));
  assert.throws(() => decodePage(encodePage({ ...good, entries: tooMany })), {
    code: "E_PROTOCOL",
  });
  const big = Uint32Array.from({ length: 5 }, () => 1 << 20);
  for (const lengths of [big, Uint32Array.of(0, 1), Uint32Array.of(2 ** 20 + 1)]) {
    const page = { ...good, entries: [], lengths, ids: new Uint8Array(32 * lengths.length) };
    assert.throws(() => decodePage(encodePage(page)), { code: "E_PROTOCOL" });
  }
  for (const path of ["../x", "/x", "a/../x", "a//b", "./a", "a/", "", "a\0b"]) {
    const page = { ...good, entries: [file(path)] };
    assert.throws(() => decodePage(encodePage(page)), { code: "E_UNSAFE_PATH" }, path);
  }
});

Deno.test("a pace lets no more through than its rate, and wastes nothing", () => {
  const step = fc.record({ bytes: fc.nat(100_000), idleMs: fc.nat(500) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 100 }),
      fc.integer({ min: 1024, max: 1e7 }),
      (steps, rate) => {
        let now = 1e6;
        const pace = new Pace(rate, () => now);
        let readyAt = now;
        for (const { bytes, idleMs } of steps) {
          now += idleMs;
          const waitMs = pace.take(bytes);
          assert.ok(waitMs >= 0);
          // Waits only for what went before it.
          assert.ok(Math.abs(waitMs - Math.max(0, readyAt - now)) < 1e-3);
          now += waitMs;
          readyAt = now + 1000 * bytes / rate;
        }
      },
    ),
    options,
  );
  // Two that take at the same time wait one after the other.
  const pace = new Pace(1000, () => 0);
  assert.deepEqual([pace.take(500), pace.take(500), pace.take(1)], [0, 500, 1000]);
});

Deno.test("tickets hold every kind of address, and none that they cannot hold", () => {
  const key = createSigner(new Uint8Array(32).fill(3)).publicKey;
  const ticketOf = (...hosts: string[]) => ({
    purpose: "receive" as const,
    expires: 1_900_000_000,
    key,
    secret: new Uint8Array(16).fill(9),
    endpoints: hosts.map((host) => ({ host, port: 65535 })),
  });
  const hosts: [string, string][] = [
    ["127.0.0.1", "127.0.0.1"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "0:0:0:0:0:0:0:0"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["2001:DB8::ff00:42:8329", "2001:db8:0:0:0:ff00:42:8329"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["nas", "nas"],
    ["a-very-long_name.of.a.machine.example.org", "a-very-long_name.of.a.machine.example.org"],
  ];
  for (const [host, expected] of hosts) {
    const text = formatTicket(ticketOf(host), sha256);
    assert.ok(looksLikeTicket(text));
    assert.deepEqual(parseTicket(text, sha256).endpoints, [{ host: expected, port: 65535 }]);
  }
  const all = formatTicket(ticketOf(...hosts.map(([host]) => host)), sha256);
  assert.equal(parseTicket(all, sha256).endpoints.length, hosts.length);
  assert.deepEqual(parseTicket(formatTicket(ticketOf(), sha256), sha256).endpoints, []);
  // What it cannot say is refused when it is made, not when it is used.
  for (const host of ["fe80::1%eth0", "münchen.de", "1.2.3.999", "x".repeat(240), "a!b", ""]) {
    assert.throws(() => formatTicket(ticketOf(host), sha256), { code: "E_USAGE" }, host);
  }
  const long = Array.from({ length: 16 }, (_, i) => `${"y".repeat(200)}${i}`);
  assert.throws(() => formatTicket(ticketOf(...long), sha256), { code: "E_USAGE" });
});

Deno.test("the certificate of a device key is one that OpenSSL takes", () => {
  const random = new Random(5);
  for (let i = 0; i < 20; i++) {
    const seed = random.bytes(32);
    const signer = createSigner(seed);
    const { publicKey } = signer;
    const body = certificateBody(publicKey);
    const signature = signer.sign(body);
    assert.ok(verifySignature(publicKey, body, signature));
    const cert = new X509Certificate(certificatePem(publicKey, signature));
    assert.ok(cert.verify(cert.publicKey), "signed by itself");
    const spki = cert.publicKey.export({ format: "der", type: "spki" });
    assert.deepEqual(new Uint8Array(spki.subarray(spki.length - 32)), publicKey);
    assert.equal(cert.publicKey.asymmetricKeyType, "ed25519");
    assert.equal(cert.subjectAltName, `DNS:${deviceHostname(publicKey)}`);
    assert.equal(cert.subject, cert.issuer);
    assert.ok(new Date(cert.validFrom).getTime() < Date.now());
    assert.ok(new Date(cert.validTo).getFullYear() > 9000);
    // The anchor is the same certificate, but nobody signed it.
    const anchor = new X509Certificate(trustAnchorPem(publicKey));
    assert.ok(!anchor.verify(anchor.publicKey));
    assert.equal(anchor.subjectAltName, cert.subjectAltName);
    const other = createSigner(random.bytes(32)).publicKey;
    assert.ok(!new X509Certificate(certificatePem(other, signature)).verify(cert.publicKey));
    assert.match(privateKeyPem(seed), /^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=]{64}\n-----END/);
  }
});

Deno.test("a device's name is its key, in labels that DNS allows", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      const name = deviceHostname(key);
      assert.ok(name.length <= 253 && name.endsWith(".warp.invalid"));
      for (const label of name.split(".")) assert.match(label, /^[a-z0-9]{1,63}$/);
      const hex = name.slice(0, -".warp.invalid".length).replace(".", "");
      assert.equal(hex, key.toHex());
    }),
    options,
  );
});
