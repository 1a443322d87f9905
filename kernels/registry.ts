/**
 * The one table of kernels and their backends. Within a kernel, the order is the expected order of
 * speed; `portable` is last and always there.
 *
 * Modules are imported when a backend is tried, so that a Worker loads what it uses and no more.
 *
 * @module
 */
import type { Backend, BackendName, KernelName, Kernels } from "./kernel.ts";

type Opener<K> = () => Promise<Backend<K>>;

export const KERNEL_NAMES: readonly KernelName[] = [
  "blake3",
  "aead",
  "boundary",
  "zstd",
  "lz4",
  "entropy",
];

/** Every name that can be asked for; a kernel has some of these backends. */
export const BACKEND_NAMES: readonly BackendName[] = [
  "cuda",
  "webgpu",
  "native",
  "system",
  "node",
  "portable",
];

export type Registry = {
  readonly [K in KernelName]: readonly (readonly [BackendName, Opener<Kernels[K]>])[];
};

export const REGISTRY: Registry = {
  blake3: [
    ["native", async () => (await import("./blake3/native.ts")).open()],
    ["node", async () => await (await import("./blake3/node.ts")).open()],
    ["portable", async () => (await import("./blake3/portable.ts")).open()],
  ],
  aead: [
    ["native", async () => (await import("./aead/native.ts")).open()],
    ["system", async () => (await import("./aead/system.ts")).open()],
    ["node", async () => (await import("./aead/node.ts")).open()],
    ["portable", async () => (await import("./aead/portable.ts")).open()],
  ],
  boundary: [
    ["native", async () => (await import("./boundary/native.ts")).open()],
    ["portable", async () => (await import("./boundary/portable.ts")).open()],
  ],
  zstd: [
    ["native", async () => (await import("./zstd/native.ts")).open()],
    ["system", async () => (await import("./zstd/system.ts")).open()],
    ["portable", async () => (await import("./zstd/portable.ts")).open()],
  ],
  lz4: [
    ["native", async () => (await import("./lz4/native.ts")).open()],
    ["system", async () => (await import("./lz4/system.ts")).open()],
    ["portable", async () => (await import("./lz4/portable.ts")).open()],
  ],
  entropy: [
    ["native", async () => (await import("./entropy/native.ts")).open()],
    ["portable", async () => (await import("./entropy/portable.ts")).open()],
  ],
};

/** The backends of `kernel`, best expected first. */
export function backendsOf(kernel: KernelName): BackendName[] {
  return REGISTRY[kernel].map(([name]) => name);
}
