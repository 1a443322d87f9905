/**
 * Builds the CUDA sources for the CPU, with g++, and for GPUs, with nvcc, into a temporary folder.
 *
 * @module
 */
import assert from "node:assert/strict";

const root = decodeURIComponent(new URL("../../../", import.meta.url).pathname);

/** Kernel sources; none of them needs the CUDA toolkit when g++ compiles it. */
export const KERNEL_SOURCES: readonly string[] = [
  "aead",
  "blake3",
  "boundary",
  "entropy",
  "fused",
  "lz4",
  "scheduler",
  "scheduler_dispatch",
  "scheduler_edges",
].map((name) => `${root}cuda/${name}.cu`);

const FLAGS = ["-std=c++17", "-Wall", "-Wextra", "-Wshadow", "-Werror", `-I${root}cuda`];
/** nvcc's `#pragma unroll`. */
const HOST_FLAGS = [...FLAGS, "-Wno-unknown-pragmas", "-fPIC"];

/** Whether a program can be run. */
export async function has(program: string): Promise<boolean> {
  try {
    return (await run(program, ["--version"])).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export interface Finished {
  success: boolean;
  text: string;
}

/** Runs a program to its end; `text` is what it wrote to either stream. */
export async function run(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Finished> {
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Compiles each source to an object with `g++ FLAGS`, and links them. */
export async function buildHost(
  output: string,
  sources: readonly string[],
  flags: readonly string[],
  linkFlags: readonly string[],
): Promise<void> {
  const objects = await Promise.all(sources.map(async (source) => {
    const object = `${output}.${source.slice(source.lastIndexOf("/") + 1)}.o`;
    await compile(["-x", "c++", ...HOST_FLAGS, ...flags, "-c", source, "-o", object]);
    return object;
  }));
  await compile([...flags, ...linkFlags, ...objects, "-o", output]);
}

async function compile(args: readonly string[]): Promise<void> {
  const { success, text } = await run("g++", args);
  assert.ok(success, `g++ ${args.join(" ")}\n${text}`);
}

export interface DeviceKernel {
  name: string;
  architecture: string;
  registers: number;
  /** Bytes that do not fit into registers. All should be 0: local memory is slow. */
  spilled: number;
  stack: number;
}

/** Compiles a source for GPUs; gives what ptxas says of each kernel and architecture. */
export async function buildDevice(
  source: string,
  object: string,
  architectures: readonly string[],
): Promise<DeviceKernel[]> {
  const targets = architectures.flatMap((a) => ["-gencode", `arch=compute_${a},code=sm_${a}`]);
  const args = ["-O3", "-std=c++17", ...targets, "-Xptxas", "-v", "-c", source, "-o", object];
  const { success, text } = await run("nvcc", args);
  assert.ok(success, `nvcc ${args.join(" ")}\n${text}`);
  return parsePtxas(text);
}

/** `Compiling entry function`, then stack and spills, then registers. */
function parsePtxas(text: string): DeviceKernel[] {
  const pattern = new RegExp(
    [
      /Compiling entry function '(?<name>\w+)' for 'sm_(?<architecture>\w+)'/.source,
      /(?<stack>\d+) bytes stack frame, (?<stores>\d+) bytes spill stores, /.source +
      /(?<loads>\d+) bytes spill loads/.source,
      /Used (?<registers>\d+) registers/.source,
    ].join("(?:(?!Compiling)[^])*?"),
    "g",
  );
  return [...text.matchAll(pattern)].map(({ groups }) => ({
    name: groups!["name"]!,
    architecture: groups!["architecture"]!,
    registers: Number(groups!["registers"]),
    spilled: Number(groups!["stores"]) + Number(groups!["loads"]),
    stack: Number(groups!["stack"]),
  }));
}
