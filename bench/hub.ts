/**
 * A hub, as `warp hub serve` runs it, against nginx on the same machine: small requests, packs down, packs up.
 *
 * `deno run -A bench/hub.ts [--seconds N] [--clients N] [--only WHAT] [--cli FILE] [--prof DIR] [--json]`
 *
 * nginx serves files, and takes PUT (WebDAV), with its own configuration and folder; it knows nothing of
 * tokens, proofs, policies or addresses, and flushes nothing to the disk: it is what the machine can do. Each
 * row measures both, one after the other, with the same load generator (bench/load.c) and the same number of
 * bytes. Requests to the hub are signed before the clock starts: the client's work is not in the figures.
 * Needs Linux, a C compiler and nginx (Debian: nginx-light). Data lies in memory (/dev/shm), so a flush of
 * the disk costs nothing here.
 *
 * `--only small|down|up` measures one of them; `--cli FILE` takes the hub of another checkout; `--prof DIR` leaves
 * a CPU profile of the hub there.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { type Bytes, concat, utf8 } from "../actors/base/bytes.ts";
import { fromBase64Url, toBase64Url } from "../actors/portal/base64url.ts";
import { SYSTEM_CLOCK } from "../hub/hub.ts";
import { loadKernels } from "../kernels/load.ts";
import { enrol, makePortal, type Person, type TestHub } from "../tests/support/hub.ts";
import { machine, run } from "./measure.ts";

const flag = (name: string, fallback: string) => {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Deno.args[at + 1]!;
};
const SECONDS = Number(flag("seconds", "5"));
const ONLY = flag("only", "");
const PROF = flag("prof", "");
const CLI = flag("cli", fileURLToPath(new URL("../cli.ts", import.meta.url)));
const CLIENTS = flag("clients", "") === "" ? [1, 32, 1000] : [Number(flag("clients", ""))];
const IS_JSON = Deno.args.includes("--json");

const random = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(length));

const DIR = flag("dir", "/dev/shm/warp-hub-bench");
const PACK_BYTES = 1 << 20;
const PACKS = 64;
/** So many accounts share the requests: the hub lets each of them make 2,000 a second. */
const ACCOUNTS = 48;
/** Prepared uploads a second: more than one hub takes. */
const UPLOADS_A_SECOND = 400;
/** The part of a pack that makes it another one; the rest they share, and so does the load generator. */
const UNIQUE_BYTES = 16;
/** Uploads to nginx go round so many names. */
const NAMES = 2000;

type What = "small" | "down" | "up";

/** What bench/load.c prints. */
interface Load {
  requests: number;
  seconds: number;
  bytesIn: number;
  bytesOut: number;
  badStatus: number;
  broken: number;
  p50: number;
  p99: number;
  max: number;
  busy: number;
  firstBad: string;
}

interface Row {
  what: What;
  clients: number;
  hub: Load;
  nginx: Load;
  /** CPU milliseconds of the server for a request: steadier than the rate where others work too. */
  cpu: { hub: number; nginx: number };
  /** Resident memory of the hub, MiB: before, after, at most, and how it grew in the second half, MiB/s. */
  memory: { before: number; after: number; most: number; slope: number };
}

// --- the servers

