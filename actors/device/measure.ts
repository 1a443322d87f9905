/**
 * Is the device worth its copies? Both sides do the same work on the same batch, copies included.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { KiB, MiB } from "../base/units.ts";
import { BlockWorker } from "../cipher/blocks.ts";
import type { HashRequest, SealRequest } from "../cipher/protocol.ts";
import type { DeviceBlocks } from "./device_blocks.ts";

const BATCH_BYTES = 4 * MiB;
const CHUNK_BYTES = 64 * KiB;
const BLOCK_CHUNKS = 8;
const ROUNDS = 5;
/** A device that is hardly faster would only add latency. */
const ADVANTAGE = 1.1;

/** GB/s of one kind of call. */
interface Speed {
  device: number;
  cipher: number;
}

export interface Measured {
  hash: Speed;
  seal: Speed;
}

/** Takes some tens of milliseconds. @throws what the device throws */
export async function measureDevice(blocks: DeviceBlocks, kernels: KernelSet): Promise<Measured> {
  const worker = new BlockWorker(kernels);
  const { hash, seal } = batch();
  const speed = async (
    device: () => Promise<unknown>,
    cipher: () => unknown,
  ): Promise<Speed> => ({ device: await best(device), cipher: await best(cipher) });
  return {
    hash: await speed(() => blocks.hash(hash), () => worker.hash(hash)),
    seal: await speed(() => blocks.seal(seal), () => worker.seal(seal)),
  };
}

/** Whether a device beats `ciphers` ciphers that work side by side. */
export function isWorth({ device, cipher }: Speed, ciphers: number): boolean {
  return device > ADVANTAGE * ciphers * cipher;
}

async function best(work: () => unknown): Promise<number> {
  let ms = Infinity;
  for (let i = 0; i < ROUNDS; i++) {
    const before = performance.now();
    await work();
    ms = Math.min(ms, performance.now() - before);
  }
  return BATCH_BYTES / ms / 1e6;
}

/** What is sealed here is thrown away: keys and content matter to nobody. */
function batch(): { hash: HashRequest; seal: SealRequest } {
  const slab = new SharedArrayBuffer(BATCH_BYTES);
  const words = new Uint32Array(slab);
  for (let i = 0, state = 1; i < words.length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    words[i] = state;
  }
  const chunks = BATCH_BYTES / CHUNK_BYTES;
  const cuts = Uint32Array.from({ length: chunks }, (_, i) => (i + 1) * CHUNK_BYTES);
  const idKey = new Uint8Array(32);
  const secrets = {
    archiveId: new Uint8Array(16),
    binding: new Uint8Array(32),
    archiveKey: new Uint8Array(32),
    idKey,
  };
  const blocks = Array.from({ length: chunks / BLOCK_CHUNKS }, (_, i) => ({
    ordinal: i,
    chunks: Array.from({ length: BLOCK_CHUNKS }, (_, k) => i * BLOCK_CHUNKS + k),
    choice: { codec: 0 as const, level: 0 },
  }));
  return {
    hash: { slab, cuts, idKey, wantsEntropy: true },
    seal: {
      input: slab,
      cuts,
      ids: new Uint8Array(32 * chunks),
      blocks,
      output: new SharedArrayBuffer(BATCH_BYTES + 64 * KiB),
      secrets,
    },
  };
}
