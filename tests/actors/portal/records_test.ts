/**
 * Signed records, wraps, sealed names, reasons and groups: what is read back, and what is refused.
 *
 * @module
 */
import assert from "node:assert/strict";
import { encode } from "@std/msgpack";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import * as fc from "fast-check";
import { isWarpError } from "../../../actors/base/errors.ts";
import { createSigner, verifySignature } from "../../../actors/cipher/signature.ts";
import { unwrapGroup, wrapGroup } from "../../../actors/portal/groups.ts";
import { openReason, sealReason } from "../../../actors/portal/reasons.ts";
import {
  isSignedBy,
  LEVELS,
  readRecord,
  type RecordKind,
  type Records,
  type Signed,
  signRecord,
} from "../../../actors/portal/records.ts";
import { openName, sealName, unwrapKeys, wrapKeys } from "../../../actors/portal/wrap.ts";

const bytes = (length: number, fill: number) => new Uint8Array(length).fill(fill);
const id = bytes(16, 1), key = bytes(32, 2), atMs = 1_790_000_000_000;
const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const signer = createSigner(bytes(32, 9));

const SAMPLES: { [Kind in RecordKind]: Records[Kind] } = {
  account: { account: key, recipient, atMs },
  device: { account: key, number: 3, device: bytes(32, 4), recipient, atMs },
  retire: { account: key, number: 3, atMs },
  group: { group: key, account: bytes(32, 5), recipient, sealedName: bytes(80, 6), atMs },
  portal: { portal: id, account: key, atMs },
  settings: { portal: id, sequence: 4, sealedName: bytes(92, 1), policy: "{}", atMs },
  grant: {
    portal: id,
    grant: bytes(16, 7),
    kind: "link",
    grantee: key,
    level: "read",
    view: bytes(16, 8),
    expiresMs: null,
    downloads: 1,
    sealedNote: bytes(92, 2),
    atMs,
  },
  revoke: { portal: id, grants: [bytes(16, 7)], epoch: 2, atMs },
  version: {
    portal: id,
    sequence: 1,
    epoch: 1,
    before: bytes(32, 0),
    heads: [{ view: null, head: key }, { view: id, head: bytes(32, 3) }],
    packs: key,
    atMs,
  },
};
const KINDS = Object.keys(SAMPLES) as RecordKind[];

function signed(kind: RecordKind): Signed {
  return signRecord(kind, SAMPLES[kind] as never, (message) => signer.sign(message));
}

for (const kind of KINDS) {
  Deno.test(`a ${kind} record is read back as signed, and is no other kind`, () => {
    const record = signed(kind);
    assert.deepEqual(readRecord(kind, record), SAMPLES[kind]);
    assert.ok(isSignedBy(record, signer.publicKey, verifySignature));
    assert.ok(!isSignedBy(record, createSigner(bytes(32, 8)).publicKey, verifySignature));
    for (const other of KINDS) {
      if (other !== kind) assert.throws(() => readRecord(other, record), isProtocol);
    }
  });
}

function isProtocol(error: unknown): boolean {
  return isWarpError(error, "E_PROTOCOL");
}

Deno.test("a changed record is another one: its signature no longer fits", () => {
  for (const kind of KINDS) {
    const record = signed(kind);
    for (let i = 0; i < record.bytes.length; i += 7) {
      const changed = new Uint8Array(record.bytes);
      changed[i]! ^= 1;
      const other = { ...record, bytes: changed };
      assert.ok(!isSignedBy(other, signer.publicKey, verifySignature), `${kind} ${i}`);
    }
  }
});

Deno.test("a signature over a record says nothing of a bare message", () => {
  const record = signed("portal");
  const bare = { ...record, signature: new Uint8Array(signer.sign(record.bytes)) };
  assert.ok(!isSignedBy(bare, signer.publicKey, verifySignature));
});

