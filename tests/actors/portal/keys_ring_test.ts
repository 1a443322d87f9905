/**
 * @module Tests of actors/portal/key_ring.ts against the rings in keys.json, which an independent
 * program made (tests/vectors/portal/keys.py), and against damage.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { encode } from "@std/msgpack";
import assert from "node:assert/strict";
import { concat, equal, fromHex, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { type ErrorCode, isWarpError } from "../../../actors/base/errors.ts";
import { AccountSecrets } from "../../../actors/portal/account_keys.ts";
import {
  encodeKeyRing,
  type KeyRing,
  newKeyRing,
  openKeyRing,
  readRingFile,
  RING_BYTES_MAX,
  type RingSealing,
} from "../../../actors/portal/key_ring.ts";
import { signRecord } from "../../../actors/portal/records.ts";

interface RingVector {
  at_ms: number;
  passphrase: string | null;
  salt: string;
  nonce: string;
  argon2: [number, number, number];
  file: string;
}

const { accounts, rings }: {
  accounts: { entropy: string; account: string }[];
  rings: [RingVector, RingVector, RingVector];
} = JSON.parse(Deno.readTextFileSync(new URL("../../vectors/portal/keys.json", import.meta.url)));

/** Cheap, because damage is tried byte by byte. */
const FAST = { memoryKiB: 64, passes: 2, lanes: 1 };
const PASSPHRASE = utf8("correct horse");

function sealingOf({ passphrase, salt, nonce, argon2 }: RingVector): RingSealing | undefined {
  if (passphrase === null) return undefined;
  const [memoryKiB, passes, lanes] = argon2;
  return {
    passphrase: utf8(passphrase),
    salt: fromHex(salt),
    nonce: fromHex(nonce),
    argon2: { memoryKiB, passes, lanes },
  };
}

async function ringOf(index: number, deviceNumber: number, atMs = 1): Promise<KeyRing> {
  const secrets = await AccountSecrets.fromEntropy(fromHex(accounts[index]!.entropy));
  const ring = await newKeyRing(secrets, deviceNumber, atMs);
  secrets.wipe();
  return ring;
}

const isCode = (...codes: ErrorCode[]) => (error: unknown) =>
  codes.some((c) => isWarpError(error, c));

/** With the digest made anew, as whoever tampers would. */
function withDigest(bytes: Uint8Array): Uint8Array {
  const body = bytes.subarray(0, -32);
  return concat(body, sha256(new Uint8Array(body)));
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

for (const [index, vector] of rings.entries()) {
  Deno.test(`ring ${index} of the vectors is written and opened, byte by byte`, async () => {
    const ring = await ringOf(0, 1, vector.at_ms);
    const bytes = await encodeKeyRing(ring, sealingOf(vector));
    assert.equal(toHex(bytes), vector.file);
    const file = readRingFile(fromHex(vector.file));
    assert.equal(file.isSealed, vector.passphrase !== null);
    assert.equal(toHex(file.about.account), accounts[0]!.account);
    const passphrase = vector.passphrase === null ? undefined : utf8(vector.passphrase);
    const { keys, ...about } = await openKeyRing(file, passphrase);
    const { keys: expected, ...expectedAbout } = ring;
    assert.deepEqual(about, expectedAbout);
    assert.deepEqual(keys.copySecrets(), expected.copySecrets());
  });
}

Deno.test("a ring is 64 MiB, three passes and one lane of Argon2id, unless told otherwise", async () => {
  const sealing = sealingOf(rings[2])!;
  const { passphrase, salt, nonce } = sealing;
  const bytes = await encodeKeyRing(await ringOf(0, 1, rings[2].at_ms), {
    passphrase,
    salt,
    nonce,
  });
  assert.equal(toHex(bytes), rings[2].file);
});

Deno.test("the public half tells account and device, and no secret is in a sealed file", async () => {
  const ring = await ringOf(2, 3, 1_800_000_000_000);
  const sealed = await encodeKeyRing(ring, sealingOf(rings[1]));
  const open = await encodeKeyRing(ring, undefined);
  const { about } = readRingFile(sealed);
  const { keys, ...expected } = ring;
  assert.deepEqual(about, expected);
  assert.equal(about.deviceNumber, 3);
  for (const secret of Object.values(keys.copySecrets()) as Uint8Array[]) {
    assert.ok(toHex(open).includes(toHex(secret)), "the test can see it");
    assert.ok(!toHex(sealed).includes(toHex(secret)));
  }
  for (const bytes of [sealed, open]) {
    assert.ok(!toHex(bytes).includes(accounts[2]!.entropy), "neither holds the account's entropy");
  }
});

Deno.test("a ring opens with its passphrase alone", async () => {
  const file = readRingFile(fromHex(rings[1].file));
  await assert.rejects(openKeyRing(file, undefined), isCode("E_KEY_NEEDED"));
  for (const wrong of ["correct hors", "correct horse ", "Correct horse", "x"]) {
    await assert.rejects(openKeyRing(file, utf8(wrong)), (error) => {
      assert.ok(isWarpError(error, "E_KEY_WRONG"));
      assert.ok(!/hors/i.test(`${error.message} ${error.hint} ${error.cause}`));
      return true;
    });
  }
});

Deno.test("any flipped bit of any ring is damage, seen without a passphrase", () => {
  for (const { file } of rings) {
    const bytes = fromHex(file);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      assert.throws(() => readRingFile(flipped(bytes, bit)), isCode("E_INTEGRITY"), `bit ${bit}`);
    }
  }
});

