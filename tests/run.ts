/**
 * `deno task test [FILE...]`: runs every test (or those files) and closes with `N passed, N failed`.
 *
 * In this order: the C kernels are built, the Deno suite runs with its sanitizers on, then the parts
 * of the second reader under plain Node. What a machine lacks is skipped aloud; under
 * `WARP_REQUIRE=all` nothing is skipped, and format, lint and types count as tests too.
 *
 * @module
 */
const root = new URL("../", import.meta.url);
const isAllRequired = Deno.env.get("WARP_REQUIRE") === "all";

/** A suite that hangs must not hang its caller. Far above what two slow cores need. */
const LIMIT_MS = 25 * 60_000;

/** What takes longest begins first: files run side by side, and the last one alone. */
const LONG: readonly string[] = [
  "tests/readme_test.ts",
  "tests/cli/resume_test.ts",
  "tests/cli/fault_test.ts",
  "tests/packaging_test.ts",
];

/** What test files need from the machine: programs by name, files by path. */
const NEEDS: Record<string, readonly string[]> = {
  "tests/actors/target/target_io_test.ts": ["setfattr", "python3"],
  "tests/actors/chunker/source_io_test.ts": ["setfattr"],
  "tests/actors/chunker/walk_test.ts": ["python3"],
  "tests/actors/cipher/key_file_test.ts": ["age"],
  "tests/cli/fault_test.ts": ["/usr/include/linux"],
  "tests/cli/resume_test.ts": ["/usr/include/linux"],
  "tests/cli/round_trip_test.ts": ["/usr/include/linux", "getfattr", "python3"],
  "tests/cli/secrecy_test.ts": ["setfattr"],
  "tests/cli/stream_test.ts": ["age"],
  "tests/cli/trace_test.ts": ["/usr/include/linux"],
  "tests/cli/transfer_test.ts": ["/usr/include/linux"],
  "tests/kernels/cuda_build_test.ts": ["readelf"],
  "tests/second_reader_test.ts": ["/usr/include/linux", "node"],
};

/** Where Debian has them. */
const PACKAGES: Record<string, string> = {
  "/usr/include/linux": "libc6-dev",
  getfattr: "attr",
  setfattr: "attr",
  node: "nodejs",
  readelf: "binutils",
};

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs a command, shows its output as it comes, and gives it back without colours. */
async function show(command: string, args: string[]): Promise<{ success: boolean; text: string }> {
  const child = new Deno.Command(command, {
    args,
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(LIMIT_MS),
  }).spawn();
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    text += decoder.decode(bytes, { stream: true });
  }
  return { success: (await child.status).success, text };
}

/** The last match's number: a test may print what looks like a summary, but not after the summary. */
function lastNumber(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

/** Whether a program, or a file named by its whole path, is there. */
function isThere(part: string): boolean {
  return new Deno.Command("sh", {
    args: ["-c", 'case "$0" in /*) [ -e "$0" ] ;; *) command -v "$0" ;; esac', part],
    stdout: "null",
  }).outputSync().success;
}

function skip(what: string, missing: readonly string[]): void {
  const packages = missing.map((part) => PACKAGES[part] ?? part);
  console.log(`SKIP ${what}: no ${missing.join(", ")} (apt-get install ${packages.join(" ")})`);
}

/** One command as one test. */
async function step(name: string, args: string[]): Promise<Counts> {
  const { success } = await show(Deno.execPath(), args);
  console.log(`${name} ... ${success ? "ok" : "FAILED"}`);
  return { passed: Number(success), failed: Number(!success), skipped: 0 };
}

async function buildNative(): Promise<Counts> {
  const compiler = Deno.env.get("CC") ?? "cc";
  if (isAllRequired || isThere(compiler)) {
    return await step("build:native", ["run", "-A", "kernels/native/build.ts"]);
  }
  skip("build:native, and the tests of the C kernels", ["gcc"]);
  return { passed: 0, failed: 0, skipped: 1 };
}

async function denoTests(files: string[]): Promise<Counts> {
  const ignored: string[] = [];
  for (const [file, parts] of files.length > 0 || isAllRequired ? [] : Object.entries(NEEDS)) {
    const missing = parts.filter((part) => !isThere(part));
    if (missing.length === 0) continue;
    skip(file, missing);
    ignored.push(file);
  }
  const { success, text } = await show(Deno.execPath(), [
    ...["test", "-A", "--no-check", "--parallel", "--sanitize-ops", "--sanitize-resources"],
    ...(ignored.length > 0 ? [`--ignore=${ignored.join(",")}`] : []),
    ...(files.length > 0 ? files : [...LONG, "tests"]),
  ]);
  const count = (word: string) =>
    lastNumber(text, new RegExp(`^(?:ok|FAILED) \\| .*?(\\d+) ${word}`, "gm"));
  const failed = count("failed");
  return {
    passed: count("passed"),
    failed: failed + (!success && failed === 0 ? 1 : 0),
    skipped: count("ignored") + ignored.length,
  };
}

async function nodeTests(): Promise<Counts> {
  if (!isAllRequired && !isThere("node")) {
    skip("tests/reader", ["node"]);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const { success, text } = await show("node", [
    ...["--test", "--test-reporter=tap", "tests/reader/parts_test.mjs"],
  ]);
  const failed = lastNumber(text, /^# fail (\d+)$/gm);
  return {
    passed: lastNumber(text, /^# pass (\d+)$/gm),
    failed: failed + (!success && failed === 0 ? 1 : 0),
    skipped: lastNumber(text, /^# skipped (\d+)$/gm),
  };
}

if (import.meta.main) {
  const files = Deno.args;
  const runs: Counts[] = [];
  if (files.length > 0) runs.push(await denoTests(files));
  else {
    if (isAllRequired) {
      runs.push(await step("format", ["fmt", "--check"]));
      runs.push(await step("lint", ["lint", "--quiet"]));
      runs.push(await step("types", ["task", "--quiet", "types"]));
    }
    runs.push(await buildNative(), await denoTests([]), await nodeTests());
  }
  const sum = (key: keyof Counts) => runs.reduce((total, counts) => total + counts[key], 0);
  const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  Deno.exit(failed > 0 || passed === 0 ? 1 : 0);
}
