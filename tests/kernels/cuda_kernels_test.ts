/**
 * The CUDA kernels. g++ compiles the very same sources (`cuda/portable.h`), so that a machine without
 * a GPU runs them: against vectors and the reference, with threads in either order, then once more
 * under the address and undefined-behaviour sanitizers. nvcc compiles them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat, toHex, utf8 } from "../../actors/base/bytes.ts";
import { tableFromBytes } from "../../kernels/boundary/spec.ts";
import type { BoundaryParams } from "../../kernels/kernel.ts";
import { openScheduler } from "../../kernels/scheduler/portable.ts";
import { openBackends, openPortable } from "./backends.ts";
import {
  boringSslItems,
  checkAead,
  sealedItems,
  wrappingItems,
  wycheproofItems,
} from "./cuda/aead_cases.ts";
import { buildDevice, buildHost, has, KERNEL_SOURCES, run } from "./cuda/build.ts";
import {
  boundaryBytes,
  type Call,
  CpuKernels,
  encodeCalls,
  offsetsOf,
  sameBytes,
  u64Bytes,
} from "./cuda/calls.ts";
import { checkFused } from "./cuda/fused_cases.ts";
import { checkDecoding, compressMany, hostileBlocks, lz4Samples } from "./cuda/lz4_cases.ts";
import { openCudaScheduler } from "./cuda/scheduler.ts";
import { awkwardSizes, noise, painted, randomWords, text, vectorJson } from "./samples.ts";
import { play, randomScript } from "./scheduler_script.ts";

const SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const HASH = 0, KEYED = 1, DERIVE = 2, CONTEXT = 3;

const folder = await Deno.makeTempDir();
const driver = `${folder}/driver`;
const kernels = await build();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const hash = await openPortable("blake3");
const aead = await openPortable("aead");
const boundary = await openPortable("boundary");
const entropy = await openPortable("entropy");
const decoders = await openBackends("lz4");

async function build(): Promise<CpuKernels | undefined> {
  if (!await has("g++")) {
    console.log("SKIP CUDA kernels on the CPU: no g++");
    if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error("WARP_REQUIRE=all, but no g++");
    return undefined;
  }
  const main = decodeURIComponent(new URL("cuda/driver.cc", import.meta.url).pathname);
  await Promise.all([
    buildHost(`${folder}/kernels.so`, KERNEL_SOURCES, ["-O2"], ["-shared"]),
    buildHost(driver, [...KERNEL_SOURCES, main], SANITIZERS, []),
  ]);
  return new CpuKernels(`${folder}/kernels.so`);
}

/** Everything that was called, for the sanitizers. */
const recorded: { call: Call; outputs: Bytes[] }[] = [];

function outputsOf(call: Call): Bytes[] {
  const outputs = kernels!.outputs(call);
  recorded.push({ call, outputs });
  return outputs;
}

function split(bytes: Bytes, offsets: readonly number[]): Bytes[] {
  return offsets.slice(1).map((end, i) => bytes.subarray(offsets[i], end));
}

/** Digests of items that follow each other from byte `first` on, in hex. */
function digests(mode: number, key: Bytes | null, items: readonly Bytes[], first = 0): string[] {
  const lengths = items.map((item) => item.length), offsets = offsetsOf(lengths, first);
  const bytes = offsets.at(-1)! - first, longest = Math.max(0, ...lengths), n = items.length;
  const base = concat(new Uint8Array(first), ...items);
  const args = [mode, key, base, u64Bytes(offsets), n, bytes, longest, { size: 32 * n }];
  const scratch = kernels!.scratchBytes("blake3_scratch_bytes", n, bytes);
  const [out] = outputsOf({ name: "blake3_launch", args, scratch });
  return split(out!, offsetsOf(items.map(() => 32))).map(toHex);
}

function reference(items: readonly Bytes[], key?: Bytes): string[] {
  return items.map((item) => {
    const out = new Uint8Array(32);
    hash.hash(item, out, key);
    return toHex(out);
  });
}

function test(name: string, fn: () => void): void {
  Deno.test({ name: `cuda kernels: ${name}`, ignore: kernels === undefined, fn });
}

