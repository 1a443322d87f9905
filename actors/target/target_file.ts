/**
 * A regular file in the making.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import { type FsBackend, type Handle, Stat } from "../base/fs/backend.ts";
import type { RawName } from "../base/fs/raw_name.ts";
import type { TargetFile, TargetMeta } from "./target_io.ts";
import { applyMeta, type MetaRules } from "./target_meta.ts";
import { removeTemporary, temporaryName } from "./target_place.ts";

/** Where the file belongs, and whom to tell when it has got there or not. */
export interface NewFile {
  backend: FsBackend;
  /** Stays open until `ended`. */
  dir: Handle;
  name: RawName;
  path: Bytes;
  isForced: boolean;
  rules: MetaRules;
  ended(file: TargetFile, isCommitted: boolean): void;
  /** A name that can be found again; default: a fresh one. What is there already is gone on with. */
  temporary?: RawName;
}

export class TemporaryFile implements TargetFile {
  readonly #own: NewFile;
  readonly #temporary: RawName;
  readonly resumed: number;
  #handle: Handle | undefined;
  /** One past the last byte written. */
  #end = 0;

  constructor(own: NewFile) {
    this.#own = own;
    this.#temporary = own.temporary ?? temporaryName();
    this.#handle = this.#takeUp() ?? own.backend.createFile(own.dir, this.#temporary);
    this.resumed = this.#end;
  }

  /** The file that an earlier run left under this name; anything else there is removed. */
  #takeUp(): Handle | undefined {
    const { backend, dir, temporary } = this.#own;
    const stat = new Stat();
    if (temporary === undefined || !backend.statAt(dir, temporary, stat)) return undefined;
    if (stat.type === "file" && stat.nlink === 1) {
      const handle = backend.reopenFile(dir, temporary);
      backend.stat(handle, stat);
      this.#end = stat.size;
      if (stat.type === "file" && stat.nlink === 1) return handle;
      backend.close(handle);
    }
    backend.remove(dir, temporary);
    return undefined;
  }

  read(bytes: Bytes, offset: number): number {
    invariant(this.#handle !== undefined, "the file is open");
    let done = 0;
    while (done < bytes.length) {
      const count = this.#own.backend.read(this.#handle, bytes.subarray(done), offset + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(bytes: Bytes, offset: number): void {
    invariant(this.#handle !== undefined, "the file is open");
    this.#own.backend.write(this.#handle, bytes, offset);
    this.#end = Math.max(this.#end, offset + bytes.length);
  }

  async writeLater(bytes: Bytes, offset: number): Promise<void> {
    invariant(this.#handle !== undefined, "the file is open");
    this.#end = Math.max(this.#end, offset + bytes.length);
    await this.#own.backend.writeLater(this.#handle, bytes, offset);
  }

  commit(size: number, meta: TargetMeta): void {
    invariant(this.#handle !== undefined, "the file is open");
    const { backend, dir, name, path, isForced, rules } = this.#own;
    let isCommitted = false;
    try {
      if (size !== this.#end) backend.truncate(this.#handle, size);
      applyMeta(backend, this.#handle, path, meta, rules);
      isCommitted = backend.rename(dir, this.#temporary, name, isForced);
      if (!isCommitted) throw new WarpError("E_EXISTS", "it exists already");
    } finally {
      this.#stop(isCommitted);
    }
  }

  abort(): void {
    if (this.#handle !== undefined) this.#stop(false);
  }

  keep(): void {
    if (this.#handle === undefined) return;
    const { backend, ended } = this.#own;
    backend.close(this.#handle);
    this.#handle = undefined;
    ended(this, false);
  }

  #stop(isCommitted: boolean): void {
    const { backend, dir, ended } = this.#own;
    backend.close(this.#handle!);
    this.#handle = undefined;
    if (!isCommitted) removeTemporary(backend, dir, this.#temporary);
    ended(this, isCommitted);
  }
}
