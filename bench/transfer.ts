/**
 * `warp send` against what else moves files between two machines, over lines of namespaces (netns.ts): a
 * clean and a bad fast one, a bad slow one, and none at all (loopback). Runs are interleaved and medians
 * compared; what arrived is compared with what was sent, once for each tool. Times are those of the sending
 * command, its start included.
 *
 * `deno run -A bench/transfer.ts [--quick] [--rows loopback,clean,loss,slow] [--tools warp-tcp,scp,...]
 * [--mib N] [--files N] [--runs N] [--timeout SECONDS] [--cc NAME] [--warp CLI.TS] [--dir DIR]`; Linux,
 * root. `--cc` is the congestion control of both ends for all that do not choose it; warp asks for BBR.
 * Debian: apt-get install iproute2 gcc openssh-server rsync rclone iperf3 magic-wormhole
 * python3-magic-wormhole-mailbox-server
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { machine, median, run } from "./measure.ts";
import { type Line, Network } from "./netns.ts";

const IS_QUICK = Deno.args.includes("--quick");
const WARP = option("--warp") ?? fileURLToPath(new URL("../cli.ts", import.meta.url));
const DIR = `${option("--dir") ?? "/dev/shm"}/warp-transfer-${Deno.pid}`;
const INBOX = `${DIR}/in`;
const FILE_MIB = Number(option("--mib") ?? (IS_QUICK ? 64 : 1024));
const FILES = Number(option("--files") ?? (IS_QUICK ? 1000 : 10_000));
const FILE_BYTES_MAX = 20 * 1024;
const TIMEOUT_S = Number(option("--timeout") ?? (IS_QUICK ? 60 : 300));
const CONGESTION = option("--cc") ?? "";

interface Row {
  name: string;
  title: string;
  line: Line | null;
  runs: number;
  fileMiB: number;
}

const ROWS: Row[] = [
  { name: "loopback", title: "loopback", line: null, runs: 3, fileMiB: FILE_MIB },
  {
    name: "clean",
    title: "1 Gbit/s, 20 ms",
    line: { bitsPerSecond: 1e9, roundTripMs: 20, loss: 0 },
    runs: 3,
    fileMiB: FILE_MIB,
  },
  {
    name: "loss",
    title: "1 Gbit/s, 20 ms, 0.5 % lost",
    line: { bitsPerSecond: 1e9, roundTripMs: 20, loss: 0.005 },
    runs: 3,
    fileMiB: FILE_MIB,
  },
  {
    name: "slow",
    title: "100 Mbit/s, 50 ms, 0.5 % lost",
    line: { bitsPerSecond: 1e8, roundTripMs: 50, loss: 0.005 },
    runs: 1,
    fileMiB: Math.min(FILE_MIB, 256),
  },
];

type Load = "file" | "tree";

interface Site {
  net: Network;
  dir: string;
  /** Started for this row: ended with its namespaces. */
  children: Deno.ChildProcess[];
}

interface Tool {
  name: string;
  title: string;
  programs: string[];
  /** Servers that last for all runs. */
  start?(site: Site): Promise<void>;
  /** What to do before each run, untimed. Gives what ends it. */
  before?(site: Site, load: Load): Promise<() => Promise<void>>;
  /** For bash, in the namespace that sends. */
  script(site: Site, load: Load): string;
  /** From what the script printed. */
  remark?(stdout: string): string;
}

const SSH_PORT = 2222, RSYNC_PORT = 8730, MAILBOX_PORT = 4000, WARP_PORT = 9277, IPERF_PORT = 5201;

function source(load: Load): string {
  return `${DIR}/${load}`;
}

function background(site: Site, script: string): Deno.ChildProcess {
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", site.net.far, "bash", "-ec", script],
    stdout: "null",
    stderr: "null",
  }).spawn();
  site.children.push(child);
  return child;
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
  await child.status;
}

