import assert from "node:assert/strict";
import { toHex } from "../../actors/base/bytes.ts";
import { FileInput } from "../../actors/archive/archive_io.ts";
import { readOpening, readPrologue } from "../../actors/archive/reader.ts";
import { RecordScanner } from "../../actors/archive/scanner.ts";
import { readKeyFile } from "../../actors/cipher/key_file.ts";
import { openKeySection } from "../../actors/cipher/key_section.ts";
import { RecordCodec } from "../../actors/cipher/record.ts";
import { loadKernels } from "../../kernels/load.ts";
import { Random } from "../support/random.ts";
import { expectWarp, sh, text, warpCommand, withTempDir } from "../support/warp.ts";

// Goal: a create that is killed at any moment goes on with --resume, gives the root that an
// uninterrupted run gives under the same key, and never seals two plaintexts under one nonce.
// Method: kill -9 at random moments of the real command; the records of what was left and of what
// came out are compared nonce by nonce. WARP_SEED repeats a run, WARP_KILLS sets the number.

const kernels = await loadKernels();
const seed = Number(Deno.env.get("WARP_SEED") ?? Date.now() % 1_000_000);
const KILLS = Number(Deno.env.get("WARP_KILLS") ?? 12);

/** Records by (kind, epoch, nonce), as stored. */
async function sealedRecords(archive: string, keyFile: string): Promise<Map<string, string>> {
  const input = FileInput.open(archive);
  try {
    const opening = readOpening(input, kernels);
    const { identities } = readKeyFile(keyFile);
    const key = await openKeySection(opening.keySection, opening.header.archiveId, { identities });
    const { secrets } = readPrologue(input, kernels, opening, key);
    const start = 256 + opening.header.keySectionLength;
    const scanner = new RecordScanner(input, new RecordCodec(kernels, secrets), start, input.size);
    const records = new Map<string, string>();
    for (let next = scanner.peek(); next !== undefined; next = scanner.peek()) {
      const stored = scanner.readStored(next)!;
      const nonce = `${next.kind}:${next.ordinal >> 16}:${toHex(stored.subarray(0, 12))}`;
      const digest = new Uint8Array(32);
      kernels.blake3.hash(stored, digest);
      assert.ok(!records.has(nonce), "one archive uses a nonce twice");
      records.set(nonce, toHex(digest));
      scanner.advance(next);
    }
    return records;
  } finally {
    input.close();
  }
}

function assertNoReuse(a: Map<string, string>, b: Map<string, string>): number {
  let same = 0;
  for (const [nonce, digest] of a) {
    if (!b.has(nonce)) continue;
    assert.equal(b.get(nonce), digest, `nonce ${nonce} sealed two plaintexts`);
    same++;
  }
  return same;
}

async function rootOf(archive: string): Promise<string> {
  const { stdout } = await expectWarp(0, ["verify", archive, "--json"]);
  return JSON.parse(text(stdout)).root;
}

/** Small files, a file over several batches, a sparse one, and a repeated one. */
async function makeSource(dir: string, random: Random): Promise<void> {
  await sh(`cp -a /usr/include/linux '${dir}/src'; mkdir '${dir}/src/zz'`);
  Deno.writeFileSync(`${dir}/src/mid`, random.bytes(30 << 20));
  Deno.copyFileSync(`${dir}/src/mid`, `${dir}/src/zz/again`);
  Deno.writeFileSync(`${dir}/src/zz/last`, random.bytes(10 << 20));
  await sh(
    `truncate -s 40M '${dir}/src/sparse'; head -c 5M /dev/urandom | dd of='${dir}/src/sparse' bs=1M seek=20 conv=notrunc status=none`,
  );
}

/** Runs `create` and kills it after `afterMs`. True when it had finished before. */
async function killAfter(args: string[], env: Record<string, string>, afterMs: number) {
  const child = warpCommand(args, { env }).spawn();
  const timer = setTimeout(() => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }, afterMs);
  const { success } = await child.output();
  clearTimeout(timer);
  return success;
}

/** Waits, however slow the machine is. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    assert.ok(performance.now() - start < 60_000, `waited a minute for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

/** Seen from outside: taking the lock to try it would itself be in the way. */
function isLocked(path: string): boolean {
  const { ino } = Deno.statSync(path);
  return Deno.readTextFileSync("/proc/locks").includes(`:${ino} `);
}

