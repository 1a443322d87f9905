/**
 * Looks for many markers at once, in whatever form they may have been written: as they are, in hex, in base64,
 * in UTF-16.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Shorter forms would be found by chance. */
const FORM_BYTES_LEAST = 6;

/** The forms of a marker; `isText` adds UTF-16, in both byte orders. */
export function formsOf(marker: Uint8Array, isText: boolean): Buffer[] {
  const raw = Buffer.from(marker);
  const hex = raw.toString("hex");
  const forms = [raw, Buffer.from(hex), Buffer.from(hex.toUpperCase())];
  for (const encoding of ["base64", "base64url"] as const) {
    for (const skip of [0, 1, 2]) {
      const text = Buffer.concat([Buffer.alloc(skip), raw]).toString(encoding);
      // Only characters that no byte before or after has a part in.
      const from = Math.ceil(skip * 8 / 6), to = Math.floor((skip + raw.length) * 8 / 6);
      forms.push(Buffer.from(text.slice(from, to)));
    }
  }
  if (isText) {
    const wide = Buffer.from(raw.toString("utf8"), "utf16le");
    forms.push(wide, Buffer.from(wide).swap16());
  }
  return forms.filter((form) => form.length >= FORM_BYTES_LEAST);
}

interface Pattern {
  name: string;
  bytes: Buffer;
}

export class MarkerScan {
  readonly #patterns = new Map<number, Pattern[]>();
  /** Whether some pattern may begin with the four bytes of this hash. */
  readonly #filter = new Uint8Array(1 << 21);
  #count = 0;

  /** @param name what it is called when it is found */
  add(name: string, marker: string | Uint8Array): this {
    const bytes = typeof marker === "string" ? new TextEncoder().encode(marker) : marker;
    if (bytes.length < FORM_BYTES_LEAST) throw new RangeError(`${name} is too short to look for`);
    for (const form of formsOf(bytes, typeof marker === "string")) {
      const head = form.readUInt32LE(0);
      const same = this.#patterns.get(head) ?? [];
      if (same.some((one) => one.bytes.equals(form))) continue;
      this.#patterns.set(head, [...same, { name, bytes: form }]);
      this.#filter[hash(head)] = 1;
      this.#count++;
    }
    return this;
  }

  get count(): number {
    return this.#count;
  }

  /** Names of all markers in these bytes. */
  find(haystack: Uint8Array): string[] {
    const found = new Set<string>();
    const all = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.length);
    if (all.length < 4) return [];
    let window = all.readUInt32LE(0);
    for (let at = 0;; at++) {
      if (this.#filter[hash(window)] === 1) {
        for (const { name, bytes } of this.#patterns.get(window >>> 0) ?? []) {
          const end = at + bytes.length;
          if (end <= all.length && all.compare(bytes, 0, bytes.length, at, end) === 0) {
            found.add(name);
          }
        }
      }
      if (at + 4 >= all.length) return [...found];
      window = (window >>> 8 | all[at + 4]! << 24) >>> 0;
    }
  }
}

function hash(word: number): number {
  return Math.imul(word, 0x9e3779b1) >>> 11;
}
