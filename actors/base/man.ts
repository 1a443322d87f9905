/**
 * `warp man`: the manual page, warp(1), in man(7) macros, from the same parsers as the help.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import type { DocEntry } from "@optique/core/doc";
import { type CommandSpec, defineCommand, type VerbTable } from "./command.ts";
import { commandSections, commandUsage, entryText } from "./command_help.ts";
import { WARP_VERSION } from "./version.ts";

const EXIT_CODES: readonly (readonly [number, string])[] = [
  [0, "done"],
  [1, "failed, and no better class fits"],
  [2, "wrong usage"],
  [3, "something named is not there"],
  [4, "a key is missing or wrong, or a signature is"],
  [5, "an archive is damaged, cut short, or not one"],
  [6, "the network failed"],
  [7, "partly done: some files could not be read, and are named"],
  [70, "a bug in warp"],
  [130, "interrupted"],
];

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["WARP_PASSPHRASE", "The passphrase, where no option names one."],
  ["XDG_CONFIG_HOME", "Where warp/key.txt lies; ~/.config by default."],
  ["WARP_BACKEND, WARP_BACKEND_KERNEL", "Force a kernel backend; see warp doctor."],
];

export function manCommand(table: VerbTable): CommandSpec {
  return defineCommand<Record<string, never>>({
    examples: [
      { line: "warp man | man -l -", about: "read it" },
      { line: "warp man > /usr/local/share/man/man1/warp.1", about: "install it" },
    ],
    parser: object("Options", {}),
    async run(_, io) {
      io.stdout.write(await manPage(table));
      return 0;
    },
  });
}

/** The whole page. It carries no date, so that the same version gives the same bytes. */
export async function manPage(table: VerbTable): Promise<string> {
  const lines = [
    `.TH WARP 1 "" "warp ${roff(WARP_VERSION)}" "User Commands"`,
    ".SH NAME",
    "warp \\- verified, deduplicated, compressed and encrypted archives",
    ".SH SYNOPSIS",
    ".B warp",
    "\\fICOMMAND\\fR [\\fIOPTIONS\\fR]",
    ".SH COMMANDS",
  ];
  const specs = new Map<string, CommandSpec>();
  for (const [name, entry] of Object.entries(table)) specs.set(name, await entry.load());
  for (const [name, spec] of specs) lines.push(...commandPart(name, table[name]!.summary, spec));
  lines.push(".SH GLOBAL OPTIONS", "These may stand before or after the command.");
  const anySpec = specs.values().next().value;
  if (anySpec !== undefined) {
    const sections = commandSections(anySpec);
    const global = sections.find((section) => section.title === "Global options");
    for (const entry of global?.entries ?? []) lines.push(...entryPart(entry));
  }
  lines.push(...definition("-h, --help", "Explain the program or a command."));
  lines.push(...definition("--version", "Print the version."));
  lines.push(".SH ENVIRONMENT");
  for (const [name, text] of ENVIRONMENT) lines.push(...definition(name, text));
  lines.push(".SH EXIT STATUS");
  for (const [code, text] of EXIT_CODES) lines.push(...definition(String(code), text));
  lines.push(".SH SEE ALSO", ".BR age (1),", ".BR tar (1)");
  return lines.join("\n") + "\n";
}

function commandPart(name: string, summary: string, spec: CommandSpec): string[] {
  const lines = [`.SS "warp ${roff(name)}"`, roff(`${sentence(summary)}.`)];
  lines.push(".PP", `\\fB${roff(commandUsage(name, spec))}\\fR`);
  for (const section of commandSections(spec)) {
    if (section.title === "Global options") continue;
    for (const entry of section.entries) lines.push(...entryPart(entry));
  }
  for (const paragraph of spec.details ?? []) lines.push(".PP", roff(paragraph));
  lines.push(".PP", spec.examples.length === 1 ? "Example:" : "Examples:");
  for (const example of spec.examples) {
    lines.push(".PP", ".RS 4", ".nf", roff(`# ${example.about}`), roff(example.line), ".fi", ".RE");
  }
  return lines;
}

function entryPart(entry: DocEntry): string[] {
  const { term, text } = entryText(entry);
  return definition(term, text);
}

function definition(term: string, text: string): string[] {
  return [".TP", `\\fB${roff(term)}\\fR`, roff(text)];
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Text as roff shows it: backslashes and hyphens literal, no line mistaken for a request. */
function roff(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("…", "...");
  return escaped.split("\n").map((line) => /^[.']/.test(line) ? `\\&${line}` : line).join("\n");
}
