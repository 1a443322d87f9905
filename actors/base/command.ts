/**
 * What a command gets from the shell around it: output, progress, interruption and prompts.
 *
 * Commands know no terminal, no process and no argv. `cli.ts` builds one {@link CommandIo} per run;
 * tests build their own.
 *
 * @module
 */
import type { Parser } from "@optique/core/parser";
import type { Bytes } from "./bytes.ts";

/** The seven flags that every command has, wherever on the line they stand. */
export interface GlobalOptions {
  /** One JSON record per line instead of text; no progress line. */
  isJson: boolean;
  /** -1 with `-q`, 0 by default, else the number of `-v`. */
  verbosity: number;
  /** Chrome trace file, or `-` for a live sequence on stderr. */
  traceFile: string | undefined;
  /** Runs every actor in this thread. */
  isSingleThread: boolean;
  /** Shows stacks. */
  isDebug: boolean;
}

/** A point on the way. Fields that are unknown are left out. */
export interface ProgressUpdate {
  /** What is going on, one lower-case word or two: `"storing"`, `"scanning"`. */
  phase?: string;
  /** Payload bytes finished. The rate comes from these. */
  bytesDone?: number;
  bytesTotal?: number;
  filesDone?: number;
  filesTotal?: number;
  /** Something short to stand behind the figures: `"12.0 MiB saved"`. */
  detail?: string;
  /** Path in work, as stored; it is escaped before it is shown. */
  currentPath?: Bytes;
}

/** One machine-readable record; `message_type` says what it is. */
export interface JsonRecord {
  message_type: string;
  [field: string]: unknown;
}

export interface CommandIo {
  readonly options: Readonly<GlobalOptions>;
  /** Aborted at the first SIGINT or SIGTERM. The reason is a `WarpError` E_CANCELLED. */
  readonly signal: AbortSignal;
  readonly stdout: {
    readonly isTerminal: boolean;
    /**
     * Writes everything before it returns, so a slow reader slows the caller. Payload of `cat` and
     * `create -o -`, and the lines of `list` and its like. No newline is added.
     * @throws {WarpError} E_PIPE_CLOSED when the reader has gone: let it pass, it ends the run
     *   quietly.
     */
    write(content: string | Bytes): void;
  };
  readonly stderr: {
    readonly isTerminal: boolean;
  };
  /**
   * One line for people, on stderr above any progress line. Shown when `options.verbosity >= level`
   * and not with `--json`. Default level 0: silent with `-q`.
   */
  note(text: string, level?: number): void;
  /**
   * Something went wrong but the run goes on: `warp: warning: …` on stderr even with `-q`; with
   * `--json` a record `{"message_type":"warning"}`.
   */
  warn(text: string, details?: Record<string, unknown>): void;
  /**
   * One JSON line, only with `--json`; otherwise nothing happens. It goes to stdout, or to stderr
   * where stdout carries payload (`cat`, `create -o -`).
   */
  json(record: JsonRecord): void;
  /** Cheap to call per file or per block: drawn at most ten times a second, on a terminal only. */
  progress(update: ProgressUpdate): void;
  /**
   * A secret typed on the controlling terminal, without echo. The caller owns and should wipe it.
   * Undefined when there is no terminal.
   * @throws {WarpError} E_CANCELLED
   */
  readSecret(prompt: string): Promise<Uint8Array | undefined>;
}

/** A handler returns the exit code, or throws. */
export type CommandHandler<Options> = (options: Options, io: CommandIo) => Promise<number>;

/** One line of a help page: a command as typed, and what it does. */
export interface CommandExample {
  line: string;
  about: string;
}

/**
 * What stdout carries:
 * - `text`: lines for people or JSON; a reader that leaves early (`| head`) has seen enough.
 * - `content`: file content, as `cat` writes it; the same, but JSON records go to stderr.
 * - `archive`: an archive; a reader that leaves early has lost data, so the run fails.
 */
export type StdoutUse = "text" | "content" | "archive";

/**
 * One command: how its words are parsed, how it is explained, and what it does. Its name and summary
 * stand in the table of verbs (`cli.ts`), which is read without loading the command.
 */
export interface CommandSpec<Options = unknown> {
  /** What the summary leaves out, in sentences, one paragraph each. */
  details?: readonly string[];
  /** At least one. */
  examples: readonly CommandExample[];
  parser: Parser<"sync", Options, unknown>;
  stdoutUse?: (options: Options) => StdoutUse;
  /** Options made of words that the parser must not see; undefined: parse as usual. */
  intercept?: (words: readonly string[]) => Options | undefined;
  run: CommandHandler<Options>;
}

/** One row of the table of verbs. */
export interface VerbEntry {
  /** Heading under which the help lists it. */
  group: string;
  /** One lower-case clause without a full stop. */
  summary: string;
  /** Imports the command's module: nothing of it is loaded before. */
  load: () => Promise<CommandSpec>;
  /** Begins what takes time and every run needs, before the command is loaded. */
  prepare?: () => void;
}

/** Names, one or two words, in the order in which the help lists them. */
export type VerbTable = Readonly<Record<string, VerbEntry>>;

/** Checks a command's types against each other, then forgets them, so that a table can hold it. */
export function defineCommand<Options>(spec: CommandSpec<Options>): CommandSpec {
  return spec as CommandSpec;
}
