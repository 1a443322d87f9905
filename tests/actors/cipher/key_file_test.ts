/** @module Tests of actors/cipher/key_file.ts, with the `age` program where it is installed. */
import { bech32 } from "@scure/base";
import { generateHybridIdentity } from "age-encryption";
import assert from "node:assert/strict";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { equal, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { type ErrorCode, isWarpError } from "../../../actors/base/errors.ts";
import {
  defaultKeyFile,
  newKeyFile,
  parseIdentities,
  publicKeysOf,
  readKeyFile,
  readSigner,
  signerOfIdentity,
  writeKeyFile,
} from "../../../actors/cipher/key_file.ts";
import { buildKeySection, openKeySection } from "../../../actors/cipher/key_section.ts";
import { createSigner } from "../../../actors/cipher/signature.ts";
import { decode } from "@std/msgpack";

// An identity that is public already, from the tests of age implementations.
const IDENTITY = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const CREATED_AT = new Date("2026-01-02T03:04:05.678Z");

function throws(fn: () => unknown, code: ErrorCode): void {
  assert.throws(fn, (error) => isWarpError(error, code));
}

Deno.test("signerOfIdentity() derives the signing key from the identity's 32 secret bytes", () => {
  const secret = bech32.decodeToBytes(IDENTITY).bytes;
  const seed = hkdf(sha256, secret, new Uint8Array(0), utf8("warp/key/sign/v1"), 32);
  const signer = signerOfIdentity(IDENTITY);
  assert.deepEqual(signer.publicKey, createSigner(seed).publicKey);
  assert.notEqual(toHex(seed), toHex(secret), "not the decryption key itself");
});

Deno.test("newKeyFile() writes an age identity file that readKeyFile() reads back", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/deep/er/key.txt`;
  const { text, keys } = await newKeyFile(CREATED_AT);
  writeKeyFile(path, text);
  const lines = text.split("\n");
  assert.equal(lines[0], "# created: 2026-01-02T03:04:05Z");
  assert.equal(lines[1], `# public key: ${keys.recipient}`);
  assert.equal(lines[2], `# signing key: ${keys.signer}`);
  const { identities, isExposed } = readKeyFile(path);
  assert.deepEqual(identities, [lines[3]]);
  assert.equal(isExposed, false);
  assert.deepEqual(await publicKeysOf(identities[0]!), keys);
  assert.equal(readSigner(path).publicKey.length, 32);
  if (Deno.build.os !== "windows") {
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(`${folder}/deep`).mode! & 0o777, 0o700);
    Deno.chmodSync(path, 0o640);
    assert.equal(readKeyFile(path).isExposed, true);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("newKeyFile() never makes the same key twice", async () => {
  const texts = await Promise.all([1, 2, 3, 4].map(() => newKeyFile(CREATED_AT)));
  assert.equal(new Set(texts.map(({ keys }) => keys.recipient)).size, 4);
  assert.equal(new Set(texts.map(({ keys }) => keys.signer)).size, 4);
});

Deno.test("writeKeyFile() never overwrites, not even through a link", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/key.txt`;
  writeKeyFile(path, "precious");
  throws(() => writeKeyFile(path, "other"), "E_EXISTS");
  Deno.symlinkSync(`${folder}/elsewhere`, `${folder}/link`);
  throws(() => writeKeyFile(`${folder}/link`, "other"), "E_EXISTS");
  assert.equal(Deno.readTextFileSync(path), "precious");
  throws(() => writeKeyFile(`${path}/below/a/file`, "x"), "E_IO");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("parseIdentities() reads comments, blank lines, CRLF and several identities", async () => {
  const hybrid = await generateHybridIdentity();
  const text = `# a comment\r\n\r\n${IDENTITY}\r\n  ${hybrid}  \n#end`;
  assert.deepEqual(parseIdentities(text, "f"), [IDENTITY, hybrid]);
});

Deno.test("parseIdentities() refuses other files and repeats none of their content", () => {
  const files = [
    "",
    "# only a comment\n",
    "hunter2\n",
    IDENTITY.slice(0, -1),
    IDENTITY.slice(0, -1) + "A",
    IDENTITY.toLowerCase(),
    "AGE-SECRET-KEY-1",
    "AGE-PLUGIN-YUBIKEY-1QQPQSQQZQ",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n",
    "age-encryption.org/v1\n-> scrypt hunter2",
    "-----BEGIN AGE ENCRYPTED FILE-----\nhunter2\n",
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    `${IDENTITY}\n`.repeat(1025),
  ];
  for (const file of files) {
    assert.throws(() => parseIdentities(file, "some/path"), (error) => {
      assert.ok(isWarpError(error, "E_CONFIG"));
      const said = `${error.message} ${error.hint} ${JSON.stringify(error.details)}`;
      assert.ok(!/hunter2|GQ9778|QQPQSQQZQ/i.test(said), said);
      return true;
    }, file.slice(0, 40));
  }
});

Deno.test("readKeyFile() explains what it cannot read", async () => {
  const folder = await Deno.makeTempDir();
  throws(() => readKeyFile(`${folder}/missing`), "E_NOT_FOUND");
  throws(() => readKeyFile(folder), "E_CONFIG");
  Deno.writeFileSync(`${folder}/large`, new Uint8Array(1024 * 1024 + 1));
  throws(() => readKeyFile(`${folder}/large`), "E_CONFIG");
  throws(() => readKeyFile("/dev/zero"), "E_CONFIG");
  Deno.writeFileSync(`${folder}/binary`, Uint8Array.of(0xff, 0x00, 0xfe));
  throws(() => readKeyFile(`${folder}/binary`), "E_CONFIG");
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "defaultKeyFile() follows XDG_CONFIG_HOME, then HOME",
  ignore: Deno.build.os === "windows",
  fn() {
    const of = (variables: Record<string, string>) => defaultKeyFile((name) => variables[name]);
    assert.equal(of({ XDG_CONFIG_HOME: "/x", HOME: "/h" }), "/x/warp/key.txt");
    assert.equal(of({ XDG_CONFIG_HOME: "", HOME: "/h" }), "/h/.config/warp/key.txt");
    throws(() => of({}), "E_CONFIG");
  },
});

const age = await new Deno.Command("age", { args: ["--version"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false);

Deno.test({
  name: "age itself opens a key section's age stanza with a warp key file, and warp with age's key",
  // The reason for a skip is that the `age` program is not installed.
  ignore: !age,
  async fn() {
    const folder = await Deno.makeTempDir();
    const archiveKey = new Uint8Array(32).fill(0x41);
    const archiveId = new Uint8Array(16).fill(0x42);
    const { text, keys } = await newKeyFile(CREATED_AT);
    writeKeyFile(`${folder}/warp.txt`, text);
    const section = await buildKeySection({ archiveKey, archiveId, recipients: [keys.recipient] });
    Deno.writeFileSync(`${folder}/stanza.age`, (decode(section) as Uint8Array[][])[0]![1]!);
    const opened = await run("age", "-d", "-i", `${folder}/warp.txt`, `${folder}/stanza.age`);
    assert.ok(equal(opened, utf8("warp/archive/v1/age" + "B".repeat(16) + "A".repeat(32))));

    const shown = await run("age-keygen", "-y", `${folder}/warp.txt`);
    assert.equal(new TextDecoder().decode(shown).trim(), keys.recipient);

    await run("age-keygen", "-o", `${folder}/age.txt`);
    const recipient = new TextDecoder().decode(await run("age-keygen", "-y", `${folder}/age.txt`));
    const recipients = [recipient.trim()];
    const reverse = await buildKeySection({ archiveKey, archiveId, recipients });
    const { identities } = readKeyFile(`${folder}/age.txt`);
    assert.deepEqual(await openKeySection(reverse, archiveId, { identities }), archiveKey);
    await Deno.remove(folder, { recursive: true });
  },
});

async function run(program: string, ...args: string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return stdout;
}
