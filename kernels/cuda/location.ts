/**
 * Where the CUDA library is. Apart from library.ts, so that looking for it loads nothing else.
 *
 * @module
 */

const BUILT = new URL("../../dist/native/libwarp_cuda.so", import.meta.url);

/** Where `deno task build:cuda` puts it. */
export function builtCudaLibraryUrl(): URL {
  return BUILT;
}

/** `WARP_CUDA_LIB`, if it is set and may be read. */
export function explicitCudaLibrary(): string | undefined {
  try {
    const path = Deno.env.get("WARP_CUDA_LIB");
    return path === "" ? undefined : path;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** Whether there is a file that may be the library; says nothing about devices. */
export function hasCudaLibrary(): boolean {
  try {
    return Deno.statSync(explicitCudaLibrary() ?? builtCudaLibraryUrl()).isFile;
  } catch {
    return false;
  }
}
