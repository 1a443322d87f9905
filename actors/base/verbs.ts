/**
 * Finding the command in a line of words, before anything of it is loaded.
 *
 * @module
 */
import type { VerbTable } from "./command.ts";
import { WarpError } from "./errors.ts";

/** Global flags that take a value, which must not be mistaken for the command's name. */
const FLAGS_WITH_VALUE = new Set(["--trace"]);

export interface SplitLine {
  /** The global flags that stand before the command's name. */
  before: string[];
  /** The words from the command's name on. */
  words: string[];
}

/** Splits at the first word that is neither a flag nor a flag's value. */
export function splitLine(argv: readonly string[]): SplitLine {
  let at = 0;
  while (at < argv.length && argv[at]!.startsWith("-") && argv[at] !== "-" && argv[at] !== "--") {
    at += FLAGS_WITH_VALUE.has(argv[at]!) ? 2 : 1;
  }
  return { before: argv.slice(0, at), words: argv.slice(at) };
}

/** Whether one of `names` stands among the words before `--`. */
export function hasFlag(words: readonly string[], ...names: string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? undefined : end).some((word) => names.includes(word));
}

/** The commands that begin with `noun `: `key` → `key new`, `key show`. */
export function commandsOf(table: VerbTable, noun: string): string[] {
  return Object.keys(table).filter((name) => name.startsWith(noun + " "));
}

/**
 * The longest name in the table that `words` start with, and the words after it. Undefined when
 * they are a noun alone.
 * @throws {WarpError} E_USAGE for an unknown command, with a suggestion
 */
export function resolveVerb(
  table: VerbTable,
  words: readonly string[],
): { name: string; rest: string[] } | undefined {
  const [first = "", second] = words;
  if (Object.hasOwn(table, first)) return { name: first, rest: words.slice(1) };
  const commands = commandsOf(table, first);
  if (commands.length === 0) throw unknownCommand(first, topWords(table));
  if (second === undefined || second.startsWith("-")) return undefined;
  const name = `${first} ${second}`;
  if (Object.hasOwn(table, name)) return { name, rest: words.slice(2) };
  throw unknownCommand(name, commands);
}

/** The first words of all commands, each once. */
export function topWords(table: VerbTable): string[] {
  return [...new Set(Object.keys(table).map((name) => name.split(" ")[0]!))];
}

function unknownCommand(name: string, known: readonly string[]): WarpError {
  const shown = name.length > 60 ? name.slice(0, 60) + "…" : name;
  const nearest = suggest(name, known);
  const hint = nearest === undefined
    ? "`warp --help` lists the commands"
    : `did you mean \`warp ${nearest}\``;
  return new WarpError("E_USAGE", `unknown command "${shown}"`, { hint });
}

/** The known word nearest to `word`, if it is near: one slip per three letters. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = word.length > 0 && candidate.startsWith(word)
      ? 1
      : editDistance(word, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Infinity;
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, older[j - 2]! + 1);
      }
      row.push(cost);
    }
    older = previous;
    previous = row;
  }
  return previous[b.length]!;
}
