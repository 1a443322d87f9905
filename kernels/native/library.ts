/**
 * Our own C library: where it is, and its functions (cuda/warp_kernels.h).
 *
 * Contexts, jobs and the scheduler are not declared here: a Worker calls kernels synchronously, without
 * a context.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { ABI_SYMBOLS } from "../abi_symbols.ts";
import { refusal } from "../trial_cache.ts";
import { libraryPath } from "./location.ts";

/** WARP_ABI_MAJOR of warp_kernels.h. */
export const ABI_MAJOR = 2;

/** Of warp_info. */
const INFO_BYTES = 168;
const DETAIL_OFFSET = 104;

/** What Workers call; each symbol costs time to open. */
export const NATIVE_SYMBOLS = {
  warp_abi_version: ABI_SYMBOLS.warp_abi_version,
  warp_probe: ABI_SYMBOLS.warp_probe,
  warp_isa_limit: ABI_SYMBOLS.warp_isa_limit,
  warp_boundary: ABI_SYMBOLS.warp_boundary,
  warp_blake3: ABI_SYMBOLS.warp_blake3,
  /** The same function, called in a thread of the runtime's. */
  warp_blake3_later: { ...ABI_SYMBOLS.warp_blake3, name: "warp_blake3", nonblocking: true },
  warp_blake3_xof: ABI_SYMBOLS.warp_blake3_xof,
  warp_seal: ABI_SYMBOLS.warp_seal,
  warp_open: ABI_SYMBOLS.warp_open,
  warp_compress: ABI_SYMBOLS.warp_compress,
  warp_decompress: ABI_SYMBOLS.warp_decompress,
  warp_entropy: ABI_SYMBOLS.warp_entropy,
} as const;

export type NativeSymbols = Deno.DynamicLibrary<typeof NATIVE_SYMBOLS>["symbols"];

/** Instruction sets in the order of `warp_isa_limit`. */
export const ISA_NAMES = ["scalar", "128-bit", "AVX2", "AVX-512"] as const;

export interface NativeLibrary {
  symbols: NativeSymbols;
  /** `"libwarp_kernels 2.0, AVX2, libcrypto 3.0.11, libzstd 1.5.4, liblz4 1.9.4"` */
  description: string;
}

let opened: NativeLibrary | undefined;

/**
 * Opens `WARP_NATIVE_LIB`, or else the library built in this tree. Once per Worker.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when there is none, or it has another interface.
 */
export function openNativeLibrary(): NativeLibrary {
  if (opened !== undefined) return opened;
  const path = libraryPath();
  const reason = refusal("native", path);
  if (reason !== undefined) throw new WarpError("E_BACKEND_UNAVAILABLE", reason);
  return opened = openAt(path);
}

/** Opens the library at `path`, whatever was opened before. */
export function openAt(path: string | URL): NativeLibrary {
  let library: Deno.DynamicLibrary<typeof NATIVE_SYMBOLS>;
  try {
    library = Deno.dlopen(path, NATIVE_SYMBOLS);
  } catch (error) {
    throw unavailable(path, error);
  }
  const { symbols } = library;
  const version = symbols.warp_abi_version();
  const major = version >>> 16, minor = version & 0xffff;
  if (major !== ABI_MAJOR) {
    library.close();
    throw new WarpError(
      "E_BACKEND_UNAVAILABLE",
      `${path} has interface version ${major}, not ${ABI_MAJOR}`,
      { hint: "run `deno task build:native` again" },
    );
  }
  return { symbols, description: `libwarp_kernels ${major}.${minor}, ${detailOf(symbols)}` };
}

/** Instruction set, and the libraries that ours calls, with their versions. */
function detailOf(symbols: NativeSymbols): string {
  symbols.warp_isa_limit(ISA_NAMES.length - 1);
  const info = new Uint8Array(INFO_BYTES);
  new DataView(info.buffer).setUint32(0, INFO_BYTES, true);
  if (symbols.warp_probe(0, info) !== 0) return "unknown";
  const detail = info.subarray(DETAIL_OFFSET);
  return new TextDecoder().decode(detail.subarray(0, detail.indexOf(0)));
}

function unavailable(path: string | URL, error: unknown): WarpError {
  const message = error instanceof Error ? error.message.split("\n", 1)[0]! : String(error);
  const hint = "run `deno task build:native`, or set WARP_NATIVE_LIB";
  if (error instanceof Deno.errors.NotCapable) {
    return new WarpError("E_BACKEND_UNAVAILABLE", "no permission for FFI", { cause: error });
  }
  const isAbsent = /cannot open shared object|no such file|could not be found/i.test(message);
  return new WarpError(
    "E_BACKEND_UNAVAILABLE",
    isAbsent ? "not built (deno task build:native)" : `${path}: ${message}`,
    { hint, cause: error },
  );
}
