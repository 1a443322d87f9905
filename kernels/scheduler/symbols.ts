/**
 * The scheduler's functions in libwarp_kernels and libwarp_cuda (cuda/warp_kernels.h, same order).
 *
 * @module
 */

export const SCHEDULER_SYMBOLS = {
  warp_scheduler_open: { parameters: ["u64", "buffer", "buffer"], result: "i32" },
  warp_scheduler_close: { parameters: ["u64"], result: "i32" },
  warp_scheduler_put: {
    parameters: ["u64", "u32", "u32", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  warp_scheduler_edges: { parameters: ["u64", "u32", "u32", "buffer"], result: "i32" },
  warp_scheduler_set_prices: { parameters: ["u64", "u32", "u32", "buffer"], result: "i32" },
  warp_scheduler_reset_prices: { parameters: ["u64"], result: "i32" },
  warp_scheduler_events: {
    parameters: ["u64", "u32", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  warp_scheduler_fold: { parameters: ["u64"], result: "i32" },
  warp_scheduler_choose: { parameters: ["u64", "u32", "u32"], result: "i32" },
  warp_scheduler_choose_dirty: { parameters: ["u64", "buffer"], result: "i32" },
  warp_scheduler_failover: { parameters: ["u64", "buffer"], result: "i32" },
  warp_scheduler_prices: { parameters: ["u64", "buffer"], result: "i32" },
  warp_scheduler_dispatch: {
    parameters: ["u64", "u32", "u32", "u32", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  warp_scheduler_tick: {
    parameters: [
      "u64",
      "buffer",
      "u32",
      "buffer",
      "buffer",
      "u32",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
    ],
    result: "i32",
  },
  warp_scheduler_best: { parameters: ["u64", "u32", "buffer", "buffer"], result: "i32" },
  warp_scheduler_read: {
    parameters: ["u64", "u32", "u32", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  warp_scheduler_read_edges: {
    parameters: ["u64", "u32", "u32", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  warp_scheduler_digest: { parameters: ["u64", "buffer"], result: "i32" },
} as const;

export type SchedulerSymbols = Deno.DynamicLibrary<typeof SCHEDULER_SYMBOLS>["symbols"];