/** Until something listens there. */
async function reachable(site: Site, port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const listening = run(`ip netns exec ${site.net.far} ss -Hltn sport = :${port}`);
    if (listening !== "") return;
    await pause(50);
  }
  throw new Error(`nothing listens on port ${port}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

let listenerKey = "";

function warp(carrier: "tcp" | "quic"): Tool {
  return {
    name: `warp-${carrier}`,
    title: `warp, ${carrier}`,
    programs: ["deno"],
    // deno-lint-ignore require-await
    async start() {
      if (listenerKey !== "") return;
      for (const side of ["near", "far"]) {
        run(`mkdir -p '${DIR}/${side}/state'; deno run -A '${WARP}' key new`, warpEnv(side));
      }
      const far = run(`deno run -A '${WARP}' key show --json`, warpEnv("far"));
      listenerKey = JSON.parse(far).signer;
    },
    async before(site) {
      const near = run(`deno run -A '${WARP}' key show --json`, warpEnv("near"));
      // A new state: neither side has seen any of it.
      for (const side of ["near", "far"]) {
        run(`rm -rf '${DIR}/${side}/state'; mkdir '${DIR}/${side}/state'`);
      }
      const child = new Deno.Command("ip", {
        args: ["netns", "exec", site.net.far, "deno", "run", "-A", WARP, "listen"].concat(
          ["--host", site.net.farAddress, "--port", String(WARP_PORT), "--dir", INBOX],
          ["--allow", JSON.parse(near).signer],
        ),
        env: warpEnv("far"),
        stdout: "null",
        stderr: "null",
      }).spawn();
      await reachable(site, WARP_PORT);
      return async () => {
        await stop(child);
      };
    },
    script(site, load) {
      const address = `${site.net.farAddress}:${WARP_PORT}#${listenerKey}`;
      const env = Object.entries(warpEnv("near")).map(([key, value]) => `${key}='${value}'`);
      return `env ${env.join(" ")} deno run -A '${WARP}' send '${source(load)}' '${address}' ` +
        `--carrier ${carrier} --json`;
    },
    remark(stdout) {
      const last = (name: string) =>
        [...stdout.matchAll(RegExp(`"${name}":\\s*([\\d.]+)`, "g"))].at(-1)?.[1];
      const lanes = last("lanes");
      return lanes === undefined ? "" : `${lanes} lanes, ${last("seconds") ?? "?"} s of it moving`;
    },
  };
}

function warpEnv(side: string): Record<string, string> {
  return { XDG_CONFIG_HOME: `${DIR}/${side}/config`, XDG_STATE_HOME: `${DIR}/${side}/state` };
}

/** sshd with keys of its own; scp and rclone use it. */
async function startSsh(site: Site): Promise<void> {
  const folder = `${DIR}/ssh`;
  run(`mkdir -p '${folder}' /run/sshd; cd '${folder}'
    [ -e host ] || ssh-keygen -q -t ed25519 -N '' -f host
    [ -e user ] || ssh-keygen -q -t ed25519 -N '' -f user
    printf '%s\\n' 'Port ${SSH_PORT}' 'HostKey ${folder}/host' 'AuthorizedKeysFile ${folder}/user.pub' \
      'PermitRootLogin yes' 'StrictModes no' 'UsePAM no' 'PidFile none' 'UseDNS no' \
      'Subsystem sftp internal-sftp' > sshd.conf`);
  if (run(`ip netns exec ${site.net.far} ss -Hltn sport = :${SSH_PORT}`) !== "") return;
  background(site, `exec "$(PATH=$PATH:/usr/sbin command -v sshd)" -D -e -f '${folder}/sshd.conf'`);
  await reachable(site, SSH_PORT);
}

let codes = 0;

const TOOLS: Tool[] = [
  warp("tcp"),
  warp("quic"),
  {
    name: "scp",
    title: "scp",
    programs: ["scp", "sshd"],
    start: startSsh,
    script: (site, load) =>
      `scp -q -r -F none -i '${DIR}/ssh/user' -P ${SSH_PORT} -o StrictHostKeyChecking=no ` +
      `-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR '${source(load)}' ` +
      `root@${site.net.farAddress}:'${INBOX}/'`,
  },
  {
    name: "rsync",
    title: "rsync daemon (plain text)",
    programs: ["rsync"],
    async start(site) {
      Deno.writeTextFileSync(
        `${DIR}/rsync.conf`,
        `port = ${RSYNC_PORT}\nuse chroot = no\nuid = 0\ngid = 0\n` +
          `[in]\npath = ${INBOX}\nread only = no\n`,
      );
      background(site, `exec rsync --daemon --no-detach --config='${DIR}/rsync.conf'`);
      await reachable(site, RSYNC_PORT);
    },
    script: (site, load) =>
      `rsync -a '${source(load)}' rsync://${site.net.farAddress}:${RSYNC_PORT}/in/`,
  },
  {
    name: "rclone",
    title: "rclone, sftp, 16 at once",
    programs: ["rclone", "sshd"],
    start: startSsh,
    // It would run md5sum over ssh for each file.
    script: (site, load) =>
      `RCLONE_CONFIG=/dev/null rclone copy -q --transfers 16 --checkers 16 --sftp-disable-hashcheck ` +
      `--sftp-host ${site.net.farAddress} --sftp-port ${SSH_PORT} --sftp-user root ` +
      `--sftp-key-file '${DIR}/ssh/user' '${source(load)}' ':sftp:${INBOX}${
        load === "tree" ? "/tree" : ""
      }'`,
  },
  {
    name: "wormhole",
    title: "magic-wormhole",
    programs: ["wormhole", "twist3"],
    async start(site) {
      background(
        site,
        `cd '${DIR}'; exec twist3 wormhole-mailbox --port tcp:${MAILBOX_PORT} --channel-db '${DIR}/mailbox-${site.net.far}.sqlite'`,
      );
      await reachable(site, MAILBOX_PORT);
    },
    async before(site) {
      codes++;
      const child = background(
        site,
        `cd '${INBOX}'; exec ${wormhole(site)} receive --accept-file ${code()}`,
      );
      await pause(1000);
      return () => stop(child);
    },
    script: (site, load) => `${wormhole(site)} send --code ${code()} '${source(load)}'`,
  },
];