Deno.test(`create killed at ${KILLS} random moments resumes to the same root (seed ${seed})`, async () => {
  const random = new Random(seed);
  await withTempDir(async (dir) => {
    await makeSource(dir, random);
    const env = { XDG_STATE_HOME: `${dir}/state`, XDG_CONFIG_HOME: `${dir}/config` };
    await expectWarp(0, ["key", "new"], { env });
    const keyFile = `${dir}/config/warp/key.txt`;
    const { stdout } = await expectWarp(0, ["key", "show", "--json"], { env });
    const { recipient } = JSON.parse(text(stdout));
    const out = (name: string) => `${dir}/${name}.warp`;
    const args = (
      name: string,
    ) => ["create", `${dir}/src`, "-o", out(name), "--recipient", recipient];

    // A partial that holds little more than the key: what all runs start from.
    const partial = `${out("first")}.partial`;
    const first = warpCommand(args("first"), { env }).spawn();
    await until(() => sizeOf(partial) > 1000, "the first record");
    first.kill("SIGKILL");
    assert.ok(!(await first.output()).success, "the run ended before it could be killed");
    Deno.copyFileSync(partial, `${out("whole")}.partial`);
    const begun = performance.now();
    await expectWarp(0, [...args("whole"), "--resume"], { env });
    const wholeMs = performance.now() - begun;
    const root = await rootOf(out("whole"));
    const whole = await sealedRecords(out("whole"), keyFile);

    let interrupted = 0;
    for (let i = 0; i < KILLS; i++) {
      Deno.copyFileSync(partial, `${out("k")}.partial`);
      const resume = [...args("k"), "--resume", "--identity", keyFile];
      const afterMs = random.int(Math.ceil(wholeMs));
      const isDone = await killAfter(resume, env, afterMs);
      const hasFinalName = (await sh(`ls '${dir}'`)).split("\n").includes("k.warp");
      // Killed between the rename and the end of the process, it is whole: the root says so below.
      if (!isDone && !hasFinalName) {
        interrupted++;
        assertNoReuse(await sealedRecords(`${out("k")}.partial`, keyFile), whole);
        await expectWarp(0, resume, { env });
      }
      assert.equal(await rootOf(out("k")), root, `killed after ${afterMs} ms`);
      Deno.removeSync(out("k"));
    }
    assert.ok(interrupted > KILLS / 4, `only ${interrupted} runs were interrupted`);
    await expectWarp(0, ["extract", out("whole"), "-C", `${dir}/out`, "--identity", keyFile]);
    await sh(`diff -r '${dir}/src' '${dir}/out/src'`);
  });
});

Deno.test(`a source that changes between crash and resume never shares a nonce (seed ${seed})`, async () => {
  const random = new Random(seed + 1);
  await withTempDir(async (dir) => {
    await makeSource(dir, random);
    const env = { XDG_STATE_HOME: `${dir}/state`, XDG_CONFIG_HOME: `${dir}/config` };
    await expectWarp(0, ["key", "new"], { env });
    const keyFile = `${dir}/config/warp/key.txt`;
    const { stdout } = await expectWarp(0, ["key", "show", "--json"], { env });
    const { recipient } = JSON.parse(text(stdout));
    const output = `${dir}/x.warp`;
    const args = ["create", `${dir}/src`, "-o", output, "--recipient", recipient];
    for (let i = 0; i < 6; i++) {
      await sh(`rm -f '${output}' '${output}.partial'`);
      await killAfter(args, env, 400 + random.int(500));
      const hasPartial = (await sh(`ls '${dir}'`)).includes("x.warp.partial");
      if (!hasPartial) continue;
      const before = await sealedRecords(`${output}.partial`, keyFile).catch(() => new Map());
      // One file is other content of the same size and time, one has grown, one is gone, one new.
      await sh(`cd '${dir}/src'; touch -r mid stamp
        head -c 30M /dev/urandom | dd of=mid conv=notrunc status=none; touch -r stamp mid; rm stamp
        head -c 1M /dev/urandom >> zz/again; rm -f zz/last; head -c 3M /dev/urandom > zz/new${i}`);
      await expectWarp(0, [...args, "--resume"], { env });
      assertNoReuse(before, await sealedRecords(output, keyFile));
      await expectWarp(0, ["verify", output, "--identity", keyFile]);
      await expectWarp(0, [
        "extract",
        output,
        "-C",
        `${dir}/out`,
        "--identity",
        keyFile,
        "--force",
      ]);
    }
  });
});

