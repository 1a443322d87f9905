/** Who gets in: challenges, tokens and proofs, each of them stolen, bent and used again. */
import assert from "node:assert/strict";
import { fromHex } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { createSigner } from "../../actors/cipher/signature.ts";
import { fromBase64Url, toBase64Url } from "../../actors/portal/base64url.ts";
import { HubClient } from "../../actors/portal/hub_client.ts";
import { verifySignature } from "../../actors/cipher/signature.ts";
import { SYSTEM_CLOCK } from "../../hub/hub.ts";
import {
  anyone,
  assertCode,
  Caller,
  enrol,
  hashOf,
  makePortal,
  random,
  stranger,
  VirtualClock,
  withHub,
} from "../support/hub.ts";

Deno.test("a challenge is for one key, one hub, one minute, one token", async () => {
  const clock = new VirtualClock();
  await withHub({ clock }, async (at) => {
    const [ann, bob] = [await enrol(at), await enrol(at)];
    const used = await ann.challenge();
    assert.equal((await ann.tryToken(used)).status, 200);
    assertCode(await ann.tryToken(used), "E_AUTH", "used already");
    assertCode(await bob.tryToken(await ann.challenge()), "E_AUTH", "of another key");

    const good = await ann.challenge(), old = await ann.challenge();
    clock.advance(60_000);
    assert.equal((await ann.tryToken(good)).status, 200, "to the last millisecond");
    clock.advance(1);
    assertCode(await ann.tryToken(old), "E_AUTH", "too old");

    const bent = fromBase64Url(await ann.challenge());
    for (const at of [0, 16, 23, 24, 55]) {
      const other = bent.slice();
      other[at]! ^= 1;
      assertCode(await ann.tryToken(toBase64Url(other)), "E_AUTH", `byte ${at}`);
    }
    assertCode(await ann.tryToken(toBase64Url(bent.subarray(0, 55))), "E_AUTH", "short");
    assertCode(await ann.tryToken(""), "E_AUTH", "none");
    const challenge = await ann.challenge();
    assertCode(
      await anyone(at, "POST", "/v1/tokens", {
        ...{ key: ann.key, challenge },
        signature: toBase64Url(random(64)),
      }),
      "E_AUTH",
      "a random signature",
    );
    assert.equal((await ann.tryToken(challenge)).status, 200, "and is not used up by it");
  });
});

Deno.test("a login that another hub passes on is worth nothing", async () => {
  await withHub({}, async (real) => {
    await withHub({}, async (fake) => {
      const ann = await enrol(real);
      // The fake hub hands out the real one's challenge; Ann signs it for the hub she means.
      const passedOn = await ann.challenge();
      assertCode(await ann.tryToken(passedOn, fromBase64Url(fake.running.key)), "E_AUTH");
      assert.equal((await ann.tryToken(passedOn)).status, 200, "signed for the right one");
      // A client that has pinned the real hub sees that the fake one is another.
      const pinned = new HubClient({
        url: fake.url,
        hubKey: fromBase64Url(real.running.key),
        key: ann.signer,
        verify: verifySignature,
      });
      const twin = await anyone(fake, "POST", "/v1/accounts", ann.enrolBody());
      assert.equal(twin.status, 200);
      await assert.rejects(pinned.login(), (error) => isWarpError(error, "E_SIGNATURE"));
      await assert.rejects(
        pinned.call("GET /v1/portals"),
        (error) => isWarpError(error, "E_SIGNATURE"),
      );
    });
  });
});

Deno.test("keys under which anyone can sign are refused", async () => {
  await withHub({}, async (at) => {
    for (
      const hex of [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      ]
    ) {
      const weak = fromHex(hex);
      // The neutral element "signs" anything: R = the key itself, S = 0.
      const signature = new Uint8Array(64);
      signature.set(weak);
      const caller = new Caller(at, { publicKey: weak, sign: () => signature });
      assertCode(await caller.tryLogin(), "E_AUTH", hex);
      const owner = await enrol(at);
      const portal = await makePortal(owner);
      await portal.grant({ kind: "link", grantee: weak, level: "read" });
      assertCode(await caller.tryLogin(), "E_AUTH", `${hex}, granted`);
    }
  });
});

