/**
 * Which backend this process uses.
 *
 * @module
 */
import type { FsBackend } from "./backend.ts";
import { openLibc } from "./libc.ts";
import { LinuxBackend } from "./linux.ts";
import { PortableBackend } from "./portable.ts";

/** `WARP_FS=portable` turns the Linux backend off. */
function choose(): FsBackend {
  if (readSetting() !== "portable") {
    const libc = openLibc();
    if (libc !== undefined) return new LinuxBackend(libc);
  }
  return new PortableBackend();
}

function readSetting(): string | undefined {
  try {
    return Deno.env.get("WARP_FS");
  } catch {
    return undefined; // no permission to ask
  }
}

/** Chosen once per thread, when the module loads. */
export const fsBackend: FsBackend = choose();
