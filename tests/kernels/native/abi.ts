/**
 * The C interface (cuda/warp_kernels.h) as plain functions, for tests that call it without the
 * bindings in between.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ABI_SYMBOLS } from "../../../kernels/abi_symbols.ts";
import { tableToBytes } from "../../../kernels/boundary/spec.ts";
import type { BoundaryParams } from "../../../kernels/kernel.ts";

/** One more way to close: beside this thread. */
const SYMBOLS = {
  ...ABI_SYMBOLS,
  warp_context_close_later: {
    name: "warp_context_close",
    parameters: ["u64"],
    result: "i32",
    nonblocking: true,
  },
} as const;

export type Abi = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Warp_status values. */
export const OK = 0;
export const EAGAIN = -1;
export const EINVAL = -2;
export const ENOMEM = -3;
export const ENODEV = -4;
export const EAUTH = -6;
export const ENOSPC = -7;
export const EIO = -9;
export const ECANCELED = -10;
export const EDATA = -11;

export const STORED = 0;
export const LZ4 = 1;
export const ZSTD = 2;

/** Call it at the top level of a test file: opened within a test, a library counts as a leak. */
export function openAbi(path: string): Abi {
  return Deno.dlopen(path, SYMBOLS).symbols;
}

export function u64s(values: ArrayLike<number>): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!));
}

/** 0 and the sums of `lengths` up to each. */
export function sums(lengths: readonly number[]): number[] {
  const offsets = [0];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  return offsets;
}

/** Warp_boundary_params. */
export function boundaryStruct(params: BoundaryParams): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(144), view = new DataView(out.buffer);
  [144, params.avgBits, params.min, params.max].forEach((x, i) => view.setUint32(4 * i, x, true));
  out.set(tableToBytes(params.table), 16);
  return out;
}

export interface FusedParams {
  isLast: boolean;
  codec: number;
  mode: number;
  idKey: Uint8Array;
  sealKey: Uint8Array;
  nonce: Uint8Array;
  capacity: number;
  boundary: BoundaryParams;
}

/** Warp_fused_params. */
export function fusedStruct(params: FusedParams): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(240), view = new DataView(out.buffer);
  [240, Number(params.isLast), params.codec, params.mode].forEach((x, i) =>
    view.setUint32(4 * i, x, true)
  );
  out.set(params.idKey, 16);
  out.set(params.sealKey, 48);
  out.set(params.nonce, 80);
  view.setUint32(92, params.capacity, true);
  out.set(boundaryStruct(params.boundary), 96);
  return out;
}

const GUARD_BYTES = 64;
const GUARD = 0xa5;

/** Memory between guard bytes that a call must leave alone. */
export class Guarded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #all: Uint8Array<ArrayBuffer>;

  constructor(length: number) {
    this.#all = new Uint8Array(2 * GUARD_BYTES + Math.ceil(length / 8) * 8).fill(GUARD);
    this.bytes = this.#all.subarray(GUARD_BYTES, GUARD_BYTES + length);
  }

  get u16(): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.#all.buffer, GUARD_BYTES, this.bytes.length / 2);
  }

  get u32(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#all.buffer, GUARD_BYTES, this.bytes.length / 4);
  }

  get u64(): BigUint64Array<ArrayBuffer> {
    return new BigUint64Array(this.#all.buffer, GUARD_BYTES, this.bytes.length / 8);
  }

  /** Fails when a byte outside, or at `from` or later, was written. */
  check(what: string, from = this.bytes.length): void {
    const isWhole = (part: Uint8Array) => part.every((byte) => byte === GUARD);
    assert.ok(isWhole(this.#all.subarray(0, GUARD_BYTES)), `${what}: written before the start`);
    assert.ok(isWhole(this.#all.subarray(GUARD_BYTES + from)), `${what}: written after the end`);
  }
}

/** A context of the CPU library. Close it. */
export class Context {
  readonly handle: bigint;

  constructor(readonly abi: Abi, threads = 3, slots = 4) {
    const handle = new BigUint64Array(1);
    assert.equal(abi.warp_context_open(0, threads, slots, handle), OK);
    this.handle = handle[0]!;
    assert.notEqual(this.handle, 0n);
  }

  close(): void {
    assert.equal(this.abi.warp_context_close(this.handle), OK);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  lastError(): string {
    const text = new Uint8Array(128);
    assert.equal(this.abi.warp_last_error(this.handle, text, 128), OK);
    assert.ok(text.includes(0));
    return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
  }

  /** Finished jobs, oldest first; does not wait. */
  poll(capacity = 64): [bigint, number][] {
    const jobs = new BigUint64Array(capacity), statuses = new Int32Array(capacity);
    const count = new Uint32Array(1);
    assert.equal(this.abi.warp_poll(this.handle, jobs, statuses, capacity, count), OK);
    assert.ok(count[0]! <= capacity);
    return Array.from({ length: count[0]! }, (_, i) => [jobs[i]!, statuses[i]!]);
  }

  /** Waits until `count` jobs have finished; statuses by job. */
  async finish(count: number): Promise<Map<bigint, number>> {
    const all = new Map<bigint, number>();
    while (all.size < count) {
      assert.equal(await this.abi.warp_wait(this.handle, 30_000_000), OK);
      for (const [job, status] of this.poll()) {
        assert.ok(!all.has(job), "a job is polled once");
        all.set(job, status);
      }
    }
    return all;
  }
}
