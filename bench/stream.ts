/**
 * Stream mode against `cat` through the same pipes, and against age, in one run, interleaved; and the
 * time that a frame takes on its way. Every result is checked before it is timed.
 *
 * `deno run -A bench/stream.ts [--runs N] [--mib N] [--dir DIR] [--long] [--latency]`
 *
 * `--long` sends more than 10 GiB through a round trip and watches memory; `--latency` measures nothing
 * but that. DIR should be in memory; it is removed at the end.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { machine, measure, type Measured, median, medians, run } from "./measure.ts";

const flag = (name: string, fallback: string) => {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Deno.args[at + 1]!;
};
const RUNS = Number(flag("runs", "5"));
const MIB = Number(flag("mib", "2048"));
const DIR = flag("dir", "/dev/shm/warp-stream-bench");
const LONG_GIB = 11;

const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));
const warp = `'${Deno.execPath()}' run -A --quiet '${cli}' stream`;
const seal = `${warp} encrypt --key-file '${DIR}/key'`;
const open = `${warp} decrypt --key-file '${DIR}/key'`;
const ageSeal = `age -e -R '${DIR}/pub'`;
const ageOpen = `age -d -i '${DIR}/key'`;
const data = `'${DIR}/data'`;

/** What stands between `cat FILE` and `cat > /dev/null`, and the `cat` of the same shape. */
interface Line {
  name: string;
  input: string;
  middle: string;
  against?: string;
}

const LINES: Line[] = [
  { name: "cat", input: data, middle: "cat" },
  { name: "cat | cat", input: data, middle: "cat | cat" },
  { name: "warp encrypt", input: data, middle: seal, against: "cat" },
  { name: "warp decrypt", input: `'${DIR}/warp'`, middle: open, against: "cat" },
  { name: "warp both", input: data, middle: `${seal} | ${open}`, against: "cat | cat" },
  { name: "age encrypt", input: data, middle: ageSeal, against: "cat" },
  { name: "age decrypt", input: `'${DIR}/age'`, middle: ageOpen, against: "cat" },
  { name: "age both", input: data, middle: `${ageSeal} | ${ageOpen}`, against: "cat | cat" },
];

function setUp(): void {
  run(`rm -rf '${DIR}'; mkdir -p '${DIR}'; head -c ${MIB}M /dev/urandom > ${data}
    age-keygen -o '${DIR}/key' 2>/dev/null; age-keygen -y '${DIR}/key' > '${DIR}/pub'
    ${seal} < ${data} > '${DIR}/warp'; ${open} < '${DIR}/warp' | cmp - ${data}
    ${ageSeal} < ${data} > '${DIR}/age'; ${ageOpen} < '${DIR}/age' | cmp - ${data}`);
}

function throughput(): void {
  const results = new Map<string, Measured[]>(LINES.map(({ name }) => [name, []]));
  const starts: Measured[] = [];
  for (let i = 0; i < RUNS; i++) {
    for (const { name, input, middle } of LINES) {
      results.get(name)!.push(measure(`cat ${input} | ${middle} | cat > /dev/null`));
    }
    starts.push(measure(`echo x | ${seal} | cat > /dev/null`));
  }
  const start = medians(starts);
  const rows = new Map([...results].map(([name, runs]) => [name, medians(runs)]));
  const megabytes = MIB * 1.048576;
  console.log(`\n### ${MIB} MiB of noise, median of ${RUNS}, interleaved\n`);
  console.log(
    `Starting warp takes ${start.wallS.toFixed(2)} s (${start.cpuS.toFixed(2)} s CPU); ` +
      "it is in every figure but those of the column without it.\n",
  );
  console.log(
    "| pipe | MB/s | of cat | without start | CPU s/GB | CPU s/GB beyond cat | fastest, slowest |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  for (const { name, against } of LINES) {
    const { wallS, cpuS } = rows.get(name)!;
    const base = against === undefined ? undefined : rows.get(against)!;
    const walls = results.get(name)!.map((one) => one.wallS);
    const startS = name.startsWith("warp") ? start.wallS : 0;
    const of = (seconds: number) => base === undefined ? "" : (base.wallS / seconds).toFixed(2);
    const beyond = base === undefined ? "" : ((cpuS - base.cpuS) / megabytes * 1000).toFixed(2);
    const range = [Math.min(...walls), Math.max(...walls)].map((s) => s.toFixed(2)).join(", ");
    console.log(
      `| ${name} | ${(megabytes / wallS).toFixed(0)} | ${of(wallS)} | ${of(wallS - startS)} | ` +
        `${(cpuS / megabytes * 1000).toFixed(2)} | ${beyond} | ${range} s |`,
    );
  }
}

// --- latency

const FRAME_BYTES = 65536;
const RATE = 100e6;

/** Writes a frame at its time, as a blocking program would; tells when each was begun. */
const WRITER = `onmessage = ({ data: { path, frames, frameBytes, periodMs } }) => {
  const file = Deno.openSync(path, { write: true }), frame = new Uint8Array(frameBytes);
  const pause = new Int32Array(new SharedArrayBuffer(4)), times = new Float64Array(frames);
  // Both programs start in the meantime.
  const send = () => { for (let at = 0; at < frameBytes;) at += file.writeSync(frame.subarray(at)); };
  const warm = 20;
  for (let i = 0; i < warm; i++) { send(); Atomics.wait(pause, 0, 0, 50); }
  const start = performance.now();
  for (let i = 0; i < frames; i++) {
    const wait = start + i * periodMs - performance.now();
    if (wait > 0) Atomics.wait(pause, 0, 0, wait);
    times[i] = performance.timeOrigin + performance.now();
    send();
  }
  file.close();
  postMessage(times);
};`;

