/** @module Runs the transcripts in this folder (`*.txt`), and tests that the runner can fail. */
import assert from "node:assert/strict";
import { runScript } from "./script.ts";

const FOLDER = new URL("./", import.meta.url);

for (const { name } of [...Deno.readDirSync(FOLDER)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  if (!name.endsWith(".txt")) continue;
  Deno.test({
    name: `transcript ${name}`,
    // The transcripts speak sh.
    ignore: Deno.build.os === "windows",
    async fn() {
      const left = await runScript(name, Deno.readTextFileSync(new URL(name, FOLDER)));
      for (const line of left) console.log(`left out: ${line}`);
    },
  });
}

Deno.test("runScript() fails where a transcript does not hold", async () => {
  const wrong = [
    "exec false",
    "! exec true",
    "exec echo hello\nstdout '^hell$'",
    "exec echo hello\n! stdout hello",
    "exec sh -c 'exit 3'",
    "! exec sh -c 'exit 3'\nexit 4",
    "exists nothing",
    "exec touch there\n! exists there",
    "exec echo x\nempty stdout",
    "same a b\n-- a --\n1\n-- b --\n2\n",
    "contains a ^2$\n-- a --\n1\n",
    "frobnicate",
    "exec echo $UNSET",
  ];
  for (const script of wrong) await assert.rejects(runScript("wrong", script), Error, script);
});

Deno.test("runScript() passes where it holds, and reports what a condition left out", async () => {
  const script = `
exec echo 'it''s' $WORK
stdout '^it''s /'
! exec sh -c 'echo oops >&2; exit 3'
exit 3
stderr ^oops$
empty stdout
stdin a
exec cat
stdout ^from.a$
let WORD stdout 'from (.)'
env A=$WORD
exec sh -c 'echo got-$A'
stdout got-a
save stdout kept
contains kept ^got-a$
same a a
exec sh -c 'chmod 640 a'
mode a 640
[no-such-program] exec no-such-program
-- a --
from a
`;
  const left = await runScript("right", script);
  assert.equal(left.length, 1);
  assert.match(left[0]!, /^right:20: /);
});
