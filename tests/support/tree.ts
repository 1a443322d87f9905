/**
 * Makes directory trees for tests, and says exactly what a tree is: content, types, modes,
 * nanosecond times, links, extended attributes and sparseness.
 *
 * @module
 */
import { sh } from "./warp.ts";

/**
 * One line per path, by programs that are not ours: `find`, `sha256sum`, `getfattr`. Directories'
 * sizes are left out; link counts and inode groups are in.
 */
export async function describeTree(dir: string): Promise<string> {
  return await sh(
    `cd '${dir}'
     find . -mindepth 1 -type d -printf '%P | %y %#m %T@ %U %G\\0' | sort -z | tr '\\0' '\\n'
     find . -mindepth 1 ! -type d -printf '%P | %y %#m %T@ %U %G %s %n %l\\0' | sort -z | tr '\\0' '\\n'
     find . -type f -links +1 -printf '%i %P\\n' | sort | awk '{ if ($1 != p) { printf "\\n"; p = $1 } printf "%s ", $2 }'
     find . -type f -print0 | sort -z | xargs -0 -r sha256sum -z | tr '\\0' '\\n'
     getfattr --absolute-names -R -h -d -m - -e hex . 2>/dev/null || true`,
  );
}
