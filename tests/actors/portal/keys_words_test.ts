/** @module Tests of actors/portal/words.ts; all 288 BIP-39/BIP-32 vectors of python-mnemonic. */
import { HDKey } from "@scure/bip32";
import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedWebcrypto } from "@scure/bip39";
import { wordlist as simplifiedChinese } from "@scure/bip39/wordlists/simplified-chinese.js";
import { wordlist as traditionalChinese } from "@scure/bip39/wordlists/traditional-chinese.js";
import { wordlist as czech } from "@scure/bip39/wordlists/czech.js";
import { wordlist as english } from "@scure/bip39/wordlists/english.js";
import { wordlist as french } from "@scure/bip39/wordlists/french.js";
import { wordlist as italian } from "@scure/bip39/wordlists/italian.js";
import { wordlist as japanese } from "@scure/bip39/wordlists/japanese.js";
import { wordlist as korean } from "@scure/bip39/wordlists/korean.js";
import { wordlist as portuguese } from "@scure/bip39/wordlists/portuguese.js";
import { wordlist as spanish } from "@scure/bip39/wordlists/spanish.js";
import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fromHex, toHex } from "../../../actors/base/bytes.ts";
import { isWarpError, type WarpError } from "../../../actors/base/errors.ts";
import { entropyOfWords, seedOfEntropy, wordsOfEntropy } from "../../../actors/portal/words.ts";

const FOLDER = new URL("../../vectors/bip39/", import.meta.url);
/** Entropy, words, seed with the passphrase TREZOR, BIP-32 root. */
type Vector = [entropy: string, words: string, seed: string, root: string];
const VECTORS: Record<string, Vector[]> = JSON.parse(
  Deno.readTextFileSync(new URL("vectors.json", FOLDER)),
);

/** The library has no lists for the other two, Russian and Turkish. */
const LISTS: Record<string, string[]> = {
  english,
  chinese_simplified: simplifiedChinese,
  chinese_traditional: traditionalChinese,
  czech,
  french,
  italian,
  japanese,
  korean,
  portuguese,
  spanish,
};

const nfkd = (text: string) => text.normalize("NFKD");

/** 11-bit groups of entropy and checksum: BIP-39, written out. */
function indexesOf(entropy: Uint8Array): number[] {
  const digest = createHash("sha256").update(entropy).digest();
  const bitsOf = (bytes: Uint8Array) =>
    [...bytes].map((b) => b.toString(2).padStart(8, "0")).join("");
  const bits = bitsOf(entropy) + bitsOf(digest).slice(0, entropy.length / 4);
  return bits.match(/.{11}/g)!.map((group) => parseInt(group, 2));
}

Deno.test("the 288 vectors are there, 24 for each of twelve languages", () => {
  assert.equal(Object.keys(VECTORS).length, 12);
  assert.ok(Object.values(VECTORS).every((list) => list.length === 24));
  const rest = Object.keys(VECTORS).filter((name) => !(name in LISTS));
  assert.deepEqual(rest.sort(), ["russian", "turkish"]);
});

for (const [language, vectors] of Object.entries(VECTORS)) {
  Deno.test(`BIP-39 and BIP-32, ${language}: words, seeds and roots of the vectors`, async () => {
    const list = LISTS[language];
    const wordAt = new Map<number, string>();
    for (const [entropy, words, seed, root] of vectors) {
      const made = await mnemonicToSeedWebcrypto(words, "TREZOR");
      assert.equal(toHex(made), seed);
      assert.equal(HDKey.fromMasterSeed(made).privateExtendedKey, root);
      const indexes = indexesOf(fromHex(entropy));
      const split = nfkd(words).split(/\s/);
      assert.equal(split.length, indexes.length);
      if (list !== undefined) {
        assert.equal(nfkd(entropyToMnemonic(fromHex(entropy), list)), split.join(" "));
        assert.equal(toHex(mnemonicToEntropy(split.join(" "), list)), entropy);
        assert.deepEqual(indexes.map((index) => nfkd(list[index]!)), split);
      }
      // Without a list: one place, one word, in all vectors of the language.
      for (const [at, index] of indexes.entries()) {
        assert.equal(wordAt.get(index) ?? split[at], split[at]);
        wordAt.set(index, split[at]!);
      }
    }
    assert.equal(new Set(wordAt.values()).size, wordAt.size);
  });
}

Deno.test("the list of words is BIP-39's", () => {
  const list = Deno.readTextFileSync(new URL("wordlist/english.txt", FOLDER)).trim().split("\n");
  assert.deepEqual(english, list);
});

