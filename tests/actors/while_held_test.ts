import assert from "node:assert/strict";
import { ROOT, text, withTempDir } from "../support/warp.ts";

// Goal: no call that runs beside its thread works on memory that was collected. Method: real calls, and a
// collector that runs while they are under way; a registry tells what it took.

/** Runs `script` where `gc()` collects; what it printed. */
async function run(script: string, flags = ""): Promise<string> {
  let printed = "";
  await withTempDir(async (dir) => {
    Deno.writeTextFileSync(`${dir}/script.ts`, script.replaceAll("@/", `${ROOT}`));
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", "--config", `${ROOT}deno.json`]
        .concat(`--v8-flags=--expose-gc${flags}`, `${dir}/script.ts`),
      stdout: "piped",
      stderr: "piped",
    }).output();
    assert.ok(success, text(stderr));
    printed = text(stdout).trim();
  });
  return printed;
}

const READ = `
  import { whileHeld } from "@/actors/base/while_held.ts";
  const { symbols } = Deno.dlopen("libc.so.6", {
    pipe: { parameters: ["buffer"], result: "i32" },
    read: { parameters: ["i32", "buffer", "usize"], result: "i32", nonblocking: true },
    write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  });
  const ends = new Int32Array(2);
  symbols.pipe(new Uint8Array(ends.buffer));
  let isCollected = false;
  const registry = new FinalizationRegistry(() => isCollected = true);
  const room = () => {
    const bytes = new Uint8Array(1000);
    registry.register(bytes.buffer, null);
    return bytes;
  };
  const read = (bytes) => symbols.read(ends[0], bytes, 1000n);
  const reading = @CALL;
  for (let i = 0; i < 5; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  console.log(isCollected);
  symbols.write(ends[1], new Uint8Array(1), 1n);
  await reading;
`;

Deno.test({
  name: "Deno lets the memory of a call under way be collected; whileHeld does not",
  ignore: Deno.build.os !== "linux",
  async fn() {
    // Should this fail one day, whileHeld has become needless.
    assert.equal(await run(READ.replace("@CALL", "read(room())")), "true");
    const held = "((bytes) => whileHeld([bytes], () => read(bytes)))(room())";
    assert.equal(await run(READ.replace("@CALL", held)), "false");
  },
});

Deno.test({
  name: "hashes and files are right while the collector runs all the time",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const script = `
      import { loadKernels } from "@/kernels/load.ts";
      import { fsBackend } from "@/actors/base/fs/choose.ts";
      import { openSmallFiles } from "@/kernels/native/files.ts";
      const { blake3 } = await loadKernels();
      fsBackend.useSmallFiles(openSmallFiles());
      const data = crypto.getRandomValues(new Uint8Array(65_536)), large = new Uint8Array(6_000_000);
      const cuts = Array.from({ length: 61 }, (_, i) => 1000 * i);
      for (let at = 0; at < large.length; at += 60_000) large.set(data.subarray(0, 60_000), at);
      const parts = cuts.map((cut) => 100 * cut);
      const wanted = new Uint8Array(60 * 32);
      blake3.hashMany(large, parts, wanted);
      const dir = Deno.makeTempDirSync();
      const root = fsBackend.openRoot(dir);
      const meta = { mode: 0o600, mtimeS: 1, mtimeNs: 0, owner: undefined, isReplacing: true };
      let wrong = 0;
      const hash = async () => {
        const out = new Uint8Array(60 * 32);
        await blake3.hashManyLater?.(large, parts, out);
        if (blake3.hashManyLater && out.some((byte, i) => byte !== wanted[i])) wrong++;
      };
      let puts = 0;
      const put = async () => {
        puts++;
        const names = cuts.slice(1).map((_, i) => ({
          dir: root, temporary: \`.\${puts}.\${i}\`, name: \`f\${i}\`,
          start: cuts[i], end: cuts[i + 1], meta,
        }));
        if ((await fsBackend.putMany(names, data)).includes(false)) wrong++;
      };
      const isBuilt = openSmallFiles() !== undefined;
      for (let round = 0; round < 20; round++) {
        const all = [hash(), hash(), hash(), hash(), ...(isBuilt ? [put(), put()] : [])];
        for (let i = 0; i < 5; i++) {
          gc();
          for (let k = 0; k < 200; k++) new Uint8Array(64 * (1 + k % 64)).fill(255);
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        await Promise.all(all);
      }
      if (isBuilt) {
        for (let i = 0; i < 60; i++) {
          const bytes = Deno.readFileSync(\`\${dir}/f\${i}\`);
          if (bytes.some((byte, k) => byte !== data[cuts[i] + k])) wrong++;
        }
        if ([...Deno.readDirSync(dir)].length !== 60) wrong++;
      }
      Deno.removeSync(dir, { recursive: true });
      console.log(wrong);
    `;
    assert.equal(await run(script, ",--gc-interval=500"), "0");
  },
});
