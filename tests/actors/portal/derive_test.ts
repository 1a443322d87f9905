/**
 * Keys of views and links, messages of proofs, audit hashes: against vectors of another implementation.
 *
 * @module
 */
import assert from "node:assert/strict";
import { bech32 } from "@scure/base";
import { fromHex, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { auditHash } from "../../../actors/portal/audit.ts";
import {
  formatLink,
  formatSecret,
  linkKeys,
  looksLikeLink,
  parseLink,
  parseSecret,
} from "../../../actors/portal/link.ts";
import { formatProof, parseProof, requestMessage } from "../../../actors/portal/proof.ts";
import { hkdf, viewKey, writerDomain } from "../../../actors/portal/wrap.ts";
import { sha256 } from "@noble/hashes/sha2.js";
import vectors from "../../vectors/portal/derive.json" with { type: "json" };

const noHash = () => Promise.reject(new Error("no password here"));

Deno.test("keys of views and of writers are as specified", () => {
  const key = fromHex(vectors.epochKey);
  assert.equal(toHex(viewKey(key, fromHex(vectors.view))), vectors.viewKey);
  assert.equal(toHex(viewKey(key, null)), vectors.epochKey);
  assert.equal(toHex(hkdf(key, utf8("portal/name/v1"), 32)), vectors.nameKey);
  assert.equal(toHex(writerDomain(key)), vectors.writerDomain);
});

Deno.test("a link's secret gives its keys", async () => {
  const secret = parseSecret(vectors.linkSecret);
  assert.equal(toHex(secret.bytes), vectors.linkBytes);
  assert.equal(secret.needsPassword, false);
  assert.equal(formatSecret(secret), vectors.linkSecret);
  const keys = await linkKeys(secret, undefined, noHash);
  assert.equal(toHex(keys.authSeed), vectors.linkAuthSeed);
  const decoded = bech32.decode(keys.identity.toLowerCase() as `${string}1${string}`, false);
  assert.equal(toHex(bech32.fromWords(decoded.words)), vectors.linkIdentitySecret);
});

Deno.test("a password changes every key of a link, and is asked for", async () => {
  const secret = { needsPassword: true, bytes: fromHex(vectors.linkBytes) };
  const hash = (password: Uint8Array, salt: Uint8Array) =>
    Promise.resolve(sha256(new Uint8Array([...password, ...salt])));
  const plain = await linkKeys({ ...secret, needsPassword: false }, undefined, noHash);
  const one = await linkKeys(secret, utf8("one"), hash);
  const two = await linkKeys(secret, utf8("two"), hash);
  const seeds = new Set([plain, one, two].map(({ authSeed }) => toHex(authSeed)));
  const identities = new Set([plain, one, two].map(({ identity }) => identity));
  assert.deepEqual([seeds.size, identities.size], [3, 3]);
  const asked = linkKeys(secret, undefined, hash);
  await assert.rejects(asked, (error) => isWarpError(error, "E_KEY_NEEDED"));
});

Deno.test("links are read back as written, and nothing else is a link", () => {
  const link = {
    hub: "https://hub.example:8443",
    portal: fromHex(vectors.view),
    secret: { needsPassword: true, bytes: fromHex(vectors.linkBytes) },
  };
  const text = formatLink(link);
  assert.ok(looksLikeLink(text));
  assert.deepEqual(parseLink(text), link);
  assert.deepEqual(parseLink(` ${text.replace("#", "/#")}\n`), link);
  for (
    const wrong of [
      text.slice(0, -1),
      `${text}A`,
      text.replace("/p/", "/q/"),
      text.replace("#", "?"),
      text.replace("https", "ftp"),
      text.replace("hub.example", "user@hub.example"),
      text.replace(/#.*/, "#" + "_".repeat(23)),
    ]
  ) {
    assert.throws(() => parseLink(wrong), (error) => {
      const secret = formatSecret(link.secret).slice(4, 18);
      return isWarpError(error, "E_USAGE") && !error.message.includes(secret);
    }, wrong);
  }
  assert.equal(looksLikeLink("trip"), false);
});

Deno.test("a request's proof covers what it should, byte for byte", () => {
  const { token, timeMs, nonce, body, method, target } = vectors;
  const parts = {
    tokenHash: sha256(fromHex(token)),
    timeMs,
    nonce: fromHex(nonce),
    bodyHash: sha256(utf8(body)),
    method,
    target,
  };
  const message = requestMessage(parts);
  assert.equal(toHex(message), vectors.requestMessage);
  const others = [
    { ...parts, timeMs: timeMs + 1 },
    { ...parts, method: "PUT" },
    { ...parts, target: target + "2" },
    { ...parts, bodyHash: sha256(utf8(body + " ")) },
    { ...parts, tokenHash: sha256(fromHex(token.slice(2) + "00")) },
  ].map((one) => toHex(requestMessage(one)));
  assert.equal(new Set([vectors.requestMessage, ...others]).size, 6);
});

Deno.test("proofs are read back as written, and others refused", () => {
  const nonce = fromHex(vectors.nonce), signature = new Uint8Array(64).fill(7);
  const text = formatProof(vectors.timeMs, nonce, signature);
  assert.deepEqual(parseProof(text), { timeMs: vectors.timeMs, nonce, signature });
  for (const wrong of ["", text + "A", text.slice(1).replace(/^\d/, "-"), "1.2.3", `${text}.x`]) {
    assert.throws(() => parseProof(wrong), (error) => isWarpError(error, "E_AUTH"), wrong);
  }
});

Deno.test("audit entries are hashed as specified", () => {
  assert.equal(toHex(auditHash(vectors.auditText)), vectors.auditHash);
});