interface Server {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

/** The command's hub runs in a Worker, which V8's profiler does not see: for a profile it runs alone. */
function hubCommand(): string[] {
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  if (PROF === "") {
    return ["run", "-A", CLI, "hub", "serve", "--open", "--quota", "1TB"]
      .concat(["--data", `${DIR}/hub`, "--listen", "127.0.0.1:0", "--json"]);
  }
  const options = { host: "127.0.0.1", port: 0, database: `${DIR}/hub.db`, blobs: `${DIR}/blobs` };
  Deno.writeTextFileSync(
    `${DIR}/serve.ts`,
    `import { startHub } from "${new URL("../hub/serve_io.ts", import.meta.url)}";
import { SYSTEM_CLOCK } from "${new URL("../hub/hub.ts", import.meta.url)}";
const options = ${JSON.stringify(options)};
const rest = { isOpen: true, isBehindProxy: false, tls: null, limits: { quotaBytes: 1e12 } };
const { port, key, stop } = await startHub({ ...options, ...rest }, SYSTEM_CLOCK, () => {});
console.log(JSON.stringify({ url: \`http://127.0.0.1:\${port}\`, key }));
Deno.addSignalListener("SIGTERM", () => stop().then(() => Deno.exit(0)));
`,
  );
  const profile = ["--cpu-prof", `--cpu-prof-dir=${PROF}`];
  return ["run", "-A", "--config", here("../deno.json"), ...profile, `${DIR}/serve.ts`];
}

async function startHub(): Promise<Server & { url: string; key: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: hubCommand(),
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await lines.read();
    if (done) throw new Error("the hub did not start");
    text += value;
  }
  const { url, key } = JSON.parse(text.split("\n")[0]!) as { url: string; key: string };
  return {
    url,
    key,
    pid: child.pid,
    port: Number(new URL(url).port),
    stop: async () => {
      child.kill("SIGTERM");
      await child.status;
      await lines.cancel();
    },
  };
}

async function startNginx(): Promise<Server> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  Deno.mkdirSync(`${DIR}/nginx/files/up`, { recursive: true });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${DIR}/nginx/${name};`).join(" ");
  Deno.writeTextFileSync(
    `${DIR}/nginx/nginx.conf`,
    `daemon off; user root; worker_processes auto; worker_rlimit_nofile 65536;
