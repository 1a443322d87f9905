/** @module Tests of actors/cipher/signature.ts and public_keys.ts. */
import { createPublicKey, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import assert from "node:assert/strict";
import { concat, fromHex, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { isAgeRecipient, isSmallOrder } from "../../../actors/cipher/public_keys.ts";
import {
  createSigner,
  formatSigner,
  parseSigner,
  verifySignature,
} from "../../../actors/cipher/signature.ts";

Deno.test("createSigner() reproduces RFC 8032 §7.1, tests 1 to 3", () => {
  const vectors = [
    [
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
  ] as const;
  for (const [seed, publicKey, message, signature] of vectors) {
    const signer = createSigner(fromHex(seed));
    assert.equal(toHex(signer.publicKey), publicKey);
    assert.equal(toHex(signer.sign(fromHex(message))), signature);
    assert.ok(verifySignature(signer.publicKey, fromHex(message), fromHex(signature)));
  }
});

Deno.test("verifySignature() is false after any one flipped bit", () => {
  const signer = createSigner(new Uint8Array(32).fill(5));
  const message = utf8("the root");
  const signature = signer.sign(message);
  const flips: [string, Uint8Array][] = [
    ["key", signer.publicKey],
    ["message", message],
    ["signature", signature],
  ];
  for (const [name, part] of flips) {
    for (let bit = 0; bit < part.length * 8; bit++) {
      part[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(verifySignature(signer.publicKey, message, signature), false, `${name} ${bit}`);
      part[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
  assert.ok(verifySignature(signer.publicKey, message, signature));
});

Deno.test("verifySignature() is false for wrong lengths and for keys off the curve", () => {
  const signer = createSigner(new Uint8Array(32).fill(5));
  const signature = signer.sign(utf8("m"));
  assert.equal(verifySignature(signer.publicKey.subarray(1), utf8("m"), signature), false);
  assert.equal(verifySignature(signer.publicKey, utf8("m"), signature.subarray(1)), false);
  const offCurve = fromHex("02" + "00".repeat(31));
  assert.equal(verifySignature(offCurve, utf8("m"), signature), false);
});

Deno.test("verifySignature() refuses keys under which anyone can sign, though OpenSSL would not", () => {
  const small = [
    "00".repeat(32),
    "01" + "00".repeat(31),
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ec" + "ff".repeat(30) + "7f",
    "00".repeat(31) + "80",
  ];
  // R = identity, S = 0: valid for every message whose challenge is a multiple of the key's order.
  const forged = concat(fromHex("01" + "00".repeat(31)), new Uint8Array(32));
  let acceptedByOpenSsl = 0;
  for (const hex of small) {
    const der = Buffer.from("302a300506032b6570032100" + hex, "hex");
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    for (let i = 0; i < 200; i++) {
      const message = utf8(`message ${i}`);
      if (!verify(null, message, key, forged)) continue;
      acceptedByOpenSsl++;
      assert.equal(verifySignature(fromHex(hex), message, forged), false);
    }
    assert.ok(isSmallOrder(fromHex(hex)));
    assert.throws(() => parseSigner(formatSigner(fromHex(hex))), (e) => isWarpError(e, "E_USAGE"));
  }
  assert.ok(acceptedByOpenSsl > 200, "the forgery is real, so the refusal is ours");
});

Deno.test("parseSigner() undoes formatSigner(), and refuses everything else", () => {
  const { publicKey } = createSigner(new Uint8Array(32).fill(9));
  const text = formatSigner(publicKey);
  assert.match(text, /^warpsig1[02-9ac-hj-np-z]{58}$/);
  assert.deepEqual(parseSigner(text), publicKey);
  const age = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
  const wrong = ["", "warpsig1", text.slice(0, -1), text.slice(0, -1) + "b", age, "x".repeat(9999)];
  for (const item of wrong) {
    assert.throws(() => parseSigner(item), (error) => isWarpError(error, "E_USAGE"), item);
  }
});

Deno.test("parseSigner() finds any one changed character", () => {
  const text = formatSigner(createSigner(new Uint8Array(32).fill(9)).publicKey);
  const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  fc.assert(
    fc.property(fc.integer({ min: 8, max: text.length - 1 }), fc.nat(31), (at, letter) => {
      const changed = text.slice(0, at) + letters[letter] + text.slice(at + 1);
      if (changed === text) return;
      assert.throws(() => parseSigner(changed), (error) => isWarpError(error, "E_USAGE"));
    }),
  );
});

Deno.test("isAgeRecipient() knows intact recipients", () => {
  const intact = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
  assert.ok(isAgeRecipient(intact));
  const warp = formatSigner(createSigner(new Uint8Array(32).fill(9)).publicKey);
  for (const text of ["", "age1", intact.slice(1), intact.slice(0, -1), warp, "a".repeat(99999)]) {
    assert.equal(isAgeRecipient(text), false, text.slice(0, 80));
  }
});
