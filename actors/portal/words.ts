/**
 * The 24 words of an account: BIP-39, English, 256 bits of entropy, no passphrase
 * (docs/crypto.md §1).
 *
 * Words are strings, and strings cannot be wiped: what is kept of an account for any length of time is
 * its entropy or its seed, as bytes.
 *
 * @module
 */
import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedWebcrypto } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import type { Bytes } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";

export const WORD_COUNT = 24;
/** Of randomness, before the checksum. */
export const ENTROPY_BYTES = 32;
export const SEED_BYTES = 64;
/** 24 words of at most eight letters, with generous room for line breaks and indentation. */
export const WORDS_BYTES_MAX = 4096;

const LISTED = new Set(wordlist);

/** @param entropy 32 random bytes. Returns 24 words with a space between two. */
export function wordsOfEntropy(entropy: Bytes): string {
  invariant(entropy.length === ENTROPY_BYTES, "24 words hold 32 bytes");
  return entropyToMnemonic(new Uint8Array(entropy), wordlist);
}

/**
 * Reads words as people write them: any white space, any case.
 *
 * @returns the 32 bytes they stand for; the caller wipes them
 * @throws {WarpError} E_USAGE when there are not 24, or one is not in the list (`details.word` is its
 *   number, from 1); E_KEY_WRONG when the checksum does not fit. No message repeats a word.
 */
export function entropyOfWords(text: string): Uint8Array<ArrayBuffer> {
  const words = text.length > WORDS_BYTES_MAX
    ? []
    : text.normalize("NFKD").toLowerCase().split(/\s+/).filter((word) => word !== "");
  const strange = words.findIndex((word) => !LISTED.has(word)) + 1;
  if (strange > 0 && strange <= WORD_COUNT) {
    throw new WarpError("E_USAGE", `word ${strange} is not in the list of words`, {
      hint: "the list is BIP-39's, in English: look for a slip in its first four letters",
      details: { word: strange },
    });
  }
  if (words.length !== WORD_COUNT) {
    const found = text.length > WORDS_BYTES_MAX ? "much more" : String(words.length);
    throw new WarpError("E_USAGE", `an account has ${WORD_COUNT} words, not ${found}`, {
      hint: "type them in their order, with spaces or line breaks between them",
    });
  }
  try {
    return new Uint8Array(mnemonicToEntropy(words.join(" "), wordlist));
  } catch {
    // Not as a cause: the library's message might repeat words one day.
    throw new WarpError("E_KEY_WRONG", "the words do not belong together", {
      hint: "their checksum is wrong: one of them is another word, or two have changed places",
    });
  }
}

/** The BIP-39 seed, 64 bytes; the caller wipes it. */
export async function seedOfEntropy(entropy: Bytes): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await mnemonicToSeedWebcrypto(wordsOfEntropy(entropy)));
}
