/**
 * Rounds through the C interface, in whichever library: ours for the CPU, or CUDA's.
 *
 * @module
 */
import { type Bytes, equal } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import { KiB } from "../../actors/base/units.ts";
import { defaultTable } from "../boundary/spec.ts";
import * as calls from "../cuda/calls.ts";
import { OK } from "../cuda/status.ts";
import type { Kernels } from "../kernel.ts";
import { BATCH_BYTES, itemOffsets, ITEMS, mixedBytes, randomBytes } from "./samples.ts";

/** Runs a call to its end and gives its status. */
export type Run = (call: calls.Call) => number;

/** A named piece of work; GB/s count `bytes`. */
export interface AbiRound {
  kernel: string;
  bytes: number;
  /** Makes the round for one way of running calls; its results have been checked. */
  make(run: Run): () => void;
}

const PARAMS = { avgBits: 16, min: 16 * KiB, max: 256 * KiB, table: defaultTable() };
const KEY = new Uint8Array(32).fill(3);
const TAG_BYTES = 16;

/** All that the interface has but the scheduler. `portable` says what is right. */
export function abiRounds(portable: Kernels, hasLz4: boolean): AbiRound[] {
  const random = randomBytes(BATCH_BYTES), mixed = mixedBytes(BATCH_BYTES);
  const rounds = [
    boundaryRound(random, portable),
    blake3Round(random, portable),
    ...aeadRounds(random, portable),
    entropyRound(mixed, portable),
    fusedRound(random, portable),
  ];
  return hasLz4 ? [...rounds, ...lz4Rounds(mixed)] : rounds;
}

function ok(run: Run, call: calls.Call): void {
  const status = run(call);
  invariant(status === OK, `${call.name} gave ${status}`);
}

function boundaryRound(input: Bytes, portable: Kernels): AbiRound {
  return {
    kernel: "boundary",
    bytes: input.length,
    make(run) {
      const cuts = new Uint32Array(input.length / PARAMS.min + 1), count = new Uint32Array(1);
      const cut = (of: Bytes) =>
        ok(run, calls.boundaryCall({ params: PARAMS, input: of, isLast: true, cuts, count }));
      const piece = input.subarray(0, 1024 * KiB);
      cut(piece);
      const expected = portable.boundary.cuts(PARAMS, piece, true);
      invariant(cuts.subarray(0, count[0]).join() === expected.join(), "boundary: wrong cuts");
      return () => cut(input);
    },
  };
}

function blake3Round(base: Bytes, portable: Kernels): AbiRound {
  return {
    kernel: "blake3",
    bytes: base.length,
    make(run) {
      const offsets = calls.offsetsFrom(itemOffsets(base));
      const out = new Uint8Array(32 * ITEMS), expected = new Uint8Array(32);
      const call = calls.blake3Call({ mode: calls.BLAKE3_KEYED, key: KEY, base, offsets, out });
      ok(run, call);
      portable.blake3.hash(base.subarray(base.length - 64 * KiB), expected, KEY);
      invariant(equal(out.subarray(-32), expected), "blake3: wrong digest");
      return () => ok(run, call);
    },
  };
}

/** What is sealed here is thrown away: that nonces repeat gives nothing away. */
function aeadRounds(base: Bytes, portable: Kernels): AbiRound[] {
  const starts = itemOffsets(base);
  const offsets = calls.offsetsFrom(starts);
  const sealedStarts = starts.map((start, i) => start + i * TAG_BYTES);
  const sealedOffsets = calls.offsetsFrom(sealedStarts);
  const nonces = new Uint8Array(12 * ITEMS);
  const keyed = { keys: KEY, nonces };
  const sealed = new Uint8Array(base.length + TAG_BYTES * ITEMS);
  const seal = (run: Run) =>
    ok(
      run,
      calls.sealCall({ ...keyed, base, offsets, out: sealed, outOffsets: sealedOffsets }),
    );
  const opened = new Uint8Array(base.length), statuses = new Uint8Array(ITEMS);
  const open = (run: Run) =>
    ok(
      run,
      calls.openCall({
        ...keyed,
        base: sealed,
        offsets: sealedOffsets,
        out: opened,
        outOffsets: offsets,
        statuses,
      }),
    );
  const check = (run: Run) => {
    seal(run);
    const length = starts[1]!, expected = new Uint8Array(length + TAG_BYTES);
    portable.aead.seal(
      KEY,
      nonces.subarray(0, 12),
      new Uint8Array(),
      base.subarray(0, length),
      expected,
    );
    invariant(equal(sealed.subarray(0, expected.length), expected), "seal: wrong bytes");
    open(run);
    invariant(equal(opened, base), "open: wrong bytes");
  };
  const make = (round: (run: Run) => void) => (run: Run) => {
    check(run);
    return () => round(run);
  };
  return [
    { kernel: "seal", bytes: base.length, make: make(seal) },
    { kernel: "open", bytes: base.length, make: make(open) },
  ];
}