Deno.test("noise and records with other fields are refused with E_PROTOCOL", () => {
  fc.assert(fc.property(
    fc.constantFrom(...KINDS),
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.constantFrom(...KINDS), fc.array(fc.jsonValue(), { maxLength: 10 }))
        .map(([kind, items]) => encode([kind, ...items])),
    ),
    (kind, noise) => {
      assert.throws(() => readRecord(kind, { bytes: new Uint8Array(noise) }), isProtocol);
    },
  ));
  const wrong: [RecordKind, unknown[]][] = [
    ["portal", [id, key]],
    ["portal", [id, key, -1]],
    ["portal", [id, key, 1.5]],
    ["portal", [id.subarray(1), key, atMs]],
    ["portal", [id, key, atMs, 0]],
    ["device", [key, 0, key, recipient, atMs]],
    ["device", [key, 1, key, recipient.toUpperCase(), atMs]],
    ["grant", [id, id, 3, key, 1, null, [null, null], id, atMs]],
    ["grant", [id, id, 0, key, LEVELS.length, null, [null, null], id, atMs]],
    ["settings", [id, 0, bytes(5000, 0), "", atMs]],
    ["version", [id, 0, 1, key, [], key, atMs]],
  ];
  for (const [kind, items] of wrong) {
    const record = { bytes: encode([kind, ...items]) };
    assert.throws(() => readRecord(kind, record), isProtocol, JSON.stringify(items));
  }
});

Deno.test("names come back with their key, for their portal, and lengths tell little", () => {
  const sizes = new Set<number>();
  fc.assert(fc.property(
    fc.string({ unit: "grapheme", maxLength: 60 }).filter((text) => !text.includes("\0")),
    (name) => {
      const sealed = sealName(name, key, id, bytes(12, 3));
      sizes.add(sealed.length);
      assert.equal(openName(sealed, key, id), name);
      assert.equal(openName(sealed, bytes(32, 3), id), undefined);
      assert.equal(openName(sealed, key, bytes(16, 2)), undefined);
    },
  ));
  for (const size of sizes) assert.equal((size - 28) % 64, 0);
  assert.equal(openName(new Uint8Array(5), key, id), undefined);
});

Deno.test("wraps open for their recipients alone, and for their portal alone", async () => {
  const [mine, other] = [await generateX25519Identity(), await generateX25519Identity()];
  const keys = {
    portal: id,
    grant: bytes(16, 4),
    owner: key,
    view: null,
    epochs: [{ epoch: 1, key: bytes(32, 5) }, { epoch: 3, key: bytes(32, 6) }],
  };
  const wrap = await wrapKeys(keys, [await identityToRecipient(mine)]);
  assert.deepEqual(await unwrapKeys(wrap, [other, mine], id), keys);
  const isWrongKey = (error: unknown) => isWarpError(error, "E_KEY_WRONG");
  await assert.rejects(unwrapKeys(wrap, [other], id), isWrongKey);
  await assert.rejects(unwrapKeys(wrap.subarray(1), [mine], id), isWrongKey);
  const isDamage = (error: unknown) => isWarpError(error, "E_INTEGRITY");
  await assert.rejects(unwrapKeys(wrap, [mine], bytes(16, 2)), isDamage);
  const falling = { ...keys, epochs: [...keys.epochs].reverse() };
  const wrong = await wrapKeys(falling, [await identityToRecipient(mine)]);
  await assert.rejects(unwrapKeys(wrong, [mine], id), isDamage);
});

Deno.test("reasons and groups open for whom they are meant, and as what they are", async () => {
  const [mine, other] = [await generateX25519Identity(), await generateX25519Identity()];
  const to = [await identityToRecipient(mine)];
  const reason = await sealReason("one file is missing", id, to);
  assert.equal(await openReason(reason, id, [mine]), "one file is missing");
  assert.equal(await openReason(reason, bytes(16, 2), [mine]), undefined);
  assert.equal(await openReason(reason, id, [other]), undefined);
  const group = await wrapGroup(key, { identity: other, name: "team" }, to);
  assert.deepEqual(await unwrapGroup(group, [mine], key), { identity: other, name: "team" });
  assert.equal(await unwrapGroup(group, [mine], bytes(32, 3)), undefined);
  assert.equal(await unwrapGroup(reason, [mine], key), undefined);
  assert.equal(await openReason(group, id, [mine]), undefined);
});
