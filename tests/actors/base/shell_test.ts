/**
 * Tests of actors/base/shell.ts, output.ts and prompt.ts, in processes of their own: exit codes,
 * signals, closed pipes and terminals are only real there.
 *
 * @module
 */
import assert from "node:assert/strict";

const PROGRAM = new URL("./shell_program.ts", import.meta.url).pathname;
const RUN = ["run", "-A", PROGRAM];

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function run(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...RUN, ...args],
    stdin: "null",
  }).output();
  return { code, stdout: decode(stdout), stderr: decode(stderr), bytes: stdout };
}

/** Runs `line` in bash with the program as `$P`. */
async function bash(line: string) {
  const quoted = [Deno.execPath(), ...RUN].map((word) => `'${word}'`).join(" ");
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", line.replaceAll("$P", quoted)],
    stdin: "null",
  }).output();
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

Deno.test("runCommandLine() exits with the command's code, or the error's", async () => {
  assert.equal((await run("five")).code, 5);
  const partial = await run("partial");
  assert.equal(partial.code, 7);
  assert.equal(
    partial.stderr,
    "warp: warning: a.txt cannot be read\nwarp: error: 1 file could not be read\n",
  );
  const missing = await run("missing");
  assert.equal(missing.code, 3);
  assert.match(missing.stderr, /^warp: error: No such file .*\/no\/such\/file/i);
});

Deno.test("runCommandLine() calls a bug a bug, with its stack only on --debug", async () => {
  const bug = await run("bug");
  assert.equal(bug.code, 70);
  assert.match(bug.stderr, /^warp: error: TypeError: x is not a function\nwarp: hint: .*bug.*\n$/);
  assert.match((await run("bug", "--debug")).stderr, /\n {4}at .*shell_program\.ts/);
});

Deno.test("an error that nobody awaits ends the run as a bug, in the same form", async () => {
  const rejection = await run("stray", "rejection");
  assert.equal(rejection.code, 70);
  assert.match(rejection.stderr, /^ready\nwarp: error: Error: nobody waits for this\nwarp: hint: /);
  const thrown = await run("stray", "throw", "--json");
  assert.equal(thrown.code, 70);
  assert.match(thrown.stderr, /^\{"message_type":"exit_error","code":"E_INTERNAL","exit":70,/);
});

Deno.test("with --json errors and warnings are records, one per line", async () => {
  const { stdout, stderr } = await run("partial", "--json");
  assert.deepEqual(JSON.parse(stderr), {
    message_type: "exit_error",
    code: "E_PARTIAL",
    exit: 7,
    message: "1 file could not be read",
    details: { files: 1 },
  });
  assert.deepEqual(JSON.parse(stdout), {
    message_type: "warning",
    message: "a.txt cannot be read",
  });
});

Deno.test("-q, -v and --json choose what is told, and where", async () => {
  const talk = async (...args: string[]) => {
    const { stdout, stderr } = await run("talk", ...args);
    return [stdout, stderr];
  };
  assert.deepEqual(await talk(), ["text\n", "a note\nwarp: warning: careful\n"]);
  assert.deepEqual(await talk("-q"), ["text\n", "warp: warning: careful\n"]);
  const loud = ["text\n", "a note\na whisper\nwarp: warning: careful\n"];
  assert.deepEqual(await talk("-v"), loud);
  const [records, silence] = await talk("--json");
  assert.equal(silence, "");
  assert.match(records!, /^\{"message_type":"warning",.*\}\n/);
  assert.match(records!, /\{"message_type":"record","big":"1152921504606846976","small":7\}\n/);
});

Deno.test("where stdout carries content, JSON goes to stderr", async () => {
  const { bytes, stderr } = await run("content", "--json");
  assert.deepEqual([...bytes], [0xff, 0x00, 0x0a]);
  assert.equal(stderr, '{"message_type":"record"}\n');
});

Deno.test({
  name: "a reader that leaves early ends text quietly with 0, but an archive with an error",
  ignore: Deno.build.os === "windows",
  async fn() {
    const text = await bash("$P flood text | head -n 1; echo ${PIPESTATUS[0]}");
    assert.match(text.stdout, /^line 0 x+\n0\n$/);
    assert.equal(text.stderr, "");
    const archive = await bash("$P flood archive | head -n 1; echo ${PIPESTATUS[0]}");
    assert.match(archive.stdout, /^line 0 x+\n1\n$/);
    assert.match(archive.stderr, /^warp: error: the reader of stdout has gone\n/);
  },
});

Deno.test({
  name: "stdout that is not ready, or closed, loses nothing silently",
  ignore: Deno.build.os === "windows",
  async fn() {
    // A reader that sleeps first: the writer has to wait, not to drop.
    const slow = await bash("$P flood text | (sleep 0.3; cksum); $P flood text | cksum");
    const [first, second] = slow.stdout.trim().split("\n");
    assert.equal(first, second);
    assert.equal(slow.stderr, "");
    const full = await bash("$P flood text > /dev/full");
    assert.equal(full.code, 1);
    assert.match(full.stderr, /^warp: error: .*No space left/i);
    // Nobody reads stderr: the work is done all the same.
    const mute = await bash("$P talk 2>/dev/full");
    assert.deepEqual([mute.code, mute.stdout], [0, "text\n"]);
  },
});

Deno.test({
  name: "writeAll() waits where a pipe does not block",
  ignore: Deno.build.os === "windows",
  async fn() {
    // Python makes the shared descriptor non-blocking, as a neighbour in a pipeline may.
    const line = `(python3 -c 'import os; os.set_blocking(1, False)'; $P flood text) | ` +
      `(sleep 0.3; wc -l)`;
    const { stdout, stderr } = await bash(line);
    assert.equal(stdout.trim(), "100000", stderr);
  },
});

async function startAndSignal(verb: string[], signals: Deno.Signal[], ...args: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...RUN, ...verb, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stderr.getReader();
  const parts: string[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(decode(value));
    if (!parts.join("").startsWith("ready\n")) continue;
    const signal = signals.shift();
    if (signal === undefined) continue;
    child.kill(signal);
    if (signals.length > 0) await new Promise((resolve) => setTimeout(resolve, 150));
    for (const next of signals.splice(0)) child.kill(next);
  }
  const { code } = await child.status;
  await child.stdout.cancel();
  return { code, stderr: parts.join("") };
}

Deno.test({
  name: "SIGINT and SIGTERM abort the command, which exits with 130",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const { code, stderr } = await startAndSignal(["wait"], [signal]);
      assert.equal(code, 130);
      assert.equal(stderr, "ready\nwarp: error: interrupted\n");
    }
    // Whatever falls over in the course of it is not reported as a bug.
    const badly = await startAndSignal(["fall"], ["SIGINT"]);
    assert.deepEqual(badly, { code: 130, stderr: "ready\nwarp: error: interrupted\n" });
  },
});

