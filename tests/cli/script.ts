/**
 * Transcripts: text files of commands and what must come of them, run against the real program in a
 * folder of their own. One file is one test.
 *
 * | line | meaning |
 * |---|---|
 * | `# …` | comment |
 * | `warp ARG…` | runs warp; must exit with 0 |
 * | `exec PROGRAM ARG…` | runs another program; `warp` is on its PATH |
 * | `! COMMAND…` | the command must fail; with a check: the check must not hold |
 * | `exit N` | the last command's exit code |
 * | `stdout 'REGEX'`, `stderr 'REGEX'` | somewhere in the last command's output; `^` and `$` are lines |
 * | `empty stdout`, `empty stderr` | the last command wrote nothing there |
 * | `exists PATH…` | all are there |
 * | `mode PATH OCTAL` | permission bits |
 * | `same PATH PATH` | two files have the same bytes |
 * | `contains PATH 'REGEX'` | a file's text |
 * | `let NAME stdout 'REGEX'` | sets $NAME to the first group |
 * | `env NAME=VALUE…` | for the commands that follow; `env NAME` unsets |
 * | `stdin PATH` | for the next command |
 * | `save stdout PATH` | keeps the last command's output |
 * | `[CONDITION] LINE` | only if it holds: a program's name, `unix`, `root`, or `!` before it |
 * | `-- PATH --` | at the end: the lines below become a file |
 *
 * Words are separated by spaces; single quotes keep spaces, `''` inside them is one quote. `$NAME`
 * is replaced outside single quotes; `$WORK` is the folder.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";

const CLI = new URL("../../cli.ts", import.meta.url).pathname;

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  bytes: Uint8Array;
}

interface State {
  folder: string;
  environment: Record<string, string>;
  stdinPath: string | undefined;
  last: Ran;
}

/** Runs one transcript. `name` is for messages. Returns the lines that a condition left out. */
export async function runScript(name: string, text: string): Promise<string[]> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "warp-script-" }));
  try {
    return await runIn(folder, name, text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runIn(folder: string, name: string, text: string): Promise<string[]> {
  const [script, files] = splitFiles(text);
  for (const [path, content] of files) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), content);
  }
  const state: State = {
    folder,
    environment: await isolatedEnvironment(folder),
    stdinPath: undefined,
    last: { code: 0, stdout: "", stderr: "", bytes: new Uint8Array(0) },
  };
  const left: string[] = [];
  for (const [index, line] of script.split("\n").entries()) {
    try {
      if (!await runLine(line, state)) left.push(`${name}:${index + 1}: ${line}`);
    } catch (error) {
      const { code, stdout, stderr } = state.last;
      const shown = `[exit ${code}]\n[stdout]\n${stdout}\n[stderr]\n${stderr}`;
      throw new Error(`${name}:${index + 1}: ${line}\n${(error as Error).message}\n${shown}`);
    }
  }
  return left;
}

function splitFiles(text: string): [string, [string, string][]] {
  const parts = text.split(/^-- (.+) --\n/m);
  const files: [string, string][] = [];
  for (let i = 1; i < parts.length; i += 2) files.push([parts[i]!, parts[i + 1]!]);
  return [parts[0]!, files];
}

/** Nothing of the user's: no home, no passphrase, and a `warp` on the PATH. */
async function isolatedEnvironment(folder: string): Promise<Record<string, string>> {
  const programs = join(folder, ".programs");
  await Deno.mkdir(programs);
  const quoted = (path: string) => `'${path.replaceAll("'", `'\\''`)}'`;
  const script = `#!/bin/sh\nexec ${quoted(Deno.execPath())} run -A ${quoted(CLI)} "$@"\n`;
  await Deno.writeTextFile(join(programs, "warp"), script, { mode: 0o755 });
  const environment: Record<string, string> = {
    PATH: `${programs}:${Deno.env.get("PATH") ?? ""}`,
    HOME: join(folder, "home"),
    WORK: folder,
    NO_COLOR: "1",
  };
  // Deno's own cache: without it every command would fetch its packages again.
  const home = Deno.env.get("HOME");
  const cache = Deno.env.get("DENO_DIR") ??
    (home === undefined ? undefined : `${home}/.cache/deno`);
  if (cache !== undefined) environment["DENO_DIR"] = cache;
  return environment;
}