Deno.test("a flipped bit under a digest made anew is an error as well", async () => {
  const bytes = fromHex(rings[1].file);
  const end = bytes.length - 32;
  const codes = new Set<string>();
  for (let at = 0; at < end; at++) {
    const tampered = withDigest(flipped(bytes, at * 8 + at % 8));
    let caught: unknown;
    try {
      const file = readRingFile(tampered);
      // A header may ask for a gigabyte, which is allowed, and too slow for here.
      const { memoryKiB, passes } = costsOf(tampered);
      if (memoryKiB * passes > 4096) continue;
      await openKeyRing(file, PASSPHRASE);
    } catch (error) {
      caught = error;
    }
    assert.ok(isCode("E_INTEGRITY", "E_KEY_WRONG", "E_VERSION")(caught), `byte ${at}: ${caught}`);
    codes.add((caught as { code: string }).code);
  }
  assert.deepEqual([...codes].sort(), ["E_INTEGRITY", "E_KEY_WRONG", "E_VERSION"]);
});

function costsOf(bytes: Uint8Array): { memoryKiB: number; passes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { memoryKiB: view.getUint32(12, true), passes: view.getUint32(16, true) };
}

Deno.test("a cut or a longer file is damage, also under a digest made anew", () => {
  for (const { file } of rings) {
    const bytes = fromHex(file);
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      assert.throws(() => readRingFile(cut), isCode("E_INTEGRITY"));
      if (length >= 32) assert.throws(() => readRingFile(withDigest(cut)), isCode("E_INTEGRITY"));
    }
    for (const more of [1, 16, 100_000]) {
      const longer = concat(bytes, new Uint8Array(more));
      assert.throws(() => readRingFile(longer), isCode("E_INTEGRITY"));
      assert.throws(() => readRingFile(withDigest(longer)), isCode("E_INTEGRITY"));
    }
  }
  assert.throws(() => readRingFile(new Uint8Array(RING_BYTES_MAX + 1)), isCode("E_INTEGRITY"));
});

Deno.test("costs beyond the limits are refused before anything is computed", () => {
  const bytes = fromHex(rings[1].file);
  const cases: [number, number][] = [
    [12, 0],
    [12, 7],
    [12, 2 ** 20 + 1],
    [12, 2 ** 32 - 1],
    [16, 0],
    [16, 65],
    [20, 0],
    [20, 17],
    [20, 9],
  ];
  for (const [at, value] of cases) {
    const hostile = bytes.slice();
    new DataView(hostile.buffer).setUint32(at, value, true);
    assert.throws(
      () => readRingFile(withDigest(hostile)),
      isCode("E_INTEGRITY"),
      `${at}: ${value}`,
    );
  }
});

