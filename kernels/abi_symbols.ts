/**
 * The functions of cuda/warp_kernels.h, in its order, for `Deno.dlopen`; those of the scheduler are in
 * scheduler/symbols.ts.
 *
 * @module
 */

const BATCH = ["buffer", "buffer", "u64"] as const;
const SEAL = [
  "u64",
  ...BATCH,
  "buffer",
  "u32",
  "buffer",
  "buffer",
  "buffer",
  "buffer",
  "buffer",
] as const;

export const ABI_SYMBOLS = {
  warp_abi_version: { parameters: [], result: "u32" },
  warp_probe: { parameters: ["u32", "buffer"], result: "i32" },
  warp_isa_limit: { parameters: ["i32"], result: "i32" },
  warp_context_open: { parameters: ["u32", "u32", "u32", "buffer"], result: "i32" },
  warp_context_close: { parameters: ["u64"], result: "i32" },
  warp_last_error: { parameters: ["u64", "buffer", "u32"], result: "i32" },
  warp_buffer_alloc: { parameters: ["u64", "u64", "buffer"], result: "i32" },
  warp_buffer_free: { parameters: ["u64", "pointer"], result: "i32" },
  warp_read: {
    parameters: ["u64", "i32", "u64", "buffer", "u64", "buffer", "buffer"],
    result: "i32",
  },
  warp_poll: { parameters: ["u64", "buffer", "buffer", "u32", "buffer"], result: "i32" },
  /** Blocks: always on a thread of its own. */
  warp_wait: { parameters: ["u64", "u32"], result: "i32", nonblocking: true },
  warp_cancel: { parameters: ["u64", "u64"], result: "i32" },
  warp_boundary: {
    parameters: ["u64", "buffer", "buffer", "u64", "u32", "buffer", "u32", "buffer", "buffer"],
    result: "i32",
  },
  warp_blake3: {
    parameters: ["u64", "u32", "buffer", ...BATCH, "buffer", "buffer"],
    result: "i32",
  },
  warp_blake3_xof: {
    parameters: ["u32", "buffer", "buffer", "u64", "buffer", "u64"],
    result: "i32",
  },
  warp_merkle: { parameters: ["u64", ...BATCH, "buffer", "buffer"], result: "i32" },
  warp_seal: { parameters: [...SEAL, "buffer"], result: "i32" },
  warp_open: { parameters: [...SEAL, "buffer", "buffer"], result: "i32" },
  warp_compress: {
    parameters: [
      "u64",
      "u32",
      "i32",
      "buffer",
      "u64",
      ...BATCH,
      "buffer",
      "buffer",
      "buffer",
      "buffer",
    ],
    result: "i32",
  },
  warp_decompress: {
    parameters: ["u64", "u32", "buffer", "u64", ...BATCH, "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  warp_entropy: { parameters: ["u64", ...BATCH, "u32", "buffer", "buffer"], result: "i32" },
  warp_fused: {
    parameters: [
      "u64",
      "buffer",
      "buffer",
      "u64",
      "buffer",
      "u64",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
    ],
    result: "i32",
  },
} as const;