pid ${DIR}/nginx/pid; error_log ${DIR}/nginx/error.log warn;
events { worker_connections 8192; multi_accept on; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; ${temporary}
  keepalive_timeout 300s; keepalive_requests 1000000000;
  client_max_body_size 64m; client_body_buffer_size 64k;
  types { application/json json; } default_type application/octet-stream;
  server {
    listen 127.0.0.1:${port} backlog=4096; root ${DIR}/nginx/files;
    location /up/ { dav_methods PUT; create_full_put_path off; }
  }
}
`,
  );
  const child = new Deno.Command("nginx", {
    args: ["-p", `${DIR}/nginx`, "-c", `${DIR}/nginx/nginx.conf`],
    stderr: "inherit",
  }).spawn();
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    port,
    pid: child.pid,
    stop: async () => {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

// --- what is asked of them

/** Heads of requests, each after its length, as bench/load.c wants them. */
function frame(requests: Bytes[]): Uint8Array<ArrayBuffer> {
  return concat(...requests.flatMap((request) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, request.length, true);
    return [length, request];
  }));
}

function request(method: string, target: string, headers: Record<string, string> = {}): Uint8Array {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return utf8(`${method} ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines}\r\n`);
}

interface Prepared {
  people: Person[];
  /** Target of the portal. */
  path: string;
  packs: string[];
  leases: string[];
  /** How long the hub's small answer is: nginx's file is as long. */
  smallBytes: number;
}

async function prepare(at: TestHub): Promise<Prepared> {
  const owner = await enrol(at), portal = await makePortal(owner);
  const addresses: Bytes[] = [];
  for (let i = 0; i < PACKS; i++) addresses.push(await owner.upload(random(PACK_BYTES)));
  await portal.add([{ view: null, packs: addresses }]);
  const people: Person[] = [], leases: string[] = [];
  for (let i = 0; i < ACCOUNTS; i++) {
    const person = await portal.person("read");
    people.push(person);
    leases.push(await portal.lease(person));
  }
  const small = await people[0]!.call("GET", portal.path);
  const files = `${DIR}/nginx/files`;
  Deno.writeFileSync(`${files}/small.json`, small.bytes);
  for (let i = 0; i < PACKS; i++) Deno.writeFileSync(`${files}/${i}`, random(PACK_BYTES));
  return {
    people,
    path: portal.path,
    packs: addresses.map(toBase64Url),
    leases,
    smallBytes: small.bytes.length,
  };
}

const NOTHING = new Uint8Array(0);

/** Signed now: a proof is good for two minutes. */
function hubRequests(what: What, { people, path, packs, leases }: Prepared): Uint8Array[] {
  if (what === "small") {
    return people.map((person) => request("GET", path, person.proof("GET", path, NOTHING)));
  }
  return people.flatMap((person, i) =>
    packs.map((pack) => {
      const target = `${path}/packs/${pack}`;
      const headers = { ...person.proof("GET", target, NOTHING), "portal-lease": leases[i]! };
      return request("GET", target, headers);
    })
  );
}

let uploads = 0;

/** Packs that the hub has not seen, and the bytes that they share. */
async function hubUploads({ people }: Prepared, count: number, tail: Bytes): Promise<Uint8Array[]> {
  const { blake3 } = await loadKernels();
  const pack = concat(new Uint8Array(UNIQUE_BYTES), tail), address = new Uint8Array(32);
  return Array.from({ length: count }, (_, i) => {
    new DataView(pack.buffer).setFloat64(0, uploads++);
    blake3.hash(pack, address);
    const target = `/v1/packs/${toBase64Url(address)}`, person = people[i % people.length]!;
    const headers = {
      ...person.proof("PUT", target, NOTHING),
      "content-type": "application/octet-stream",
      "content-length": String(PACK_BYTES),
    };
    return concat(request("PUT", target, headers), pack.subarray(0, UNIQUE_BYTES));
  });
}

function nginxRequests(what: What): Uint8Array[] {
  if (what === "small") return [request("GET", "/small.json")];
  if (what === "down") return Array.from({ length: PACKS }, (_, i) => request("GET", `/${i}`));
  const headers = { "content-length": String(PACK_BYTES) };
  return Array.from(
    { length: NAMES },
    (_, i) => concat(request("PUT", `/up/${i}`, headers), random(UNIQUE_BYTES)),
  );
}

// --- measuring

async function load(
  port: number,
  clients: number,
  requests: Uint8Array[],
  tail: Bytes,
  isRepeated: boolean,
): Promise<Load> {
  Deno.writeFileSync(`${DIR}/requests`, frame(requests));
  Deno.writeFileSync(`${DIR}/tail`, tail);
  const { success, stdout } = await new Deno.Command(`${DIR}/load`, {
    args: [
      ...[port, clients, SECONDS, 1e9, isRepeated ? 1 : 0].map(String),
      ...[`${DIR}/requests`, `${DIR}/tail`],
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the load generator failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

function residentMiB(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(text)![1]) / 1024;
}

/** CPU seconds of a process and its children so far (proc(5): 100 ticks a second). */
function cpuSeconds(pid: number): number {
  const ticks = (one: string) => {
    const fields = Deno.readTextFileSync(`/proc/${one}/stat`).split(") ")[1]!.split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  return [String(pid), ...children.split(" ").filter((one) => one !== "")]
    .reduce((sum, one) => sum + ticks(one), 0) / 100;
}

/** Slope of a line through values that are a second apart. */
function slopeOf(values: number[]): number {
  if (values.length < 2) return 0;
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let above = 0, below = 0;
  values.forEach((value, i) => {
    above += (i - middle) * (value - mean);
    below += (i - middle) ** 2;
  });
  return above / below;
}

async function watched<T>(
  pid: number,
  body: () => Promise<T>,
): Promise<{ value: T; memory: Row["memory"] }> {
  const before = residentMiB(pid), samples: number[] = [];
  const timer = setInterval(() => samples.push(residentMiB(pid)), 1000);
  const value = await body();
  clearInterval(timer);
  const after = residentMiB(pid);
  const slope = slopeOf(samples.slice(samples.length >> 1));
  return { value, memory: { before, after, most: Math.max(after, ...samples), slope } };
}

/** What a row is about: requests, or megabytes of packs. */
function rateOf(what: What, { requests, seconds }: Load): number {
  return requests / seconds * (what === "small" ? 1 : PACK_BYTES / 1e6);
}

function print(rows: Row[]): void {
  console.log(
    "| what | clients | hub | nginx | hub / nginx | CPU ms: hub, nginx | hub p50, p99 ms | nginx p50, p99 ms | hub MiB before, most, after | grows MiB/s | errors |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const { what, clients, hub, nginx, cpu, memory } of rows) {
    const name = what === "small" ? "small requests/s" : `${what} MB/s`;
    const [ours, theirs] = [rateOf(what, hub), rateOf(what, nginx)];
    const times = ({ p50, p99 }: Load) => `${p50.toFixed(2)}, ${p99.toFixed(2)}`;
    const { before, most, after, slope } = memory;
    const errors = [hub, nginx].map((one) => one.badStatus + one.broken).join(", ");
    console.log(
      `| ${name} | ${clients} | ${ours.toFixed(0)} | ${theirs.toFixed(0)} | ` +
        `${(ours / theirs).toFixed(3)} | ${cpu.hub.toFixed(3)}, ${cpu.nginx.toFixed(3)} | ${
          times(hub)
        } | ${times(nginx)} | ` +
        `${[before, most, after].map((mib) => mib.toFixed(0)).join(", ")} | ` +
        `${slope.toFixed(2)} | ${errors}${hub.firstBad && ` (${hub.firstBad})`} |`,
    );
  }
  const busiest = Math.max(...rows.flatMap(({ hub }) => hub.busy));
  console.log(
    `\nThe load generator took at most ${
      (busiest * 100).toFixed(0)
    } % of a core against the hub, and ` +
      `${rows.map(({ nginx }) => (nginx.busy * 100).toFixed(0)).join(", ")} % against nginx.`,
  );
}

run(`rm -rf '${DIR}'; mkdir -p '${DIR}'`);
const source = fileURLToPath(new URL("load.c", import.meta.url));
run(`cc -O2 -o '${DIR}/load' '${source}'`);
const servers: Server[] = [];
try {
  const hub = await startHub(), nginx = await startNginx();
  servers.push(hub, nginx);
  const at = { url: hub.url, clock: SYSTEM_CLOCK, running: { key: hub.key } } as TestHub;
  if (fromBase64Url(hub.key).length !== 32) throw new Error("the hub has no key");
  const prepared = await prepare(at);
  if (!IS_JSON) {
    console.log(machine());
    console.log(
      `\n${SECONDS} s a cell; the small answer has ${prepared.smallBytes} bytes, packs are 1 MiB\n`,
    );
  }
  const rows: Row[] = [];
  for (const what of ["small", "down", "up"] as const) {
    if (ONLY !== "" && ONLY !== what) continue;
    for (const clients of CLIENTS) {
      // A token lives for 15 minutes, a proof for two.
      for (const person of prepared.people) await person.login();
      const tail = what === "up" ? random(PACK_BYTES - UNIQUE_BYTES) : NOTHING;
      const requests = what === "up"
        ? await hubUploads(prepared, clients + SECONDS * UPLOADS_A_SECOND, tail)
        : hubRequests(what, prepared);
      const startS = [hub, nginx].map(({ pid }) => cpuSeconds(pid)) as [number, number];
      const { value, memory } = await watched(
        hub.pid,
        () => load(hub.port, clients, requests, tail, what !== "up"),
      );
      const other = await load(nginx.port, clients, nginxRequests(what), tail, true);
      const cpu = {
        hub: (cpuSeconds(hub.pid) - startS[0]) / value.requests * 1000,
        nginx: (cpuSeconds(nginx.pid) - startS[1]) / other.requests * 1000,
      };
      if (what === "up") run(`rm -rf '${DIR}/nginx/files/up'; mkdir '${DIR}/nginx/files/up'`);
      rows.push({ what, clients, hub: value, nginx: other, cpu, memory });
      if (!IS_JSON) console.error(`${what} ${clients}`);
    }
  }
  if (IS_JSON) console.log(JSON.stringify({ machine: machine(), seconds: SECONDS, rows }));
  else print(rows);
} finally {
  for (const server of servers) await server.stop();
  run(`rm -rf '${DIR}'`);
}
