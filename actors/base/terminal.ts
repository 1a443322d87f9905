/**
 * Text that is safe to show: names come from other people's archives, and a terminal obeys what it
 * is sent.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

const NAMED_ESCAPES: Readonly<Record<number, string>> = {
  0x07: "\\a",
  0x08: "\\b",
  0x09: "\\t",
  0x0a: "\\n",
  0x0b: "\\v",
  0x0c: "\\f",
  0x0d: "\\r",
  0x5c: "\\\\",
};

/**
 * Characters that change how their neighbours look or hide themselves: format controls (bidirectional
 * overrides and isolates, zero-width characters, tags), line and paragraph separators, private use,
 * and what is not assigned. Joiners are format controls too: emoji made of several are shown in parts.
 */
const DECEPTIVE = /[\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/u;

/**
 * A file name for a terminal: printable UTF-8 as it is; control characters, invalid bytes and
 * deceptive characters as escapes (`\n`, `\x1b`, `\xff`, `\u{202e}`), a backslash as `\\`. Different
 * names never look the same because of an escape.
 */
export function printableName(name: Bytes): string {
  // Almost every name is plain: one scan decides.
  let isPlain = true;
  for (const byte of name) {
    if (byte < 0x20 || byte >= 0x7f || byte === 0x5c) {
      isPlain = false;
      break;
    }
  }
  if (isPlain) return String.fromCharCode.apply(null, name as unknown as number[]);
  let shown = "";
  for (let at = 0; at < name.length;) {
    const length = sequenceLength(name, at);
    if (length === 0) {
      shown += hexEscape(name[at]!);
      at += 1;
      continue;
    }
    shown += printableCharacter(codePointAt(name, at, length));
    at += length;
  }
  return shown;
}

/** Text that may quote what a user or a peer wrote, made safe for one line of a terminal. */
export function printableText(text: string): string {
  let shown = "";
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    shown += codePoint === 0x5c ? character : printableCharacter(codePoint);
  }
  return shown;
}

function printableCharacter(codePoint: number): string {
  const named = NAMED_ESCAPES[codePoint];
  if (named !== undefined) return named;
  if (codePoint < 0x20 || codePoint === 0x7f) return hexEscape(codePoint);
  const character = String.fromCodePoint(codePoint);
  const isHidden = (codePoint >= 0x80 && codePoint < 0xa0) || DECEPTIVE.test(character);
  return isHidden ? `\\u{${codePoint.toString(16)}}` : character;
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** Length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7), 0 when there is none. */
function sequenceLength(bytes: Bytes, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf
    ? 2
    : first >= 0xe0 && first <= 0xef
    ? 3
    : first >= 0xf0 && first <= 0xf4
    ? 4
    : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const second = bytes[at + 1]!;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  return length;
}

function codePointAt(bytes: Bytes, at: number, length: number): number {
  if (length === 1) return bytes[at]!;
  let codePoint = bytes[at]! & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) codePoint = (codePoint << 6) | (bytes[at + i]! & 0x3f);
  return codePoint;
}

/** Columns of the terminal on stderr; 80 when it does not say. */
export function terminalColumns(): number {
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : 80;
  } catch {
    // No terminal on any standard stream.
    return 80;
  }
}

/** East Asian wide and fullwidth blocks, and emoji: two columns each. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

function columnsOf(character: string): number {
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that `text` takes at most; combining marks are counted as if they stood alone. */
export function textColumns(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

/** Cuts `text` to `columns`, keeping its end, which tells paths apart. */
export function keepEnd(text: string, columns: number): string {
  if (textColumns(text) <= columns) return text;
  const kept: string[] = [];
  let room = columns - 1;
  for (const character of [...text].reverse()) {
    room -= columnsOf(character);
    if (room < 0) break;
    kept.push(character);
  }
  return kept.length === 0 ? "" : "…" + kept.reverse().join("");
}
