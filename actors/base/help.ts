/**
 * Help that needs no command loaded: the list of commands, from the table of verbs alone.
 *
 * @module
 */
import type { VerbTable } from "./command.ts";
import { commandsOf } from "./verbs.ts";

const GLOBAL_FLAGS: readonly (readonly [string, string])[] = [
  ["--json", "print JSON records, one per line"],
  ["-q, --quiet", "print errors and results only"],
  ["-v, --verbose", "tell more; -vv and -vvv still more"],
  ["--trace FILE", 'write a Chrome trace of all messages; "-" prints them as they happen'],
  ["--single-thread", "run without Workers"],
  ["--debug", "show stacks with errors"],
  ["-h, --help", "explain the program or a command"],
  ["--version", "print the version"],
];

/** `warp --help`. */
export function programHelp(table: VerbTable): string {
  const lines = [
    "warp: verified, deduplicated, compressed and encrypted archives",
    "",
    "Usage: warp COMMAND [OPTIONS]",
  ];
  const width = Math.max(...Object.keys(table).map((name) => name.length));
  let group = "";
  for (const [name, entry] of Object.entries(table)) {
    if (entry.group !== group) lines.push("", `${entry.group}:`);
    group = entry.group;
    lines.push(`  ${name.padEnd(width)}  ${entry.summary}`);
  }
  lines.push("", "Global options, before or after the command:");
  const flagWidth = Math.max(...GLOBAL_FLAGS.map(([flag]) => flag.length));
  for (const [flag, text] of GLOBAL_FLAGS) lines.push(`  ${flag.padEnd(flagWidth)}  ${text}`);
  lines.push(
    "",
    "Examples:",
    "  warp create photos -o photos.warp",
    "  warp create photos -o - --recipient age1… | ssh host 'cat > photos.warp'",
    "  warp extract photos.warp -C restored",
    "",
    "`warp COMMAND --help` explains a command.",
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 wrong key, 5 integrity, 6 network,",
    "7 partly done, 70 a bug in warp, 130 interrupted.",
    "",
  );
  return lines.join("\n");
}

/** `warp key --help`: the commands of one noun. */
export function nounHelp(table: VerbTable, noun: string): string {
  const names = commandsOf(table, noun);
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => `  ${name.padEnd(width)}  ${table[name]!.summary}`);
  return [`Usage: warp ${noun} COMMAND [OPTIONS]`, "", "Commands:", ...lines, ""].join("\n");
}
