/**
 * Calls that several suites of the C interface make.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat } from "../../../actors/base/bytes.ts";
import { bound as zstdBound } from "../../../kernels/zstd/spec.ts";
import { openPortable } from "../backends.ts";
import { text } from "../samples.ts";
import { type Abi, Context, Guarded, OK, sums, u64s, ZSTD } from "./abi.ts";

const blake3 = await openPortable("blake3");

export const NONE = new Uint8Array();

/** What the suites are given. */
export interface Library {
  abi: Abi;
  hasLz4: boolean;
  hasZstd: boolean;
  /** For files. */
  folder: string;
}

/** Calls without a context and in one with three threads: both must give the same. */
export function everyContext(abi: Abi, body: (handle: bigint, place: string) => void): void {
  body(0n, "no context");
  using context = new Context(abi);
  body(context.handle, "context");
}

export function hashMany(base: Bytes, offsets: number[], key?: Bytes): Uint8Array {
  const out = new Uint8Array(32 * (offsets.length - 1));
  blake3.hashMany(base, offsets, out, key);
  return out;
}

/** Compresses items into slots of the given sizes; those between guard bytes. */
export function compress(
  abi: Abi,
  handle: bigint,
  codec: number,
  level: number,
  items: Uint8Array[],
  slots: number[],
  dictionary: Uint8Array<ArrayBuffer> | null = null,
): Uint8Array<ArrayBuffer>[] {
  const at = sums(slots), out = new Guarded(at.at(-1)!), lengths = new Guarded(4 * items.length);
  const status = abi.warp_compress(
    handle,
    codec,
    level,
    dictionary,
    BigInt(dictionary?.length ?? 0),
    concat(...items),
    u64s(sums(items.map((item) => item.length))),
    BigInt(items.length),
    out.bytes,
    u64s(at),
    lengths.u32,
    null,
  );
  assert.equal(status, OK);
  out.check("out");
  lengths.check("lengths");
  return Array.from(lengths.u32, (length, i) => {
    assert.ok(length <= slots[i]!);
    return out.bytes.slice(at[i], at[i]! + length);
  });
}

export function decompress(
  abi: Abi,
  handle: bigint,
  codec: number,
  items: Uint8Array[],
  slots: number[],
  dictionary: Uint8Array<ArrayBuffer> | null = null,
): { status: number; statuses: number[]; items: Uint8Array[] } {
  const at = sums(slots), out = new Guarded(at.at(-1)!), statuses = new Guarded(items.length);
  const status = abi.warp_decompress(
    handle,
    codec,
    dictionary,
    BigInt(dictionary?.length ?? 0),
    concat(...items),
    u64s(sums(items.map((item) => item.length))),
    BigInt(items.length),
    out.bytes,
    u64s(at),
    statuses.bytes,
    null,
  );
  out.check("out");
  statuses.check("statuses");
  return {
    status,
    statuses: [...statuses.bytes],
    items: slots.map((size, i) => out.bytes.slice(at[i], at[i]! + size)),
  };
}

/** One seal or open of a batch. */
export interface Sealing {
  items: Uint8Array[];
  keys: Uint8Array<ArrayBuffer>;
  stride: number;
  nonces: Uint8Array<ArrayBuffer>;
  aad: Uint8Array[] | null;
}

export function sealingArguments({ items, keys, stride, nonces, aad }: Sealing) {
  return [
    concat(...items),
    u64s(sums(items.map((item) => item.length))),
    BigInt(items.length),
    keys,
    stride,
    nonces,
    aad === null ? null : concat(...aad),
    aad === null ? null : u64s(sums(aad.map((part) => part.length))),
  ] as const;
}

/** A job that keeps one thread busy for about a second. */
export function slowJob(abi: Abi, handle: bigint): { job: bigint; keep: unknown } {
  const input = text(1_500_000, 9), out = new Uint8Array(zstdBound(input.length));
  const lengths = new Uint32Array(1), job = new BigUint64Array(1);
  const offsets = u64s([0, input.length]), places = u64s([0, out.length]);
  const status = abi.warp_compress(
    handle,
    ZSTD,
    19,
    null,
    0n,
    input,
    offsets,
    1n,
    out,
    places,
    lengths,
    job,
  );
  assert.equal(status, OK);
  return { job: job[0]!, keep: [input, out, lengths, offsets, places] };
}

/** Begins to hash one item. */
export function hashJob(abi: Abi, handle: bigint, base: Uint8Array<ArrayBuffer>) {
  const out = new Uint8Array(32), job = new BigUint64Array(1), offsets = u64s([0, base.length]);
  const status = abi.warp_blake3(handle, 0, null, base, offsets, 1n, out, job);
  return { status, job: job[0]!, out, base, offsets };
}
