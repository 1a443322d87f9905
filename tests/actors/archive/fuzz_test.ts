import assert from "node:assert/strict";
import { isWarpError } from "../../../actors/base/errors.ts";
import type { FinalEntry } from "../../../actors/base/entry.ts";
import { SourceSet } from "../../../actors/archive/bases.ts";
import { readContent } from "../../../actors/archive/list.ts";
import type { OpenedArchive } from "../../../actors/archive/open_archive.ts";
import { ArchiveReader, readOpening } from "../../../actors/archive/reader.ts";
import { SalvageReader } from "../../../actors/archive/salvage.ts";
import { verifyStored } from "../../../actors/archive/verify.ts";
import {
  buildArchive,
  type Built,
  kernels,
  localCiphers,
  MemoryInput,
  type SourceNode,
} from "../../support/memory_archive.ts";
import { damageBlindly, damageInside, recordsOf } from "../../support/mutate.ts";
import { Random } from "../../support/random.ts";

// Goal: whatever the bytes are, a reader ends with a result or a WarpError, in bounded memory.
// Method: mutants of good archives; the seed of a failing run is in its message.

const seed = Number(Deno.env.get("WARP_SEED") ?? 20261121);
const MUTANTS = Number(Deno.env.get("WARP_FUZZ") ?? 40_000);
const signal = new AbortController().signal;

function tree(random: Random): SourceNode[] {
  const text = new TextEncoder().encode("the quick brown fox jumps over the lazy dog ".repeat(20));
  return [
    { path: "d", dir: true },
    { path: "d/a", content: random.bytes(30) },
    { path: "d/b", content: random.bytes(900) },
    { path: "d/c", content: text },
    { path: "d/e", content: new Uint8Array() },
    { path: "l", target: "d/a" },
    { path: "m", content: random.bytes(2500) },
  ];
}

/** Reads everything there is; throws what a command would show. */
async function readAll(
  reader: { entries(): Iterable<FinalEntry> },
  sources: SourceSet,
): Promise<void> {
  const opened = { sources } as OpenedArchive;
  let read = 0;
  for (const entry of reader.entries()) {
    if (entry.type !== "file") continue;
    for await (const part of readContent(opened, entry, localCiphers(), signal)) {
      read += part.length;
      // A hole may claim any size: it is written as a hole, and cat streams it. Enough seen here.
      if (read > 1 << 20) return;
    }
  }
}

const WAYS = ["open", "salvage", "verify"] as const;

async function tryToRead(bytes: Uint8Array, key: Uint8Array | null, way: typeof WAYS[number]) {
  const input = new MemoryInput(bytes);
  if (way === "verify") {
    const progress = { phase: "", bytes: 0, files: 0, stored: 0 };
    await verifyStored(input, kernels, localCiphers(), progress, signal);
    return;
  }
  const opening = readOpening(input, kernels);
  const reader = way === "open"
    ? ArchiveReader.open(input, kernels, opening, key)
    : new SalvageReader(input, kernels, opening, key);
  const sources = new SourceSet(kernels, reader, reader.prologue, { own: "/", bases: [] });
  await readAll(reader, sources);
}

async function survives(mutants: () => Uint8Array, key: Uint8Array | null, count: number) {
  const outcomes = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const bytes = mutants();
    let outcome = "read";
    try {
      await tryToRead(bytes, key, WAYS[i % WAYS.length]!);
    } catch (error) {
      assert.ok(isWarpError(error), `seed ${seed}, mutant ${i}: ${(error as Error).stack}`);
      assert.notEqual(error.code, "E_INTERNAL");
      outcome = error.code;
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return outcomes;
}

/**
 * Of this test's own heap: the process may run other tests beside it. Garbage counts until V8 collects
 * it, so the bound is wide: a mutant that made a reader allocate what it claims (64 MiB a block) or
 * keep what it read would pass it within a few dozen of the thousands.
 */
const GROWTH_MIB_MAX = 2000;

function memoryMiB(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

const options = { chunkAvg: 256, slabBytes: 1 << 12, compression: { mode: "none" } as const };

for (const passphrase of [undefined, "p"]) {
  const kind = passphrase === undefined ? "plain" : "encrypted";
  Deno.test(`readers survive ${MUTANTS / 4} blindly damaged ${kind} archives`, async () => {
    const random = new Random(seed);
    const built = await buildArchive(tree(random), {
      ...options,
      ...(passphrase && { passphrase }),
    });
    const before = memoryMiB();
    const mutants = () => damageBlindly(built.bytes, random);
    const outcomes = await survives(mutants, built.archiveKey, MUTANTS / 4);
    assert.ok(outcomes.size >= 3, "mutants take different paths");
    assert.ok(memoryMiB() - before < GROWTH_MIB_MAX, `memory grew by ${memoryMiB() - before} MiB`);
  });
}

Deno.test(`readers survive ${MUTANTS / 2} archives with hostile authentic records`, async () => {
  const random = new Random(seed + 1);
  const uncompressed = { ...kernels.zstd, compress: () => 0 };
  const built: Built = await buildArchive(tree(random), { ...options, pageCodec: uncompressed });
  const records = recordsOf(built.bytes);
  const before = memoryMiB();
  const mutants = () => damageInside(built.bytes, records, random);
  const outcomes = await survives(mutants, null, MUTANTS / 2);
  assert.ok((outcomes.get("E_INTEGRITY") ?? 0) > 0 && (outcomes.get("read") ?? 0) > 0);
  assert.ok(memoryMiB() - before < GROWTH_MIB_MAX, `memory grew by ${memoryMiB() - before} MiB`);
});
