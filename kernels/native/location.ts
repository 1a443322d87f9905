/**
 * Where our own C library is. Apart from library.ts, so that looking for it loads nothing else.
 *
 * @module
 */

/** File name of the library on this system. */
export function libraryFileName(): string {
  if (Deno.build.os === "windows") return "warp_kernels.dll";
  return Deno.build.os === "darwin" ? "libwarp_kernels.dylib" : "libwarp_kernels.so";
}

/** Where `deno task build:native` puts it. */
export function builtLibraryUrl(): URL {
  return new URL(`../../dist/native/${libraryFileName()}`, import.meta.url);
}

/** The library that would be opened: for callers that need functions of their own from it. */
export function libraryPath(): string | URL {
  return explicitPath() ?? builtLibraryUrl();
}

/** Where the library is, unless it was built in this tree. */
function explicitPath(): string | undefined {
  try {
    const path = Deno.env.get("WARP_NATIVE_LIB");
    return path === "" ? undefined : path;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
