import assert from "node:assert/strict";
import { advance, allows, EVENTS, OPERATIONS, STATES } from "../../../actors/portal/lifecycle.ts";
import { evaluate, type Facts } from "../../../actors/portal/policy/evaluate.ts";
import { decodeCondition } from "../../../actors/portal/policy/decode.ts";
import { isOver } from "../../../actors/portal/policy/over.ts";
import { parseCondition } from "../../../actors/portal/policy/parse.ts";
import { LEVELS } from "../../../actors/portal/records.ts";
import { BASE } from "./policy_support.ts";

const DOCS = Deno.readTextFileSync(new URL("../../../docs/policy.md", import.meta.url));

/** `2026-06-20T12:00Z seen=… downloads=3` */
function factsOf(text: string): Facts {
  const facts: Record<string, unknown> = {
    ...BASE,
    createdMs: Date.parse("2026-06-01T00:00Z"),
    grantedMs: Date.parse("2026-06-01T00:00Z"),
  };
  for (const word of text.split(/\s+/).filter((word) => word !== "")) {
    const [name, value] = word.includes("=") ? word.split("=") as [string, string] : ["now", word];
    if (name === "now") facts["nowMs"] = Date.parse(value);
    else if (name === "opened") facts["openedMs"] = Date.parse(value);
    else if (name === "seen") facts["ownerSeenMs"] = Date.parse(value);
    else if (name === "address") facts["address"] = value;
    else if (name === "device") facts["deviceKey"] = value;
    else if (name === "known") facts["isKnownAccessor"] = value === "yes";
    else if (["downloads", "bytes", "accessors"].includes(name)) facts[name] = Number(value);
    else assert.fail(`"${word}" is no fact`);
  }
  return facts as unknown as Facts;
}

Deno.test("the examples of docs/policy.md come out as they are written", () => {
  const blocks = [...DOCS.matchAll(/^```policy\n(.*?)^```/gms)].map(([, text]) => text!);
  let count = 0;
  for (const block of blocks) {
    let tree = parseCondition("never");
    for (const line of block.split("\n").filter((line) => line !== "")) {
      if (line.startsWith("when ")) {
        tree = parseCondition(line.slice(5));
        continue;
      }
      const [known, expected] = line.split("→").map((part) => part.trim()) as [string, string];
      const facts = factsOf(known);
      const { isOpen, reason } = evaluate(tree, facts);
      const over = isOver(tree, facts) ? ", over" : "";
      assert.equal(`${isOpen ? "open" : `closed: ${reason}`}${over}`, expected, line);
      count++;
    }
  }
  assert.ok(count > 45, `${count} examples`);
});

Deno.test("the JSON of docs/policy.md is decoded", () => {
  const [json] = /^ {4}\{.*\}$/m.exec(DOCS)!;
  assert.equal(decodeCondition(json).kind, "all");
});

Deno.test("the tables of docs/policy.md are the code's", () => {
  const rows = [...DOCS.matchAll(/^\| (\w+) +\|(.*)\|$/gm)].map(([, name, cells]) => ({
    name: name!,
    cells: cells!.split("|").map((cell) => cell.trim()),
  }));
  const table = (header: readonly string[]) => {
    const at = rows.findIndex(({ cells }) => cells.join() === header.join());
    assert.ok(at >= 0, header.join());
    return rows.slice(at + 1, at + 1 + STATES.length);
  };
  const life = table(EVENTS).map(({ name, cells }) => [name, ...cells]);
  assert.deepEqual(
    life,
    STATES.map((state) => [
      state,
      ...EVENTS.map((event) => {
        const result = advance(state, event);
        return result.isAllowed ? result.state : "-";
      }),
    ]),
  );
  assert.deepEqual(
    table(OPERATIONS).map(({ name, cells }) => [name, ...cells]),
    STATES.map((state) => [
      state,
      ...OPERATIONS.map((operation) =>
        LEVELS.find((level) => allows(state, level, operation)) ?? "-"
      ),
    ]),
  );
});