function entropyRound(base: Bytes, portable: Kernels): AbiRound {
  return {
    kernel: "entropy",
    bytes: base.length,
    make(run) {
      const starts = itemOffsets(base);
      const out = new Uint16Array(ITEMS), expected = new Uint16Array(ITEMS);
      const offsets = calls.offsetsFrom(starts);
      const call = calls.entropyCall({ base, offsets, sample: 0, out });
      ok(run, call);
      portable.entropy.estimateMany(base, starts, 0, expected);
      invariant(out.join() === expected.join(), "entropy: wrong estimates");
      return () => ok(run, call);
    },
  };
}

function lz4Rounds(base: Bytes): AbiRound[] {
  const starts = itemOffsets(base), offsets = calls.offsetsFrom(starts);
  const out = new Uint8Array(base.length), lengths = new Uint32Array(ITEMS);
  const codec = calls.CODEC_LZ4;
  const pack = (run: Run) =>
    ok(
      run,
      calls.compressCall({ codec, level: 1, base, offsets, out, outOffsets: offsets, lengths }),
    );
  const unpacked = new Uint8Array(base.length), statuses = new Uint8Array(ITEMS);
  /** What was packed, without gaps. */
  const packed = (run: Run) => {
    pack(run);
    const ends = [0];
    const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
    lengths.forEach((length, i) => {
      invariant(length > 0, "lz4: an item did not shrink");
      bytes.set(out.subarray(starts[i]!, starts[i]! + length), ends[i]!);
      ends.push(ends[i]! + length);
    });
    return { base: bytes, offsets: calls.offsetsFrom(ends) };
  };
  const unpack = (run: Run) => {
    const batch = packed(run);
    const call = calls.decompressCall({
      ...batch,
      codec,
      out: unpacked,
      outOffsets: offsets,
      statuses,
    });
    ok(run, call);
    invariant(equal(unpacked, base), "lz4: wrong bytes");
    return () => ok(run, call);
  };
  return [
    {
      kernel: "lz4 compress",
      bytes: base.length,
      make(run) {
        unpack(run);
        return () => pack(run);
      },
    },
    { kernel: "lz4 decompress", bytes: base.length, make: unpack },
  ];
}

function fusedRound(input: Bytes, portable: Kernels): AbiRound {
  return {
    kernel: "fused",
    bytes: input.length,
    make(run) {
      const capacity = input.length / PARAMS.min + 1;
      const count = new Uint32Array(1), ids = new Uint8Array(32 * capacity);
      const rawOffsets = new BigUint64Array(capacity + 1);
      const call = calls.fusedCall({
        params: PARAMS,
        codec: calls.CODEC_STORED,
        idKey: KEY,
        sealKey: KEY,
        nonce: new Uint8Array(12),
        input,
        isLast: true,
        out: new Uint8Array(input.length + TAG_BYTES * capacity),
        rawOffsets,
        outOffsets: new BigUint64Array(capacity + 1),
        ids,
        codecs: new Uint8Array(capacity),
        count,
      });
      ok(run, call);
      const expected = new Uint8Array(32);
      portable.blake3.hash(input.subarray(0, Number(rawOffsets[1]!)), expected, KEY);
      invariant(equal(ids.subarray(0, 32), expected), "fused: wrong id");
      return () => ok(run, call);
    },
  };
}
