/**
 * Runs one command line: finds the command, parses, runs, reports, and names the exit code.
 *
 * Exit codes are those of `error_codes.ts`. When the reader of stdout leaves early (`warp list … |
 * head`), the run ends quietly with 0, as it does for programs that SIGPIPE ends unseen in a
 * pipeline; an archive written to stdout is the exception, because a reader that left has lost data.
 *
 * @module
 */
import type { CommandSpec, GlobalOptions, StdoutUse, VerbTable } from "./command.ts";
import { asWarpError, WarpError } from "./errors.ts";
import { restoreTerminal } from "./prompt.ts";
import { commandsOf, hasFlag, resolveVerb, splitLine } from "./verbs.ts";

const EXIT_INTERRUPTED = 130;

/** @returns the process exit code */
export async function runCommandLine(table: VerbTable, argv: readonly string[]): Promise<number> {
  const { Output } = await import("./output.ts");
  const interruption = new AbortController();
  let globals = globalsForFailure(argv);
  let use: StdoutUse = "text";
  let output = new Output(globals, use, interruption.signal);
  const stopListening = listenForSignals(interruption);
  const stopCatching = catchStrays((error) => {
    const reported = interruption.signal.aborted ? asInterruption(error) : error;
    output.fail(reported);
    restoreTerminal();
    Deno.exit(reported.exitCode);
  });
  try {
    const planned = await plan(table, argv);
    if (planned.kind === "text") {
      output.stdout.write(planned.text);
      return 0;
    }
    globals = planned.globals;
    use = planned.spec.stdoutUse?.(planned.options) ?? "text";
    output = new Output(globals, use, interruption.signal);
    return await planned.spec.run(planned.options, output);
  } catch (error) {
    if (output.isStdoutClosed && use !== "archive") return 0;
    const reported = interruption.signal.aborted ? asInterruption(error) : asWarpError(error);
    output.fail(reported);
    return reported.exitCode;
  } finally {
    output.end();
    stopListening();
    stopCatching();
  }
}

type Plan =
  | { kind: "text"; text: string }
  | { kind: "run"; spec: CommandSpec; options: unknown; globals: GlobalOptions };

async function plan(table: VerbTable, argv: readonly string[]): Promise<Plan> {
  refuseSecrets(argv);
  const { before, words } = splitLine(argv);
  if (words[0] === "help") return await plan(table, [...before, ...words.slice(1), "--help"]);
  if (words.length === 0) return await planWithoutCommand(table, before);
  const resolved = resolveVerb(table, words);
  if (resolved === undefined) {
    const { nounHelp } = await import("./help.ts");
    if (hasFlag(argv, "--help", "-h")) {
      return { kind: "text", text: nounHelp(table, words[0]!) };
    }
    const names = commandsOf(table, words[0]!).map((name) => `\`warp ${name}\``);
    throw new WarpError("E_USAGE", `"${words[0]}" alone is not a command`, {
      hint: `one of ${names.join(", ")}`,
    });
  }
  const { name, rest } = resolved;
  const entry = table[name]!;
  const given = [...before, ...rest];
  const isHelp = hasFlag(given, "--help", "-h");
  if (!isHelp && !hasFlag(given, "--single-thread")) entry.prepare?.();
  const spec = await entry.load();
  const intercepted = spec.intercept?.(rest);
  if (intercepted !== undefined) {
    return { kind: "run", spec, options: intercepted, globals: globalsForFailure(before) };
  }
  if (isHelp) {
    const { commandHelp } = await import("./command_help.ts");
    return { kind: "text", text: commandHelp(name, entry.summary, spec) };
  }
  const { parseCommand } = await import("./command_line.ts");
  const { globals, options } = parseCommand(name, spec, given);
  return { kind: "run", spec, options, globals };
}

async function planWithoutCommand(table: VerbTable, before: readonly string[]): Promise<Plan> {
  if (hasFlag(before, "--version")) {
    const { versionText } = await import("./version.ts");
    return { kind: "text", text: versionText() };
  }
  const { programHelp } = await import("./help.ts");
  if (hasFlag(before, "--help", "-h")) return { kind: "text", text: programHelp(table) };
  throw new WarpError("E_USAGE", "no command given", { hint: "`warp --help` lists the commands" });
}

/** Every user of a machine can read the command lines on it, and shells keep them. */
function refuseSecrets(argv: readonly string[]): void {
  const end = argv.indexOf("--");
  const words = end < 0 ? argv : argv.slice(0, end);
  for (const word of words) {
    const flag = /^(--(?:passphrase|password|secret))(?:=|$)/.exec(word)?.[1];
    if (flag !== undefined) {
      throw new WarpError(
        "E_USAGE",
        `there is no ${flag}: a command line is no place for secrets`,
        {
          hint:
            "use --passphrase-file FILE, --passphrase-fd N, WARP_PASSPHRASE, or wait to be asked",
        },
      );
    }
  }
  if (argv.some((word) => /AGE-SECRET-KEY-/i.test(word))) {
    throw new WarpError("E_USAGE", "a secret key stands on the command line", {
      hint:
        "put it in a file of its own and pass --identity FILE; consider this key known to others",
    });
  }
}

/** How to report when parsing has not got far enough to say. */
function globalsForFailure(argv: readonly string[]): GlobalOptions {
  return {
    isJson: hasFlag(argv, "--json"),
    verbosity: hasFlag(argv, "-q", "--quiet") ? -1 : 0,
    traceFile: undefined,
    isSingleThread: false,
    isDebug: hasFlag(argv, "--debug"),
  };
}

/** Whatever fell over once the user had asked to stop was stopped by that. */
function asInterruption(error: unknown): WarpError {
  if (error instanceof WarpError && error.code === "E_CANCELLED") return error;
  return new WarpError("E_CANCELLED", "interrupted", { cause: error });
}

/** The first signal asks the command to stop; the second ends the process at once. */
function listenForSignals(interruption: AbortController): () => void {
  const onSignal = () => {
    if (interruption.signal.aborted) {
      restoreTerminal();
      Deno.exit(EXIT_INTERRUPTED);
    }
    interruption.abort(new WarpError("E_CANCELLED", "interrupted"));
  };
  const names: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  for (const name of names) Deno.addSignalListener(name, onSignal);
  return () => {
    for (const name of names) Deno.removeSignalListener(name, onSignal);
  };
}

/** An error that no one awaits is a bug; it ends the run in the same form as any other. */
function catchStrays(report: (error: WarpError) => never): () => void {
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    report(asWarpError(event.reason));
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    report(asWarpError(event.error ?? new Error(event.message)));
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  return () => {
    globalThis.removeEventListener("unhandledrejection", onRejection);
    globalThis.removeEventListener("error", onError);
  };
}