Deno.test("a ring of a later version says so", () => {
  const bytes = fromHex(rings[0].file);
  bytes[8] = 2;
  assert.throws(() => readRingFile(withDigest(bytes)), isCode("E_VERSION"));
});

/** A ring's file around another public part. */
function withPublicPart(bytes: Uint8Array, part: Uint8Array): Uint8Array {
  const front = bytes.slice(0, 56);
  const length = new DataView(bytes.buffer).getUint32(52, true);
  new DataView(front.buffer).setUint32(52, part.length, true);
  return withDigest(concat(front, part, bytes.subarray(56 + length)));
}

Deno.test("records of others, of other kinds and without the account's signature are refused", async () => {
  const mine = await ringOf(0, 1), other = await ringOf(1, 1), second = await ringOf(0, 2);
  const bytes = await encodeKeyRing(mine, undefined);
  const { accountRecord: a, deviceRecord: d } = mine;
  const part = (...items: unknown[]) => withPublicPart(bytes, encode(items));
  assert.ok(equal(part(a.bytes, a.signature, d.bytes, d.signature), bytes), "the test can succeed");
  const byDevice = signRecord("device", {
    account: mine.account,
    number: 1,
    device: mine.device,
    recipient: mine.deviceRecipient,
    atMs: 1,
  }, (message) => mine.keys.sign(message));
  const wrong = [
    part(),
    part(a.bytes, a.signature),
    part(a.bytes, a.signature, d.bytes, d.signature, 1),
    part(a.bytes, a.signature, a.bytes, a.signature),
    part(d.bytes, d.signature, a.bytes, a.signature),
    part(a.bytes, d.signature, d.bytes, a.signature),
    part(a.bytes, a.signature, byDevice.bytes, byDevice.signature),
    part(a.bytes, a.signature, other.deviceRecord.bytes, other.deviceRecord.signature),
    part(other.accountRecord.bytes, other.accountRecord.signature, d.bytes, d.signature),
    part(a.bytes, a.signature.subarray(1), d.bytes, d.signature),
    part("text", a.signature, d.bytes, d.signature),
    part([[[[a.bytes]]]], a.signature, d.bytes, d.signature),
    withPublicPart(bytes, Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)),
    withPublicPart(bytes, new Uint8Array(0)),
    withPublicPart(bytes, new Uint8Array(20_000)),
  ];
  for (const [index, one] of wrong.entries()) {
    assert.throws(() => readRingFile(one), isCode("E_INTEGRITY"), `case ${index}`);
  }
  // All signed, but for another device than the one whose secrets follow.
  const { accountRecord: b, deviceRecord: e } = second;
  const swapped = readRingFile(part(b.bytes, b.signature, e.bytes, e.signature));
  assert.equal(swapped.about.deviceNumber, 2);
  await assert.rejects(openKeyRing(swapped, undefined), isCode("E_INTEGRITY"));
});

Deno.test("encodeKeyRing() refuses an empty passphrase, and salts and nonces of other lengths", async () => {
  const ring = await ringOf(0, 1);
  const fine = {
    passphrase: PASSPHRASE,
    salt: new Uint8Array(16),
    nonce: new Uint8Array(12),
    argon2: FAST,
  };
  await encodeKeyRing(ring, fine);
  const wrong: Partial<RingSealing>[] = [
    { passphrase: new Uint8Array(0) },
    { salt: new Uint8Array(15) },
    { nonce: new Uint8Array(16) },
    { argon2: { memoryKiB: 2 ** 30, passes: 1, lanes: 1 } },
  ];
  for (const one of wrong) {
    await assert.rejects(encodeKeyRing(ring, { ...fine, ...one }), /invariant/);
  }
});
