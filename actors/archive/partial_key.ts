/**
 * The key of an archive that is being written to recipients only: whoever makes it could not resume
 * it otherwise. Kept in the user's state directory, mode 0600, until the archive is complete.
 *
 * @module
 */
import { join } from "node:path";
import { toHex } from "../base/bytes.ts";

function pathOf(archiveId: Uint8Array): string | undefined {
  const home = Deno.env.get("HOME");
  const state = Deno.env.get("XDG_STATE_HOME") ?? (home && join(home, ".local", "state"));
  return state ? join(state, "warp", "partial", `${toHex(archiveId)}.key`) : undefined;
}

/** False when there is no place for it: the archive can then be resumed with an identity only. */
export function keepPartialKey(archiveId: Uint8Array, archiveKey: Uint8Array): boolean {
  const path = pathOf(archiveId);
  if (path === undefined) return false;
  try {
    Deno.mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    Deno.writeFileSync(path, archiveKey, { mode: 0o600 });
    return true;
  } catch {
    return false; // a read-only home is no reason not to write an archive
  }
}

export function recallPartialKey(archiveId: Uint8Array): Uint8Array | undefined {
  const path = pathOf(archiveId);
  try {
    const key = path === undefined ? undefined : Deno.readFileSync(path);
    return key?.length === 32 ? key : undefined;
  } catch {
    return undefined;
  }
}

export function dropPartialKey(archiveId: Uint8Array): void {
  const path = pathOf(archiveId);
  try {
    if (path !== undefined) Deno.removeSync(path);
  } catch {
    // It was never kept.
  }
}
