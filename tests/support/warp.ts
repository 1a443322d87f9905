/**
 * Runs the real `warp` command as a user does: a process of its own, arguments, files, exit code.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Outcome {
  code: number;
  stdout: Uint8Array;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  stdin?: Uint8Array;
}

/** The command line that starts warp from this checkout. */
export function warpCommand(args: string[], options: RunOptions = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `${ROOT}cli.ts`, ...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    clearEnv: true,
    env: { ...cleanEnvironment(), NO_COLOR: "1", ...options.env },
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Ours without settings of warp itself, but for those that choose backends. */
function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(Deno.env.toObject())
    .filter(([name]) => !name.startsWith("WARP_") || name.startsWith("WARP_BACKEND"));
  return Object.fromEntries(kept);
}

export async function warp(args: string[], options: RunOptions = {}): Promise<Outcome> {
  const child = warpCommand(args, options).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(options.stdin as Uint8Array<ArrayBuffer>).catch(() => {});
    await writer.close().catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}

/** Runs warp and expects `code`; the error output is part of a failure's message. */
export async function expectWarp(
  code: number,
  args: string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const outcome = await warp(args, options);
  assert.equal(outcome.code, code, `warp ${args.join(" ")}\n${outcome.stderr}`);
  return outcome;
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Memory where the machine has it: a disk that is busy elsewhere makes slow tests, no better ones. */
function tempRoot(): { dir?: string } {
  try {
    return Deno.statSync("/dev/shm").isDirectory ? { dir: "/dev/shm" } : {};
  } catch {
    return {};
  }
}

/** A fresh directory that is removed when the test ends. */
export async function withTempDir(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ ...tempRoot(), prefix: "warp-test-" });
  try {
    await use(dir);
  } finally {
    // Extracted trees may hold read-only directories; root does not care, other users do.
    await new Deno.Command("chmod", { args: ["-R", "u+rwX", dir], stderr: "null" }).output();
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Whether a program is there; without it the test says SKIP, or fails under WARP_REQUIRE=all. */
export function requirePart(program: string, why: string): boolean {
  const found = new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
    .outputSync().success;
  if (found) return true;
  const message = `SKIP: ${program} is not installed (${why})`;
  if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error(message);
  console.log(message);
  return false;
}

/** Runs a program, expects success, returns its stdout. */
export async function sh(script: string, cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-ec", script],
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  assert.ok(success, `${script}\n${text(stderr)}`);
  return text(stdout);
}
