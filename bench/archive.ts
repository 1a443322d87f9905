/**
 * Create, extract and verify against tar, `tar | zstd -1 -T0 | age`, restic and borg, in one run,
 * interleaved; every result is checked before it is timed.
 *
 * `deno task bench [--runs N] [--dir DIR] [--only tree|binaries|random]`
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { bytesOf, machine, measure, type Measured, medians, run } from "./measure.ts";

const flag = (name: string, fallback: string) => {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Deno.args[at + 1]!;
};
const RUNS = Number(flag("runs", "3"));
const DIR = flag("dir", "/dev/shm/warp-bench");
const ONLY = flag("only", "");

const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));
const warp = `'${Deno.execPath()}' run -A --quiet '${cli}'`;
const key = `--passphrase-file '${DIR}/pw'`;
const env = {
  RESTIC_PASSWORD_FILE: `${DIR}/pw`,
  RESTIC_REPOSITORY: `${DIR}/restic`,
  RESTIC_CACHE_DIR: `${DIR}/restic-cache`,
  BORG_PASSPHRASE: "bench",
  BORG_BASE_DIR: `${DIR}/borg-base`,
  HOME: DIR,
};

interface Tool {
  name: string;
  create: string;
  extract: string;
  verify: string | undefined;
  /** What the archive takes. */
  stored: string;
}

const src = `'${DIR}/src'`, out = `'${DIR}/out'`;
const TOOLS: Tool[] = [
  {
    name: "warp",
    create: `rm -f '${DIR}/a.warp'; ${warp} create ${src} -o '${DIR}/a.warp' ${key} -q`,
    extract: `${warp} extract '${DIR}/a.warp' -C ${out} ${key} -q`,
    verify: `${warp} verify '${DIR}/a.warp' -q`,
    stored: `${DIR}/a.warp`,
  },
  {
    name: "warp, plain",
    create: `rm -f '${DIR}/p.warp'; ${warp} create ${src} -o '${DIR}/p.warp' -q`,
    extract: `${warp} extract '${DIR}/p.warp' -C ${out} -q`,
    verify: `${warp} verify '${DIR}/p.warp' -q`,
    stored: `${DIR}/p.warp`,
  },
  {
    name: "cp / tar",
    create: `tar c -C '${DIR}' -f '${DIR}/a.tar' src`,
    extract: `mkdir ${out}; tar x -C ${out} -f '${DIR}/a.tar'`,
    verify: undefined,
    stored: `${DIR}/a.tar`,
  },
  {
    name: "tar|zstd -1|age",
    create: `tar c -C '${DIR}' src | zstd -1 -T0 -q | age -R '${DIR}/age.pub' > '${DIR}/a.age'`,
    extract:
      `mkdir ${out}; age -d -i '${DIR}/age.key' '${DIR}/a.age' | zstd -d -q | tar x -C ${out}`,
    verify: undefined,
    stored: `${DIR}/a.age`,
  },
  {
    name: "restic",
    create: `rm -rf '${DIR}/restic'; restic init -q; cd '${DIR}'; restic backup -q src`,
    extract: `restic restore -q latest --target ${out}`,
    verify: "restic check -q --read-data",
    stored: `${DIR}/restic`,
  },
  {
    name: "borg",
    create: `rm -rf '${DIR}/borg'; borg init -e repokey-blake2 '${DIR}/borg'; cd '${DIR}'
      borg create '${DIR}/borg::a' src`,
    extract: `mkdir ${out}; cd ${out}; borg extract '${DIR}/borg::a'`,
    verify: `borg check --verify-data '${DIR}/borg'`,
    stored: `${DIR}/borg`,
  },
];

