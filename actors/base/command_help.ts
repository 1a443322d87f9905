/**
 * `warp COMMAND --help`, from the command's own parser.
 *
 * @module
 */
import type { DocEntry, DocSection } from "@optique/core/doc";
import { formatMessage } from "@optique/core/message";
import { getDocPageSync } from "@optique/core/parser";
import { formatUsage, formatUsageTerm, type UsageTerm } from "@optique/core/usage";
import type { CommandSpec } from "./command.ts";
import { fullParser } from "./command_line.ts";
import { terminalColumns } from "./terminal.ts";

/** Wide enough for every option on one line, narrow enough to read. */
const COLUMNS_MAX = 100;

/** The sections of a command: arguments first, then its options, then the global ones. */
export function commandSections(spec: CommandSpec): DocSection[] {
  const page = getDocPageSync(fullParser(spec), []);
  const sections = page?.sections ?? [];
  const isArgument = (entry: DocSection["entries"][number]) => entry.term.type === "argument";
  const arguments_ = sections.flatMap((section) => section.entries.filter(isArgument));
  const options = sections.map((section) => ({
    ...section,
    entries: section.entries.filter((entry) => !isArgument(entry)),
  }));
  return [{ title: "Arguments", entries: arguments_ }, ...options]
    .filter((section) => section.entries.length > 0);
}

/** `-o/--output OUT SRC...`: what must be given. Options that may be left out are `[OPTIONS]`. */
export function commandUsage(name: string, spec: CommandSpec): string {
  const usage = getDocPageSync(spec.parser, [])?.usage ?? [];
  const needed = usage.filter((term) => !isOptionalOption(term));
  // Wider than any terminal: lines are broken by us, between words.
  const text = formatUsage(`warp ${name} [OPTIONS]`, needed, { maxWidth: 10_000 });
  return text.replace(/(-\w)\/--[\w-]+/g, "$1").trim();
}

function isOptionalOption(term: UsageTerm): boolean {
  if (term.type === "option") return false;
  const inner = term.type === "optional" || (term.type === "multiple" && term.min === 0)
    ? term.terms
    : undefined;
  return inner !== undefined &&
    inner.every((part) => part.type === "option" || isOptionalOption(part));
}

/** An entry's term and description as plain text. */
export function entryText(entry: DocEntry): { term: string; text: string } {
  const term = formatUsageTerm(entry.term, { optionsSeparator: ", ", maxWidth: 10_000 });
  return {
    term: term.replace(/^\[|\]$/g, ""),
    text: entry.description === undefined ? "" : formatMessage(entry.description),
  };
}

export function commandHelp(name: string, summary: string, spec: CommandSpec): string {
  const columns = Math.max(60, Math.min(COLUMNS_MAX, terminalColumns()));
  const lines = [`warp ${name}: ${summary}`, "", `Usage: ${commandUsage(name, spec)}`];
  const sections = commandSections(spec).map(({ title, entries }) => ({
    title,
    entries: entries.map(entryText),
  }));
  const terms = sections.flatMap(({ entries }) => entries.map(({ term }) => term.length));
  const indent = Math.min(30, Math.max(...terms)) + 4;
  for (const { title, entries } of sections) {
    lines.push("", `${title}:`);
    for (const { term, text } of entries) {
      const [first = "", ...rest] = wrap(text, columns - indent);
      lines.push(`  ${term.padEnd(indent - 4)}  ${first}`.trimEnd());
      for (const line of rest) lines.push(" ".repeat(indent) + line);
    }
  }
  for (const paragraph of spec.details ?? []) lines.push("", ...wrap(paragraph, columns));
  lines.push("", spec.examples.length === 1 ? "Example:" : "Examples:");
  for (const example of spec.examples) lines.push(`  # ${example.about}`, `  ${example.line}`);
  return lines.join("\n") + "\n";
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
