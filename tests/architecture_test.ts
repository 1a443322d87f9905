import assert from "node:assert/strict";
import { ROOT } from "./support/warp.ts";

// The import direction and the purity of docs/architecture.md, read off the sources. Where one of these
// fails, mend the code; where the code is right, change the table here and say why in its reason.

/** Subsystems, lowest first: a file imports its own and lower ones. */
const LAYERS = [
  "base",
  "kernels",
  "runtime",
  "cipher",
  "chunker",
  "device",
  "target",
  "archive",
  "stream",
  "transfer",
  "portal",
  "hub",
];

/** Entry points: nothing imports them but the command line, or the system that starts them. */
const ENTRIES = [
  "cli.ts",
  "mod.ts",
  "kernels/native/build.ts",
  // What build_io.ts bundles for browsers, and what it puts in place of files that need node.
  ...["link_page", "dashboard_page", "argon2_worker", "download_worker"].map((name) =>
    `hub/page/${name}.ts`
  ),
  ...["signature", "argon2", "zod", "globals"].map((name) => `hub/page/browser/${name}.ts`),
];

/** Files of the command line. They stand above actors/root.ts. */
const isCommandLine = (file: string) => /(^|\/)(cli|commands)\.ts$/.test(file);

/** Upward imports that are right, each with its reason. */
const UPWARD: Record<string, string> = {
  "actors/base/merkle_hash.ts → kernels/kernel.ts": "types: takes a hash kernel as an argument",
};

/** Files that no entry point reaches yet, each with its reason. */
const UNREACHED: Record<string, string> = {};

/** Files named so that their name says they touch the world. */
const isShell = (file: string) =>
  /(^|\/)(actor|worker|cli|commands|print|[a-z0-9_]+_io)\.ts$/.test(file) ||
  // Foreign functions and the compiler: the machine is what these files are about.
  /^kernels\/[a-z0-9]+\/(native|system)\.ts$/.test(file) ||
  /^kernels\/(native|system|cuda|webgpu|bench)\//.test(file);