test("BLAKE3 gives the official vectors", () => {
  const vectors = vectorJson<{
    key: string;
    context_string: string;
    cases: { input_len: number; hash: string; keyed_hash: string; derive_key: string }[];
  }>("blake3/test_vectors.json");
  const { cases } = vectors, inputs = cases.map((one) => painted(one.input_len));
  const first64 = (list: string[]) => list.map((hex) => hex.slice(0, 64));
  assert.equal(cases.length, 35);
  assert.deepEqual(digests(HASH, null, inputs), first64(cases.map((one) => one.hash)));
  assert.deepEqual(
    digests(KEYED, utf8(vectors.key), inputs),
    first64(cases.map((one) => one.keyed_hash)),
  );
  const context = digests(CONTEXT, null, [utf8(vectors.context_string)])[0]!;
  assert.deepEqual(
    digests(DERIVE, Uint8Array.from(context.match(/../g)!, (hex) => parseInt(hex, 16)), inputs),
    first64(cases.map((one) => one.derive_key)),
  );
});

test("BLAKE3 of batches is as the reference's", () => {
  const key = noise(32, 4), next = randomWords(1);
  const sizes = awkwardSizes([64, 128, 1024, 2048, 3072, 65_536, 65_536 + 1024]);
  const items = sizes.map((size, i) => noise(size, i));
  for (const first of [0, 1, 7, 13]) {
    assert.deepEqual(digests(KEYED, key, items, first), reference(items, key));
  }
  const many = Array.from({ length: 700 }, (_, i) => noise(next() % 4 === 0 ? 0 : next() % 150, i));
  assert.deepEqual(digests(HASH, null, many, 3), reference(many));
  const large = [64 * 64 * 1024, 64 * 64 * 1024 + 1, 100, 300_000].map((size) => painted(size));
  assert.deepEqual(digests(HASH, null, large, 5), reference(large));
  assert.deepEqual(digests(HASH, null, []), []);
});

test("Merkle levels are those of the definition", () => {
  const key = noise(32, 8);
  for (const n of [0, 1, 2, 3, 5, 511, 512, 513, 1025, 2049]) {
    const leaves = noise(32 * n, n), expected: Bytes[] = [];
    let level = split(leaves, offsetsOf(new Array(n).fill(32)));
    while (level.length > 1) {
      const above: Bytes[] = [];
      for (let i = 0; i < level.length; i += 2) {
        const node = level[i]!.slice();
        if (i + 1 < level.length) hash.hash(concat(level[i]!, level[i + 1]!), node, key);
        above.push(node);
      }
      expected.push(...above);
      level = above;
    }
    const args = [key, leaves, n, { size: 32 * expected.length }];
    const [out] = outputsOf({ name: "merkle_launch", args, scratch: 0 });
    sameBytes(out!, concat(...expected), `${n} leaves`);
  }
});

test("ChaCha20-Poly1305 gives the vectors", () => {
  const items = wycheproofItems(), more = boringSslItems();
  assert.equal(items.length, 316);
  assert.equal(more.length, 66);
  checkAead(kernels!, outputsOf, items, { keyStride: 32, first: 0, gap: 0 });
  checkAead(kernels!, outputsOf, more, { keyStride: 32, first: 5, gap: 3 });
});

test("ChaCha20-Poly1305 reduces sums at the modulus", () => {
  const items = wrappingItems(aead);
  assert.equal(items.length, 8);
  checkAead(kernels!, outputsOf, items, { keyStride: 32, first: 0, gap: 0 });
});

test("ChaCha20-Poly1305 of batches is as the reference's", () => {
  const sizes = awkwardSizes([15, 64, 1024, 2048, 16_384, 32_768, 65_536]);
  checkAead(kernels!, outputsOf, sealedItems(aead, sizes), { keyStride: 32, first: 1, gap: 0 });
  const key = noise(32, 9), large = [16_384 * 34 + 5, 0, 3 * 16_384, 2048];
  for (const first of [0, 3, 16]) {
    checkAead(kernels!, outputsOf, sealedItems(aead, large, key), { keyStride: 0, first, gap: 0 });
  }
  const aligned = { keyStride: 0, first: 16, gap: 16 } as const;
  checkAead(kernels!, outputsOf, sealedItems(aead, [4096, 2048, 6144], key), aligned);
});

test("opening zeroes what is not authentic, and takes any length", () => {
  const items = sealedItems(aead, [0, 1, 100, 2048, 5000, 40_000, 17, 64]);
  const next = randomWords(5);
  const damaged = items.flatMap((one, i) => {
    const sealed = one.sealed.slice();
    sealed[next() % sealed.length]! ^= 1 << next() % 8;
    const cut = one.sealed.subarray(0, next() % one.sealed.length);
    const fate = (label: string, changed: Bytes) => ({
      ...one,
      label: `${label} ${i}`,
      sealed: changed,
      plaintext: undefined,
    });
    return [one, fate("flipped", sealed), fate("cut", cut), fate("empty", new Uint8Array(i % 2))];
  });
  checkAead(kernels!, outputsOf, damaged, { keyStride: 32, first: 2, gap: 1 });
});

