/**
 * Medians of rounds, and what the machine itself can do.
 *
 * @module
 */
import { MiB } from "../../actors/base/units.ts";
import { whileHeld } from "../../actors/base/while_held.ts";

/** One round of work; may be asynchronous. */
export type Round = () => unknown;

/** Milliseconds of a round: the median of at least 3 within `seconds`, after one that is not counted. */
export async function roundMs(round: Round, seconds: number): Promise<number> {
  await round();
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (times.length < 3 || performance.now() < end) {
    const before = performance.now();
    await round();
    times.push(performance.now() - before);
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

const COPY_BYTES = 32 * MiB;

/** GB/s of memcpy: with one thread, and with all where threads can be had. */
export async function copySpeed(seconds: number): Promise<{ one: number; all: number | null }> {
  const source = new Uint8Array(COPY_BYTES).fill(1), target = new Uint8Array(COPY_BYTES);
  const one = COPY_BYTES / await roundMs(() => target.set(source), seconds) / 1e6;
  const memcpy = openMemcpy();
  if (memcpy === undefined) return { one, all: null };
  const cores = navigator.hardwareConcurrency;
  const pairs = Array.from({ length: cores }, () => [
    new Uint8Array(COPY_BYTES),
    new Uint8Array(COPY_BYTES).fill(1),
  ]);
  const ms = await roundMs(
    () => Promise.all(pairs.map(([to, from]) => memcpy(to!, from!, BigInt(COPY_BYTES)))),
    seconds,
  );
  return { one, all: cores * COPY_BYTES / ms / 1e6 };
}

type Memcpy = (
  to: Uint8Array<ArrayBuffer>,
  from: Uint8Array<ArrayBuffer>,
  length: bigint,
) => Promise<unknown>;

function openMemcpy(): Memcpy | undefined {
  const names: Partial<Record<typeof Deno.build.os, string>> = {
    linux: "libc.so.6",
    darwin: "/usr/lib/libSystem.B.dylib",
  };
  const name = names[Deno.build.os];
  if (name === undefined) return undefined;
  try {
    const { symbols } = Deno.dlopen(name, {
      memcpy: { parameters: ["buffer", "buffer", "usize"], result: "pointer", nonblocking: true },
    });
    return (to, from, length) => whileHeld([to, from], () => symbols.memcpy(to, from, length));
  } catch {
    return undefined;
  }
}
