/** @module Tests of actors/cipher/key_section.ts (docs/format.md §3). */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { decode, encode } from "@std/msgpack";
import { Encrypter, generateHybridIdentity, generateX25519Identity } from "age-encryption";
import { identityToRecipient } from "age-encryption";
import fc from "fast-check";
import assert from "node:assert/strict";
import { concat, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { type ErrorCode, isWarpError } from "../../../actors/base/errors.ts";
import { argon2idPortable } from "../../../actors/cipher/argon2.ts";
import { buildKeySection, keySorts, openKeySection } from "../../../actors/cipher/key_section.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => 200 - i);
const ID = Uint8Array.from({ length: 16 }, (_, i) => i * 3);
const OTHER_ID = new Uint8Array(16).fill(1);
const CHEAP = { memoryKiB: 8, passes: 1, lanes: 1 };
const PASSPHRASE = utf8("correct horse battery staple");

const IDENTITY = await generateX25519Identity();
const OTHER_IDENTITY = await generateX25519Identity();
const RECIPIENT = await identityToRecipient(IDENTITY);

const common = { archiveKey: KEY, archiveId: ID, argon2: CHEAP };
const SECTION = await buildKeySection({
  ...common,
  passphrase: PASSPHRASE,
  recipients: [RECIPIENT],
});

async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<Error> {
  let thrown: unknown;
  await promise.catch((error: unknown) => thrown = error);
  assert.ok(isWarpError(thrown, code), `expected ${code}, got ${thrown}`);
  return thrown;
}

Deno.test("openKeySection() returns the archive key to each who may have it", async () => {
  const ways = [
    { passphrase: PASSPHRASE, identities: [] },
    { identities: [IDENTITY] },
    { identities: [OTHER_IDENTITY, IDENTITY] },
    { passphrase: utf8("wrong"), identities: [IDENTITY] },
    { passphrase: PASSPHRASE, identities: [OTHER_IDENTITY] },
  ];
  for (const keys of ways) assert.deepEqual(await openKeySection(SECTION, ID, keys), KEY);
});

Deno.test("openKeySection() says E_KEY_NEEDED without a key, and which kinds would do", async () => {
  await rejects(openKeySection(SECTION, ID, { identities: [] }), "E_KEY_NEEDED");
  const only = await buildKeySection({ ...common, recipients: [RECIPIENT] });
  const error = await rejects(openKeySection(only, ID, { identities: [] }), "E_KEY_NEEDED");
  assert.equal((error as Error & { hint: string }).hint, "pass --identity FILE");
  assert.deepEqual(keySorts(only), { takesPassphrase: false, takesIdentity: true });
  assert.deepEqual(keySorts(SECTION), { takesPassphrase: true, takesIdentity: true });
});

Deno.test("openKeySection() says one thing, E_KEY_WRONG, whichever key did not fit", async () => {
  const wrong = { passphrase: utf8("wrong"), identities: [] };
  const attempts = [
    { id: ID, keys: wrong },
    { id: ID, keys: { identities: [OTHER_IDENTITY] } },
    { id: ID, keys: { ...wrong, identities: [OTHER_IDENTITY] } },
    // The right keys, but the section was moved to another archive.
    { id: OTHER_ID, keys: { passphrase: PASSPHRASE, identities: [IDENTITY] } },
  ];
  const messages = new Set<string>();
  for (const { id, keys } of attempts) {
    messages.add((await rejects(openKeySection(SECTION, id, keys), "E_KEY_WRONG")).message);
  }
  assert.deepEqual([...messages], ["no key given opens this archive"]);
});

Deno.test("openKeySection() opens what another implementation wrote by docs/format.md", async () => {
  const salt = new Uint8Array(16).fill(7);
  const nonce = new Uint8Array(12).fill(8);
  const params = { memoryKiB: 24, passes: 2, lanes: 3 };
  const stretched = await argon2idPortable(utf8("pässword"), salt, params);
  const kek = hkdf(sha256, stretched, ID, utf8("warp/archive/v1/passphrase"), 32);
  const aad = concat(utf8("warp/archive/v1/wrap"), ID);
  const wrapped = concat(nonce, chacha20poly1305(kek, nonce, aad).encrypt(KEY));
  const encrypter = new Encrypter();
  encrypter.addRecipient(RECIPIENT);
  const file = await encrypter.encrypt(concat(utf8("warp/archive/v1/age"), ID, KEY));
  const section = encode([
    ["a kind of later times", { any: ["thing", 1.5, null] }],
    ["argon2id", salt, 24, 2, 3, wrapped],
    ["age", file],
  ]);
  const passphrase = utf8("pässword");
  assert.deepEqual(await openKeySection(section, ID, { passphrase, identities: [] }), KEY);
  assert.deepEqual(await openKeySection(section, ID, { identities: [IDENTITY] }), KEY);
});

Deno.test("buildKeySection() writes exactly the stanzas of docs/format.md §3", () => {
  const stanzas = decode(SECTION) as unknown[][];
  assert.equal(stanzas.length, 2);
  const [kind, salt, memoryKiB, passes, lanes, wrapped] = stanzas[0]!;
  assert.deepEqual([kind, memoryKiB, passes, lanes], ["argon2id", 8, 1, 1]);
  assert.equal((salt as Uint8Array).length, 16);
  assert.equal((wrapped as Uint8Array).length, 60);
  assert.equal(stanzas[1]![0], "age");
  const file = new TextDecoder("latin1").decode(stanzas[1]![1] as Uint8Array);
  assert.ok(file.startsWith("age-encryption.org/v1\n-> X25519 "));
  assert.ok(!toHex(SECTION).includes(toHex(KEY)), "the archive key is not in the clear");
});

Deno.test("buildKeySection() never wraps the same way twice", async () => {
  const again = await buildKeySection({
    ...common,
    passphrase: PASSPHRASE,
    recipients: [RECIPIENT],
  });
  const part = (section: Uint8Array, index: number) =>
    (decode(section) as Uint8Array[][])[0]![index]!;
  assert.notDeepEqual(part(again, 1), part(SECTION, 1), "salt");
  assert.notDeepEqual(part(again, 5).subarray(0, 12), part(SECTION, 5).subarray(0, 12), "nonce");
});

Deno.test("buildKeySection() with no parameters uses 64 MiB, three passes, one lane", async () => {
  const section = await buildKeySection({
    archiveKey: KEY,
    archiveId: ID,
    passphrase: PASSPHRASE,
    recipients: [],
  });
  assert.deepEqual((decode(section) as unknown[][])[0]!.slice(2, 5), [65536, 3, 1]);
  const keys = { passphrase: PASSPHRASE, identities: [] };
  assert.deepEqual(await openKeySection(section, ID, keys), KEY);
});

Deno.test("buildKeySection() takes many recipients, post-quantum ones too, and no mixture", async () => {
  const identities = await Promise.all([1, 2, 3].map(() => generateX25519Identity()));
  const recipients = await Promise.all(identities.map((text) => identityToRecipient(text)));
  const section = await buildKeySection({ ...common, recipients });
  for (const identity of identities) {
    assert.deepEqual(await openKeySection(section, ID, { identities: [identity] }), KEY);
  }
  const hybrid = await generateHybridIdentity();
  const hybridRecipient = await identityToRecipient(hybrid);
  const quantum = await buildKeySection({ ...common, recipients: [hybridRecipient] });
  assert.deepEqual(await openKeySection(quantum, ID, { identities: [hybrid] }), KEY);
  const mixture = [RECIPIENT, hybridRecipient];
  await rejects(buildKeySection({ ...common, recipients: mixture }), "E_USAGE");
});

Deno.test("buildKeySection() refuses nobody, nonsense, and more than the format holds", async () => {
  await rejects(buildKeySection({ ...common, recipients: [] }), "E_USAGE");
  await rejects(buildKeySection({ ...common, recipients: ["age1nonsense"] }), "E_USAGE");
  await rejects(buildKeySection({ ...common, recipients: ["ssh-ed25519 AAAA"] }), "E_USAGE");
  const empty = buildKeySection({ ...common, passphrase: new Uint8Array(0), recipients: [] });
  await assert.rejects(empty, /invariant/);
});

Deno.test("openKeySection() refuses malformed sections with E_INTEGRITY, key or no key", async () => {
  const salt = new Uint8Array(16), wrapped = new Uint8Array(60);
  const malformed: [string, unknown][] = [
    ["no stanzas", []],
    ["not an array", { a: 1 }],
    ["a stanza that is no array", ["age"]],
    ["an empty stanza", [[]]],
    ["a kind that is no text", [[1, 2]]],
    ["65 stanzas", Array.from({ length: 65 }, () => ["later"])],
    ["short salt", [["argon2id", salt.subarray(1), 8, 1, 1, wrapped]]],
    ["short wrapped key", [["argon2id", salt, 8, 1, 1, wrapped.subarray(1)]]],
    ["a field too few", [["argon2id", salt, 8, 1, wrapped]]],
    ["a field too many", [["argon2id", salt, 8, 1, 1, wrapped, 0]]],
    ["no lanes", [["argon2id", salt, 8, 1, 0, wrapped]]],
    ["no passes", [["argon2id", salt, 8, 0, 1, wrapped]]],
    ["memory below 8 KiB a lane", [["argon2id", salt, 31, 1, 4, wrapped]]],
    ["more than 1 GiB", [["argon2id", salt, 1024 * 1024 + 1, 1, 1, wrapped]]],
    ["more than 64 passes", [["argon2id", salt, 8, 65, 1, wrapped]]],
    ["more than 16 lanes", [["argon2id", salt, 1024, 1, 17, wrapped]]],
    ["half a KiB", [["argon2id", salt, 8.5, 1, 1, wrapped]]],
    ["negative memory", [["argon2id", salt, -8, 1, 1, wrapped]]],
    ["text for a number", [["argon2id", salt, "8", 1, 1, wrapped]]],
    ["an age stanza without file", [["age"]]],
    ["an age stanza with text", [["age", "age-encryption.org/v1"]]],
  ];
  const keys = { passphrase: PASSPHRASE, identities: [IDENTITY] };
  const startedAt = performance.now();
  for (const [name, value] of malformed) {
    for (const given of [keys, { identities: [] }]) {
      const error = await rejects(openKeySection(encode(value), ID, given), "E_INTEGRITY");
      assert.ok(error.message.startsWith("the key section is malformed"), name);
    }
  }
  assert.ok(performance.now() - startedAt < 1000, "refused before any key derivation");
});

Deno.test("openKeySection() bounds the work of all passphrase stanzas together", async () => {
  const dear = ["argon2id", new Uint8Array(16), 1024 * 1024, 64, 1, new Uint8Array(60)];
  const startedAt = performance.now();
  const keys = { passphrase: PASSPHRASE, identities: [] };
  await rejects(openKeySection(encode([dear, dear]), ID, keys), "E_INTEGRITY");
  assert.ok(performance.now() - startedAt < 1000);
});

Deno.test("openKeySection() refuses bytes that are not MessagePack, or too many, or too few", async () => {
  const keys = { passphrase: PASSPHRASE, identities: [IDENTITY] };
  const inputs = [
    new Uint8Array(0),
    new Uint8Array(1024 * 1024 + 1),
    SECTION.subarray(0, SECTION.length - 1),
    concat(SECTION, Uint8Array.of(0)),
    Uint8Array.of(0xc1),
    // An array of 2^32 - 1 elements; a binary of 2^32 - 1 bytes; nested arrays for ever.
    Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(0x91, 0x92, 0xa3, 0x61, 0x67, 0x65, 0xc6, 0xff, 0xff, 0xff, 0xff),
    new Uint8Array(1024 * 1024).fill(0x91),
  ];
  for (const input of inputs) await rejects(openKeySection(input, ID, keys), "E_INTEGRITY");
});

Deno.test("openKeySection() never opens a section with a flipped bit in its only stanza", async () => {
  const section = await buildKeySection({ ...common, passphrase: PASSPHRASE, recipients: [] });
  const keys = { passphrase: PASSPHRASE, identities: [] };
  for (let bit = 0; bit < section.length * 8; bit++) {
    const flipped = section.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    // A flip may ask for more memory or passes, within the limits: legal, but slow to try.
    const stanza = fieldsOf(flipped);
    if (stanza !== undefined && Number(stanza[2]) * Number(stanza[3]) > 65536) continue;
    let code = "opened";
    await openKeySection(flipped, ID, keys).catch((error) => code = String(error.code));
    assert.ok(["E_KEY_WRONG", "E_INTEGRITY"].includes(code), `bit ${bit}: ${code}`);
  }
});

function fieldsOf(section: Uint8Array): unknown[] | undefined {
  try {
    return (decode(section) as unknown[][])[0];
  } catch {
    return undefined;
  }
}

Deno.test("openKeySection() throws nothing but WarpError, whatever the bytes", async () => {
  const damaged = fc.tuple(fc.nat(SECTION.length - 1), fc.nat(255)).map(([at, byte]) => {
    const section = SECTION.slice();
    section[at] = byte;
    return section;
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), async (section) => {
      try {
        const key = await openKeySection(section, ID, { identities: [IDENTITY] });
        assert.deepEqual(key, KEY);
      } catch (error) {
        assert.ok(isWarpError(error), String(error));
      }
    }),
    { numRuns: 300 },
  );
});
