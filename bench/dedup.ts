/**
 * Dedup on two versions of real trees against restic, borg and casync, in one run: bytes stored for
 * the first version, and added for the second.
 *
 * `deno run -A bench/dedup.ts [--dir DIR] [--sweep]`. The trees are npm packages in two versions.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { bytesOf, machine, measure, run } from "./measure.ts";

const at = Deno.args.indexOf("--dir");
const DIR = at < 0 ? "/dev/shm/warp-dedup" : Deno.args[at + 1]!;
const PAIRS: [string, string, string][] = [
  ["typescript", "5.4.5", "5.5.4"],
  ["@types/node", "20.11.0", "22.5.0"],
  ["webpack", "5.90.0", "5.94.0"],
  ["date-fns", "3.3.0", "3.6.0"],
];

const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));
const warp = `'${Deno.execPath()}' run -A --quiet '${cli}'`;
const env = {
  RESTIC_PASSWORD_FILE: `${DIR}/pw`,
  RESTIC_REPOSITORY: `${DIR}/restic`,
  RESTIC_CACHE_DIR: `${DIR}/cache`,
  BORG_PASSPHRASE: "bench",
  BORG_BASE_DIR: `${DIR}/borg-base`,
  BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
  HOME: DIR,
};

interface Stored {
  first: number;
  second: number;
  wallS: number;
}

function fetchPair(): void {
  run(
    `rm -rf '${DIR}'; mkdir -p '${DIR}/v1' '${DIR}/v2' '${DIR}/pack'; printf bench > '${DIR}/pw'`,
  );
  for (const [name, one, two] of PAIRS) {
    for (const [version, target] of [[one, "v1"], [two, "v2"]]) {
      const place = `${DIR}/${target}/${name.replace("/", "-")}`;
      run(
        `cd '${DIR}/pack'; rm -f *.tgz; npm pack --silent '${name}@${version}' >/dev/null
         mkdir -p '${place}'; tar xzf *.tgz -C '${place}' --strip-components 1`,
        { HOME: Deno.env.get("HOME") ?? "/" },
      );
    }
  }
}

function withWarp(flags: string): Stored {
  const key = `--passphrase-file '${DIR}/pw' -q ${flags}`;
  const make = (v: string, more: string) =>
    measure(
      `cd '${DIR}/${v}'; rm -f '${DIR}/${v}.warp'; ${warp} create . -o '${DIR}/${v}.warp' ${more} ${key}`,
      env,
    );
  const a = make("v1", ""), b = make("v2", `--base '${DIR}/v1.warp'`);
  run(
    `rm -rf '${DIR}/out'; ${warp} extract '${DIR}/v2.warp' -C '${DIR}/out' --passphrase-file '${DIR}/pw' -q; diff -r '${DIR}/v2' '${DIR}/out'; rm -rf '${DIR}/out'`,
  );
  return {
    first: bytesOf(`${DIR}/v1.warp`),
    second: bytesOf(`${DIR}/v2.warp`),
    wallS: a.wallS + b.wallS,
  };
}

function withRepository(init: string, backup: (v: string) => string, repository: string): Stored {
  run(`rm -rf '${repository}'; ${init}`, env);
  const a = measure(backup("v1"), env);
  const first = bytesOf(repository);
  const b = measure(backup("v2"), env);
  return { first, second: bytesOf(repository) - first, wallS: a.wallS + b.wallS };
}

function row(name: string, { first, second, wallS }: Stored): void {
  const mb = (bytes: number) => (bytes / 1e6).toFixed(2);
  console.log(
    `| ${name} | ${mb(first)} | ${mb(second)} | ${mb(first + second)} | ${wallS.toFixed(1)} |`,
  );
}

console.log(machine());
fetchPair();
const [v1, v2] = [bytesOf(`${DIR}/v1`), bytesOf(`${DIR}/v2`)];
console.log(
  `\n${PAIRS.map((pair) => pair.join(" ")).join(", ")}: ${(v1 / 1e6).toFixed(1)} + ${
    (v2 / 1e6).toFixed(1)
  } MB\n`,
);
console.log("| tool | first MB | added MB | total MB | wall s |\n|---|---|---|---|---|");
for (const compress of ["none", "default"]) {
  row(`warp, ${compress}`, withWarp(compress === "none" ? "--compress none" : ""));
  const restic = compress === "none" ? "--compression off" : "";
  const backup = (v: string) => `cd '${DIR}/${v}'; restic backup -q ${restic} .`;
  row(`restic, ${compress}`, withRepository("restic init -q", backup, `${DIR}/restic`));
  const borg = compress === "none" ? "--compression none" : "";
  const init = `borg init -e repokey-blake2 '${DIR}/borg'`;
  const create = (v: string) => `cd '${DIR}/${v}'; borg create ${borg} '${DIR}/borg::${v}' .`;
  row(`borg, ${compress}`, withRepository(init, create, `${DIR}/borg`));
}
const casync = (v: string) =>
  `cd '${DIR}'; casync make --store='${DIR}/castr' '${DIR}/castr/${v}.caidx' '${v}' >/dev/null`;
row("casync (zstd)", withRepository(`mkdir -p '${DIR}/castr'`, casync, `${DIR}/castr`));
if (Deno.args.includes("--sweep")) {
  for (const size of ["8KiB", "16KiB", "32KiB", "64KiB", "128KiB", "256KiB", "1MiB"]) {
    row(`warp, none, avg ${size}`, withWarp(`--compress none --chunk-size ${size}`));
    row(`warp, default, avg ${size}`, withWarp(`--chunk-size ${size}`));
  }
}
run(`rm -rf '${DIR}'`);
