/**
 * Calls of the launch functions of `cuda/kernels.h`, built for the CPU: made here through FFI, and
 * written to a file for `driver.cc`, which makes them again under sanitizers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat, equal } from "../../../actors/base/bytes.ts";

/** What outputs and scratch memory hold before a call. */
const FILL = 0x5a, GUARD = 0xc7, GUARD_BYTES = 64;

/**
 * - a number: an integer argument
 * - bytes: an input; `null`: a null pointer
 * - `{ size }`: an output of that many bytes
 * - `{ changed }`: bytes that the call changes; an output too
 */
export type Argument = number | Bytes | null | { size: number } | { changed: Bytes };

export interface Call {
  name: LaunchName;
  args: readonly Argument[];
  /** Bytes of scratch memory, the last argument; undefined for functions that have no such argument. */
  scratch?: number;
}

const u32 = "u32", u64 = "u64", pointer = "buffer";

/** Parameters between the stream and the scratch memory. The order is `driver.cc`'s numbering. */
export const LAUNCHES = {
  boundary_launch: [pointer, pointer, u64, u32, pointer, u32, pointer],
  blake3_launch: [u32, pointer, pointer, pointer, u64, u64, u64, pointer],
  merkle_launch: [pointer, pointer, u64, pointer],
  // deno-fmt-ignore
  seal_launch: [pointer, pointer, u64, u64, pointer, u32, pointer, pointer, pointer, pointer, pointer],
  // deno-fmt-ignore
  open_launch: [pointer, pointer, u64, u64, pointer, u32, pointer, pointer, pointer, pointer, pointer, pointer],
  lz4_compress_launch: [pointer, pointer, u64, pointer, pointer, pointer],
  lz4_decompress_launch: [pointer, pointer, u64, pointer, pointer, pointer],
  entropy_launch: [pointer, pointer, u64, u32, pointer],
  fused_launch: [pointer, pointer, u64, pointer, pointer, pointer, pointer, pointer, pointer],
  // deno-fmt-ignore
  scheduler_dispatch_launch: [pointer, pointer, u32, u32, u32, pointer, pointer, pointer, pointer],
  scheduler_clear_launch: [pointer, pointer],
  scheduler_put_launch: [pointer, pointer, u32, u32, pointer, pointer, pointer],
  scheduler_events_launch: [pointer, pointer, u32, pointer, pointer, pointer],
  scheduler_fold_launch: [pointer, pointer],
  scheduler_choose_launch: [pointer, pointer, u32, u32],
  scheduler_choose_dirty_launch: [pointer, pointer, pointer],
  scheduler_failover_launch: [pointer, pointer, pointer],
  scheduler_prices_launch: [pointer, pointer, pointer],
  scheduler_reset_prices_launch: [pointer, pointer],
  scheduler_best_launch: [pointer, pointer, u32, pointer, pointer],
  scheduler_digest_launch: [pointer, pointer, pointer],
} as const;

function hasScratch(name: LaunchName): boolean {
  return !name.startsWith("scheduler_") || name === "scheduler_dispatch_launch";
}

export type LaunchName = keyof typeof LAUNCHES;
type Parameter = typeof u32 | typeof u64 | typeof pointer;

/** Functions that say how much scratch memory is needed. */
const SIZES = {
  boundary_scratch_bytes: [u64],
  blake3_scratch_bytes: [u64, u64],
  merkle_scratch_bytes: [u64],
  aead_scratch_bytes: [u64, u64],
  lz4_scratch_bytes: [u64],
  entropy_scratch_bytes: [u64],
  fused_scratch_bytes: [pointer, u64],
  scheduler_state_bytes: [pointer],
  scheduler_scratch_bytes: [pointer],
} as const;

export type SizeName = keyof typeof SIZES;

interface Foreign {
  parameters: readonly Parameter[];
  result: "i32" | "usize" | "void";
}

type Functions = Record<string, (...args: unknown[]) => unknown>;

/** The kernels' CPU build. */
export class CpuKernels {
  readonly #functions: Functions;
  readonly close: () => void;

  constructor(path: string) {
    const symbols: Record<string, Foreign> = {
      warp_shim_reverse: { parameters: [u32], result: "void" },
      scheduler_columns_at: { parameters: [pointer, pointer, pointer], result: "void" },
    };
    for (const [name, parameters] of Object.entries(LAUNCHES)) {
      const scratch = hasScratch(name as LaunchName) ? [pointer] as const : [];
      symbols[name] = { parameters: [pointer, ...parameters, ...scratch], result: "i32" };
    }
    for (const [name, parameters] of Object.entries(SIZES)) {
      symbols[name] = { parameters, result: "usize" };
    }
    const library = Deno.dlopen(path, symbols as Deno.ForeignLibraryInterface);
    this.#functions = library.symbols as unknown as Functions;
    this.close = () => library.close();
  }

