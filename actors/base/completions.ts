/**
 * Shell completion: the scripts, and the answers that they ask of `warp` at each Tab.
 *
 * @module
 */
import { bash, fish, nu, pwsh, type ShellCompletion, zsh } from "@optique/core/completion";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { type Suggestion, suggestSync } from "@optique/core/parser";
import { argument } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { type CommandSpec, defineCommand, type VerbTable } from "./command.ts";
import { fullParser, globalFlags } from "./command_line.ts";
import { splitLine, topWords } from "./verbs.ts";

const SHELLS = { bash, zsh, fish, pwsh, nu } as const;

type ShellName = keyof typeof SHELLS;

interface CompletionOptions {
  shell: ShellName;
  /** The words so far, the last one unfinished; undefined: print the script. */
  words?: readonly string[];
}

export function completionsCommand(table: VerbTable): CommandSpec {
  return defineCommand<CompletionOptions>({
    details: ["The script asks `warp` itself at each Tab, so it never goes out of date."],
    examples: [
      { line: 'eval "$(warp completions bash)"', about: "in ~/.bashrc; zsh alike" },
      {
        line: "warp completions fish > ~/.config/fish/completions/warp.fish",
        about: "fish",
      },
    ],
    parser: object("Options", {
      shell: argument(choice(Object.keys(SHELLS) as ShellName[], { metavar: "SHELL" }), {
        description: message`The shell: bash, zsh, fish, pwsh or nu.`,
      }),
    }),
    intercept(words) {
      const [shell, ...rest] = words;
      if (shell === undefined || !Object.hasOwn(SHELLS, shell) || rest.length === 0) {
        return undefined;
      }
      // A human who asks for help is not a script that completes.
      if (rest.length === 1 && (rest[0] === "--help" || rest[0] === "-h")) return undefined;
      return { shell: shell as ShellName, words: rest };
    },
    async run({ shell, words }, io) {
      const completion: ShellCompletion = SHELLS[shell];
      if (words === undefined) {
        io.stdout.write(completion.generateScript("warp", ["completions", shell]) + "\n");
        return 0;
      }
      const suggestions = await suggestionsFor(table, words);
      for (const chunk of completion.encodeSuggestions(suggestions)) io.stdout.write(chunk);
      return 0;
    },
  });
}

/** What may stand in place of the last, unfinished word. */
export async function suggestionsFor(
  table: VerbTable,
  words: readonly string[],
): Promise<Suggestion[]> {
  const current = words.at(-1) ?? "";
  const { before, words: commandWords } = splitLine(words.slice(0, -1));
  const [first, second] = commandWords;
  if (first === undefined) {
    return [
      ...literals(topWords(table), current, (word) => table[word]?.summary),
      ...literals(["--help", "--version"], current, () => undefined),
      ...suggestSync(globalFlags, nonEmpty([...before, current])),
    ];
  }
  if (first === "help") return literals(topWords(table), current, (word) => table[word]?.summary);
  if (Object.hasOwn(table, first)) {
    return await commandSuggestions(table, first, [...before, ...commandWords.slice(1), current]);
  }
  if (second !== undefined && Object.hasOwn(table, `${first} ${second}`)) {
    const rest = [...before, ...commandWords.slice(2), current];
    return await commandSuggestions(table, `${first} ${second}`, rest);
  }
  const nested = Object.keys(table).filter((name) => name.startsWith(first + " "));
  const ends = nested.map((name) => name.slice(first.length + 1));
  return second === undefined
    ? literals(ends, current, (word) => table[`${first} ${word}`]?.summary)
    : [];
}

async function commandSuggestions(
  table: VerbTable,
  name: string,
  words: string[],
): Promise<Suggestion[]> {
  const spec = await table[name]!.load();
  const found = suggestSync(fullParser(spec), nonEmpty(words));
  return [...found, ...literals(["--help"], words.at(-1)!, () => undefined)];
}

function nonEmpty(words: readonly string[]): [string, ...string[]] {
  const [first = "", ...rest] = words;
  return [first, ...rest];
}

function literals(
  words: readonly string[],
  prefix: string,
  about: (word: string) => string | undefined,
): Suggestion[] {
  // Flags are offered once a dash is typed, as the parser does.
  const fitting = words.filter((word) =>
    word.startsWith(prefix) && (prefix !== "" || !word.startsWith("-"))
  );
  return fitting.map((text): Suggestion => {
    const description = about(text);
    return description === undefined
      ? { kind: "literal", text }
      : { kind: "literal", text, description: [{ type: "text", text: description }] };
  });
}