test("boundaries are the reference's", () => {
  const next = randomWords(77);
  for (let run = 0; run < 60; run++) {
    const avgBits = 8 + next() % 6, avg = 2 ** avgBits;
    const params = {
      avgBits,
      min: 64 + next() % (avg - 63),
      max: avg + next() % (4 * avg),
      table: tableFromBytes(noise(128, next())),
    };
    const size = [0, 1, 63, 64, 65, 16_383, 16_384, 16_385][run] ?? next() % 90_000;
    const input = run % 5 === 4 ? new Uint8Array(size) : (run % 4 === 0 ? text : noise)(size, run);
    checkCuts(params, input, run % 2 === 0);
  }
  // Over more tiles than are staged at once.
  const table = tableFromBytes(noise(128, 3)), large = { avgBits: 16, min: 16_384, max: 262_144 };
  checkCuts({ ...large, table }, concat(noise(2_500_000), new Uint8Array(2_500_000)), true);
});

test("boundaries are right where every position is a candidate", () => {
  // 48 rotations of bit 16 give the hash 0xffff: in every input, and in runs of one byte.
  for (const entry of [0, 3]) {
    const table = new Uint32Array(32);
    table.fill(0x10000, entry, entry === 0 ? 16 : 4);
    for (const input of [concat(noise(999), new Uint8Array(80_000).fill(0x30)), painted(50_000)]) {
      for (const avgBits of [8, 10, 12, 14]) {
        checkCuts({ avgBits, min: 64, max: 2 ** avgBits + 5, table }, input, true);
        checkCuts({ avgBits, min: 2 ** avgBits, max: 2 ** avgBits, table }, input, false);
      }
    }
  }
});

function checkCuts(params: BoundaryParams, input: Bytes, isLast: boolean): void {
  const expected = boundary.cuts(params, input, isLast);
  const scratch = kernels!.scratchBytes("boundary_scratch_bytes", input.length);
  for (const capacity of new Set([expected.length, expected.length + 1, expected.length >> 1])) {
    const cuts = { size: 4 * capacity }, count = { size: 4 };
    const args = [
      boundaryBytes(params),
      input,
      input.length,
      isLast ? 1 : 0,
      cuts,
      capacity,
      count,
    ];
    const outputs = outputsOf({ name: "boundary_launch", args, scratch });
    const [found, total] = outputs.map((bytes) => new Uint32Array(bytes.slice().buffer));
    assert.deepEqual([...found!].slice(0, expected.length), expected.slice(0, capacity));
    assert.equal(total![0], expected.length);
  }
}

test("boundary_launch() refuses parameters outside the definition", () => {
  const table = tableFromBytes(noise(128));
  const right = { avgBits: 10, min: 256, max: 4096, table };
  for (
    const wrong of [{ avgBits: 7 }, { avgBits: 25 }, { min: 63 }, { min: 1025 }, { max: 1023 }]
  ) {
    const params = boundaryBytes({ ...right, ...wrong }), input = new Uint8Array(16);
    const args = [params, input, 16, 1, { size: 4 }, 1, { size: 4 }];
    assert.equal(kernels!.status({ name: "boundary_launch", args, scratch: 65_536 }), -2);
  }
});

test("LZ4 blocks are read by every decoder", () => {
  const samples = lz4Samples();
  for (const [first, room] of [[0, 1000], [5, 1000], [2, 0], [0, -1]] as const) {
    const slots = samples.map(({ length }) =>
      Math.max(0, length + (room && room + length / 255 | 0))
    );
    compressMany(outputsOf, samples, slots, first).forEach((block, i) => {
      const sample = samples[i]!;
      if (block.length === 0) {
        assert.ok(room !== 1000, `${sample.length} bytes did not fit`);
        return;
      }
      assert.ok(block.length <= slots[i]!);
      for (const { name, kernel } of decoders) {
        const out = new Uint8Array(sample.length);
        assert.ok(kernel.decompress(block, out), `${name} refuses ${sample.length} bytes`);
        sameBytes(out, sample, name);
      }
    });
  }
  // As good as liblz4's, within a few per cent.
  const liblz4 = decoders.find(({ name }) => name === "system");
  if (liblz4 !== undefined) {
    const sample = text(65_536, 12), out = new Uint8Array(70_000);
    const theirs = liblz4.kernel.compress(sample, out, 1);
    const ours = compressMany(outputsOf, [sample], [70_000], 0)[0]!.length;
    assert.ok(ours < 1.06 * theirs, `${ours} bytes against ${theirs}`);
  }
});

