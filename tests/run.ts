/**
 * Runs every test, sanitizers on, and closes with `N passed, N failed`. Arguments are files or
 * directories to run instead.
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

if (import.meta.main) {
  const { passed, failed, skipped } = await denoTests(Deno.args);
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  Deno.exit(failed > 0 || passed === 0 ? 1 : 0);
}
