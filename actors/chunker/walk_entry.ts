/**
 * One thing that the walk has found.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import { type FsBackend, type Handle, Stat } from "../base/fs/backend.ts";
import { groupName, userName } from "../base/fs/owners.ts";
import type { RawName } from "../base/fs/raw_name.ts";
import { OpenSourceFile } from "./source_file.ts";
import type { SourceEntry, SourceFile } from "./source_io.ts";

/** Where the walk stands: an entry can be opened while it is the current one. */
export interface Position {
  current: WalkEntry | undefined;
}

const fresh = new Stat();

export class WalkEntry implements SourceEntry {
  readonly path: Bytes;
  readonly type: SourceEntry["type"];
  mode = 0;
  mtimeS = 0;
  mtimeNs = 0;
  uid = 0;
  gid = 0;
  owner = "";
  group = "";
  size = 0;
  readonly nlink: number;
  readonly dev: number;
  readonly ino: number | bigint;
  declare target?: Bytes;
  #ctimeS = 0;
  #ctimeNs = 0;
  #xattrs: Bytes[] | null | undefined;
  readonly #backend: FsBackend;
  readonly #position: Position;
  readonly #dir: Handle;
  readonly #name: RawName;

  constructor(
    backend: FsBackend,
    position: Position,
    place: { dir: Handle; name: RawName; path: Bytes },
    stat: Stat,
    type: SourceEntry["type"],
  ) {
    this.#backend = backend;
    this.#position = position;
    this.#dir = place.dir;
    this.#name = place.name;
    this.path = place.path;
    this.type = type;
    this.nlink = stat.nlink;
    this.dev = stat.dev;
    this.ino = stat.ino;
    this.#fill(stat);
  }

  #fill(stat: Stat): void {
    this.mode = stat.mode;
    this.mtimeS = stat.mtimeS;
    this.mtimeNs = stat.mtimeNs;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.owner = userName(stat.uid);
    this.group = groupName(stat.gid);
    this.size = stat.size;
    this.#ctimeS = stat.ctimeS;
    this.#ctimeNs = stat.ctimeNs;
  }

  get ctimeNs(): bigint {
    return BigInt(this.#ctimeS) * 1_000_000_000n + BigInt(this.#ctimeNs);
  }

  /** Of files they are read with the content, or when first asked for: most are never asked. */
  get xattrs(): Bytes[] | null {
    if (this.#xattrs === undefined) {
      invariant(this.#position.current === this, "attributes are read before the walk goes on");
      this.#xattrs = this.#backend.xattrsAt(this.#dir, this.#name);
    }
    return this.#xattrs;
  }

  set xattrs(found: Bytes[] | null) {
    this.#xattrs = found;
  }

  take(buffer: Bytes): { length: number; isChanged: boolean } | null {
    invariant(this.#position.current === this, "files are read before the walk goes on");
    const taken = this.#backend.take(this.#dir, this.#name, buffer, fresh);
    if (taken === null) return null;
    if (fresh.ino !== this.ino || fresh.dev !== this.dev) {
      throw new WarpError("E_IO", "another file has taken its name");
    }
    this.#fill(fresh);
    this.#xattrs = taken.hasXattrs ? this.#backend.xattrsAt(this.#dir, this.#name) : null;
    return taken;
  }

  open(): SourceFile {
    invariant(this.#position.current === this, "files are opened before the walk goes on");
    invariant(this.type === "file", "only regular files are opened");
    const backend = this.#backend;
    const handle = backend.openFile(this.#dir, this.#name);
    try {
      backend.stat(handle, fresh);
      if (fresh.ino !== this.ino || fresh.dev !== this.dev || fresh.type !== "file") {
        throw new WarpError("E_IO", "another file has taken its name");
      }
      this.#fill(fresh);
      this.#xattrs = backend.xattrs(handle);
      return new OpenSourceFile(backend, handle, fresh);
    } catch (error) {
      backend.close(handle);
      throw error;
    }
  }
}