Deno.test("a token is worth nothing without its key, and dies with its device and its time", async () => {
  const clock = new VirtualClock();
  await withHub({ clock, limits: { tokenMs: 600_000 } }, async (at) => {
    const [ann, eve] = [await enrol(at), await enrol(at)];
    const stolen = { token: ann.token! };
    assertCode(await eve.call("GET", "/v1/usage", undefined, stolen), "E_AUTH", "another's proof");
    const headers = { authorization: `Portal ${ann.token}` };
    assertCode(await anyone(at, "GET", "/v1/usage", undefined, headers), "E_AUTH", "no proof");
    for (const token of [toBase64Url(random(32)), toBase64Url(new Uint8Array(32))]) {
      assertCode(await ann.call("GET", "/v1/usage", undefined, { token }), "E_AUTH", "made up");
    }
    for (const bad of ["", "Portal", "Bearer x", `Portal ${ann.token}x`, `portal ${ann.token}`]) {
      const proof = ann.proof("GET", "/v1/usage", new Uint8Array());
      const headers = { ...proof, authorization: bad };
      assertCode(await anyone(at, "GET", "/v1/usage", undefined, headers), "E_AUTH", bad);
    }
    for (
      const proof of ["", "1.2.3", "x", `${"9".repeat(15)}.${"A".repeat(16)}.${"A".repeat(86)}`]
    ) {
      const headers = { authorization: `Portal ${ann.token}`, "portal-proof": proof };
      assertCode(await anyone(at, "GET", "/v1/usage", undefined, headers), "E_AUTH", proof);
    }

    const laptop = await (await ann.device(2)).login();
    await laptop.do("GET", "/v1/usage");
    await ann.do("POST", "/v1/retirements", ann.retireBody(2));
    assertCode(await laptop.call("GET", "/v1/usage"), "E_AUTH", "retired");
    assertCode(await laptop.tryLogin(), "E_AUTH", "retired");
    assertCode(await ann.call("POST", "/v1/retirements", ann.retireBody(2)), "E_NOT_FOUND");
    assertCode(await ann.call("POST", "/v1/retirements", ann.retireBody(9)), "E_NOT_FOUND");
    assertCode(
      await eve.call("POST", "/v1/retirements", ann.retireBody(1)),
      "E_SIGNATURE",
      "signed by another",
    );
    assertCode(
      await eve.call("POST", "/v1/retirements", ann.retireBody(1, eve.signer)),
      "E_PROTOCOL",
      "of another's account",
    );

    clock.advance(599_999);
    await ann.do("GET", "/v1/usage");
    clock.advance(1);
    assertCode(await ann.call("GET", "/v1/usage"), "E_AUTH", "over");
    await ann.login();
    await ann.do("GET", "/v1/usage");
  });
});

Deno.test("what a device does with its words at hand, the account's key does too", async () => {
  await withHub({}, async (at) => {
    const ann = await enrol(at);
    const account = new Caller(at, {
      publicKey: ann.account,
      sign: (message) => ann.secrets.sign(message),
    });
    await account.login();
    await account.do("POST", "/v1/retirements", ann.retireBody(1, account.signer));
    assertCode(await ann.call("GET", "/v1/usage"), "E_AUTH");
    await account.do("GET", "/v1/usage");
  });
});

Deno.test("a proof is for one request, once", async () => {
  const clock = new VirtualClock();
  await withHub({ clock }, async (at) => {
    const ann = await enrol(at);
    const portal = await makePortal(ann);
    const state = `${portal.path}/state`;
    const bodies = [
      ["POST", state, { event: "pause" }],
      ["PUT", `${portal.path}/wraps`, { wraps: [] }],
      ["DELETE", portal.path, undefined],
    ] as const;
    for (const [method, target, body] of bodies) {
      const nonce = random(12);
      const again = { signed: { nonce } };
      await ann.do(method, target, body, again);
      assertCode(await ann.call(method, target, body, again), "E_AUTH", `${method} again`);
      clock.advance(100_000);
      const old = { signed: { nonce, timeMs: clock.nowMs() - 100_000 } };
      assertCode(await ann.call(method, target, body, old), "E_AUTH", `${method} later`);
    }
    const wrong = [
      { method: "GET" },
      { target: "/v1/usage" },
      { target: `${state}?x=1` },
      { body: new TextEncoder().encode('{"event":"open"}') },
      { body: new Uint8Array() },
    ];
    for (const signed of wrong) {
      const answer = await ann.call("POST", state, { event: "pause" }, { signed });
      assertCode(answer, "E_AUTH", JSON.stringify(signed));
    }
    assertCode(
      await ann.call("GET", "/v1/usage?x=1", undefined, { signed: { target: "/v1/usage" } }),
      "E_AUTH",
      "another query",
    );
    const pack = random(100), other = random(100);
    assertCode(
      await ann.call("PUT", `/v1/packs/${toBase64Url(hashOf(pack))}`, pack, {
        signed: { target: `/v1/packs/${toBase64Url(hashOf(other))}` },
      }),
      "E_AUTH",
      "a pack's address is signed",
    );
  });
});

