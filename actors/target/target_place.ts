/**
 * Names within the target: what a path of the archive is split into, and the names that things have
 * while they are made.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import type { FsBackend, Handle } from "../base/fs/backend.ts";
import { rawFromBytes, type RawName } from "../base/fs/raw_name.ts";
import { PATH_BYTES_MAX } from "../base/limits.ts";
import { isSafePath } from "../base/path_order.ts";

/** @throws WarpError E_UNSAFE_PATH */
export function splitPath(path: Bytes): { parent: RawName; name: RawName } {
  if (path.length > PATH_BYTES_MAX || !isSafePath(path)) {
    throw new WarpError("E_UNSAFE_PATH", "a path of the archive leads out of the target");
  }
  const raw = rawFromBytes(path);
  const slash = raw.lastIndexOf("/");
  return { parent: slash < 0 ? "" : raw.slice(0, slash), name: raw.slice(slash + 1) };
}

const random = new Uint32Array(128);
let used = random.length;

/** Not to be guessed, so that no other process can wait there with a link. */
export function temporaryName(): RawName {
  if (used + 2 > random.length) {
    crypto.getRandomValues(random);
    used = 0;
  }
  const high = random[used++]!, low = random[used++]!;
  return `.warp-${(high * 2 ** 21 + (low >>> 11)).toString(36)}.tmp`;
}

/** Removes what did not get its final name. What cannot be removed must not hide the first error. */
export function removeTemporary(backend: FsBackend, dir: Handle, temporary: RawName): void {
  try {
    backend.remove(dir, temporary);
  } catch {
    // It was never made, or is gone.
  }
}
