/**
 * A regular file that is open for reading.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { type FsBackend, type Handle, type Segment, Stat } from "../base/fs/backend.ts";
import type { SourceFile } from "./source_io.ts";

const now = new Stat();

export class OpenSourceFile implements SourceFile {
  readonly size: number;
  readonly #backend: FsBackend;
  readonly #handle: Handle;
  readonly #hasHoles: boolean;
  readonly #mtimeS: number;
  readonly #mtimeNs: number;
  readonly #ctimeS: number;
  readonly #ctimeNs: number;
  #isOpen = true;

  /** Takes over `handle`; `stat` is what it says at opening. */
  constructor(backend: FsBackend, handle: Handle, stat: Stat) {
    this.#backend = backend;
    this.#handle = handle;
    this.size = stat.size;
    this.#hasHoles = stat.allocated < stat.size;
    this.#mtimeS = stat.mtimeS;
    this.#mtimeNs = stat.mtimeNs;
    this.#ctimeS = stat.ctimeS;
    this.#ctimeNs = stat.ctimeNs;
  }

  dataSegments(): Segment[] {
    if (this.size === 0) return [];
    if (!this.#hasHoles) return [{ offset: 0, length: this.size }];
    return this.#backend.segments(this.#handle, this.size);
  }

  read(buffer: Bytes, offset: number): number {
    return this.#backend.read(this.#handle, buffer, offset);
  }

  changed(): boolean {
    this.#backend.stat(this.#handle, now);
    return now.size !== this.size ||
      now.mtimeS !== this.#mtimeS || now.mtimeNs !== this.#mtimeNs ||
      now.ctimeS !== this.#ctimeS || now.ctimeNs !== this.#ctimeNs;
  }

  /** Closing twice does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#backend.close(this.#handle);
  }
}
