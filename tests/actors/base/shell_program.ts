/**
 * A program with the shell of `warp` and verbs that misbehave on request, for shell_test.ts.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { type CommandIo, defineCommand, type VerbTable } from "../../../actors/base/command.ts";
import { WarpError } from "../../../actors/base/errors.ts";
import { runCommandLine } from "../../../actors/base/shell.ts";

function verb(
  run: (io: CommandIo) => Promise<number>,
  use: "text" | "content" | "archive" = "text",
): VerbTable[string] {
  const spec = defineCommand<Record<string, never>>({
    examples: [{ line: "x", about: "y" }],
    parser: object("Options", {}),
    stdoutUse: () => use,
    run: (_, io) => run(io),
  });
  return { group: "Test", summary: "a test", load: () => Promise.resolve(spec) };
}

function flood(io: CommandIo): Promise<number> {
  // Far more than a pipe holds, so that the reader's end is noticed.
  for (let i = 0; i < 100_000; i++) io.stdout.write(`line ${i} ${"x".repeat(80)}\n`);
  return Promise.resolve(0);
}

const waiting = (io: CommandIo) =>
  new Promise<number>((_, reject) => {
    io.note("ready");
    const keepAlive = setInterval(() => {}, 1000);
    io.signal.addEventListener("abort", () => {
      clearInterval(keepAlive);
      reject(io.signal.reason);
    });
  });

const TABLE: VerbTable = {
  "flood text": verb(flood),
  "flood archive": verb(flood, "archive"),
  "wait": verb(waiting),
  "fall": verb((io) => waiting(io).catch(() => Promise.reject(new Error("torn down")))),
  "deaf": verb((io) => {
    io.note("ready");
    return new Promise((resolve) => setTimeout(() => resolve(0), 30_000));
  }),
  "partial": verb((io) => {
    io.warn("a.txt cannot be read");
    return Promise.reject(
      new WarpError("E_PARTIAL", "1 file could not be read", { details: { files: 1 } }),
    );
  }),
  "bug": verb(() => Promise.reject(new TypeError("x is not a function"))),
  "stray rejection": verb((io) => {
    Promise.reject(new Error("nobody waits for this"));
    return waiting(io);
  }),
  "stray throw": verb((io) => {
    setTimeout(() => {
      throw new Error("nobody catches this");
    });
    return waiting(io);
  }),
  "missing": verb(async () => (await Deno.stat("/no/such/file")).size),
  "five": verb(() => Promise.resolve(5)),
  "talk": verb((io) => {
    io.note("a note");
    io.note("a whisper", 1);
    io.warn("careful");
    io.json({ message_type: "record", big: 2n ** 60n, small: 7n });
    io.stdout.write("text\n");
    io.progress({ filesDone: 1 });
    return Promise.resolve(0);
  }),
  "content": verb((io) => {
    io.stdout.write(Uint8Array.of(0xff, 0x00, 0x0a));
    io.json({ message_type: "record" });
    return Promise.resolve(0);
  }, "content"),
  "progress": verb(async (io) => {
    for (let i = 0; i <= 4; i++) {
      io.progress({ phase: "storing", filesDone: i });
      if (i === 2) io.note("in between");
      await new Promise((resolve) => setTimeout(resolve, 110));
    }
    return 0;
  }),
  "ask": verb(async (io) => {
    const secret = await io.readSecret("secret: ");
    io.stdout.write(`got ${secret === undefined ? "nothing" : new TextDecoder().decode(secret)}\n`);
    return 0;
  }),
};

Deno.exit(await runCommandLine(TABLE, Deno.args));