test("LZ4 blocks are decoded as the reference does, damaged ones too", () => {
  const samples = lz4Samples(), next = randomWords(31);
  const reference = decoders.find(({ name }) => name === "portable")!.kernel;
  const bounds = samples.map(({ length }) => length + length / 255 + 16 | 0);
  const blocks = decoders.flatMap(({ kernel }) =>
    samples.map((sample, i) => {
      const out = new Uint8Array(bounds[i]!);
      return out.slice(0, kernel.compress(sample, out, 1));
    })
  );
  const lengths = decoders.flatMap(() => samples.map((sample) => sample.length));
  assert.equal(checkDecoding(outputsOf, reference, blocks, lengths), blocks.length);

  const short = blocks.map((block, i) => [block, lengths[i]!] as const)
    .filter(([block, length]) => block.length > 0 && block.length < 400 && length < 70_000);
  const damaged = Array.from({ length: 1500 }, () => {
    const [source, length] = short[next() % short.length]!, block = source.slice();
    for (let i = 0; i <= next() % 3; i++) block[next() % block.length] = next();
    const end = next() % 4 === 0 ? next() % (block.length + 1) : block.length;
    return [block.subarray(0, end), Math.max(0, length + (next() % 4 === 0 ? next() % 9 - 4 : 0))];
  });
  const directed = hostileBlocks();
  checkDecoding(
    outputsOf,
    reference,
    directed.map(([block]) => block),
    directed.map(([, size]) => size),
  );
  for (const [block, size] of directed) checkDecoding(outputsOf, reference, [block], [size]);
  const random = Array.from({ length: 500 }, (_, i) => [noise(next() % 40, i), next() % 100]);
  const hostile = [...damaged, ...random] as [Bytes, number][];
  const valid = checkDecoding(
    outputsOf,
    reference,
    hostile.map(([block]) => block),
    hostile.map(([, size]) => size),
  );
  // Alone, so that the sanitizers see every byte that is read beyond the block.
  for (const [block, size] of hostile.slice(0, 400)) {
    checkDecoding(outputsOf, reference, [block], [size]);
  }
  assert.ok(valid > 20 && valid < 1900, `${valid} valid ones`);
});

test("entropy is the reference's", () => {
  const sizes = awkwardSizes([15, 16, 64, 1024, 2048, 4096, 65_536]);
  const items = [
    ...sizes.flatMap((size) => [noise(size, size), text(size, size), new Uint8Array(size)]),
    painted(1_100_000),
    noise(1_000_000).map((byte) => byte < 250 ? 0 : byte),
  ];
  const offsets = offsetsOf(items.map((item) => item.length), 9), n = items.length;
  for (const sample of [0, 1, 4096, 65_535]) {
    const base = concat(new Uint8Array(9), ...items);
    const args = [base, u64Bytes(offsets), n, sample, { size: 2 * n }];
    const [out] = outputsOf({ name: "entropy_launch", args, scratch: 0 });
    const expected = items.map((item) => {
      if (sample === 0 || item.length <= sample) return entropy.estimate(item);
      const from = Math.floor((item.length - sample) / 2);
      return entropy.estimate(item.subarray(from, from + sample));
    });
    assert.deepEqual([...new Uint16Array(out!.slice().buffer)], expected);
  }
});

test("fused chunks are cut, hashed, compressed and sealed as one by one", () => {
  const lz4 = decoders.find(({ name }) => name === "portable")!.kernel;
  const mixed = concat(text(150_000), noise(60_000), new Uint8Array(90_000), text(1003, 3));
  for (const input of [mixed, noise(100), new Uint8Array()]) {
    for (const codec of [0, 1]) {
      for (const isLast of [true, false]) {
        const run = { input, codec, isLast, isKeyed: codec === 1 };
        checkFused(kernels!, outputsOf, { hash, aead, boundary, lz4 }, run);
      }
    }
  }
  const run = { input: mixed, codec: 1, isLast: true, isKeyed: false, capacity: 9 };
  checkFused(kernels!, outputsOf, { hash, aead, boundary, lz4 }, run);
});