Deno.test("resume starts over where the first record was not written whole", async () => {
  await withTempDir(async (dir) => {
    const env = { XDG_STATE_HOME: `${dir}/state`, XDG_CONFIG_HOME: `${dir}/config` };
    await expectWarp(0, ["key", "new"], { env });
    const keyFile = `${dir}/config/warp/key.txt`;
    const { stdout } = await expectWarp(0, ["key", "show", "--json"], { env });
    const { recipient } = JSON.parse(text(stdout));
    await sh(`mkdir '${dir}/src'; echo content > '${dir}/src/file'`);
    const partial = `${dir}/x.warp.partial`;
    const make = ["create", `${dir}/src`, "-o", `${dir}/x.warp`];
    for (const args of [make, [...make, "--recipient", recipient]]) {
      await expectWarp(0, args, { env });
      const whole = Deno.readFileSync(`${dir}/x.warp`);
      const input = FileInput.open(`${dir}/x.warp`);
      const opening = readOpening(input, kernels);
      input.close();
      const start = 256 + opening.header.keySectionLength;
      for (const length of [255, 256, start - 1, start, start + 1, start + 30, start + 80]) {
        Deno.removeSync(`${dir}/x.warp`);
        Deno.writeFileSync(partial, whole.subarray(0, length));
        await expectWarp(0, [...args, "--resume", "--identity", keyFile], { env });
        await expectWarp(0, ["verify", `${dir}/x.warp`, "--identity", keyFile], { env });
      }
      Deno.removeSync(`${dir}/x.warp`);
    }
  });
});

Deno.test("resume goes back as far as it must when several files changed under it", async () => {
  await withTempDir(async (dir) => {
    const random = new Random(17);
    // Each batch of 4 MiB ends inside a file, so every way back leads into another one.
    Deno.mkdirSync(`${dir}/src`);
    for (let i = 0; i < 8; i++) Deno.writeFileSync(`${dir}/src/f${i}`, random.bytes(5_500_000));
    const args = ["create", `${dir}/src`, "-o", `${dir}/x.warp`];
    // The archive actor dies at its last breath: everything but the end is written.
    const env = { WARP_FAULT: "chunker:next:8:hang", WARP_HEARTBEAT_MS: "600000" };
    await killAfter(args, env, 2500);
    const size = Deno.statSync(`${dir}/x.warp.partial`).size;
    assert.ok(size > 20_000_000, `${size} bytes were written`);
    for (let i = 2; i < 8; i++) Deno.writeFileSync(`${dir}/src/f${i}`, random.bytes(5_000_000 + i));
    await expectWarp(0, [...args, "--resume"]);
    await expectWarp(0, ["verify", `${dir}/x.warp`]);
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/out`]);
  });
});

Deno.test("an interrupted archive is neither overwritten nor resumed by accident, and two at once are refused", async () => {
  await withTempDir(async (dir) => {
    await makeSource(dir, new Random(5));
    const args = ["create", `${dir}/src`, "-o", `${dir}/x.warp`];
    // Slow enough to be caught half-way: killed when the first batch stands in the file.
    const partial = `${dir}/x.warp.partial`;
    const first = warpCommand([...args, "--compress", "zstd:19"]).spawn();
    await until(() => sizeOf(partial) > 100_000, "the first batch");
    first.kill("SIGKILL");
    const { success } = await first.output();
    assert.ok(!success, "the run ended before it could be killed");
    const { stderr } = await expectWarp(1, args);
    assert.match(stderr, /--resume/);
    const running = warpCommand([...args, "--resume", "--compress", "zstd:19"]).spawn();
    await until(() => isLocked(partial), "the lock of the first");
    const second = await expectWarp(1, [...args, "--resume"]);
    assert.match(second.stderr, /another warp/);
    running.kill("SIGINT");
    const { code } = await running.output();
    assert.ok([0, 130].includes(code), `exit ${code}`);
    await expectWarp(0, [...args, "--resume", "--force"]);
    await expectWarp(0, ["verify", `${dir}/x.warp`]);
  });
});
