/**
 * From words to options: the parser of one command together with the global flags, which may stand
 * before or after the command's name. Optique (npm) does the parsing, completes and explains.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { formatMessage, type Message, message } from "@optique/core/message";
import { map, multiple, optional } from "@optique/core/modifiers";
import { type Parser, parseSync } from "@optique/core/parser";
import { flag, option } from "@optique/core/primitives";
import type { ValueParser, ValueParserResult } from "@optique/core/valueparser";
import type { CommandSpec, GlobalOptions } from "./command.ts";
import { ERROR_CODES } from "./error_codes.ts";
import { isWarpError, WarpError } from "./errors.ts";
import { parseBytes } from "./units.ts";

/** The global flags. Their fields begin with `$`, so that no command's own can collide. */
export const globalFlags = object("Global options", {
  $json: option("--json", { description: message`Print JSON records, one per line.` }),
  $quiet: option("-q", "--quiet", { description: message`Print errors and results only.` }),
  $verbose: map(
    multiple(
      flag("-v", "--verbose", { description: message`Tell more; -vv and -vvv still more.` }),
    ),
    (flags) => flags.length,
  ),
  $trace: optional(option("--trace", fileName("FILE", "any"), {
    description:
      message`Write a Chrome trace of all messages to FILE; "-" prints them as they happen.`,
  })),
  $singleThread: option("--single-thread", { description: message`Run without Workers.` }),
  $debug: option("--debug", { description: message`Show stacks with errors.` }),
});

export interface ParsedCommand {
  globals: GlobalOptions;
  options: unknown;
}

type AnyParser = Parser<"sync", Record<string, unknown>, unknown>;

/** A command's own parser with the global flags merged in. */
export function fullParser(spec: CommandSpec): AnyParser {
  return merge(spec.parser as AnyParser, globalFlags as AnyParser) as unknown as AnyParser;
}

/** @throws {WarpError} E_USAGE */
export function parseCommand(
  name: string,
  spec: CommandSpec,
  words: readonly string[],
): ParsedCommand {
  const result = parseSync(fullParser(spec), [...words]);
  if (!result.success) throw usageError(result.error, name);
  const { $json, $quiet, $verbose, $trace, $singleThread, $debug, ...options } = result
    .value as Record<string, unknown> & GlobalFlagValues;
  const globals: GlobalOptions = {
    isJson: $json,
    verbosity: $quiet ? -1 : $verbose,
    traceFile: $trace,
    isSingleThread: $singleThread,
    isDebug: $debug,
  };
  return { globals, options };
}

interface GlobalFlagValues {
  $json: boolean;
  $quiet: boolean;
  $verbose: number;
  $trace: string | undefined;
  $singleThread: boolean;
  $debug: boolean;
}

/**
 * Optique's words in our form: lower case, no full stop, and its suggestions (or the hint of one of
 * our own value parsers) as the hint.
 */
function usageError(error: Message, command: string): WarpError {
  const [first = "", second = ""] = formatMessage(error, { quotes: true }).split(/\n\s*\n/);
  const hint = second.startsWith("Did you mean") ? suggestion(first, second) : asClause(second);
  return new WarpError("E_USAGE", rephrase(asClause(first)), {
    hint: hint === undefined || hint === "" ? `see \`warp ${command} --help\`` : hint,
  });
}

function rephrase(clause: string): string {
  const unexpected = /^unexpected option or argument: "(.*)"$/.exec(clause)?.[1];
  if (unexpected !== undefined) {
    return unexpected.startsWith("-")
      ? `unknown option "${unexpected}"`
      : `unexpected argument "${unexpected}"`;
  }
  return clause
    .replace(/^expected an? `(.+)`, but too few arguments$/, "`$1` is missing")
    .replace(
      /^(`[^`]+`(?:\/`[^`]+`)*: )(\w)(?![A-Z])/,
      (_, names, first) => names + first.toLowerCase(),
    );
}

/** Among one-letter options every other one is near: suggesting them says nothing. */
function suggestion(first: string, sentence: string): string | undefined {
  if (/"-.?"/.test(first)) return undefined;
  const names = [...sentence.matchAll(/`[^`]+`/g)].map(([name]) => name);
  return names.length === 0 ? undefined : `did you mean ${names.join(" or ")}`;
}

function asClause(sentence: string): string {
  const line = sentence.trim().replace(/\s+/g, " ").replace(/\.$/, "");
  // An abbreviation or a name keeps its capitals.
  return /^[A-Z](?![A-Z])/.test(line) ? line.charAt(0).toLowerCase() + line.slice(1) : line;
}

/** A file or directory name; shells complete it. An empty name is refused. */
export function fileName(
  metavar: "FILE" | "DIR" | "PATH" | "SRC" | "ARCHIVE" | "OUT",
  type: "file" | "directory" | "any",
  extensions: readonly string[] = [],
): ValueParser<"sync", string> {
  return {
    mode: "sync",
    metavar,
    placeholder: ".",
    parse: (input) =>
      input === ""
        ? { success: false, error: message`The name of a file is empty.` }
        : { success: true, value: input },
    format: (value) => value,
    *suggest(prefix) {
      yield {
        kind: "file",
        pattern: prefix,
        type,
        ...(extensions.length > 0 ? { extensions } : {}),
        includeHidden: /(?:^|\/)\.[^/]*$/.test(prefix),
      };
    },
  };
}

/** A value that one of our own functions parses: its `WarpError` becomes the parser's message. */
export function parsedBy<Value>(
  metavar: "SIZE" | "CODEC" | "RECIPIENT" | "SIGNER" | "GLOB" | "TIME",
  parse: (text: string) => Value,
  format: (value: Value) => string,
  placeholder: Value,
  suggestions: readonly string[] = [],
): ValueParser<"sync", Value> {
  return {
    mode: "sync",
    metavar,
    placeholder,
    parse(input): ValueParserResult<Value> {
      try {
        return { success: true, value: parse(input) };
      } catch (error) {
        if (!isWarpError(error)) throw error;
        // A paragraph of its own: `usageError` makes it the hint.
        const hint = error.hint === ERROR_CODES.E_USAGE.hint ? undefined : error.hint;
        const text = hint === undefined ? error.message : `${error.message}\n\n${hint}`;
        return { success: false, error: [{ type: "text", text }] };
      }
    },
    format,
    *suggest(prefix) {
      for (const text of suggestions) {
        if (text.startsWith(prefix)) yield { kind: "literal", text };
      }
    },
  };
}

/** `64KiB`, `10MB`, `4096`: bytes, at least `min`. */
export function byteSize(min = 1): ValueParser<"sync", number> {
  const parse = (text: string) => {
    const bytes = parseBytes(text);
    if (!Number.isSafeInteger(bytes) || bytes < min) {
      throw new WarpError("E_USAGE", `"${text}" is below ${min} bytes or beyond counting`, {
        hint: "write 64KiB, 10MB or 4096",
      });
    }
    return bytes;
  };
  return parsedBy("SIZE", parse, String, min);
}
