/**
 * Start-up against bare Deno: `deno run -A bench/startup.ts`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { machine, measure, medians, run } from "./measure.ts";

const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));
const warp = `'${Deno.execPath()}' run -A --quiet '${cli}'`;
const dir = Deno.makeTempDirSync();
run(`echo hello > '${dir}/f'; ${warp} create '${dir}/f' -o '${dir}/x.warp' -q`);
const rows: [string, string][] = [
  ["deno eval ''", `'${Deno.execPath()}' eval ''`],
  ["warp --version", `${warp} --version`],
  ["warp --help", `${warp} --help`],
  ["warp list, one file", `${warp} list '${dir}/x.warp'`],
  ["warp create, one file", `${warp} create '${dir}/f' -o '${dir}/y.warp' --force -q`],
  [
    "warp create, one file, --single-thread",
    `${warp} create '${dir}/f' -o '${dir}/y.warp' --force -q --single-thread`,
  ],
  ["restic version", "restic version"],
];
console.log(
  `${machine()}\n\n| command | wall ms (median of 9) | CPU ms | peak MiB |\n|---|---|---|---|`,
);
for (const [name, script] of rows) {
  measure(script);
  const { wallS, cpuS, peakMiB } = medians(Array.from({ length: 9 }, () => measure(script)));
  console.log(
    `| ${name} | ${(wallS * 1000).toFixed(0)} | ${(cpuS * 1000).toFixed(0)} | ${
      peakMiB.toFixed(0)
    } |`,
  );
}
Deno.removeSync(dir, { recursive: true });
