/**
 * All functions of warp_kernels.h: the CUDA library is used through contexts and jobs.
 *
 * @module
 */
import { ABI_SYMBOLS } from "../abi_symbols.ts";
import { SCHEDULER_SYMBOLS } from "../scheduler/symbols.ts";

export const CUDA_SYMBOLS = { ...ABI_SYMBOLS, ...SCHEDULER_SYMBOLS } as const;

export type CudaSymbols = Deno.DynamicLibrary<typeof CUDA_SYMBOLS>["symbols"];
