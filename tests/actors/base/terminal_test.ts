/** @module Tests of actors/base/terminal.ts. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { utf8 } from "../../../actors/base/bytes.ts";
import { keepEnd, printableName, printableText } from "../../../actors/base/terminal.ts";

Deno.test("printableName() leaves ordinary names alone, in any script", () => {
  for (
    const name of ["photos/2024/a b.jpg", "naïve", "写真/夏.png", "Ω≈ç", "🐙", 'it\'s "x"', ""]
  ) {
    assert.equal(printableName(utf8(name)), name);
  }
});

Deno.test("printableName() escapes what a terminal would obey or hide", () => {
  const cases: [string | Uint8Array, string][] = [
    ["\x1b[2Jgone", "\\x1b[2Jgone"],
    ["a\nb\tc\rd", "a\\nb\\tc\\rd"],
    ["bell\x07\x08\x0b\x0c", "bell\\a\\b\\v\\f"],
    ["\x00\x7f", "\\x00\\x7f"],
    ["back\\slash", "back\\\\slash"],
    ["\u009b31m", "\\u{9b}31m"],
    ["exe\u202egpj.txt", "exe\\u{202e}gpj.txt"],
    ["zero\u200bwidth\ufeff", "zero\\u{200b}width\\u{feff}"],
    ["tag\u{e0041}", "tag\\u{e0041}"],
    ["line\u2028", "line\\u{2028}"],
    ["private\ue000", "private\\u{e000}"],
    [Uint8Array.of(0x61, 0xff, 0x62), "a\\xffb"],
    [Uint8Array.of(0xc3), "\\xc3"],
    [Uint8Array.of(0xe2, 0x82), "\\xe2\\x82"],
    // Overlong, surrogate, beyond Unicode: not UTF-8, though they look like it.
    [Uint8Array.of(0xc0, 0xaf), "\\xc0\\xaf"],
    [Uint8Array.of(0xed, 0xa0, 0x80), "\\xed\\xa0\\x80"],
    [Uint8Array.of(0xf4, 0x90, 0x80, 0x80), "\\xf4\\x90\\x80\\x80"],
    [Uint8Array.of(0xf0, 0x9f, 0x90, 0x99), "🐙"],
  ];
  for (const [name, expected] of cases) {
    assert.equal(printableName(typeof name === "string" ? utf8(name) : name), expected);
  }
});

Deno.test("printableName() is one-to-one and never sends a control character", () => {
  const decode = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (name) => {
      const shown = printableName(name);
      // deno-lint-ignore no-control-regex
      assert.ok(!/[\x00-\x1f\x7f-\x9f]/.test(shown));
      assert.deepEqual(readBack(shown), [...name]);
      let isText = true;
      try {
        decode.decode(name);
      } catch {
        isText = false;
      }
      if (!isText) assert.ok(shown.includes("\\x"));
    }),
    { numRuns: 2000 },
  );
});

/** The bytes that an escaped name stands for. */
function readBack(shown: string): number[] {
  const named: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };
  const bytes: number[] = [];
  for (const [part] of shown.matchAll(/\\x[0-9a-f]{2}|\\u\{[0-9a-f]+\}|\\.|[^\\]/gu)) {
    if (part.startsWith("\\x")) bytes.push(parseInt(part.slice(2), 16));
    else if (part.startsWith("\\u")) {
      bytes.push(...utf8(String.fromCodePoint(parseInt(part.slice(3, -1), 16))));
    } else if (part === "\\\\") bytes.push(0x5c);
    else if (part.startsWith("\\")) bytes.push(named[part[1]!]!);
    else bytes.push(...utf8(part));
  }
  return bytes;
}

Deno.test("printableText() escapes controls, and keeps backslashes as they are", () => {
  assert.equal(printableText("C:\\temp \x1b]0;title\x07"), "C:\\temp \\x1b]0;title\\a");
});

Deno.test("keepEnd() keeps the end of what is too long", () => {
  assert.equal(keepEnd("short", 5), "short");
  assert.equal(keepEnd("a/long/path.txt", 9), "…path.txt");
  assert.equal(keepEnd("🐙🐙🐙", 4), "…🐙");
  assert.equal(keepEnd("写真/夏.png", 7), "…夏.png");
  assert.equal(keepEnd("写真/夏.png", 8), "…/夏.png");
  assert.equal(keepEnd("abc", 1), "");
});