function wormhole(site: Site): string {
  const { farAddress } = site.net;
  return `env LC_ALL=C.UTF-8 wormhole --relay-url ws://${farAddress}:${MAILBOX_PORT}/v1 ` +
    `--transit-helper tcp:${farAddress}:4001`;
}

function code(): string {
  return `${100 + codes}-bench-transfer`;
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function listed(name: string): string[] | undefined {
  return option(name)?.split(",");
}

function isInstalled(program: string): boolean {
  return run(`PATH=$PATH:/usr/sbin command -v ${program} || true`) !== "";
}

function prepare(fileMiB: number): void {
  run(`head -c ${fileMiB}M /dev/urandom > '${source("file")}'`);
  if (run(`[ -d '${source("tree")}' ] && echo yes || true`) !== "") return;
  const random = new Uint8Array(FILE_BYTES_MAX);
  for (let i = 0; i < FILES; i++) {
    const folder = `${source("tree")}/${Math.floor(i / 100)}`;
    if (i % 100 === 0) Deno.mkdirSync(folder, { recursive: true });
    // Sizes are the same in each run of the bench, contents are not.
    const size = 1024 + (i * 7919) % (FILE_BYTES_MAX - 1024);
    Deno.writeFileSync(`${folder}/${i}`, crypto.getRandomValues(random.subarray(0, size)));
  }
}

type Outcome = { seconds: number; remark: string } | { failure: string };

async function once(site: Site, tool: Tool, load: Load, isChecked: boolean): Promise<Outcome> {
  run(`rm -rf '${INBOX}'; mkdir '${INBOX}'`);
  let after: (() => Promise<void>) | undefined;
  try {
    after = await tool.before?.(site, load);
    const command = new Deno.Command("ip", {
      args: ["netns", "exec", site.net.near, "timeout", "-k", "2", String(TIMEOUT_S)]
        .concat("bash", "-ec", tool.script(site, load)),
      stdout: "piped",
      stderr: "piped",
    });
    const startedAt = performance.now();
    const { code, stdout, stderr } = await command.output();
    const seconds = (performance.now() - startedAt) / 1000;
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (code === 124 || code === 137) return { failure: `over ${TIMEOUT_S} s` };
    if (code !== 0) throw new Error(text(stderr).trim().split("\n").slice(-3).join(" "));
    if (isChecked) run(`diff -r '${source(load)}' '${INBOX}/${load}' >&2`);
    return { seconds, remark: tool.remark?.(text(stdout)) ?? "" };
  } catch (error) {
    console.error(`${tool.name}, ${load}: ${error instanceof Error ? error.message : error}`);
    return { failure: "failed" };
  } finally {
    await after?.();
  }
}

/** Megabytes a second of TCP alone. */
async function limit(site: Site): Promise<number | undefined> {
  if (!isInstalled("iperf3")) return undefined;
  const server = background(site, `exec iperf3 -s -p ${IPERF_PORT}`);
  try {
    await reachable(site, IPERF_PORT);
    const report = run(
      `ip netns exec ${site.net.near} iperf3 -J -c ${site.net.farAddress} -p ${IPERF_PORT} ` +
        `-P 4 -t ${IS_QUICK ? 2 : 5}`,
    );
    return JSON.parse(report).end.sum_received.bits_per_second / 8e6;
  } finally {
    await stop(server);
  }
}

type Cell = { seconds: number | undefined; note: string };

async function contest(row: Row, tools: Tool[], site: Site): Promise<void> {
  const runs = Number(option("--runs") ?? (IS_QUICK ? 1 : row.runs));
  prepare(row.fileMiB);
  run(`mkdir -p '${INBOX}'`);
  const isStarted = new Set<Tool>();
  for (const tool of tools) {
    try {
      await tool.start?.(site);
      isStarted.add(tool);
    } catch (error) {
      console.log(`${tool.title}: skipped, does not start: ${error}\n`);
    }
  }
  const limits: number[] = [];
  const results = new Map<string, number[]>(), notes = new Map<string, string>();
  for (let i = 0; i < runs; i++) {
    const most = await limit(site);
    if (most !== undefined) limits.push(most);
    for (const load of ["file", "tree"] as const) {
      for (const tool of tools) {
        const name = `${tool.name} ${load}`;
        if (!isStarted.has(tool) || notes.get(name)?.startsWith("!")) continue;
        const outcome = await once(site, tool, load, i === 0);
        if ("failure" in outcome) notes.set(name, `!${outcome.failure}`);
        else {
          results.set(name, [...(results.get(name) ?? []), outcome.seconds]);
          notes.set(name, outcome.remark);
        }
      }
    }
  }
  const cell = (tool: Tool, load: Load): Cell => {
    const name = `${tool.name} ${load}`, all = results.get(name), note = notes.get(name) ?? "";
    if (note.startsWith("!")) return { seconds: undefined, note: note.slice(1) };
    return { seconds: all && median(all), note };
  };
  const megabytes = row.fileMiB * 1.048576;
  const own = tools.find(({ name }) => name === "warp-tcp");
  const ratio = (load: Load, tool: Tool) => {
    const theirs = cell(tool, load).seconds, ours = own && cell(own, load).seconds;
    return theirs === undefined || ours === undefined ? "" : (theirs / ours).toFixed(2);
  };
  const most = limits.length > 0 ? median(limits) : undefined;
  console.log(
    `**${row.title}**: a file of ${row.fileMiB} MiB, a tree of ${FILES} files, ` +
      `${runs === 1 ? "one run" : `median of ${runs}`}, ` +
      `${
        run(`ip netns exec ${site.net.near} cat /proc/sys/net/ipv4/tcp_congestion_control`).trim()
      }; ` +
      `iperf3 ${most?.toFixed(0) ?? "not installed"} MB/s\n`,
  );
  console.log("| tool | file MB/s | of iperf3 | warp / tool | tree s | warp / tool | |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  for (const tool of tools) {
    const file = cell(tool, "file"), tree = cell(tool, "tree");
    const speed = file.seconds === undefined ? undefined : megabytes / file.seconds;
    const cells = [
      tool.title,
      speed?.toFixed(1) ?? file.note,
      speed === undefined || most === undefined ? "" : `${(100 * speed / most).toFixed(0)} %`,
      ratio("file", tool),
      tree.seconds?.toFixed(2) ?? tree.note,
      ratio("tree", tool),
      file.seconds === undefined ? "" : file.note,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
  console.log("");
}

let network: Network | undefined;
const children: Deno.ChildProcess[] = [];

async function cleanUp(): Promise<string> {
  const report = await network?.close() ?? "";
  network = undefined;
  for (const child of children.splice(0)) await stop(child);
  return report;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, async () => {
    await cleanUp();
    run(`rm -rf '${DIR}'`);
    Deno.exit(1);
  });
}

const wantedTools = listed("--tools"), wantedRows = listed("--rows");
const tools: Tool[] = [];
console.log(`${machine()}\n`);
for (const tool of TOOLS) {
  if (wantedTools !== undefined && !wantedTools.includes(tool.name)) continue;
  const missing = tool.programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) tools.push(tool);
  else console.log(`${tool.title}: skipped, not installed: ${missing.join(", ")}\n`);
}
Deno.mkdirSync(DIR, { recursive: true });
try {
  for (const row of ROWS) {
    if (wantedRows !== undefined && !wantedRows.includes(row.name)) continue;
    network = await Network.open(`warpbench${Deno.pid}`, row.line, DIR);
    network.setCongestionControl(CONGESTION);
    await contest(row, tools, { net: network, dir: DIR, children });
    const report = await cleanUp();
    if (report !== "") console.log(`the line: ${report.replaceAll("\n", "; ")}\n`);
  }
} finally {
  await cleanUp();
  run(`rm -rf '${DIR}'`);
}
