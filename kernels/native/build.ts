/**
 * Builds our C library with the system's C compiler: `deno task build:native`.
 *
 * Each instruction set is a file with its own compiler flags; the library picks one at run time, so
 * one build serves every CPU of the architecture.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { builtLibraryUrl } from "./location.ts";

const COMMON_FLAGS = [
  "-std=c11",
  "-O3",
  "-fPIC",
  "-pthread",
  "-fvisibility=hidden",
  "-Wall",
  "-Wextra",
  "-Wshadow",
  "-Werror",
  // Vectors are passed to inlined functions only.
  "-Wno-psabi",
];
const AVX2_FLAGS = ["-mavx2"];
const AVX512_FLAGS = ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"];

export interface NativeBuild {
  /** Path of the library. Default: dist/native in this tree. */
  output?: string | URL;
  /** The 512-bit code compiled for AVX2: correct, slow, for tests on machines without AVX-512. */
  isEmulated?: boolean;
  /** More flags for every step, e.g. `-fsanitize=undefined`. */
  flags?: readonly string[];
}

/** Flags of the instruction set that a file's name ends with. */
const ISA_FLAGS: Readonly<Record<string, readonly string[]>> = {
  vector128: ["-mssse3", "-msse4.1"],
  avx2: AVX2_FLAGS,
  avx512: AVX512_FLAGS,
};

/** Source files and the flags each needs on this machine's architecture. */
function sources(isEmulated: boolean): [string, readonly string[]][] {
  const folder = new URL(".", import.meta.url);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
    name.endsWith(".c")
  );
  return names.sort().flatMap((name): [string, readonly string[]][] => {
    const isa = /_(vector128|avx2|avx512)\.c$/.exec(name)?.[1];
    const emulation = isEmulated && (isa === "avx512" || name === "dispatch.c")
      ? ["-DWARP_EMULATE_AVX512"]
      : [];
    if (isa === undefined) return [[name, emulation]];
    // The 128-bit code is generic vectors; the others are x86 by nature.
    if (Deno.build.arch !== "x86_64") return isa === "vector128" ? [[name, []]] : [];
    const flags = isa === "avx512" && isEmulated ? AVX2_FLAGS : ISA_FLAGS[isa]!;
    return [[name, [...flags, ...emulation]]];
  });
}

/**
 * Compiles and links; returns the path of the library.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE without a C compiler, or when it fails.
 */
export async function buildNative(build: NativeBuild = {}): Promise<string> {
  const output = fileName(build.output ?? builtLibraryUrl());
  const objects = await Deno.makeTempDir({ prefix: "warp-native-" });
  try {
    const flags = [...COMMON_FLAGS, ...(build.flags ?? [])];
    const made = await Promise.all(
      sources(build.isEmulated ?? false).map(async ([source, ownFlags]) => {
        return await compileObject(source, [...flags, ...ownFlags], objects);
      }),
    );
    const library = `${objects}/library`;
    await compile(["-shared", "-pthread", ...(build.flags ?? []), ...made, "-ldl", "-o", library]);
    await Deno.mkdir(output.slice(0, output.lastIndexOf("/")), { recursive: true });
    // Never over a library that a running program has mapped; two builds may run at once.
    const unique = `${output}.${crypto.randomUUID()}`;
    await Deno.copyFile(library, unique);
    await Deno.rename(unique, output);
    return output;
  } finally {
    await Deno.remove(objects, { recursive: true });
  }
}

/** Objects are kept: the tests build the library several times, with most files alike. */
async function compileObject(
  source: string,
  flags: readonly string[],
  folder: string,
): Promise<string> {
  const path = fileName(new URL(source, import.meta.url));
  const kept = new URL(
    `../../dist/objects/${await digestOf(source, flags)}.o`,
    import.meta.url,
  );
  try {
    await Deno.stat(kept);
  } catch {
    const object = `${folder}/${source}.o`;
    await compile([...flags, "-c", path, "-o", object]);
    await Deno.mkdir(new URL(".", kept), { recursive: true });
    const unique = `${fileName(kept)}.${crypto.randomUUID()}`;
    await Deno.copyFile(object, unique);
    await Deno.rename(unique, kept);
  }
  return fileName(kept);
}

let headers: Promise<string> | undefined;

/** Of all that an object depends on but the compiler itself. */
async function digestOf(source: string, flags: readonly string[]): Promise<string> {
  headers ??= readHeaders();
  const own = await Deno.readTextFile(new URL(source, import.meta.url));
  const compiler = Deno.env.get("CC") ?? "cc";
  const all = JSON.stringify([compiler, flags, await headers, source, own]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(all));
  return new Uint8Array(digest).toHex();
}

async function readHeaders(): Promise<string> {
  const here = new URL(".", import.meta.url);
  const names = [...Deno.readDirSync(here)].map(({ name }) => name).filter((name) =>
    name.endsWith(".h")
  );
  const paths = [
    ...names.sort().map((name) => new URL(name, here)),
    new URL(
      "../../cuda/warp_kernels.h",
      here,
    ),
  ];
  return (await Promise.all(paths.map((path) => Deno.readTextFile(path)))).join("\0");
}

async function compile(args: string[]): Promise<void> {
  const compiler = Deno.env.get("CC") ?? "cc";
  let result: Deno.CommandOutput;
  try {
    result = await new Deno.Command(compiler, { args, stdout: "null", stderr: "piped" }).output();
  } catch (cause) {
    throw new WarpError("E_BACKEND_UNAVAILABLE", `no C compiler: "${compiler}" cannot be run`, {
      hint: "install gcc 12 or clang 14 or newer, or name a compiler with CC",
      cause,
    });
  }
  if (result.success) return;
  const text = new TextDecoder().decode(result.stderr).trim();
  throw new WarpError("E_BACKEND_UNAVAILABLE", `${compiler} failed: ${text}`);
}

function fileName(path: string | URL): string {
  return typeof path === "string" ? path : decodeURIComponent(path.pathname);
}

if (import.meta.main) {
  try {
    console.log(await buildNative());
  } catch (error) {
    if (!(error instanceof WarpError)) throw error;
    console.error(`build:native: ${error.message}\nhint: ${error.hint}`);
    Deno.exit(error.exitCode);
  }
}
