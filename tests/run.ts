/**
 * Runs every test and closes with `N passed, N failed`: the Deno suite with its sanitizers on, then
 * the parts of the second reader under plain Node.
 *
 * @module
 */
const root = new URL("../", import.meta.url);

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs a command, shows its output as it comes, and gives it back. */
async function show(command: string, args: string[]): Promise<{ success: boolean; text: string }> {
  const child = new Deno.Command(command, {
    args,
    cwd: root,
    stdout: "piped",
    stderr: "inherit",
    env: { NO_COLOR: "1" },
  }).spawn();
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    Deno.stdout.writeSync(bytes);
    text += decoder.decode(bytes, { stream: true });
  }
  return { success: (await child.status).success, text };
}

function numberAfter(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}

async function denoTests(filters: string[]): Promise<Counts> {
  const flags = [
    "test",
    "-A",
    "--no-check",
    "--parallel",
    "--sanitize-ops",
    "--sanitize-resources",
  ];
  const { success, text } = await show(Deno.execPath(), [
    ...flags,
    ...(filters.length > 0 ? filters : ["tests"]),
  ]);
  const line = /^(?:ok|FAILED) \| .*$/m.exec(text)?.[0] ?? "";
  const passed = numberAfter(line, /(\d+) passed/);
  const failed = numberAfter(line, /(\d+) failed/);
  const skipped = numberAfter(line, /(\d+) ignored/);
  return { passed, failed: failed + (!success && failed === 0 ? 1 : 0), skipped };
}

async function nodeTests(): Promise<Counts> {
  try {
    new Deno.Command("node", { args: ["--version"], stdout: "null" }).outputSync();
  } catch {
    if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error("node is not installed");
    console.log("SKIP: node is not installed (tests/reader)");
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const { text } = await show("node", [
    "--test",
    "--test-reporter=tap",
    "tests/reader/parts_test.mjs",
  ]);
  return {
    passed: numberAfter(text, /^# pass (\d+)$/m),
    failed: numberAfter(text, /^# fail (\d+)$/m),
    skipped: numberAfter(text, /^# skipped (\d+)$/m),
  };
}

if (import.meta.main) {
  const filters = Deno.args;
  const runs = [await denoTests(filters)];
  if (filters.length === 0) runs.push(await nodeTests());
  const sum = (key: keyof Counts) => runs.reduce((total, counts) => total + counts[key], 0);
  const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  Deno.exit(failed > 0 || passed === 0 ? 1 : 0);
}