/** Every other file that touches the world, and what of it. All files not here are pure. */
const WORLDLY: Record<string, string> = {
  "actors/archive/archive_access.ts": "spools stdin",
  "actors/archive/create_job.ts": "draws the archive's identifier and salts",
  "actors/archive/partial_key.ts": "keeps the key of an unfinished archive in the state directory",
  "actors/base/errors.ts": "names Deno's error classes to translate them",
  "actors/base/fs/choose.ts": "reads WARP_FS",
  "actors/base/fs/libc.ts": "opens libc",
  "actors/base/fs/linux.ts": "file system backend",
  "actors/base/fs/owners.ts": "reads /etc/passwd and /etc/group",
  "actors/base/fs/portable.ts": "file system backend",
  "actors/base/node_crypto.ts": "loads node:crypto late",
  "actors/base/output.ts": "standard output and error",
  "actors/base/pause.ts": "waits",
  "actors/base/prompt.ts": "the terminal",
  "actors/base/shell.ts": "signals and the exit code",
  "actors/base/terminal.ts": "width of the terminal",
  "actors/base/version.ts": "names the platform",
  "actors/chunker/walk_roots.ts": "separators of the platform",
  "actors/cipher/key_file.ts": "reads and writes key files",
  "actors/cipher/key_section.ts": "draws salts and nonces",
  "actors/cipher/passphrase.ts": "reads passphrases from a file, a descriptor or the environment",
  "actors/device/measure.ts": "measures",
  "actors/portal/content/pack_reader.ts": "has a method called fetch",
  "actors/portal/content/version_reader.ts": "has a method called fetch",
  "actors/portal/hub_client.ts": "speaks HTTP; runs in browsers too",
  "actors/portal/operations.ts": "draws ids, keys and nonces",
  "actors/root.ts": "reads WARP_HEARTBEAT_MS and WARP_DEVICE",
  "actors/runtime/actor_host.ts": "runs actors: clock",
  "actors/runtime/child_host.ts": "starts Workers",
  "actors/runtime/child_spec.ts": "names Deno's permission type",
  "actors/runtime/crash_report.ts": "writes reports",
  "actors/runtime/fault.ts": "reads WARP_FAULT",
  "actors/runtime/host.ts": "runs actors: timers",
  "actors/runtime/link.ts": "deadlines of calls",
  "actors/runtime/ready_workers.ts": "starts Workers",
  "actors/runtime/report_progress.ts": "ticks while a command runs",
  "actors/runtime/supervisor.ts": "heartbeats, back-off",
  "actors/runtime/trace.ts": "writes traces",
  "actors/runtime/traceparent.ts": "draws trace ids",
  "actors/target/target_path_set.ts": "seeds a hash, so that hostile names cannot collide",
  "actors/target/target_place.ts": "draws temporary names",
  "actors/transfer/frame_lane.ts": "gives a peer half a second to hear what went wrong",
  "hub/app.ts": "measures requests",
  "hub/hub.ts": "the system's clock and chance",
  "hub/page/browser/argon2.ts": "starts a Worker, in a browser",
  "hub/page/dashboard.ts": "the clock, in a browser",
  "hub/page/file_list.ts": "timers, in a browser",
  "hub/page/link_session.ts": "the clock, in a browser",
  "hub/page/sinks.ts": "writes downloads, in a browser",
  "hub/page/transfers.ts": "timers, in a browser",
  "hub/receive.ts": "how long a body may take",
  "hub/routes/events.ts": "beats",
  "hub/ticker.ts": "ticks",
  "kernels/aead/node.ts": "names Deno's version",
  "kernels/cache_folder.ts": "names the platform",
  "kernels/calibrate.ts": "measures",
  "kernels/choice_cache.ts": "keeps measurements on disk",
  "kernels/load.ts": "reads WARP_BACKEND",
  "kernels/scheduler/symbols.ts": "opens our C library",
  "kernels/trial_cache.ts": "keeps what came of trying libraries on disk",
  "kernels/trial_process.ts": "starts a process",
  "kernels/zstd/portable.ts": "names Deno's version",
};

