import assert from "node:assert/strict";
import { openSmallFiles } from "../../kernels/native/files.ts";
import { ROOT, text, withTempDir } from "../support/warp.ts";

// Goal: no call that runs beside its thread works on memory that was collected. Method: real calls, and a
// collector that runs while they are under way; weak references tell what it took.

/** Runs `script` where `gc()` collects; what it printed. */
async function run(script: string): Promise<string> {
  let printed = "";
  await withTempDir(async (dir) => {
    Deno.writeTextFileSync(`${dir}/script.ts`, script.replaceAll("@/", `${ROOT}`));
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", "--config", `${ROOT}deno.json`]
        .concat("--v8-flags=--expose-gc", `${dir}/script.ts`),
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

/** What real calls make for themselves, watched from outside: every array made while they begin. */
const CALLS = `
  import { loadKernels } from "@/kernels/load.ts";
  import { fsBackend } from "@/actors/base/fs/choose.ts";
  import { openSmallFiles } from "@/kernels/native/files.ts";
  const made = [];
  const watched = (call) => {
    const plain = { Uint8Array, BigUint64Array, Int32Array };
    for (const [name, Plain] of Object.entries(plain)) {
      globalThis[name] = class extends Plain {
        constructor(...given) {
          super(...given);
          made.push(new WeakRef(this.buffer));
        }
      };
    }
    const result = call();
    Object.assign(globalThis, plain);
    return result;
  };
  const { blake3 } = await loadKernels();
  fsBackend.useSmallFiles(openSmallFiles());
  // Zeros that nobody has touched take no memory, but time.
  const data = new Uint8Array(512 << 20), out = new Uint8Array(32 * 32);
  const parts = Array.from({ length: 33 }, (_, i) => i * (16 << 20));
  const dir = Deno.makeTempDirSync(), root = fsBackend.openRoot(dir);
  const meta = { mode: 0o600, mtimeS: 1, mtimeNs: 0, owner: undefined, isReplacing: false };
  const puts = Array.from({ length: 32 }, (_, i) => (
    { dir: root, temporary: "." + i, name: "f" + i, start: 0, end: 4 << 20, meta }
  ));
  const calls = {
    hash: () => blake3.hashManyLater(data, parts, out),
    put: () => fsBackend.putMany(puts, data),
  };
  for (const [name, call] of Object.entries(calls)) {
    made.length = 0;
    let isOver = false;
    const under = watched(call).then(() => isOver = true);
    await new Promise((resolve) => setTimeout(resolve));
    gc();
    const lost = made.filter((buffer) => buffer.deref() === undefined).length;
    console.log(name, made.length, isOver ? "over too soon" : "under way", "lost", lost);
    await under;
  }
  Deno.removeSync(dir, { recursive: true });
`;

const isBuilt = openSmallFiles() !== undefined;
if (!isBuilt) {
  console.log("SKIP memory of native calls: the C library is not built (deno task build:native)");
  if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error("WARP_REQUIRE=all");
}

Deno.test({
  name: "what a hash and a batch of files read and write stays until they are done",
  ignore: !isBuilt,
  async fn() {
    const lines = (await run(CALLS)).split("\n");
    assert.deepEqual(lines, ["hash 1 under way lost 0", "put 3 under way lost 0"]);
  },
});
