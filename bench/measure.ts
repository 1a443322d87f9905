/**
 * Runs commands and measures them from outside: wall time, CPU seconds of the whole process tree, peak
 * memory of the largest process (GNU time).
 *
 * @module
 */

export interface Measured {
  wallS: number;
  cpuS: number;
  peakMiB: number;
}

const TIME = "/usr/bin/time";

/** Runs `script` with bash; throws when it fails. */
export function measure(script: string, env: Record<string, string> = {}): Measured {
  const report = Deno.makeTempFileSync();
  const { success, stderr } = new Deno.Command(TIME, {
    args: ["-f", "%e %U %S %M", "-o", report, "bash", "-o", "pipefail", "-ec", script],
    env,
    stdout: "null",
    stderr: "piped",
  }).outputSync();
  const text = Deno.readTextFileSync(report).trim().split("\n").at(-1)!;
  Deno.removeSync(report);
  if (!success) throw new Error(`${script}\n${new TextDecoder().decode(stderr)}`);
  const [wallS, userS, systemS, peakKiB] = text.split(" ").map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { wallS, cpuS: userS + systemS, peakMiB: peakKiB / 1024 };
}

export function run(script: string, env: Record<string, string> = {}): string {
  const { success, stdout, stderr } = new Deno.Command("bash", {
    args: ["-o", "pipefail", "-ec", script],
    env,
  }).outputSync();
  if (!success) throw new Error(`${script}\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

export function medians(runs: Measured[]): Measured {
  return {
    wallS: median(runs.map(({ wallS }) => wallS)),
    cpuS: median(runs.map(({ cpuS }) => cpuS)),
    peakMiB: median(runs.map(({ peakMiB }) => peakMiB)),
  };
}

export function machine(): string {
  const model = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "?";
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  return `${model}, ${navigator.hardwareConcurrency} cores, ${memory} GiB, Deno ${Deno.version.deno}, ` +
    new Date().toISOString().slice(0, 10);
}

/** du of apparent sizes, in bytes. */
export function bytesOf(path: string): number {
  return Number(run(`du -sb --apparent-size '${path}' | cut -f1`));
}
