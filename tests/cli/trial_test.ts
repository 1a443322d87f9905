/**
 * Native libraries that must not be used: one that ends every process which loads it, and one whose
 * answers are wrong by one bit. Warp names them and works without them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fromHex } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { buildNative } from "../../kernels/native/build.ts";
import { noise } from "../kernels/samples.ts";
import { expectWarp, text, withTempDir } from "../support/warp.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const built = await build();

async function build(): Promise<string | undefined> {
  try {
    return await buildNative({ output: `${folder}/whole.so` });
  } catch (error) {
    const isMissing = isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
      error.message.startsWith("no C compiler");
    if (!isMissing || Deno.env.get("WARP_REQUIRE") === "all") throw error;
    console.log(`SKIP libraries that must not be used: ${error.message}`);
    return undefined;
  }
}

/** A library for another CPU, as far as the loader can tell. */
async function deadly(): Promise<string> {
  const source = `${folder}/deadly.c`, library = `${folder}/deadly.so`;
  Deno.writeTextFileSync(
    source,
    "__attribute__((constructor)) static void die(void) { __builtin_trap(); }\n",
  );
  const { success } = await new Deno.Command("cc", {
    args: ["-shared", "-fPIC", source, "-o", library],
  }).output();
  assert.ok(success);
  return library;
}

/** One bit of BLAKE3's first initial word, wherever the library has it. */
function damaged(path: string): string {
  const image = Deno.readFileSync(path), word = fromHex("67e6096a");
  let count = 0;
  for (let at = 0; at + 4 <= image.length; at++) {
    if (!word.every((byte, i) => image[at + i] === byte)) continue;
    image[at]! ^= 1;
    count++;
  }
  assert.ok(count > 0);
  Deno.writeFileSync(`${folder}/damaged.so`, image, { mode: 0o755 });
  return `${folder}/damaged.so`;
}

interface Row {
  message_type: string;
  kernel: string;
  backend: string;
  usable: boolean;
  chosen: boolean;
  reason: string;
}

async function doctor(env: Record<string, string>): Promise<Row[]> {
  const { stdout } = await expectWarp(0, ["doctor", "--json"], { env });
  return text(stdout).trim().split("\n").map((line) => JSON.parse(line) as Row)
    .filter((row) => row.message_type === "backend");
}

async function packsAndUnpacks(dir: string, env: Record<string, string>): Promise<void> {
  const data = noise(3_000_000, 1);
  Deno.writeFileSync(`${dir}/data`, data);
  await expectWarp(0, ["create", "data", "-o", "a.warp"], { cwd: dir, env });
  await expectWarp(0, ["verify", "a.warp"], { cwd: dir, env });
  await expectWarp(0, ["extract", "a.warp", "-C", "out"], { cwd: dir, env });
  assert.deepEqual(Deno.readFileSync(`${dir}/out/data`), data);
}

Deno.test({
  name: "a library that ends the process that loads it is named and left alone",
  ignore: built === undefined,
  async fn() {
    const library = await deadly();
    await withTempDir(async (dir) => {
      const env = { WARP_NATIVE_LIB: library, XDG_CACHE_HOME: `${dir}/cache` };
      // Before anyone asked doctor: create tries it in a process apart, once.
      await packsAndUnpacks(dir, env);
      const kept = Deno.readTextFileSync(`${dir}/cache/warp/trials-v1.json`);
      assert.match(kept, /deadly\.so .*"isSafe":false/);
      for (const row of (await doctor(env)).filter(({ backend }) => backend === "native")) {
        assert.equal(row.usable, false);
        assert.match(row.reason, /the process that tried it ended by SIG(ILL|TRAP)/);
      }
      assert.equal(Deno.readTextFileSync(`${dir}/cache/warp/trials-v1.json`), kept);
    });
  },
});

Deno.test({
  name: "a library with one wrong bit is named, and only that kernel goes elsewhere",
  ignore: built === undefined,
  async fn() {
    const library = damaged(built!);
    await withTempDir(async (dir) => {
      const env = { WARP_NATIVE_LIB: library, XDG_CACHE_HOME: `${dir}/cache` };
      const rows = await doctor(env);
      const blake3 = rows.find(({ kernel, backend }) =>
        kernel === "blake3" && backend === "native"
      )!;
      assert.equal(blake3.usable, false);
      assert.match(blake3.reason, /self-test failed/);
      assert.ok(rows.some(({ kernel, chosen }) => kernel === "blake3" && chosen));
      assert.ok(
        rows.some(({ kernel, backend, usable }) =>
          kernel === "boundary" && backend === "native" && usable
        ),
      );
      await packsAndUnpacks(dir, env);
    });
  },
});