/** False when a condition left the line out. */
async function runLine(line: string, state: State): Promise<boolean> {
  let words = splitWords(line, state.environment);
  const condition = /^\[(!?)(.+)\]$/.exec(words[0] ?? "");
  if (condition !== null) {
    if (await holds(condition[2]!, state) === (condition[1] === "!")) return false;
    words = words.slice(1);
  }
  const mustFail = words[0] === "!";
  if (mustFail) words = words.slice(1);
  const [verb, ...args] = words;
  if (verb === undefined) return true;
  if (verb === "warp" || verb === "exec") {
    const [program, ...rest] = verb === "warp"
      ? [Deno.execPath(), "run", "-A", CLI, ...args]
      : args;
    state.last = await execute(program!, rest, state);
    state.stdinPath = undefined;
    assert.equal(
      state.last.code !== 0,
      mustFail,
      mustFail ? "it should fail" : "it should not fail",
    );
    return true;
  }
  const check = CHECKS[verb];
  if (check !== undefined) {
    assert.equal(
      await check(args, state),
      !mustFail,
      `${verb} ${mustFail ? "holds" : "does not hold"}`,
    );
    return true;
  }
  const action = ACTIONS[verb];
  if (action === undefined || mustFail) throw new Error(`unknown command: ${verb}`);
  await action(args, state);
  return true;
}

function splitWords(line: string, environment: Record<string, string>): string[] {
  const words: string[] = [];
  for (const [match] of line.matchAll(/#.*|(?:'(?:[^']|'')*'|[^\s'])+/g)) {
    if (match.startsWith("#")) break;
    words.push(
      match.replace(/'((?:[^']|'')*)'|\$([A-Za-z_]+)/g, (_, quoted?: string, name?: string) => {
        if (name === undefined) return quoted!.replaceAll("''", "'");
        const value = environment[name];
        if (value === undefined) throw new Error(`$${name} is not set`);
        return value;
      }),
    );
  }
  return words;
}

async function holds(condition: string, state: State): Promise<boolean> {
  if (condition === "unix") return Deno.build.os !== "windows";
  if (condition === "root") return Deno.build.os !== "windows" && Deno.uid() === 0;
  const found = await execute("sh", ["-c", 'command -v "$0" >/dev/null', condition], state);
  return found.code === 0;
}

async function execute(program: string, args: readonly string[], state: State): Promise<Ran> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: state.folder,
    env: state.environment,
    clearEnv: true,
    stdin: state.stdinPath === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (state.stdinPath !== undefined) {
    const input = await Deno.open(join(state.folder, state.stdinPath));
    // The program may end before it has read everything.
    await input.readable.pipeTo(child.stdin).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr), bytes: stdout };
}

function outputOf(state: State, stream: string): string {
  assert.ok(stream === "stdout" || stream === "stderr", `"${stream}" is not a stream`);
  return state.last[stream];
}

const CHECKS: Record<string, (args: string[], state: State) => boolean | Promise<boolean>> = {
  exit: ([code], { last }) => last.code === Number(code),
  stdout: ([pattern], { last }) => new RegExp(pattern!, "m").test(last.stdout),
  stderr: ([pattern], { last }) => new RegExp(pattern!, "m").test(last.stderr),
  empty: ([stream], state) => outputOf(state, stream!) === "",
  async exists(paths, { folder }) {
    const found = await Promise.all(
      paths.map((path) => Deno.lstat(join(folder, path)).then(() => true, () => false)),
    );
    return found.every(Boolean);
  },
  async mode([path, octal], { folder }) {
    const { mode } = await Deno.stat(join(folder, path!));
    return (mode! & 0o7777) === parseInt(octal!, 8);
  },
  async same([one, other], { folder }) {
    const [a, b] = await Promise.all([one, other].map((p) => Deno.readFile(join(folder, p!))));
    return a!.length === b!.length && a!.every((byte, i) => byte === b![i]);
  },
  contains: async ([path, pattern], { folder }) =>
    new RegExp(pattern!, "m").test(await Deno.readTextFile(join(folder, path!))),
};

const ACTIONS: Record<string, (args: string[], state: State) => void | Promise<void>> = {
  env(settings, { environment }) {
    for (const setting of settings) {
      const [name, ...value] = setting.split("=");
      if (setting.includes("=")) environment[name!] = value.join("=");
      else delete environment[name!];
    }
  },
  let([name, stream, pattern], state) {
    const found = new RegExp(pattern!, "m").exec(outputOf(state, stream!));
    assert.ok(found?.[1] !== undefined, `${pattern} has no match`);
    state.environment[name!] = found[1];
  },
  stdin([path], state) {
    state.stdinPath = path;
  },
  save: ([stream, path], state) => {
    assert.equal(stream, "stdout");
    return Deno.writeFile(join(state.folder, path!), state.last.bytes);
  },
};
