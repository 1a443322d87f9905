/**
 * Our own C library: where it is, and its functions (warp_kernels.h, in the same order).
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";

/** WARP_ABI_VERSION of warp_kernels.h. */
const ABI_VERSION = 1;

export const NATIVE_SYMBOLS = {
  warp_abi_version: { parameters: [], result: "u32" },
  warp_isa_limit: { parameters: ["i32"], result: "i32" },
  warp_boundary_cuts: {
    parameters: ["buffer", "u64", "buffer", "u32", "u32", "u32", "u32", "buffer", "u32"],
    result: "i32",
  },
  warp_blake3_hash_many: {
    parameters: ["buffer", "buffer", "u64", "buffer", "buffer"],
    result: "i32",
  },
  warp_blake3_derive: {
    parameters: ["buffer", "u64", "buffer", "u64", "buffer", "u64"],
    result: "i32",
  },
} as const;

export type NativeSymbols = Deno.DynamicLibrary<typeof NATIVE_SYMBOLS>["symbols"];

/** Instruction sets in the order of the header's WARP_ISA values. */
export const ISA_NAMES = ["scalar", "128-bit", "AVX2", "AVX-512"] as const;

export interface NativeLibrary {
  symbols: NativeSymbols;
  /** `"libwarp_kernels ABI 1, AVX2"` */
  description: string;
}

/** File name of the library on this system. */
export function libraryFileName(): string {
  if (Deno.build.os === "windows") return "warp_kernels.dll";
  return Deno.build.os === "darwin" ? "libwarp_kernels.dylib" : "libwarp_kernels.so";
}

/** Where `deno task build:native` puts it. */
export function builtLibraryUrl(): URL {
  return new URL(`../../dist/native/${libraryFileName()}`, import.meta.url);
}

let opened: NativeLibrary | undefined;

/**
 * Opens `WARP_NATIVE_LIB`, or else the library built in this tree. Once per Worker.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when there is none, or it has another interface.
 */
export function openNativeLibrary(): NativeLibrary {
  return opened ??= openAt(explicitPath() ?? builtLibraryUrl());
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
  if (version !== ABI_VERSION) {
    library.close();
    throw new WarpError(
      "E_BACKEND_UNAVAILABLE",
      `${path} has interface version ${version}, not ${ABI_VERSION}`,
      { hint: "run `deno task build:native` again" },
    );
  }
  const isa = ISA_NAMES[symbols.warp_isa_limit(ISA_NAMES.length - 1)] ?? "unknown";
  return { symbols, description: `libwarp_kernels ABI ${version}, ${isa}` };
}

function explicitPath(): string | undefined {
  try {
    const path = Deno.env.get("WARP_NATIVE_LIB");
    return path === "" ? undefined : path;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
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
