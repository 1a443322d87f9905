/**
 * `warp doctor`: what this machine has, and which kernel backend is used for what and why; and
 * `warp bench kernels`: how fast they are.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice, float, string } from "@optique/core/valueparser";
import { type CommandIo, defineCommand } from "../actors/base/command.ts";
import { WarpError } from "../actors/base/errors.ts";
import { printableText } from "../actors/base/terminal.ts";
import { formatBytes } from "../actors/base/units.ts";
import { versionFacts } from "../actors/base/version.ts";
import type { BenchRow, Limits } from "./bench/bench.ts";
import type { DeviceReport } from "./devices.ts";
import type { KernelReport } from "./examine.ts";
import type { BackendName } from "./kernel.ts";
import { type Subject, tryInChild, tryLibraries } from "./trial_process.ts";

const BACKENDS = ["native", "system", "node", "portable", "cuda", "webgpu"] as const;
const SUBJECTS = ["native", "cuda", "webgpu"] as const;

export const doctorCommand = defineCommand<{ readonly probe?: Subject | undefined }>({
  details: [
    "Every backend is opened, tested against known answers and timed. The times are kept, so that " +
    "later runs choose by them; run it again after installing libraries.",
    "WARP_BACKEND=NAME or WARP_BACKEND_KERNEL=NAME, such as WARP_BACKEND_BLAKE3=portable, force a " +
    "choice; a forced backend that cannot be used is an error.",
    "Native libraries and GPU drivers are first tried in a process of their own (--probe), since a " +
    "broken one may end it. WARP_DEVICE chooses the GPU of create: auto, never, always or a number.",
  ],
  examples: [{ line: "warp doctor", about: "before asking why something is slow" }],
  parser: object("Options", {
    probe: optional(option("--probe", choice(SUBJECTS, { metavar: "WHAT" }), {
      description:
        message`Only load native, cuda or webgpu code and report: what warp runs in a process apart.`,
    })),
  }),
  async run({ probe }, io) {
    if (probe !== undefined) return await printTrial(probe, io);
    const { describeKernels, examineKernels } = await import("./examine.ts");
    const { KERNEL_NAMES } = await import("./registry.ts");
    const machine = machineFacts();
    await tryLibraries();
    const report = await examineKernels();
    const devices = [...await devicesOf("cuda"), ...await devicesOf("webgpu")];
    if (io.options.isJson) printRecords(machine, report, devices, io);
    else {
      const lines = Object.entries(machine).map(([name, fact]) =>
        `${name.padEnd(8)} ${
          typeof fact === "number" && name === "memory" ? formatBytes(fact) : fact
        }`
      );
      const text = [...lines, "", ...describeKernels(report).split("\n"), ""];
      text.push(...devices.map(describeDevice), "");
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

export const benchKernelsCommand = defineCommand<{
  readonly backend?: BackendName | undefined;
  readonly kernels: readonly string[];
  readonly seconds: number;
}>({
  details: [
    "GB/s of every kernel on every backend, with one thread and with all, and the ratio to what the " +
    "machine copies (memcpy with as many threads) in the same run. Results are checked before they " +
    "are timed; figures of a GPU include the copies to it and back.",
    "A WebGPU adapter is measured with --backend webgpu alone.",
  ],
  examples: [{ line: "warp bench kernels", about: "what can this machine do?" }],
  parser: object("Options", {
    backend: optional(option("--backend", choice(BACKENDS, { metavar: "BACKEND" }), {
      description: message`Only this backend: native, system, node, portable, cuda or webgpu.`,
    })),
    kernels: multiple(option("--kernel", string({ metavar: "KERNEL" }), {
      description: message`Only kernels whose names begin so, such as blake3. May be repeated.`,
    })),
    seconds: withDefault(
      option("--seconds", float({ metavar: "SECONDS", min: 0.001, max: 60 }), {
        description: message`Time for each figure. Default 0.3.`,
      }),
      0.3,
    ),
  }),
  async run(options, io) {
    await tryLibraries();
    const { benchKernels } = await import("./bench/bench.ts");
    const { backend, kernels, seconds } = options;
    const rows = benchKernels({ kernels, seconds, ...(backend === undefined ? {} : { backend }) });
    for await (const item of rows) printBench(item, io);
    return 0;
  },
});

function printBench(item: { limits: Limits } | { row: BenchRow }, io: CommandIo): void {
  const speed = (value: number | null, digits = 2) =>
    (value === null ? "-" : value.toFixed(digits)).padStart(9);
  if ("limits" in item) {
    const { one, all } = item.limits;
    io.json({ message_type: "limit", copy_one_thread: one, copy_all_threads: all });
    if (io.options.isJson) return;
    const cores = navigator.hardwareConcurrency;
    io.stdout.write(`memcpy: ${one.toFixed(1)} GB/s one thread, `);
    io.stdout.write(`${all?.toFixed(1) ?? "-"} GB/s ${cores} threads\n\n`);
    io.stdout.write("kernel             backend   1 thread       all  of copy\n");
    return;
  }
  const { kernel, backend, one, all, ratio, note } = item.row;
  io.json({
    message_type: "kernel",
    kernel,
    backend,
    gigabytes_per_second_one: one,
    gigabytes_per_second_all: all,
    ratio_to_copy: ratio,
    note,
  });
  if (io.options.isJson) return;
  const line = `${kernel.padEnd(18)} ${backend.padEnd(8)} ${speed(one)} ${speed(all)} ${
    speed(ratio, 3)
  }  ${note}`;
  io.stdout.write(printableText(line.trimEnd()) + "\n");
}

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
  devices: readonly DeviceReport[],
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
  for (const { backend, index, name, isPresent, isUsable, reason } of devices) {
    const state = { present: isPresent, usable: isUsable, reason };
    io.json({ message_type: "device", backend, index, name, ...state });
  }
}

/** In this process: what the parent reads from stdout. */
async function printTrial(subject: Subject, io: CommandIo): Promise<number> {
  if (subject === "native") {
    const { tryBackend } = await import("./probe.ts");
    const { KERNEL_NAMES } = await import("./registry.ts");
    for (const kernel of KERNEL_NAMES) {
      const trial = await tryBackend(kernel, "native");
      const reason = trial.isUsable ? trial.backend.description : trial.reason;
      io.stdout.write(JSON.stringify({ kernel, isUsable: trial.isUsable, reason }) + "\n");
    }
    return 0;
  }
  const { cudaDevices, webGpuDevices } = await import("./devices.ts");
  const rows = subject === "cuda" ? await cudaDevices() : await webGpuDevices();
  for (const row of rows) io.stdout.write(JSON.stringify(row) + "\n");
  return 0;
}

/** From a process apart. */
async function devicesOf(backend: "cuda" | "webgpu"): Promise<DeviceReport[]> {
  const { isAlive, report: text, reason } = await tryInChild(backend);
  const isTold = isAlive && text !== "";
  if (isTold) return text.split("\n").map((line) => JSON.parse(line) as DeviceReport);
  return [{ backend, index: -1, name: "", isPresent: !isAlive, isUsable: false, reason }];
}

function describeDevice(row: DeviceReport): string {
  const mark = row.isUsable ? " " : "-";
  const name = row.name === "" ? "" : ` ${row.name}:`;
  const index = row.index < 0 ? " " : `${row.index}`;
  return `${mark} ${row.backend.padEnd(6)} ${index}${name} ${row.reason}`;
}
