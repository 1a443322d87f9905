/** @module Tests of actors/base/verbs.ts. */
import assert from "node:assert/strict";
import type { VerbTable } from "../../../actors/base/command.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { hasFlag, resolveVerb, splitLine, suggest } from "../../../actors/base/verbs.ts";

const never = () => Promise.reject(new Error("nothing is loaded to find a command"));
const entry = { group: "", summary: "", load: never };
const TABLE: VerbTable = { create: entry, list: entry, "key new": entry, "key show": entry };

Deno.test("splitLine() finds the command behind global flags and their values", () => {
  const cases: [string[], string[], string[]][] = [
    [["create", "a"], [], ["create", "a"]],
    [["-q", "--json", "create", "-v"], ["-q", "--json"], ["create", "-v"]],
    [["--trace", "create", "list"], ["--trace", "create"], ["list"]],
    [["--trace=x", "list"], ["--trace=x"], ["list"]],
    [["--help"], ["--help"], []],
    [["--trace"], ["--trace"], []],
    [[], [], []],
    [["--", "list"], [], ["--", "list"]],
  ];
  for (const [argv, before, words] of cases) assert.deepEqual(splitLine(argv), { before, words });
});

Deno.test("resolveVerb() takes one word or two, and knows a noun alone", () => {
  assert.deepEqual(resolveVerb(TABLE, ["list", "key"]), { name: "list", rest: ["key"] });
  assert.deepEqual(resolveVerb(TABLE, ["key", "new", "-o"]), { name: "key new", rest: ["-o"] });
  assert.equal(resolveVerb(TABLE, ["key"]), undefined);
  assert.equal(resolveVerb(TABLE, ["key", "--help"]), undefined);
  const unknown = [["lisst"], ["key", "old"], ["constructor"], ["__proto__"], ["toString"], ["--"]];
  for (const words of unknown) {
    assert.throws(() => resolveVerb(TABLE, words), (error) => isWarpError(error, "E_USAGE"));
  }
});

Deno.test("suggest() forgives one slip in three letters, and a beginning", () => {
  const known = ["create", "extract", "list", "cat", "info", "verify"];
  const cases: [string, string | undefined][] = [
    ["craete", "create"],
    ["exract", "extract"],
    ["lst", "list"],
    ["ver", "verify"],
    ["verfiy", "verify"],
    ["zzz", undefined],
    ["delete", undefined],
    ["", undefined],
    ["x".repeat(5000), undefined],
  ];
  for (const [word, expected] of cases) {
    assert.equal(suggest(word, known), expected, word.slice(0, 9));
  }
});

Deno.test("hasFlag() does not look behind --", () => {
  assert.ok(hasFlag(["a", "-h"], "--help", "-h"));
  assert.ok(!hasFlag(["--", "-h"], "--help", "-h"));
});
