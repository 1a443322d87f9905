/**
 * Peak memory of `create` and `extract` under `--memory 256MiB`, for one random file of 1 GiB and one
 * of 4 GiB: it must not follow the size of the input. `deno run -A bench/memory.ts [--dir DIR]`
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { machine, measure, run } from "./measure.ts";

const at = Deno.args.indexOf("--dir");
const DIR = at < 0 ? "/dev/shm/warp-memory" : Deno.args[at + 1]!;
const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));
const warp = `'${Deno.execPath()}' run -A --quiet '${cli}'`;

console.log(
  `${machine()}\n\n| input | step | wall s | CPU s | peak RSS MiB |\n|---|---|---|---|---|`,
);
for (const size of ["1G", "4G"]) {
  run(
    `rm -rf '${DIR}'; mkdir -p '${DIR}'; echo bench > '${DIR}/pw'; head -c ${size} /dev/urandom > '${DIR}/f'`,
  );
  const flags = `--memory 256MiB --passphrase-file '${DIR}/pw' -q`;
  const steps = [
    ["create", `${warp} create '${DIR}/f' -o '${DIR}/x.warp' ${flags}`],
    ["extract", `${warp} extract '${DIR}/x.warp' -C '${DIR}/out' ${flags}`],
  ] as const;
  for (const [step, script] of steps) {
    const { wallS, cpuS, peakMiB } = measure(script);
    console.log(
      `| ${size}iB random | ${step} | ${wallS.toFixed(1)} | ${cpuS.toFixed(1)} | ${
        peakMiB.toFixed(0)
      } |`,
    );
  }
  run(`cmp '${DIR}/f' '${DIR}/out/f'`);
}
run(`rm -rf '${DIR}'`);