Deno.test("clocks may be two minutes apart, and the client sets right what is more", async () => {
  await withHub({}, async (at) => {
    const ann = await enrol(at), nowMs = at.clock.nowMs();
    for (const off of [-120_000, 120_000]) {
      await ann.do("GET", "/v1/usage", undefined, { signed: { timeMs: nowMs + off } });
    }
    for (const off of [-600_000, -120_001, 120_001, 600_000]) {
      const signed = { timeMs: nowMs + off };
      const answer = await ann.call("GET", "/v1/usage", undefined, { signed });
      assertCode(answer, "E_CLOCK", String(off));
      assert.equal(answer.json["hubTimeMs"], nowMs);
    }
  });
  // Ten minutes off, either way, on a clock that runs; a token's time is no trouble either.
  for (const off of [-600_000, 600_000, 3_600_000]) {
    const clock = { nowMs: () => Date.now() + off, random: SYSTEM_CLOCK.random };
    await withHub({ clock }, async (at) => {
      const client = (await enrol(at)).client();
      assert.equal((await client.call("GET /v1/usage")).packs, 0);
      assert.ok(Math.abs(client.nowMs - clock.nowMs()) < 60_000);
    });
  }
});

Deno.test("failed logins and anonymous floods run into a limit", async () => {
  const clock = new VirtualClock();
  const limits = { failuresBurst: 3, failureRefillS: 10 };
  await withHub({ clock, limits }, async (at) => {
    const ann = await enrol(at);
    const guess = () => new Caller(at, createSigner(random(32))).tryLogin();
    for (let i = 0; i < 3; i++) assertCode(await guess(), "E_AUTH");
    const refused = await guess();
    assertCode(refused, "E_RATE");
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "1");
    assertCode(await ann.tryLogin(), "E_RATE", "from the same address");
    clock.advance(10_000);
    assert.equal((await ann.tryLogin()).status, 200);
    assertCode(await guess(), "E_AUTH");
    assertCode(await guess(), "E_RATE");
  });
  await withHub({ clock, limits: { anonymousBurst: 10, anonymousRate: 1 } }, async (at) => {
    const codes = new Map<number, number>();
    for (let i = 0; i < 30; i++) {
      const { status } = i % 2 === 0
        ? await anyone(at, "GET", "/v1/hub")
        : await anyone(at, "GET", "/v1/portals");
      codes.set(status, (codes.get(status) ?? 0) + 1);
    }
    assert.equal(codes.get(429), 20, JSON.stringify([...codes]));
    clock.advance(2000);
    assert.equal((await anyone(at, "GET", "/v1/hub")).status, 200);
    assert.equal((await anyone(at, "GET", "/v1/hub")).status, 200);
    assert.equal((await anyone(at, "GET", "/v1/hub")).status, 429);
    assert.equal((await anyone(at, "GET", "/health")).status, 200, "health is for monitors");
  });
  await withHub({ clock, limits: { tokenBurst: 5, tokenRate: 1 } }, async (at) => {
    const ann = await enrol(at);
    for (let i = 0; i < 5; i++) await ann.do("GET", "/v1/usage");
    assertCode(await ann.call("GET", "/v1/usage"), "E_RATE", "a token's own");
    const again = await ann.again().login();
    assertCode(await again.call("GET", "/v1/usage"), "E_RATE", "another token of the key");
    await (await enrol(at)).do("GET", "/v1/usage");
  });
});

Deno.test("enrolment needs an invite unless the hub is open, and records that fit", async () => {
  await withHub({ isOpen: false }, async (at) => {
    const ann = await stranger(at), invite = at.running.invite;
    const enrolled = (body: unknown) => anyone(at, "POST", "/v1/accounts", body);
    assertCode(await enrolled(ann.enrolBody()), "E_ACCESS");
    assertCode(await enrolled(ann.enrolBody("")), "E_ACCESS");
    assertCode(await enrolled(ann.enrolBody(`${invite}x`)), "E_ACCESS");
    assertCode(await ann.tryLogin(), "E_AUTH");
    const bob = await stranger(at);
    assertCode(
      await enrolled({ ...ann.enrolBody(invite), device: bob.enrolBody().device }),
      "E_SIGNATURE",
    );
    assertCode(
      await enrolled({ ...ann.enrolBody(invite), key: toBase64Url(bob.account) }),
      "E_SIGNATURE",
    );
    assertCode(await ann.tryLogin(), "E_AUTH", "nothing came of it");
    assert.equal((await enrolled(ann.enrolBody(invite))).status, 200);
    assert.equal((await enrolled(ann.enrolBody())).status, 200, "again changes nothing");
    assert.equal((await ann.tryLogin()).status, 200);
    assertCode(
      await anyone(at, "POST", "/v1/devices", {
        account: toBase64Url(bob.account),
        device: bob.enrolBody().device,
      }),
      "E_NOT_FOUND",
    );
  });
});
