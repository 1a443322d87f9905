/** @module Tests of actors/cipher/passphrase.ts. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { concat, utf8 } from "../../../actors/base/bytes.ts";
import { type ErrorCode, isWarpError } from "../../../actors/base/errors.ts";
import {
  isPassphraseAtHand,
  normalizePassphrase,
  PASSPHRASE_BYTES_MAX,
  readPassphrase,
} from "../../../actors/cipher/passphrase.ts";

const text = (bytes: Uint8Array | undefined) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
const nothing = () => undefined;

/** A terminal on which these lines are typed, in order. */
function typing(...lines: string[]) {
  const prompts: string[] = [];
  const readSecret = (prompt: string) => {
    prompts.push(prompt);
    const line = lines.shift();
    return Promise.resolve(line === undefined ? undefined : utf8(line));
  };
  return { prompts, readSecret };
}

async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error) => isWarpError(error, code));
}

Deno.test("normalizePassphrase() drops one newline, no more, and makes NFC", () => {
  const cases: [string, string][] = [
    ["secret\n", "secret"],
    ["secret\r\n", "secret"],
    ["secret\n\n", "secret\n"],
    ["secret", "secret"],
    [" two  words ", " two  words "],
    ["secret\r", "secret\r"],
    ["u\u0308ber", "\u00fcber"],
    ["\ufeffx", "\ufeffx"],
  ];
  for (const [raw, expected] of cases) {
    assert.equal(text(normalizePassphrase(utf8(raw))), expected, JSON.stringify(raw));
  }
});

Deno.test("normalizePassphrase() refuses nothing, non-text and too much, and wipes its input", () => {
  const inputs = [
    utf8(""),
    utf8("\n"),
    utf8("\r\n"),
    Uint8Array.of(0xff, 0xfe),
    Uint8Array.of(0x61, 0xc3),
    new Uint8Array(PASSPHRASE_BYTES_MAX + 1).fill(0x61),
  ];
  for (const input of inputs) {
    assert.throws(() => normalizePassphrase(input), (error) => isWarpError(error, "E_USAGE"));
    assert.ok(input.every((byte) => byte === 0));
  }
  assert.equal(normalizePassphrase(new Uint8Array(PASSPHRASE_BYTES_MAX).fill(0x61)).length, 65536);
});

Deno.test("normalizePassphrase() gives one result for all spellings of the same text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (typed) => {
      if (/^\r?\n?$/.test(typed) || typed.endsWith("\n") || !typed.isWellFormed()) return;
      const nfd = normalizePassphrase(utf8(typed.normalize("NFD")));
      assert.deepEqual(normalizePassphrase(utf8(typed.normalize("NFC") + "\n")), nfd);
    }),
  );
});

Deno.test("readPassphrase() prefers file, then descriptor, then environment, then terminal", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "from file\n");
  const environment = (name: string) => name === "WARP_PASSPHRASE" ? "from env" : undefined;
  const io = typing("from tty");
  const read = async (source: object, env: (name: string) => string | undefined) =>
    text(await readPassphrase(source, io, { isNew: false, environment: env }));
  assert.equal(await read({ passphraseFile: file }, environment), "from file");
  assert.equal(await read({}, environment), "from env");
  assert.deepEqual(io.prompts, [], "nothing was asked so far");
  assert.equal(await read({}, nothing), "from tty");
  const none = await readPassphrase({}, typing(), { isNew: false, environment: nothing });
  assert.equal(none, undefined);
  await Deno.remove(file);
});

Deno.test("readPassphrase() asks twice for a new one, and refuses two different ones", async () => {
  const isNew = { isNew: true, environment: nothing };
  const twice = typing("secret", "secret");
  assert.equal(text(await readPassphrase({}, twice, isNew)), "secret");
  assert.equal(twice.prompts.length, 2);
  // Decomposed and composed spellings are the same words.
  assert.equal(text(await readPassphrase({}, typing("u\u0308", "\u00fc"), isNew)), "\u00fc");
  for (const second of ["secreT", "secret ", "secretsecret", "s"]) {
    await rejects(readPassphrase({}, typing("secret", second), isNew), "E_USAGE");
  }
  await rejects(readPassphrase({}, typing(""), isNew), "E_USAGE");
});

Deno.test("readPassphrase() explains files and descriptors that cannot be read", async () => {
  const folder = await Deno.makeTempDir();
  const options = { isNew: false, environment: nothing };
  const read = (source: object) => readPassphrase(source, typing(), options);
  await rejects(read({ passphraseFile: `${folder}/missing` }), "E_NOT_FOUND");
  await rejects(read({ passphraseFile: folder }), "E_IO");
  await rejects(read({ passphraseFile: "/dev/zero" }), "E_USAGE");
  await rejects(read({ passphraseFile: "x", passphraseFd: 3 }), "E_USAGE");
  await rejects(read({ passphraseFd: 1_000_000 }), "E_USAGE");
  await rejects(read({ passphraseFd: -1 }), "E_USAGE");
  await Deno.remove(folder);
});

Deno.test({
  name: "readPassphrase() reads an inherited descriptor, a pipe or a file",
  ignore: Deno.build.os === "windows",
  async fn() {
    const module = new URL("../../../actors/cipher/passphrase.ts", import.meta.url).href;
    const code = `const { readPassphrase } = await import(${JSON.stringify(module)});
      const io = { readSecret: () => Promise.resolve(undefined) };
      for (const passphraseFd of [7, 8, 0]) {
        const bytes = await readPassphrase({ passphraseFd }, io, { isNew: false });
        console.log(new TextDecoder().decode(bytes));
      }`;
    const script = await Deno.makeTempFile({ suffix: ".mjs" });
    const secret = await Deno.makeTempFile();
    await Deno.writeTextFile(script, code);
    await Deno.writeTextFile(secret, "from a file\n");
    const line =
      'echo "from stdin" | "$0" run -A --config "$3" "$1" 7< <(echo "from a pipe") 8<"$2"';
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", line, Deno.execPath(), script, secret, config],
    }).output();
    assert.equal(text(stdout), "from a pipe\nfrom a file\nfrom stdin\n", text(stderr));
    await Deno.remove(script);
    await Deno.remove(secret);
  },
});

Deno.test("isPassphraseAtHand() is true exactly when nothing would be asked", () => {
  assert.equal(isPassphraseAtHand({ passphraseFile: "f" }, nothing), true);
  assert.equal(isPassphraseAtHand({ passphraseFd: 0 }, nothing), true);
  assert.equal(isPassphraseAtHand({}, () => "x"), true);
  assert.equal(isPassphraseAtHand({}, nothing), false);
});

Deno.test("readPassphrase() takes what is longer than a pipe buffer's first read", async () => {
  const file = await Deno.makeTempFile();
  const long = new Uint8Array(PASSPHRASE_BYTES_MAX).fill(0x78);
  await Deno.writeFile(file, concat(long, utf8("\r\n")));
  const read = await readPassphrase({ passphraseFile: file }, typing(), { isNew: true });
  assert.equal(read?.length, PASSPHRASE_BYTES_MAX);
  await Deno.remove(file);
});