  scratchBytes(name: SizeName, ...args: (number | Bytes)[]): number {
    const native = args.map((arg) => typeof arg === "number" ? BigInt(arg) : arg);
    return Number(this.#functions[name]!(...native));
  }

  /** Where the columns of a scheduler's state begin, in the order of `kernels.h`. */
  schedulerColumns(params: Bytes): number[] {
    const columns = new BigUint64Array(15), state = aligned(16);
    this.#functions["scheduler_columns_at"]!(params, state, columns);
    return Array.from(columns, (at) => Number(at - columns[0]!));
  }

  /** The status that a call gives. */
  status(call: Call): number {
    return this.#launch(call).status;
  }

  /** The outputs of a call, which must be the same whatever order threads run in. */
  outputs(call: Call): Bytes[] {
    this.#functions["warp_shim_reverse"]!(0);
    const { status, outputs } = this.#launch(call);
    assert.equal(status, 0, `${call.name} gave ${status}`);
    this.#functions["warp_shim_reverse"]!(1);
    const reversed = this.#launch(call);
    this.#functions["warp_shim_reverse"]!(0);
    outputs.forEach((output, i) =>
      sameBytes(reversed.outputs[i]!, output, `${call.name} depends on the order of threads`)
    );
    return outputs;
  }

  #launch(call: Call): { status: number; outputs: Bytes[] } {
    const parameters = LAUNCHES[call.name];
    assert.equal(call.args.length, parameters.length, call.name);
    const outputs: Bytes[] = [];
    const native = call.args.map((arg, i) => {
      if (typeof arg === "number") return parameters[i] === u64 ? BigInt(arg) : arg;
      if (arg === null) return null;
      if (arg instanceof Uint8Array) return alignedCopy(arg);
      const output = guarded("size" in arg ? arg.size : arg.changed.length);
      if ("changed" in arg) output.set(arg.changed);
      outputs.push(output);
      return output;
    });
    const scratch = call.scratch === undefined ? [] : [guarded(call.scratch)];
    const status = this.#functions[call.name]!(null, ...native, ...scratch) as number;
    for (const memory of [...outputs, ...scratch]) checkGuards(call.name, memory);
    return { status, outputs: outputs.map((bytes) => bytes.slice()) };
  }
}

/** A view at an address that is a multiple of 256. */
function aligned(size: number): Uint8Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(size + 256);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer)));
  return new Uint8Array(buffer, Number((256n - BigInt(address) % 256n) % 256n), size);
}

/** Followed by readable bytes up to a multiple of 16, as `kernels.h` asks for. */
function alignedCopy(bytes: Bytes): Bytes {
  const copy = aligned((bytes.length + 15) & ~15).fill(FILL);
  copy.set(bytes);
  return copy.subarray(0, bytes.length);
}

function guarded(size: number): Bytes {
  const memory = aligned(size + 256 + GUARD_BYTES).fill(GUARD);
  return memory.subarray(256, 256 + size).fill(FILL);
}

function checkGuards(name: string, bytes: Bytes): void {
  const memory = new Uint8Array(bytes.buffer, bytes.byteOffset - 256, 256 + bytes.length + 64);
  const isIntact = memory.every((byte, i) => i >= 256 && i < 256 + bytes.length || byte === GUARD);
  assert.ok(isIntact, `${name} wrote outside its outputs`);
}

/** Equality; says where the first difference is, since a list of all would fill the memory. */
export function sameBytes(actual: Bytes, expected: Bytes, label = ""): void {
  if (equal(actual, expected)) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  const where = at < 0 || at >= expected.length
    ? `${actual.length} bytes, not ${expected.length}`
    : `byte ${at} of ${expected.length} is ${actual[at]}, not ${expected[at]}`;
  assert.fail(`${label}: ${where}`);
}

/** Calls with the outputs that `driver.cc` must see, in its format. */
export function encodeCalls(calls: readonly { call: Call; outputs: readonly Bytes[] }[]): Bytes {
  const parts: Bytes[] = [words(calls.length)];
  for (const { call, outputs } of calls) {
    parts.push(
      words(Object.keys(LAUNCHES).indexOf(call.name), call.args.length, call.scratch ?? 0),
    );
    let next = 0;
    for (const arg of call.args) {
      if (typeof arg === "number") parts.push(words(0, arg));
      else if (arg === null) parts.push(words(1));
      else if (arg instanceof Uint8Array) parts.push(words(2, arg.length), arg);
      else if ("size" in arg) parts.push(words(3, arg.size), outputs[next++]!);
      else parts.push(words(4, arg.changed.length), outputs[next++]!, arg.changed);
    }
  }
  return concat(...parts);
}

/** u64, little-endian. */
function words(...values: number[]): Bytes {
  return new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
}

/** Offsets of items that follow each other. */
export function offsetsOf(lengths: readonly number[], first = 0): number[] {
  const offsets = [first];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  return offsets;
}

export function u64Bytes(values: readonly number[]): Bytes {
  return words(...values);
}

/** warp_boundary_params. */
export function boundaryBytes(
  params: { avgBits: number; min: number; max: number; table: Uint32Array },
): Bytes {
  const { avgBits, min, max, table } = params;
  return new Uint8Array(Uint32Array.from([144, avgBits, min, max, ...table]).buffer);
}
