/**
 * Shared libraries of the operating system, opened by name.
 *
 * A library is opened once per Worker and stays open: symbols are in use until the process ends.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";

type Os = typeof Deno.build.os;

/** Where a library may be, best first. Bare names are looked up by the dynamic linker. */
export interface LibraryNames {
  readonly title: string;
  readonly names: Partial<Record<Os, readonly string[]>>;
}

/** macOS: Apple's own libcrypto ends the process that loads it, so full Homebrew paths only. */
function homebrew(formula: string, file: string): readonly string[] {
  return [`/opt/homebrew/opt/${formula}/lib/${file}`, `/usr/local/opt/${formula}/lib/${file}`];
}

export const LIBCRYPTO: LibraryNames = {
  title: "libcrypto",
  names: {
    linux: ["libcrypto.so.3", "libcrypto.so.1.1"],
    freebsd: ["libcrypto.so.3", "libcrypto.so.30", "libcrypto.so.111"],
    darwin: homebrew("openssl@3", "libcrypto.3.dylib"),
    windows: ["libcrypto-3-x64.dll"],
  },
};

export const LIBZSTD: LibraryNames = {
  title: "libzstd",
  names: {
    linux: ["libzstd.so.1"],
    freebsd: ["libzstd.so.1"],
    darwin: homebrew("zstd", "libzstd.1.dylib"),
    windows: ["libzstd.dll"],
  },
};

export const LIBLZ4: LibraryNames = {
  title: "liblz4",
  names: {
    linux: ["liblz4.so.1"],
    freebsd: ["liblz4.so.1"],
    darwin: homebrew("lz4", "liblz4.1.dylib"),
    windows: ["liblz4.dll"],
  },
};

const opened = new Map<LibraryNames, Deno.DynamicLibrary<Deno.ForeignLibraryInterface>>();

/**
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when no such library is found, or it lacks a symbol.
 */
export function openLibrary<S extends Deno.ForeignLibraryInterface>(
  library: LibraryNames,
  symbols: S,
): Deno.DynamicLibrary<S>["symbols"] {
  const known = opened.get(library) as Deno.DynamicLibrary<S> | undefined;
  if (known !== undefined) return known.symbols;
  const names = library.names[Deno.build.os] ?? [];
  let reason = `${library.title} is not known on ${Deno.build.os}`;
  for (const name of names) {
    try {
      const handle = Deno.dlopen(name, symbols);
      opened.set(library, handle as Deno.DynamicLibrary<Deno.ForeignLibraryInterface>);
      return handle.symbols;
    } catch (error) {
      reason = openFailure(library.title, name, error);
    }
  }
  throw new WarpError("E_BACKEND_UNAVAILABLE", reason, {
    hint: `install ${library.title}, or run with the permission --allow-ffi`,
  });
}

function openFailure(title: string, name: string, error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return `${title}: no permission for FFI`;
  const message = error instanceof Error ? error.message.split("\n", 1)[0]! : String(error);
  if (/cannot open shared object|no such file|could not be found|image not found/i.test(message)) {
    return `${title} is not installed (${name} not found)`;
  }
  return `${title}: ${message}`;
}

/** Bytes as the FFI takes them; shared memory is fine, the types just do not say so. */
export function ffiBuffer(bytes: Uint8Array<ArrayBufferLike>): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
