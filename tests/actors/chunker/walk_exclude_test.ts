/**
 * Exclude patterns.
 *
 * @module
 */
import assert from "node:assert/strict";
import { compileExcludes } from "../../../actors/chunker/walk_exclude.ts";
import { rawFromText } from "../../../actors/base/fs/raw_name.ts";
import { isWarpError } from "../../../actors/base/errors.ts";

function excludes(pattern: string, raw: string): boolean {
  return compileExcludes([pattern])!.excludes(raw, raw.slice(raw.lastIndexOf("/") + 1));
}

const MATCHES: [pattern: string, path: string, isMatch: boolean][] = [
  ["*.o", "a.o", true],
  ["*.o", "src/a.o", true],
  ["*.o", "src/a.oo", false],
  ["*.o", "a.o/b", false], // its parent was pruned before
  ["node_modules", "x/node_modules", true],
  ["node_modules/", "x/node_modules", true],
  ["node_modules", "x/node_modules2", false],
  ["build/*.o", "build/a.o", true],
  ["build/*.o", "x/build/a.o", true],
  ["build/*.o", "xbuild/a.o", false],
  ["build/*.o", "build/x/a.o", false],
  ["build/**.o", "build/x/a.o", true],
  ["/src/tmp", "src/tmp", true],
  ["/src/tmp", "x/src/tmp", false],
  ["/top", "top", true],
  ["/top", "x/top", false],
  ["./src/tmp", "src/tmp", true],
  ["**/x", "x", true],
  ["**/x", "a/b/x", true],
  ["/a/**/x", "a/x", true],
  ["/a/**/x", "a/b/c/x", true],
  ["/a/**/x", "ab/x", false],
  ["a?c", "abc", true],
  ["a?c", "aéc", true],
  ["a?c", "a😀c", true],
  ["a?c", "ac", false],
  ["/a?c", "a/c", false],
  ["[a-c]x", "bx", true],
  ["[a-c]x", "dx", false],
  ["[!a-c]x", "dx", true],
  ["[!a-c]x", "bx", false],
  ["[]x]", "]", true],
  ["[a-]", "-", true],
  ["/a[!b]c", "a/c", false],
  ["[[]x", "[x", true],
  ["\\*x", "*x", true],
  ["\\*x", "ax", false],
  ["a.c", "abc", false],
  ["(a|b)+$", "(a|b)+$", true],
  ["*", "line\nbreak", true],
  ["é*", "éa", true],
  ["*", "", true],
];

Deno.test("compileExcludes() matches as documented", () => {
  for (const [pattern, path, isMatch] of MATCHES) {
    assert.equal(excludes(pattern, rawFromText(path)), isMatch, `${pattern} on ${path}`);
  }
});

Deno.test("compileExcludes() takes a byte that is not UTF-8 as one character", () => {
  assert.ok(excludes("a?c", "a\xffc"));
  assert.ok(!excludes("a?c", "a\xff\xfec"));
  assert.ok(excludes("a??c", "a\xed\xa0c")); // the beginning of a surrogate: two wrong bytes
  assert.ok(excludes("*.tmp", "\xc3.tmp"));
  assert.ok(!excludes("é", "\xc3"));
});

Deno.test("compileExcludes() excludes when any pattern does", () => {
  const rules = compileExcludes(["*.o", "/b", "x/y"])!;
  assert.ok(
    rules.excludes("b", "b") && rules.excludes("q/x/y", "y") && rules.excludes("a.o", "a.o"),
  );
  assert.ok(!rules.excludes("c", "c"));
  assert.equal(compileExcludes([]), undefined);
});

Deno.test("compileExcludes() refuses patterns that are empty or unfinished", () => {
  for (const pattern of ["", "/", "[a", "a\\", "[z-a]", "./"]) {
    assert.throws(
      () => compileExcludes([pattern]),
      (error) => isWarpError(error, "E_USAGE"),
      pattern,
    );
  }
});