Deno.test("wordsOfEntropy() and entropyOfWords(): the vectors of 24 English words", () => {
  const long = VECTORS["english"]!.filter(([entropy]) => entropy.length === 64);
  assert.equal(long.length, 8);
  for (const [entropy, words] of long) {
    assert.equal(wordsOfEntropy(fromHex(entropy)), words);
    assert.equal(toHex(entropyOfWords(words)), entropy);
  }
});

Deno.test("seedOfEntropy() uses no passphrase", async () => {
  const entropy = new Uint8Array(32);
  const expected = await mnemonicToSeedWebcrypto(wordsOfEntropy(entropy), "");
  assert.deepEqual(await seedOfEntropy(entropy), new Uint8Array(expected));
});

const entropies = fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("entropyOfWords() reads any case and white space", () => {
  const space = fc.constantFrom(" ", "\n", "\t", "  ", "\r\n", "\u3000");
  fc.assert(
    fc.property(
      entropies,
      fc.array(fc.tuple(space, fc.boolean()), { minLength: 24, maxLength: 24 }),
      (entropy, style) => {
        const words = wordsOfEntropy(entropy).split(" ");
        const text = words.map((word, i) => {
          const [before, isUpper] = style[i]!;
          return before + (isUpper ? word.toUpperCase() : word);
        }).join("") + "\n";
        assert.deepEqual(entropyOfWords(text), new Uint8Array(entropy));
      },
    ),
    { numRuns: 200 },
  );
});

function fault(text: string): WarpError {
  let caught: unknown;
  try {
    entropyOfWords(text);
  } catch (error) {
    caught = error;
  }
  assert.ok(isWarpError(caught), "it is refused");
  return caught;
}

function said(error: WarpError): string {
  return [error.message, error.hint, JSON.stringify(error.details), String(error.cause)].join(" ");
}

Deno.test("entropyOfWords() names the number of a word that is not listed, never a word", () => {
  const words = wordsOfEntropy(new Uint8Array(32).fill(0x5a)).split(" ");
  for (let at = 0; at < 24; at++) {
    const wrong = words.with(at, "xylophon");
    const error = fault(wrong.join(" "));
    assert.equal(error.code, "E_USAGE");
    assert.equal(error.details["word"], at + 1);
    assert.match(error.message, new RegExp(`\\b${at + 1}\\b`));
    for (const word of new Set(wrong)) {
      // "word", "list" and the like are in the list as well.
      if (word.length > 5) assert.ok(!said(error).includes(word), word);
    }
  }
  assert.equal(
    fault(words.with(3, "Abandon!").with(7, "x").join(" ")).details["word"],
    4,
    "the first",
  );
});

Deno.test("entropyOfWords() refuses another number of words", () => {
  const words = wordsOfEntropy(new Uint8Array(32).fill(7));
  const twelve = VECTORS["english"]![0]![1];
  for (
    const text of [
      "",
      " \n",
      twelve,
      words.replace(/ \w+$/, ""),
      words + " zoo",
      words + " " + words,
    ]
  ) {
    assert.equal(fault(text).code, "E_USAGE");
    assert.match(fault(text).message, /24 words/);
  }
  assert.equal(fault(words + " ".repeat(5000)).code, "E_USAGE");
  assert.equal(fault(`${words} `.repeat(1000)).code, "E_USAGE");
});

Deno.test("entropyOfWords() finds a wrong checksum: one other word, two that changed places", () => {
  fc.assert(
    fc.property(
      entropies,
      fc.nat(23),
      fc.nat(2047),
      (entropy, at, index) => {
        const words = wordsOfEntropy(entropy).split(" ");
        const other = words.with(at, english[index]!);
        const text = other.join(" ");
        // Eight bits of checksum: one in 256 fits by chance.
        const isFit = indexesFit(other);
        if (isFit) assert.equal(wordsOfEntropy(entropyOfWords(text)), text);
        else assert.equal(fault(text).code, "E_KEY_WRONG");
      },
    ),
    { numRuns: 300 },
  );
  const words = wordsOfEntropy(Uint8Array.from({ length: 32 }, (_, i) => i)).split(" ");
  const swapped = words.with(2, words[9]!).with(9, words[2]!);
  assert.equal(indexesFit(swapped), false);
  const error = fault(swapped.join(" "));
  assert.equal(error.code, "E_KEY_WRONG");
  for (const word of words) if (word.length > 6) assert.ok(!said(error).includes(word), word);
});

/** Whether the last eight bits are the first of the entropy's SHA-256. */
function indexesFit(words: string[]): boolean {
  const bits = words.map((w) => english.indexOf(w).toString(2).padStart(11, "0")).join("");
  const bytes = Uint8Array.from(bits.match(/.{8}/g)!, (group) => parseInt(group, 2));
  return createHash("sha256").update(bytes.subarray(0, 32)).digest()[0] === bytes[32];
}