const WORLD = new RegExp(
  [
    /\bDeno\./,
    /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\./,
    /\bMath\.random\b|\bgetRandomValues\b|\brandomUUID\b|\brandom(Bytes|Int|Fill(Sync)?)\b/,
    /\bset(Timeout|Interval|Immediate)\b/,
    /\bfetch\(|\bconsole\.|\bnew Worker\b/,
    /["']node:(fs|net|os|tls|dgram|http2?|https|child_process|process|worker_threads)\b/,
  ].map(({ source }) => source).join("|"),
);

function* sources(dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${dir}`)) {
    if (isDirectory) yield* sources(`${dir}/${name}`);
    else if (name.endsWith(".ts")) yield `${dir}/${name}`;
  }
}

const folders = [...Deno.readDirSync(ROOT)].map(({ name }) => name);
const files = ["actors", "kernels", "hub"]
  .filter((name) => folders.includes(name))
  .flatMap((name) => [...sources(name)])
  .concat("cli.ts", "mod.ts");

/** Source without comments. */
const codeOf = new Map(files.map((file) => {
  const text = Deno.readTextFileSync(`${ROOT}${file}`);
  return [file, text.replace(/\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/.*$/gm, "")];
}));

interface Import {
  file: string;
  target: string;
  kind: "type" | "value" | "dynamic" | "worker";
}

const IMPORT = new RegExp(
  [
    /^\s*(?:import|export)(?<type>\s+type)?\b[^;='"(]*?["'](?<fixed>\.[^"']+)["']/,
    /\bimport\(\s*["'](?<dynamic>\.[^"']+)["']/,
    /\bnew URL\(\s*["'](?<worker>\.[^"']+\.ts)["']/,
  ].map(({ source }) => source).join("|"),
  "gm",
);

function importsOf(file: string): Import[] {
  return [...codeOf.get(file)!.matchAll(IMPORT)].map(({ groups }) => {
    const { type, fixed, dynamic, worker } = groups!;
    const name = fixed ?? dynamic ?? worker!;
    const target = new URL(name, new URL(file, "file:///")).pathname.slice(1);
    const kind = worker ? "worker" : dynamic ? "dynamic" : type ? "type" : "value";
    return { file, target, kind };
  });
}

const imports = files.flatMap(importsOf);
const show = ({ file, target }: Import) => `${file} → ${target}`;

/** Height of a file: subsystems, then the root, then the command line and everything else. */
function heightOf(file: string): number {
  if (file === "deno.json") return -1; // version and name; data
  if (isCommandLine(file) || file === "mod.ts") return LAYERS.length + 1;
  if (file === "actors/root.ts" || file === "actors/workers.ts") return LAYERS.length;
  const [top, folder] = file.split("/") as [string, string];
  const height = LAYERS.indexOf(top === "actors" ? folder : top);
  assert.ok(height >= 0, `${file} belongs to no subsystem of this test`);
  return height;
}

Deno.test("the sources are read: imports of all four kinds are seen", () => {
  assert.ok(files.length > 100 && imports.length > 300, `${files.length}, ${imports.length}`);
  for (const kind of ["type", "value", "dynamic", "worker"]) {
    assert.ok(imports.some((one) => one.kind === kind), kind);
  }
});

Deno.test("imports point one way: base, kernels, runtime, cipher, chunker, device, archive, portal, hub, root, command line", () => {
  const upward = imports.filter(({ file, target }) => heightOf(target) > heightOf(file)).map(show);
  assert.deepEqual(upward, Object.keys(UPWARD));
  const reasons = imports.filter((one) => show(one) in UPWARD && one.kind !== "type").map(show);
  assert.deepEqual(reasons, [], "imports types only");
});

Deno.test("actors are imported by their Worker alone, Workers by the list of them", () => {
  const wrong = imports.filter(({ file, target, kind }) => {
    if (target.endsWith("/worker.ts")) return file !== "actors/workers.ts" || kind !== "worker";
    if (!target.endsWith("/actor.ts")) return false;
    return file !== target.replace("actor.ts", "worker.ts");
  });
  assert.deepEqual(wrong.map(show), []);
});

Deno.test("a protocol is types: importing it brings no code along", () => {
  const wrong = imports.filter(({ target, kind }) =>
    target.endsWith("/protocol.ts") && kind !== "type"
  );
  assert.deepEqual(wrong.map(show), []);
});

Deno.test("no file imports itself in a circle", () => {
  // Imports of types vanish when the program runs, so only the others can bite.
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    assert.ok(!path.includes(file), [...path, file].join(" → "));
    if (done.has(file)) return;
    for (const { target, kind } of codeOf.has(file) ? importsOf(file) : []) {
      if (kind !== "type") visit(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

Deno.test("every source file is reached from an entry point", () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file) || !codeOf.has(file)) return;
    reached.add(file);
    for (const { target } of importsOf(file)) visit(target);
  };
  ENTRIES.forEach(visit);
  assert.deepEqual(files.filter((file) => !reached.has(file)), Object.keys(UNREACHED));
});

Deno.test("pure files know no clock, no disk, no network and no chance", () => {
  const worldly = files.filter((file) => !isShell(file) && WORLD.test(codeOf.get(file)!));
  assert.deepEqual(worldly.sort(), Object.keys(WORLDLY).sort());
});

Deno.test("every source file says in its first lines what it is", () => {
  const silent = files.filter((file) =>
    !Deno.readTextFileSync(`${ROOT}${file}`).slice(0, 12_000).includes("@module")
  );
  assert.deepEqual(silent, []);
});
