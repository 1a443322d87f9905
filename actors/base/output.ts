/**
 * The process's streams as a command sees them: {@link CommandIo} over stdout, stderr and the
 * terminal, and the form in which errors are told.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import { utf8 } from "./bytes.ts";
import type { CommandIo, GlobalOptions, JsonRecord, ProgressUpdate, StdoutUse } from "./command.ts";
import { WarpError } from "./errors.ts";
import { ProgressLine } from "./progress.ts";
import { readSecret } from "./prompt.ts";
import { printableText, terminalColumns } from "./terminal.ts";

/** What a stream must do; `Deno.stdout` and `Deno.stderr` do. */
export interface OutputStream {
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

export interface OutputStreams {
  stdout: OutputStream;
  stderr: OutputStream;
  nowMs(): number;
}

const ERASE_LINE = "\r\x1b[K";

/** One command's output. {@link Output.end} must be called before the process ends. */
export class Output implements CommandIo {
  readonly options: Readonly<GlobalOptions>;
  readonly signal: AbortSignal;
  readonly stdout: CommandIo["stdout"];
  readonly stderr: CommandIo["stderr"];
  readonly #streams: OutputStreams;
  readonly #use: StdoutUse;
  readonly #progress: ProgressLine | undefined;
  #isLineDrawn = false;
  #isStdoutClosed = false;

  constructor(
    options: GlobalOptions,
    use: StdoutUse,
    signal: AbortSignal,
    streams: OutputStreams = {
      stdout: Deno.stdout,
      stderr: Deno.stderr,
      nowMs: () => performance.now(),
    },
  ) {
    this.options = options;
    this.signal = signal;
    this.#use = use;
    this.#streams = streams;
    const isTerminal = streams.stdout.isTerminal();
    this.stdout = { isTerminal, write: (content) => this.#write(content) };
    this.stderr = { isTerminal: streams.stderr.isTerminal() };
    const isShown = this.stderr.isTerminal && !options.isJson && options.verbosity >= 0 &&
      Deno.env.get("TERM") !== "dumb";
    this.#progress = isShown ? new ProgressLine() : undefined;
  }

  /** True once stdout's reader has gone: the run may end without another word. */
  get isStdoutClosed(): boolean {
    return this.#isStdoutClosed;
  }

  note(text: string, level = 0): void {
    if (this.options.isJson || this.options.verbosity < level) return;
    this.#stderrLine(text);
  }

  warn(text: string, details: Record<string, unknown> = {}): void {
    if (this.options.isJson) this.json({ message_type: "warning", message: text, ...details });
    else this.#stderrLine(`warp: warning: ${text}`);
  }

  json(record: JsonRecord): void {
    if (!this.options.isJson) return;
    const line = formatJson(record);
    if (this.#use === "text") this.#write(line + "\n");
    else this.#stderrLine(line);
  }

  progress(update: ProgressUpdate): void {
    if (this.#progress === undefined) return;
    const line = this.#progress.update(update, this.#streams.nowMs(), terminalColumns());
    if (line === undefined) return;
    this.#stderrWrite(ERASE_LINE + line);
    this.#isLineDrawn = true;
  }

  readSecret(prompt: string): Promise<Uint8Array | undefined> {
    this.#eraseProgress();
    return readSecret(prompt, this.signal);
  }

  /** Reports what ended the run, in the form that was asked for. */
  fail(error: WarpError): void {
    if (this.options.isJson) this.#stderrLine(formatJson(errorRecord(error)));
    else for (const line of errorLines(error, this.options.isDebug)) this.#stderrLine(line);
  }

  /** Takes the progress line away. */
  end(): void {
    this.#eraseProgress();
  }

  #write(content: string | Bytes): void {
    // Text and the progress line may share one terminal.
    if (this.stdout.isTerminal) this.#eraseProgress();
    try {
      writeAll(this.#streams.stdout, typeof content === "string" ? utf8(content) : content);
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      this.#isStdoutClosed = true;
      throw new WarpError("E_PIPE_CLOSED", "the reader of stdout has gone", { cause: error });
    }
  }

  #stderrLine(line: string): void {
    this.#eraseProgress();
    this.#stderrWrite(line + "\n");
  }

  #stderrWrite(text: string): void {
    try {
      writeAll(this.#streams.stderr, utf8(text));
    } catch {
      // Nobody reads stderr: there is nowhere left to say so, and the work itself can go on.
    }
  }

  #eraseProgress(): void {
    if (!this.#isLineDrawn) return;
    this.#isLineDrawn = false;
    this.#stderrWrite(ERASE_LINE);
  }
}

/** Writes all of `bytes`, waiting where a stream that does not block is full. */
export function writeAll(stream: Pick<OutputStream, "writeSync">, bytes: Bytes): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(bytes.subarray(at) as Uint8Array);
    } catch (error) {
      // Another process may have made the shared descriptor non-blocking.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/** Counters may be bigint; JSON numbers hold them up to 2^53, beyond that they become strings. */
function formatJson(record: JsonRecord): string {
  return JSON.stringify(record, (_, value: unknown) => {
    if (typeof value !== "bigint") return value;
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  });
}

/** `warp: error: …`, then `warp: hint: …`; with `isDebug` the stacks of the error and its causes. */
export function errorLines(error: WarpError, isDebug: boolean): string[] {
  const lines = [`warp: error: ${printableText(error.message)}`];
  if (error.hint !== undefined) lines.push(`warp: hint: ${printableText(error.hint)}`);
  if (!isDebug) return lines;
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 8; depth++) {
    lines.push(...(cause.stack ?? String(cause)).split("\n").map(printableText));
    cause = cause.cause;
  }
  return lines;
}

export function errorRecord(error: WarpError): JsonRecord {
  const record: JsonRecord = {
    message_type: "exit_error",
    code: error.code,
    exit: error.exitCode,
    message: error.message,
  };
  if (error.hint !== undefined) record["hint"] = error.hint;
  if (Object.keys(error.details).length > 0) record["details"] = error.details;
  return record;
}