/** Reads frames, tells when each was complete. */
const READER = `onmessage = ({ data: { path, frames, frameBytes } }) => {
  const file = Deno.openSync(path), buffer = new Uint8Array(frameBytes), warm = 20;
  const times = new Float64Array(frames);
  for (let bytes = 0;;) {
    const count = file.readSync(buffer);
    if (count === null) break;
    const before = Math.floor(bytes / frameBytes);
    bytes += count;
    const now = performance.timeOrigin + performance.now();
    for (let i = before; i < Math.floor(bytes / frameBytes); i++) if (i >= warm) times[i - warm] = now;
  }
  file.close();
  postMessage(times);
};`;

function startWorker(code: string, message: unknown): Promise<Float64Array> {
  const url = URL.createObjectURL(new Blob([code], { type: "application/javascript" }));
  const worker = new Worker(url, { type: "module" });
  return new Promise((resolve) => {
    worker.onmessage = ({ data: times }: MessageEvent<Float64Array>) => {
      worker.terminate();
      resolve(times);
    };
    worker.postMessage(message);
  });
}

async function latencyOf(middle: string, frames: number): Promise<number[]> {
  run(`rm -f '${DIR}/in' '${DIR}/out'; mkfifo '${DIR}/in' '${DIR}/out'`);
  const child = new Deno.Command("bash", {
    args: ["-c", `cat '${DIR}/in' | ${middle} > '${DIR}/out'`],
  }).spawn();
  const common = { frames, frameBytes: FRAME_BYTES, periodMs: FRAME_BYTES / RATE * 1000 };
  const [sent, received] = await Promise.all([
    startWorker(WRITER, { ...common, path: `${DIR}/in` }),
    startWorker(READER, { ...common, path: `${DIR}/out` }),
  ]);
  await child.status;
  return [...sent].map((at, i) => received[i]! - at);
}

async function latency(): Promise<void> {
  const quantile = (values: number[], q: number) =>
    [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))]!.toFixed(2);
  console.log("\n### Time on the way: 64 KiB frames at 100 MB/s, 3000 frames a run, ms\n");
  console.log("| pipe | p50 | p99 | largest |");
  console.log("| --- | --- | --- | --- |");
  const lines = { "cat | cat": "cat | cat", "warp both": `${seal} | ${open}` };
  const all = new Map<string, number[][]>(Object.keys(lines).map((name) => [name, []]));
  for (let i = 0; i < 3; i++) {
    for (const [name, middle] of Object.entries(lines)) {
      all.get(name)!.push(await latencyOf(middle, 3000));
    }
  }
  for (const [name, runs] of all) {
    const of = (q: number) => median(runs.map((times) => Number(quantile(times, q)))).toFixed(2);
    console.log(`| ${name} | ${of(0.5)} | ${of(0.99)} | ${of(1)} |`);
  }
}

/** Memory of both programs while a long stream goes through. */
async function long(): Promise<void> {
  const child = new Deno.Command("bash", {
    args: [
      "-c",
      `head -c ${LONG_GIB}G /dev/zero | ${seal} | ${open} | tail -c +1 | wc -c`,
    ],
    stdout: "piped",
  }).spawn();
  const samples = new Map<string, number[]>();
  const timer = setInterval(() => {
    const found = new Deno.Command("bash", {
      args: ["-c", "ps -o pid=,rss=,args= -C deno | grep -E 'stream (en|de)crypt' || true"],
    }).outputSync();
    for (const line of new TextDecoder().decode(found.stdout).trim().split("\n")) {
      const [, rss, verb] = /^\s*\d+\s+(\d+).*stream (\w+)/.exec(line) ?? [];
      if (rss === undefined) continue;
      samples.set(verb!, [...(samples.get(verb!) ?? []), Number(rss) / 1024]);
    }
  }, 1000);
  const startedAt = performance.now();
  const { stdout } = await child.output();
  clearInterval(timer);
  const seconds = (performance.now() - startedAt) / 1000;
  const bytes = Number(new TextDecoder().decode(stdout));
  if (bytes !== LONG_GIB * 2 ** 30) throw new Error(`${bytes} bytes came through`);
  console.log(`\n### ${LONG_GIB} GiB through encrypt and decrypt in ${seconds.toFixed(0)} s\n`);
  for (const [verb, values] of samples) {
    const at = (part: number) => values[Math.floor(part * (values.length - 1))]!.toFixed(0);
    console.log(`- ${verb}: ${at(0.1)}, ${at(0.5)}, ${at(1)} MiB after a tenth, half, all of it`);
  }
}

try {
  console.log(machine());
  setUp();
  if (Deno.args.includes("--long")) await long();
  else {
    if (!Deno.args.includes("--latency")) throughput();
    await latency();
  }
} finally {
  run(`rm -rf '${DIR}'`);
}
Deno.exit(0);
