/**
 * The kernel interfaces on a CUDA context, one call at a time: for the self-test, which is the same for
 * every backend. Work in earnest goes in batches (context.ts).
 *
 * @module
 */
import { type Bytes, utf8 } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import { checkOpen, checkSeal } from "../aead/spec.ts";
import { checkParams } from "../boundary/spec.ts";
import type { Aead, Blake3, BlockCodec, Boundary, BoundaryParams, Entropy } from "../kernel.ts";
import { bound } from "../lz4/spec.ts";
import { BLAKE3_DERIVE, BLAKE3_HASH, BLAKE3_KEYED, CODEC_LZ4, offsetsFrom } from "./calls.ts";
import type { CudaContext } from "./context.ts";
import { OK } from "./status.ts";

/** WARP_BLAKE3_CONTEXT. */
const BLAKE3_CONTEXT = 3;
const DIGEST_BYTES = 32;

export interface CudaKernels {
  blake3: Blake3;
  aead: Aead;
  boundary: Boundary;
  lz4: BlockCodec;
  entropy: Entropy;
}

export function cudaKernels(context: CudaContext): CudaKernels {
  const { sync } = context;
  return {
    blake3: new CudaBlake3(context),
    aead: {
      seal(key, nonce, aad, plaintext, output) {
        checkSeal(key, nonce, plaintext, output);
        sync.seal({ ...single(plaintext), ...keyed(key, nonce, aad), out: output, outOffsets });
      },
      open(key, nonce, aad, sealed, output) {
        if (!checkOpen(key, nonce, sealed, output)) return false;
        const request = { ...single(sealed), ...keyed(key, nonce, aad), out: output, outOffsets };
        return sync.open({ ...request, statuses: new Uint8Array(1) }) === OK;
      },
    },
    boundary: { cuts: (params, input, isLast) => cutsOf(context, params, input, isLast) },
    lz4: {
      bound,
      compress(input, output, level) {
        const lengths = new Uint32Array(1);
        sync.compress({ ...single(input), codec: CODEC_LZ4, level, ...slot(output), lengths });
        return lengths[0]!;
      },
      decompress: (input, output) =>
        sync.decompress({
          ...single(input),
          codec: CODEC_LZ4,
          ...slot(output),
          statuses: new Uint8Array(1),
        }) === OK,
    },
    entropy: {
      estimate(input) {
        const out = new Uint16Array(1);
        sync.entropy({ ...single(input), sample: 0, out });
        return out[0]!;
      },
      estimateMany(base, offsets, sampleBytes, out) {
        sync.entropy({ base, offsets: offsetsFrom(offsets), sample: sampleBytes, out });
      },
    },
  };
}

const outOffsets = offsetsFrom([0]);

function single(base: Bytes) {
  return { base, offsets: offsetsFrom([0, base.length]) };
}

function slot(out: Bytes) {
  return { out, outOffsets: offsetsFrom([0, out.length]) };
}

function keyed(keys: Bytes, nonces: Bytes, aad: Bytes) {
  return { keys, nonces, aad: single(aad) };
}

function cutsOf(
  { sync }: CudaContext,
  params: BoundaryParams,
  input: Bytes,
  isLast: boolean,
): number[] {
  checkParams(params);
  const cuts = new Uint32Array(Math.floor(input.length / params.min) + 1);
  const count = new Uint32Array(1);
  sync.boundary({ params, input, isLast, cuts, count });
  return [...cuts.subarray(0, count[0])];
}

class CudaBlake3 implements Blake3 {
  readonly #context: CudaContext;

  constructor(context: CudaContext) {
    this.#context = context;
  }

  hash(input: Bytes, out: Bytes, key?: Bytes): void {
    this.hashMany(input, [0, input.length], out, key);
  }

  hashMany(base: Bytes, offsets: ArrayLike<number>, out: Bytes, key?: Bytes): void {
    const mode = key === undefined ? { mode: BLAKE3_HASH } : { mode: BLAKE3_KEYED, key };
    this.#context.sync.blake3({ ...mode, base, offsets: offsetsFrom(offsets), out });
  }

  deriveKey(context: string, material: Bytes, length = DIGEST_BYTES): Uint8Array<ArrayBuffer> {
    invariant(length === DIGEST_BYTES, "cuda: derived keys are 32 bytes");
    const key = new Uint8Array(DIGEST_BYTES), out = new Uint8Array(DIGEST_BYTES);
    this.#context.sync.blake3({ ...single(utf8(context)), mode: BLAKE3_CONTEXT, out: key });
    this.#context.sync.blake3({ ...single(material), mode: BLAKE3_DERIVE, key, out });
    return out;
  }
}
