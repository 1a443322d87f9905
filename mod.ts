/**
 * Warp: the library behind the `warp` command.
 *
 * @module
 */
export { isWarpError, WarpError } from "./actors/base/errors.ts";
export type { ErrorCode } from "./actors/base/error_codes.ts";
export { FileInput } from "./actors/archive/archive_io.ts";
export { ArchiveReader, readOpening, readTrailer } from "./actors/archive/reader.ts";
export { loadKernels } from "./kernels/load.ts";
export type { KernelSet } from "./kernels/kernel.ts";
