/**
 * @module Tests of actors/portal/{derive,account_id,account_keys}.ts against keys.json, which an
 * independent program made (tests/vectors/portal/keys.py).
 */
import { bech32 } from "@scure/base";
import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import assert from "node:assert/strict";
import { fromHex, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { ageDecrypt, ageEncrypt } from "../../../actors/cipher/age_file.ts";
import { formatSigner, verifySignature } from "../../../actors/cipher/signature.ts";
import { formatAccount, parseAccount } from "../../../actors/portal/account_id.ts";
import { AccountSecrets, DeviceKeys } from "../../../actors/portal/account_keys.ts";
import * as derive from "../../../actors/portal/derive.ts";
import { DEVICE_NUMBER_MAX, isDeviceNumber } from "../../../actors/portal/device_number.ts";
import { seedOfEntropy, wordsOfEntropy } from "../../../actors/portal/words.ts";

interface DeviceVector {
  number: number;
  signing_seed: string;
  key: string;
  encryption_secret: string;
  identity: string;
  recipient: string;
}

interface AccountVector {
  entropy: string;
  words: string;
  seed: string;
  signing_seed: string;
  account: string;
  account_id: string;
  encryption_secret: string;
  identity: string;
  recipient: string;
  convergence_secret: string;
  devices: DeviceVector[];
}

const { accounts }: { accounts: AccountVector[] } = JSON.parse(
  Deno.readTextFileSync(new URL("../../vectors/portal/keys.json", import.meta.url)),
);

Deno.test("words, seeds and derived keys are those of the vectors", async () => {
  assert.equal(accounts.length, 4);
  for (const one of accounts) {
    assert.equal(wordsOfEntropy(fromHex(one.entropy)), one.words);
    const seed = await seedOfEntropy(fromHex(one.entropy));
    assert.equal(toHex(seed), one.seed);
    assert.equal(toHex(derive.accountSigningSeed(seed)), one.signing_seed);
    assert.equal(toHex(derive.accountIdentitySecret(seed)), one.encryption_secret);
    assert.equal(toHex(derive.convergenceSecret(seed)), one.convergence_secret);
    for (const { number, signing_seed, encryption_secret } of one.devices) {
      assert.equal(toHex(derive.deviceSigningSeed(seed, number)), signing_seed);
      assert.equal(toHex(derive.deviceIdentitySecret(seed, number)), encryption_secret);
    }
  }
});

Deno.test("AccountSecrets and DeviceKeys have the vectors' public halves and identities", async () => {
  for (const one of accounts) {
    const secrets = await AccountSecrets.fromWords(one.words);
    assert.equal(toHex(secrets.account), one.account);
    assert.equal(formatAccount(secrets.account), one.account_id);
    assert.equal(secrets.recipient, one.recipient);
    assert.equal(secrets.identity, one.identity);
    for (const device of one.devices) {
      const keys = await secrets.device(device.number);
      assert.equal(toHex(keys.publicKey), device.key);
      assert.equal(keys.recipient, device.recipient);
      assert.equal(keys.identity, device.identity);
      assert.equal(toHex(keys.convergenceSecret), one.convergence_secret);
      const copy = keys.copySecrets();
      assert.equal(toHex(copy.signingSeed), device.signing_seed);
      assert.equal(toHex(copy.identitySecret), device.encryption_secret);
      assert.equal(toHex(copy.convergenceSecret), one.convergence_secret);
    }
  }
});

Deno.test("what they sign and open is theirs", async () => {
  const one = accounts[2]!;
  const secrets = await AccountSecrets.fromEntropy(fromHex(one.entropy));
  const message = utf8("portal/record/v1\0and so on");
  for (
    const [signer, seed] of [
      [secrets, one.signing_seed],
      [await secrets.device(3), one.devices[1]!.signing_seed],
    ] as const
  ) {
    const signature = signer.sign(message);
    assert.deepEqual(signature, new Uint8Array(ed25519.sign(message, fromHex(seed))));
    const key = signer instanceof DeviceKeys ? signer.publicKey : signer.account;
    assert.ok(verifySignature(key, message, signature));
    assert.ok(!verifySignature(key, utf8("something else"), signature));
    const file = await ageEncrypt(utf8("wrap"), [signer.recipient]);
    assert.deepEqual(await ageDecrypt(file, [signer.identity]), utf8("wrap"));
    assert.equal(await ageDecrypt(file, [accounts[1]!.identity]), undefined);
  }
});

Deno.test("no two keys of an account are the same", async () => {
  const secrets = await AccountSecrets.fromEntropy(fromHex(accounts[3]!.entropy));
  const devices = await Promise.all([1, 2, 3, 11, 111].map((number) => secrets.device(number)));
  const keys = devices.flatMap((keys) => {
    const { signingSeed, identitySecret } = keys.copySecrets();
    return [signingSeed, identitySecret, keys.publicKey].map(toHex);
  });
  keys.push(toHex(secrets.account), toHex(devices[0]!.convergenceSecret));
  assert.equal(new Set(keys).size, 5 * 3 + 2);
  const shared = new Set(devices.map((keys) => toHex(keys.convergenceSecret)));
  assert.equal(shared.size, 1, "the convergence secret is the account's");
});

Deno.test("after wipe() every use is an error, and copies made before still hold", async () => {
  const secrets = await AccountSecrets.fromEntropy(fromHex(accounts[0]!.entropy));
  const keys = await secrets.device(1);
  const again = await DeviceKeys.create(keys.copySecrets());
  const copy = keys.copySecrets();
  secrets.wipe();
  keys.wipe();
  assert.throws(() => secrets.sign(utf8("x")), /wiped/);
  assert.throws(() => secrets.identity, /wiped/);
  await assert.rejects(secrets.device(1), /wiped/);
  assert.throws(() => keys.sign(utf8("x")), /wiped/);
  assert.throws(() => keys.identity, /wiped/);
  assert.throws(() => keys.convergenceSecret, /wiped/);
  assert.throws(() => keys.copySecrets(), /wiped/);
  assert.equal(toHex(copy.signingSeed), accounts[0]!.devices[0]!.signing_seed);
  assert.equal(again.identity, accounts[0]!.devices[0]!.identity);
});

Deno.test("DeviceKeys.create() copies: the caller may wipe what it gave", async () => {
  const { signing_seed, encryption_secret, identity } = accounts[0]!.devices[0]!;
  const given = {
    signingSeed: fromHex(signing_seed),
    identitySecret: fromHex(encryption_secret),
    convergenceSecret: fromHex(accounts[0]!.convergence_secret),
  };
  const keys = await DeviceKeys.create(given);
  for (const bytes of Object.values(given)) bytes.fill(0);
  assert.equal(keys.identity, identity);
  assert.equal(toHex(keys.convergenceSecret), accounts[0]!.convergence_secret);
  keys.convergenceSecret.fill(0);
  assert.equal(toHex(keys.convergenceSecret), accounts[0]!.convergence_secret);
});

Deno.test("printing keys shows no secret", async () => {
  const one = accounts[0]!;
  const secrets = await AccountSecrets.fromEntropy(fromHex(one.entropy));
  const keys = await secrets.device(1);
  const text = [secrets, keys].map((value) =>
    Deno.inspect(value, { depth: 9 }) + JSON.stringify(value)
  )
    .join("\n");
  assert.ok(text.includes(one.recipient), "the public half is shown");
  assert.ok(!/AGE-SECRET-KEY/i.test(text));
  const numbers = (hex: string) => [...fromHex(hex)].slice(0, 8).join(", ");
  for (
    const hex of [one.seed, one.signing_seed, one.convergence_secret, one.devices[0]!.signing_seed]
  ) {
    assert.ok(!text.includes(numbers(hex)) && !text.includes(hex));
  }
});

Deno.test("device numbers are whole numbers from 1 to 2^31", async () => {
  for (const number of [1, 2, DEVICE_NUMBER_MAX]) assert.ok(isDeviceNumber(number));
  const secrets = await AccountSecrets.fromEntropy(new Uint8Array(32));
  for (const number of [0, -1, 1.5, NaN, Infinity, DEVICE_NUMBER_MAX + 1]) {
    assert.ok(!isDeviceNumber(number));
    await assert.rejects(secrets.device(number), /device numbers/);
  }
});

Deno.test("parseAccount() reads what formatAccount() writes, in lower and in upper case", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      bytes[0]! |= 2; // not one of the points that anyone can sign for
      const text = formatAccount(bytes);
      assert.match(text, /^portal1[02-9ac-hj-np-z]{58}$/);
      assert.deepEqual(parseAccount(text), new Uint8Array(bytes));
      assert.deepEqual(parseAccount(text.toUpperCase()), new Uint8Array(bytes));
    }),
    { numRuns: 200 },
  );
});

Deno.test("parseAccount() refuses everything else", () => {
  const text = accounts[0]!.account_id;
  const wrong = [
    "",
    "portal1",
    text.slice(0, -1),
    text + "q",
    text.slice(0, 20) + text.slice(20).toUpperCase(),
    " " + text,
    text.replace("portal", "portel"),
    formatSigner(fromHex(accounts[0]!.account)),
    accounts[0]!.recipient,
    bech32.encodeFromBytes("portal", new Uint8Array(31).fill(9)),
    bech32.encodeFromBytes("portal", new Uint8Array(33).fill(9)),
    formatAccount(new Uint8Array(32)), // a point of small order
    "portal1" + "q".repeat(100_000),
  ];
  for (let at = 0; at < text.length; at++) {
    wrong.push(text.slice(0, at) + (text[at] === "q" ? "p" : "q") + text.slice(at + 1));
  }
  for (const one of wrong) {
    assert.throws(
      () => parseAccount(one),
      (error) => isWarpError(error, "E_USAGE"),
      one.slice(0, 90),
    );
  }
});
