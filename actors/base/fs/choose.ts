/**
 * Which backend this process uses.
 *
 * @module
 */
import type { FsBackend } from "./backend.ts";
import { openLibc } from "./libc.ts";
import { LinuxBackend } from "./linux.ts";

/** `WARP_FS=portable` turns the Linux backend off. */
async function choose(): Promise<FsBackend> {
  if (readSetting() !== "portable") {
    const libc = openLibc();
    if (libc !== undefined) return new LinuxBackend(libc);
  }
  // Loaded only here: it brings node:fs, which takes longer to load than all the rest.
  const { PortableBackend } = await import("./portable.ts");
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
export const fsBackend: FsBackend = await choose();
