/**
 * The age format's shared test vectors (tests/vectors/age-cctv/README.md) against the library that
 * opens and writes our age stanzas, read as a stream, so that plaintext released before an error is
 * checked as well.
 *
 * The library throws plain errors, so a class of failure is recognised by its text. It accepts and
 * refuses exactly what the format does, with two harmless deviations: {@link NOTICED_AT_MAC} and
 * {@link RELEASED_LESS}.
 *
 * @module
 */
import { armor, Decrypter } from "age-encryption";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { settleIdentities } from "../../../actors/cipher/age_file.ts";

const FOLDER = new URL("../../vectors/age-cctv/testdata/", import.meta.url);

type Failure = "armor failure" | "header failure" | "no match" | "HMAC failure" | "payload failure";

/** Which failure of the vectors each message of age-encryption 0.3.1 stands for. */
const MESSAGES: Readonly<Record<Failure, RegExp>> = {
  "armor failure": /^invalid (?:base64|footer|header|line length)|base64 input terminates/,
  "header failure":
    /^(?:Non-zero padding|Unknown letter|invalid (?:X25519|mlkem768x25519|scrypt) stanza|invalid (?:header$|non-ASCII byte|private or public key|stanza|version)|scrypt |stream ended|Invalid key)/,
  "no match": /^no identity matched/,
  "HMAC failure": /^invalid header HMAC/,
  "payload failure": /^(?:"ciphertext" expected length|final chunk is empty|invalid tag)/,
};

/**
 * DEVIATION: a header MAC that is missing, cut or too long is a malformed header by the format. The
 * library (format.js, `parseHeader`) takes any base64 there and refuses it one step later, as a MAC
 * that does not match. Nothing is released in either case, so only the name of the error differs.
 */
const NOTICED_AT_MAC = new Set(["hmac_garbage", "hmac_missing", "hmac_truncated"]);

/**
 * DEVIATION: where a chunk is wrong only in being last or not last (stream.js, `decryptSTREAM`, looks
 * for the final chunk at the end of the stream alone), the reference implementation releases one
 * chunk more before it fails. Less is released here, never more, and warp uses the form of `decrypt`
 * that releases all or nothing.
 */
const RELEASED_LESS = new Map([
  ["armor_garbage_encoded", "nothing"],
  ["stream_no_final_full", "nothing"],
  ["stream_no_final_two_chunks_full", "one chunk"],
  ["stream_trailing_garbage_long", "nothing"],
  ["stream_trailing_garbage_short", "nothing"],
  ["stream_two_final_chunks", "nothing"],
  ["stream_two_final_chunks_full", "nothing"],
  ["stream_two_final_chunks_second", "one chunk"],
]);

const NOTHING = createHash("sha256").digest("hex");

interface Vector {
  fields: Map<string, string[]>;
  file: Uint8Array<ArrayBuffer>;
}

function readVector(name: string): Vector {
  const bytes = Deno.readFileSync(new URL(name, FOLDER));
  const end = bytes.findIndex((byte, at) => byte === 0x0a && bytes[at + 1] === 0x0a);
  const fields = new Map<string, string[]>();
  for (const line of new TextDecoder().decode(bytes.subarray(0, end)).split("\n")) {
    const colon = line.indexOf(": ");
    const key = line.slice(0, colon);
    fields.set(key, [...fields.get(key) ?? [], line.slice(colon + 2)]);
  }
  const file = bytes.subarray(end + 2);
  return {
    fields,
    file: fields.has("compressed") ? new Uint8Array(inflateSync(file)) : new Uint8Array(file),
  };
}

/** Decrypts as far as possible: the hash of what was released, and the error that stopped it. */
async function decrypt({ fields, file }: Vector): Promise<{ hash: string; error?: Error }> {
  const hash = createHash("sha256");
  const decrypter = new Decrypter();
  try {
    for (const identity of fields.get("identity") ?? []) decrypter.addIdentity(identity);
    for (const passphrase of fields.get("passphrase") ?? []) decrypter.addPassphrase(passphrase);
    const binary = fields.has("armored") ? armor.decode(new TextDecoder().decode(file)) : file;
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(binary));
        controller.close();
      },
    });
    for await (const part of await decrypter.decrypt(source)) hash.update(part);
  } catch (error) {
    assert.ok(error instanceof Error);
    return { hash: hash.digest("hex"), error };
  } finally {
    await settleIdentities(decrypter);
  }
  return { hash: hash.digest("hex") };
}

/** The hash of what must have been released when decryption ended, well or badly. */
function releasedOf(name: string, { fields }: Vector): string {
  // Armor is decoded whole before anything is decrypted, so its failures release nothing.
  if (fields.get("expect")![0] === "armor failure") return NOTHING;
  const less = RELEASED_LESS.get(name);
  if (less === "nothing") return NOTHING;
  // The vector with one full chunk that lacks its final flag states the hash of that chunk.
  const stating = less === "one chunk" ? readVector("stream_no_final_full").fields : fields;
  return stating.get("payload")?.[0] ?? NOTHING;
}

const NAMES = [...Deno.readDirSync(FOLDER)].map((entry) => entry.name).sort();

Deno.test("the age vectors are all there", () => {
  assert.equal(NAMES.length, 143);
});

Deno.test("Decrypter treats every age vector as the format demands", async () => {
  const counts = new Map<string, number>();
  for (const name of NAMES) {
    const vector = readVector(name);
    const expect = vector.fields.get("expect")![0]!;
    const { hash, error } = await decrypt(vector);
    counts.set(expect, (counts.get(expect) ?? 0) + 1);
    if (expect === "success") {
      assert.equal(error, undefined, `${name}: ${error}`);
    } else {
      const stage = NOTICED_AT_MAC.has(name) ? "HMAC failure" : expect as Failure;
      assert.match(error?.message ?? "accepted", MESSAGES[stage], `${name}: ${expect}`);
    }
    assert.equal(hash, releasedOf(name, vector), `${name}: released plaintext`);
  }
  assert.deepEqual(Object.fromEntries(counts), {
    "success": 26,
    "header failure": 62,
    "armor failure": 22,
    "payload failure": 19,
    "no match": 13,
    "HMAC failure": 1,
  });
});