Deno.test({
  name: "a second signal ends a command that does not listen",
  ignore: Deno.build.os === "windows",
  async fn() {
    const startedAt = performance.now();
    const { code } = await startAndSignal(["deaf"], ["SIGINT", "SIGTERM"]);
    assert.equal(code, 130);
    assert.ok(performance.now() - startedAt < 10_000);
  },
});

// --- On a terminal: `script` (util-linux) gives the program one.

const hasScript = Deno.build.os === "linux" &&
  await new Deno.Command("script", { args: ["--version"], stdout: "null", stderr: "null" })
    .output().then(({ success }) => success, () => false);

/** Runs the program on a pseudo-terminal, types `keys` once `prompt` is seen; what was shown. */
async function onTerminal(
  args: string[],
  typing: [prompt: string, keys: string][] = [],
): Promise<{ code: number; shown: string }> {
  const quoted = [Deno.execPath(), ...RUN, ...args].map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qec", `${quoted}; echo "exit $?"; stty -a | grep -o '.echo '`, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    env: { TERM: "xterm" },
  }).spawn();
  const writer = child.stdin.getWriter();
  let shown = "";
  for await (const part of child.stdout) {
    shown += decode(part);
    const [prompt, keys] = typing[0] ?? [];
    if (prompt === undefined || !shown.includes(prompt)) continue;
    typing.shift();
    // The prompt shows before the echo is off by a moment.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await writer.write(new TextEncoder().encode(keys));
  }
  await writer.close().catch(() => {});
  await child.status;
  return { code: Number(/exit (\d+)/.exec(shown)?.[1]), shown: shown.replaceAll("\r\n", "\n") };
}

Deno.test({
  name: "readSecret() reads a line without echo, with its corrections",
  ignore: !hasScript,
  async fn() {
    // "wrong", Ctrl-U, "secrXX", two backspaces, "ét" typed and half taken back, "et", Enter.
    const keys = "wrong\x15secrXX\x7f\x7f\u00e9\x7fet\r";
    const { code, shown } = await onTerminal(["ask"], [["secret: ", keys]]);
    assert.equal(code, 0, shown);
    assert.ok(shown.startsWith("secret: \ngot secret\n"), shown);
    assert.ok(!shown.includes("wrong"), shown);
    assert.ok(/^ echo $/m.test(shown) || !shown.includes("-echo"), "echo is back: " + shown);
  },
});

Deno.test({
  name: "readSecret() gives up on Ctrl-C, and gives the echo back",
  ignore: !hasScript,
  async fn() {
    const { code, shown } = await onTerminal(["ask"], [["secret: ", "half\x03"]]);
    assert.equal(code, 130, shown);
    assert.match(shown, /warp: error: interrupted/);
    assert.ok(!shown.includes("half") && !shown.includes("-echo"), shown);
  },
});

Deno.test({
  name: "readSecret() finds nobody to ask without a terminal",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { code, stdout } = await bash("setsid $P ask </dev/null");
    assert.deepEqual([code, stdout], [0, "got nothing\n"]);
  },
});

Deno.test({
  name: "the progress line is drawn on a terminal only, makes room for notes, and goes away",
  ignore: !hasScript,
  async fn() {
    const erase = "\r\x1b[K";
    const { shown } = await onTerminal(["progress"]);
    assert.ok(shown.startsWith(`${erase}storing  0 files${erase}storing  1 files`), shown);
    assert.ok(shown.includes(`${erase}in between\n`), shown);
    assert.ok(shown.includes(`storing  4 files${erase}exit 0`), shown);
    for (const flag of ["-q", "--json"]) {
      assert.ok(!(await onTerminal(["progress", flag])).shown.includes("storing"), flag);
    }
    assert.equal((await run("progress")).stderr, "in between\n");
  },
});
