/**
 * `warp doctor`: what this machine has, and which kernel backend is used for what and why.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { type CommandIo, defineCommand } from "../actors/base/command.ts";
import { WarpError } from "../actors/base/errors.ts";
import { printableText } from "../actors/base/terminal.ts";
import { formatBytes } from "../actors/base/units.ts";
import { versionFacts } from "../actors/base/version.ts";
import type { KernelReport } from "./examine.ts";

export const doctorCommand = defineCommand<Record<string, never>>({
  details: [
    "Every backend is opened, tested against known answers and timed. The times are kept, so that " +
    "later runs choose by them; run it again after installing libraries.",
    "WARP_BACKEND=NAME or WARP_BACKEND_KERNEL=NAME, such as WARP_BACKEND_BLAKE3=portable, force a " +
    "choice; a forced backend that cannot be used is an error.",
  ],
  examples: [{ line: "warp doctor", about: "before asking why something is slow" }],
  parser: object("Options", {}),
  async run(_, io) {
    const { describeKernels, examineKernels } = await import("./examine.ts");
    const { KERNEL_NAMES } = await import("./registry.ts");
    const machine = machineFacts();
    const report = await examineKernels();
    if (io.options.isJson) printRecords(machine, report, io);
    else {
      const lines = Object.entries(machine).map(([name, fact]) =>
        `${name.padEnd(8)} ${
          typeof fact === "number" && name === "memory" ? formatBytes(fact) : fact
        }`
      );
      const text = [...lines, "", ...describeKernels(report).split("\n")];
      if (report.cacheFile !== undefined) text.push(`measurements kept in ${report.cacheFile}`);
      // Descriptions quote what libraries say of themselves.
      io.stdout.write(text.map((line) => printableText(line) + "\n").join(""));
    }
    const without = KERNEL_NAMES.filter((kernel) => report.chosen[kernel] === undefined);
    if (without.length === 0) return 0;
    throw new WarpError("E_BACKEND_UNAVAILABLE", `no usable backend for ${without.join(", ")}`, {
      hint: "unset WARP_BACKEND and WARP_BACKEND_KERNEL, or install what the table says is missing",
    });
  },
});

function machineFacts(): Record<string, string | number> {
  return {
    ...versionFacts(),
    cores: navigator.hardwareConcurrency,
    memory: Deno.systemMemoryInfo().total,
  };
}

function printRecords(
  machine: Record<string, string | number>,
  report: KernelReport,
  io: CommandIo,
): void {
  io.json({ message_type: "machine", ...machine });
  for (const row of report.backends) {
    const { kernel, backend, isPresent, isUsable, isChosen, description, reason } = row;
    io.json({
      message_type: "backend",
      kernel,
      backend,
      present: isPresent,
      usable: isUsable,
      chosen: isChosen,
      description,
      reason,
      gigabytes_per_second: row.gigabytesPerSecond,
    });
  }
}