const CORPORA: Record<string, string> = {
  tree:
    `mkdir ${src}; for d in /usr/include /usr/lib/python3* /usr/share/doc /usr/share/perl* /usr/share/zoneinfo /usr/lib/node_modules /usr/local/lib/node_modules; do
    [ -d $d ] && cp -r --no-preserve=mode $d ${src}/ 2>/dev/null || true; done
    cd ${src}; find . -type f | sort | tail -n +30001 | tr '\\n' '\\0' | xargs -0 -r rm -f; find . -type f -size +8M -delete`,
  binaries:
    `mkdir ${src}; cp -r --no-preserve=mode,links /usr/bin /usr/lib/x86_64-linux-gnu ${src}/ 2>/dev/null || true
    cd ${src}; total=0; find . -type f -printf '%s %p\\n' | sort -k2 | awk '{ total += $1; if (total > 600000000) print $2 }' | tr '\\n' '\\0' | xargs -0 -r rm -f`,
  random: `mkdir ${src}; head -c 1G /dev/urandom > ${src}/random`,
};

function bench(name: string, make: string): void {
  run(`rm -rf '${DIR}'; mkdir -p '${DIR}'; printf bench > '${DIR}/pw'`);
  run(
    `age-keygen -o '${DIR}/age.key' 2>/dev/null; age-keygen -y '${DIR}/age.key' > '${DIR}/age.pub'`,
  );
  run(make);
  const files = Number(run(`find ${src} -type f | wc -l`));
  const size = bytesOf(`${DIR}/src`);
  console.log(`\n### ${name}: ${files} files, ${(size / 1e6).toFixed(0)} MB, median of ${RUNS}\n`);
  const results = new Map(
    TOOLS.map((
      tool,
    ) => [tool.name, { create: [], extract: [], verify: [] } as Record<string, Measured[]>]),
  );
  const sizes = new Map<string, number>();
  const copies: Measured[] = [];
  for (let i = 0; i < RUNS; i++) {
    if (name === "random") {
      copies.push(measure(`cp -r ${src} ${out}`, env));
      run(`rm -rf ${out}`);
    }
    for (const tool of TOOLS) {
      const own = results.get(tool.name)!;
      own.create!.push(measure(tool.create, env));
      sizes.set(tool.name, bytesOf(tool.stored));
      run(`rm -rf ${out}`);
      own.extract!.push(measure(tool.extract, env));
      if (i === 0) run(`diff -r --no-dereference ${src} ${out}/src`);
      run(`rm -rf ${out}`);
      if (tool.verify !== undefined) own.verify!.push(measure(tool.verify, env));
      run(`rm -rf '${tool.stored}'`);
    }
  }
  report(results, sizes, size, copies);
}

function report(
  results: Map<string, Record<string, Measured[]>>,
  sizes: Map<string, number>,
  size: number,
  copies: Measured[],
): void {
  const ours = results.get("warp")!;
  console.log("| tool | step | wall s | MB/s | CPU s | peak MiB | stored MB | warp is |");
  console.log("|---|---|---|---|---|---|---|---|");
  for (const [tool, steps] of results) {
    for (const [step, runs] of Object.entries(steps)) {
      if (runs.length === 0) continue;
      const { wallS, cpuS, peakMiB } = medians(runs);
      const ratio = wallS / medians(ours[step]!).wallS;
      console.log(
        `| ${tool} | ${step} | ${wallS.toFixed(2)} | ${(size / 1e6 / wallS).toFixed(0)} | ${
          cpuS.toFixed(2)
        } | ` +
          `${peakMiB.toFixed(0)} | ${(sizes.get(tool)! / 1e6).toFixed(1)} | ${
            tool === "warp" ? "" : `${ratio.toFixed(2)} x`
          } |`,
      );
    }
  }
  if (copies.length > 0) {
    const { wallS, cpuS } = medians(copies);
    const ratio = medians(ours.create!).wallS / wallS;
    console.log(
      `| cp | copy | ${wallS.toFixed(2)} | ${(size / 1e6 / wallS).toFixed(0)} | ${
        cpuS.toFixed(2)
      } | | | create takes ${ratio.toFixed(2)} x cp |`,
    );
  }
}

console.log(
  `${machine()}\n\"warp is\": the tool's wall time divided by that of \`warp\` (encrypted).`,
);
for (const [name, make] of Object.entries(CORPORA)) {
  if (ONLY === "" || ONLY === name) bench(name, make);
}
run(`rm -rf '${DIR}'`);
