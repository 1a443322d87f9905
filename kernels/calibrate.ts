/**
 * Measures how fast a backend is on inputs like the pipeline's: 64 KiB chunks, in shared memory.
 *
 * @module
 */
import { type Bytes, utf8 } from "../actors/base/bytes.ts";
import { KiB } from "../actors/base/units.ts";
import { defaultTable } from "./boundary/spec.ts";
import type { BlockCodec, KernelName, Kernels } from "./kernel.ts";

const CHUNK_BYTES = 64 * KiB;
const CHUNK_COUNT = 8;
const LEVEL = 3;
const SHORT_HASHES = 5;

/** One round of work on the slab; returns the bytes it stands for. */
type Round = () => number;

const ROUNDS: { [K in KernelName]: (kernel: Kernels[K], slab: Bytes) => Round } = {
  blake3: (blake3, slab) => {
    const key = new Uint8Array(32).fill(1), out = new Uint8Array(32 * CHUNK_COUNT);
    const offsets = Array.from({ length: CHUNK_COUNT + 1 }, (_, i) => i * CHUNK_BYTES);
    const small = slab.subarray(0, 64);
    return () => {
      blake3.hashMany(slab, offsets, out, key);
      // Each record costs a few short hashes: nonce, head mask, Merkle nodes.
      for (let i = 0; i < SHORT_HASHES * CHUNK_COUNT; i++) blake3.hash(small, out, key);
      return slab.length;
    };
  },
  aead: (aead, slab) => {
    const key = new Uint8Array(32), nonce = new Uint8Array(12), aad = new Uint8Array(32);
    const plaintext = slab.subarray(0, CHUNK_BYTES), sealed = new Uint8Array(CHUNK_BYTES + 16);
    return () => {
      // The output is thrown away: that the nonce repeats gives nothing away.
      aead.seal(key, nonce, aad, plaintext, sealed);
      return CHUNK_BYTES;
    };
  },
  boundary: (boundary, slab) => {
    const params = {
      avgBits: 16,
      min: CHUNK_BYTES / 4,
      max: CHUNK_BYTES * 4,
      table: defaultTable(),
    };
    return () => {
      boundary.cuts(params, slab, true);
      return slab.length;
    };
  },
  zstd: (zstd, slab) => codecRound(zstd, slab),
  lz4: (lz4, slab) => codecRound(lz4, slab),
  entropy: (entropy, slab) => {
    const sample = slab.subarray(0, 4 * KiB);
    return () => {
      entropy.estimate(sample);
      return sample.length;
    };
  },
};

/** There and back again. */
function codecRound(codec: BlockCodec, slab: Bytes): Round {
  const input = slab.subarray(0, CHUNK_BYTES), output = new Uint8Array(CHUNK_BYTES);
  const words = "archive chunk boundary digest edge frame kernel ledger merkle nonce portal warp "
    .split(" ").map(utf8);
  let state = 1;
  for (let at = 0; at < input.length;) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    const word = words[(state >>> 24) % words.length]!.subarray(0, input.length - at);
    input.set(word, at);
    at += Math.max(1, word.length);
  }
  const packed = new Uint8Array(codec.bound(input.length));
  return () => {
    const length = codec.compress(input, packed, LEVEL);
    codec.decompress(packed.subarray(0, length), output);
    return input.length;
  };
}

/**
 * GB/s of `kernel`, from its fastest rounds within about `budgetMs` milliseconds (at least three
 * rounds: other work on the machine only ever slows a round down).
 */
export function calibrate<K extends KernelName>(
  name: K,
  kernel: Kernels[K],
  budgetMs: number,
): number {
  const slab = new Uint8Array(new SharedArrayBuffer(CHUNK_BYTES * CHUNK_COUNT));
  for (let i = 0, state = 7; i < slab.length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    slab[i] = state >>> 24;
  }
  const round = ROUNDS[name](kernel, slab);
  round();
  const start = performance.now();
  let best = 0;
  for (let rounds = 0; rounds < 3 || performance.now() - start < budgetMs; rounds++) {
    const before = performance.now();
    let bytes = 0, elapsed = 0;
    // Short rounds are gathered until the clock can tell.
    do {
      bytes += round();
      elapsed = performance.now() - before;
    } while (elapsed < 0.5);
    best = Math.max(best, bytes / elapsed / 1e6);
  }
  return best;
}