Deno.test({
  name: "cuda kernels: the scheduler does what the reference does",
  ignore: kernels === undefined,
  async fn() {
    const shapes = [[1, 1], [1, 40], [3, 50], [40, 600], [65, 300], [300, 500], [
      4096,
      400,
    ]] as const;
    for (const [seed, [edges, chunks]] of shapes.entries()) {
      const params = {
        edges,
        chunks,
        firstChunk: seed % 2 === 0 ? 0 : 2 ** 32 - 17,
        eta: 100 + 30 * seed,
      };
      const { steps } = randomScript(params, seed + 900, 45);
      const found = await play(openCudaScheduler(kernels!, outputsOf, params), steps);
      const expected = await play(openScheduler(params), steps);
      expected.forEach((outcome, i) => assert.deepEqual(found[i], outcome));
    }
  },
});

test("the scheduler's prices settle as the reference's where loads swing", () => {
  // Each turn halves an edge's gain, down to the least.
  const params = { edges: 3, chunks: 1 };
  const ours = openCudaScheduler(kernels!, outputsOf, params), theirs = openScheduler(params);
  for (const scheduler of [ours, theirs]) {
    scheduler.setEdges(0, Uint32Array.from([0, 1, 900, 1, 5, 2, 900, 1, 9, 3, 900, 1]));
    scheduler.fold();
  }
  for (let turn = 0; turn < 14; turn++) {
    const loads = Float64Array.of(turn % 2 === 0 ? 900 : 90_000, turn % 2 === 0 ? 90_000 : 900, 7);
    for (const scheduler of [ours, theirs]) scheduler.updatePrices(loads);
    assert.deepEqual(ours.readEdges(), theirs.readEdges(), `turn ${turn}`);
  }
});

test("the scheduler does what the reference does over many tiles", () => {
  const params = { edges: 100, chunks: 20_000 }, next = randomWords(6);
  const ours = openCudaScheduler(kernels!, outputsOf, params), theirs = openScheduler(params);
  const candidates = Uint16Array.from({ length: 8 * params.chunks }, () => next() % 130);
  const sizes = Uint16Array.from({ length: params.chunks }, () => next() % 2000);
  const priorities = Uint8Array.from(sizes, () => next() % 9);
  const edges = Uint32Array.from({ length: 4 * params.edges }, (_, i) => {
    return i % 4 === 0 ? next() % 3000 : i % 4 === 2 ? next() % 90_000 : i % 4 === 3 ? 1 : next();
  });
  for (const scheduler of [ours, theirs]) {
    scheduler.put(0, candidates, sizes, priorities);
    scheduler.setEdges(0, edges);
  }
  for (let tick = 0; tick < 4; tick++) {
    const how = { fullEvery: 2, iterations: 2, rounds: 8, limit: tick === 1 ? 500 : 15_000 };
    const expected = theirs.tick(how);
    assert.ok(expected.slots.length > 400);
    const found = ours.tick(how);
    assert.deepEqual(found.stats, expected.stats);
    sameBytes(new Uint8Array(found.slots.buffer), new Uint8Array(expected.slots.buffer));
    sameBytes(new Uint8Array(found.edges.buffer), new Uint8Array(expected.edges.buffer));
    assert.equal(ours.digest(), theirs.digest());
    const dead = Uint32Array.from([0, 7, 1000, 0]);
    for (const scheduler of [ours, theirs]) scheduler.setEdges(3 * tick, dead);
  }
});

Deno.test({
  name: "cuda kernels: all calls above are clean under sanitizers, in both orders",
  ignore: kernels === undefined,
  async fn() {
    assert.ok(recorded.length > 100);
    const path = `${folder}/calls`;
    await Deno.writeFile(path, encodeCalls(recorded));
    const { success, text } = await run(driver, [path], { UBSAN_OPTIONS: "print_stacktrace=1" });
    assert.ok(success, text);
    assert.equal(text, `${recorded.length} calls, 0 differ\n`);
  },
});

const wanted = Deno.env.get("WARP_NVCC") ?? "";
const hasNvcc = wanted !== "" && await has("nvcc");
if (!hasNvcc) {
  console.log("SKIP CUDA kernels for GPUs: WARP_NVCC=1 or all, with nvcc, compiles them");
}
Deno.test({
  name: "cuda kernels: nvcc keeps everything in registers",
  ignore: !hasNvcc,
  async fn() {
    const architectures = wanted === "all" ? ["75", "90", "120"] : ["90"];
    for (const source of KERNEL_SOURCES) {
      const found = await buildDevice(source, `${folder}/device.o`, architectures);
      assert.ok(found.length > 0 && found.length % architectures.length === 0, source);
      for (const one of found) {
        assert.equal(one.spilled + one.stack, 0, `${one.name}, sm_${one.architecture}`);
      }
    }
  },
});
