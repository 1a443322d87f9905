/**
 * What the user typed as sources → the top-level names of the archive.
 *
 * @module
 */
import { isErrno } from "../base/fs/errno.ts";
import { type FsBackend, type Handle, Stat } from "../base/fs/backend.ts";
import { rawFromText, type RawName, showRaw } from "../base/fs/raw_name.ts";
import { WarpError } from "../base/errors.ts";

export interface Root {
  /** The directory that holds it. */
  dir: Handle;
  /** Both its name there and its path in the archive. */
  name: RawName;
}

export interface Roots {
  /** Sorted by name. */
  list: Root[];
  close(): void;
}

const isWindows = Deno.build.os === "windows";

/** @throws WarpError E_NOT_FOUND, E_USAGE (one name twice, an empty source), E_ACCESS, E_IO */
export function findRoots(sources: readonly string[], backend: FsBackend): Roots {
  const handles: Handle[] = [];
  const close = () => handles.splice(0).forEach((handle) => backend.close(handle));
  const found = new Map<RawName, Root>();
  const add = (root: Root, source: string) => {
    if (found.has(root.name)) {
      const name = showRaw(root.name);
      throw new WarpError("E_USAGE", `two sources would be stored as "${name}"`, {
        details: { source },
      });
    }
    found.set(root.name, root);
  };
  try {
    for (const source of sources) {
      const { parent, name } = split(source);
      const dir = at(source, () => backend.openRoot(parent));
      handles.push(dir);
      if (name === undefined) {
        for (const inside of at(source, () => backend.list(dir))) {
          add({ dir, name: inside }, source);
        }
      } else {
        const exists = at(source, () => backend.statAt(dir, name, new Stat()));
        if (!exists) throw missing(source);
        add({ dir, name }, source);
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  const list = [...found.keys()].sort().map((name) => found.get(name)!);
  return { list, close };
}

/** Without a name, what the directory `parent` holds is meant. */
function split(source: string): { parent: string; name: RawName | undefined } {
  if (source === "" || source.includes("\0")) {
    throw new WarpError("E_USAGE", "a source must be the path of a file or directory");
  }
  const unified = isWindows ? source.replaceAll("\\", "/") : source;
  const trimmed = unified.replace(/\/+$/, "");
  if (trimmed === "" || (isWindows && /^[A-Za-z]:$/.test(trimmed))) {
    return { parent: `${trimmed}/`, name: undefined };
  }
  const slash = trimmed.lastIndexOf("/");
  const name = trimmed.slice(slash + 1);
  if (name === "." || name === "..") return { parent: trimmed, name: undefined };
  const parent = slash < 0 ? "." : trimmed.slice(0, slash + 1);
  return { parent, name: rawFromText(name) };
}

function at<T>(source: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) throw missing(source, error);
    if (!(error instanceof WarpError)) throw error;
    throw new WarpError(error.code, `${error.message}: "${source}"`, {
      details: { ...error.details, path: source },
      cause: error,
    });
  }
}

function missing(source: string, cause?: unknown): WarpError {
  return new WarpError("E_NOT_FOUND", `no such file or directory: "${source}"`, {
    details: { path: source },
    ...(cause === undefined ? {} : { cause }),
  });
}
