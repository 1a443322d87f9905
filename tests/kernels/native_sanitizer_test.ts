/**
 * The CPU library under the sanitizers of the C compiler: a program calls every function on awkward
 * sizes and from several threads, and no report is allowed.
 *
 * The 512-bit code is compiled for AVX2, so that it runs on any x86-64 machine with AVX2.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isWarpError } from "../../actors/base/errors.ts";
import { buildNative } from "../../kernels/native/build.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const sources = new URL("./native/", import.meta.url);
const DRIVER_FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread"];

interface Sanitizer {
  name: string;
  flags: readonly string[];
  threads: number;
  /** Least instruction set: threads behave the same with each. */
  least: number;
  environment: Readonly<Record<string, string>>;
}

const SANITIZERS: readonly Sanitizer[] = [
  {
    name: "AddressSanitizer and UndefinedBehaviorSanitizer",
    // Our own sealing code for every length: libcrypto would take the longer ones.
    flags: ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DWARP_OWN_AEAD"],
    threads: 1,
    least: 0,
    environment: {
      ASAN_OPTIONS: "detect_leaks=1:detect_stack_use_after_return=1",
      UBSAN_OPTIONS: "print_stacktrace=1",
    },
  },
  {
    name: "ThreadSanitizer",
    flags: ["-fsanitize=thread"],
    threads: 4,
    least: 3,
    environment: { TSAN_OPTIONS: "halt_on_error=1:second_deadlock_stack=1" },
  },
];

async function execute(command: string, args: string[], env: Record<string, string> = {}) {
  const output = await new Deno.Command(command, { args, env, stdout: "piped", stderr: "piped" })
    .output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const { success, code, signal } = output;
  const out = decode(output.stdout), error = decode(output.stderr);
  return {
    success,
    out,
    error,
    told: `${signal ?? code}: ${out.slice(-500)}${error.slice(-6000)}`,
  };
}

/** Compiles the library and the driver; undefined, said aloud, where that is not possible. */
async function build({ name, flags }: Sanitizer, index: number): Promise<string | undefined> {
  const compiler = Deno.env.get("CC") ?? "cc", own = `${folder}/${index}`;
  await Deno.mkdir(own);
  const skip = (reason: string) => {
    console.log(`SKIP native ${name}: ${reason}`);
    if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error(`native ${name}: ${reason}`);
    return undefined;
  };
  const common = [...flags, "-O1", "-g", "-fno-omit-frame-pointer"];
  try {
    const probe = `${own}/probe.c`;
    await Deno.writeTextFile(probe, "int main(void) { return 0; }\n");
    const probed = await execute(compiler, [...common, probe, "-o", `${own}/probe`]);
    if (!probed.success) return skip(`${compiler} does not have it (libasan, libubsan, libtsan)`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return skip(`no C compiler: "${compiler}" cannot be run`);
  }
  let library: string;
  try {
    library = await buildNative({ output: `${own}/library.so`, isEmulated: true, flags: common });
  } catch (error) {
    if (isWarpError(error)) throw new Error(`${name}: ${error.message}`);
    throw error;
  }
  const files = [...Deno.readDirSync(sources)].map((entry) => entry.name)
    .filter((file) => file.endsWith(".c")).map((file) => new URL(file, sources).pathname);
  const program = `${own}/driver`;
  const linked = await execute(compiler, [
    ...DRIVER_FLAGS,
    ...common,
    ...files,
    library,
    `-Wl,-rpath,${own}`,
    "-o",
    program,
  ]);
  assert.ok(linked.success, linked.told);
  return program;
}

/** Without randomised addresses where that can be had: ThreadSanitizer fails with many random bits. */
async function launcher(): Promise<string[]> {
  if (Deno.build.os !== "linux") return [];
  try {
    const { success } = await execute("setarch", [Deno.build.arch, "-R", "true"]);
    return success ? ["setarch", Deno.build.arch, "-R"] : [];
  } catch {
    return [];
  }
}

const prefix = await launcher();
const programs = await Promise.all(SANITIZERS.map(build));

SANITIZERS.forEach(({ name, threads, least, environment }, index) => {
  const program = programs[index];
  Deno.test({
    name: `native under ${name}: no report in ${
      threads === 1 ? "one thread" : `${threads} threads`
    }`,
    ignore: program === undefined,
    async fn() {
      const [command, ...args] = [...prefix, program!, String(threads), String(least)];
      const result = await execute(command!, args, environment);
      assert.ok(result.success, result.told);
      assert.equal(result.error, "", result.told);
      assert.match(result.out, /done\n$/);
      if (Deno.build.arch === "x86_64") assert.match(result.out, /instruction set 3/);
    },
  });
});
