/**
 * Create, verify and extract against the plainest tools that do part of the work: cp, b3sum, tar, and
 * tar | zstd | age. Runs are interleaved, since the speed of shared machines drifts, and medians compared.
 *
 * `deno run -A bench/pipeline.ts [--runs N] [--dir DIR]`; everything lies in DIR (default /dev/shm).
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { bytesOf, machine, measure, type Measured, medians, run } from "./measure.ts";

const RUNS = Number(option("--runs") ?? 7);
const DIR = `${option("--dir") ?? "/dev/shm"}/warp-bench-${Deno.pid}`;
const WARP = `deno run -A '${fileURLToPath(new URL("../cli.ts", import.meta.url))}'`;

/** One tool against warp on the same data; scripts run with bash. */
interface Contest {
  title: string;
  peer: { name: string; script: string };
  warp: string;
  /** What the ratio should be at least: time of the peer / time of warp. */
  target: number;
}

const CREATE = (source: string) =>
  `rm -f out.warp; ${WARP} create ${source} -o out.warp -q -r $(cat age.pub)`;

const CONTESTS: Contest[] = [
  {
    title: "create, 1 GiB random, encrypted",
    peer: { name: "cp", script: "rm -f copy; cp random copy; rm copy" },
    warp: CREATE("random"),
    target: 0.9,
  },
  {
    title: "verify, 1 GiB",
    peer: { name: "b3sum", script: "b3sum random.warp" },
    warp: `${WARP} verify random.warp -q`,
    target: 0.5,
  },
  {
    title: "create, mixed, encrypted",
    peer: {
      name: "tar | zstd -1 -T0 | age",
      script: "tar c mixed | zstd -1 -T0 -q | age -r $(cat age.pub) > out.age",
    },
    warp: CREATE("mixed"),
    target: 1.5,
  },
  {
    title: "create, mixed, encrypted",
    peer: {
      name: "restic",
      script:
        "rm -rf repo; export RESTIC_PASSWORD_FILE=pw; restic -q -r repo init; restic -q -r repo backup mixed",
    },
    warp: CREATE("mixed"),
    target: 5,
  },
  {
    title: "extract, mixed",
    peer: {
      name: "tar x, uncompressed",
      script: "rm -rf out; mkdir out; tar xf mixed.tar -C out",
    },
    warp: `rm -rf out; ${WARP} extract mixed.warp -C out -q -i age.key`,
    target: 0.8,
  },
];

function prepare(): void {
  run(`rm -rf '${DIR}'; mkdir -p '${DIR}/mixed'; cd '${DIR}'
    age-keygen -o age.key 2>/dev/null; age-keygen -y age.key > age.pub; echo bench > pw
    head -c 1G /dev/urandom > random
    for d in /usr/bin /usr/lib/x86_64-linux-gnu /usr/include /usr/lib/python3; do
      [ -d $d ] && cp -r --no-preserve=mode,links $d mixed/ 2>/dev/null || true; done
    find mixed -type f -printf '%s %p\\n' | sort -k2 |
      awk '{ total += $1; if (total > 800000000) print $2 }' | tr '\\n' '\\0' | xargs -0 -r rm -f
    head -c 200M random > mixed/media
    tar cf mixed.tar mixed
    ${WARP} create random -o random.warp -q -r $(cat age.pub)
    ${WARP} create mixed -o mixed.warp -q -r $(cat age.pub)
    ${WARP} extract mixed.warp -C check -q -i age.key; diff -r --no-dereference mixed check/mixed
    rm -rf check`);
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function timed(script: string): Measured {
  return measure(`cd '${DIR}'; ${script}`);
}

console.log(`${machine()}, median of ${RUNS}, interleaved\n`);
prepare();
const files = Number(run(`find '${DIR}/mixed' -type f | wc -l`));
console.log(`mixed: ${files} files, ${(bytesOf(`${DIR}/mixed`) / 1e6).toFixed(0)} MB\n`);
console.log("| what | peer | peer s | CPU s | warp s | CPU s | peer / warp | wanted |");
console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
try {
  for (const { title, peer, warp, target } of CONTESTS) {
    const peers: Measured[] = [], own: Measured[] = [];
    for (let i = 0; i < RUNS; i++) {
      peers.push(timed(peer.script));
      own.push(timed(warp));
    }
    const a = medians(peers), b = medians(own);
    const cells = [
      title,
      peer.name,
      a.wallS.toFixed(2),
      a.cpuS.toFixed(2),
      b.wallS.toFixed(2),
      b.cpuS.toFixed(2),
      (a.wallS / b.wallS).toFixed(2),
      target.toFixed(1),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
} finally {
  run(`rm -rf '${DIR}'`);
}
