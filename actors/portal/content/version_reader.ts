/**
 * Reads a version in one view: its head, then its pages, in order and checked.
 *
 * @module
 */
import type { Aead, Blake3 } from "../../../kernels/kernel.ts";
import { type Bytes, equal } from "../../base/bytes.ts";
import { isWarpError } from "../../base/errors.ts";
import { ManifestRoot, PageOrder, type RunningHash } from "../../transfer/manifest.ts";
import { type Head, openHead } from "./head_codec.ts";
import { getPack, type PackStore } from "./pack_store.ts";
import { damaged, HEAD_PACK_BYTES_MAX, PAGE_PACK_BYTES_MAX } from "./padded_seal.ts";
import { openPage, type StoredPage } from "./page_codec.ts";

/** Pages fetched ahead. */
const PAGES_AHEAD = 4;

export interface ReaderOptions {
  store: PackStore;
  kernels: { aead: Aead; blake3: Blake3 };
  /** A fresh SHA-256 for each call. */
  sha256(): RunningHash;
  viewKey: Bytes;
  /** Address of the head. */
  head: Bytes;
  signal: AbortSignal;
}

export class VersionReader {
  readonly #o: ReaderOptions;
  readonly #key: Uint8Array;
  readonly head: Head;
  /** Sum over the packs of head and pages. */
  bytesFetched: number;

  private constructor(options: ReaderOptions, head: Head, key: Uint8Array, bytes: number) {
    this.#o = options;
    this.#key = key;
    this.head = head;
    this.bytesFetched = bytes;
  }

  /** @throws {WarpError} E_INTEGRITY and what the store throws */
  static async open(options: ReaderOptions): Promise<VersionReader> {
    const { store, kernels, viewKey, head: address, signal } = options;
    signal.throwIfAborted();
    const pack = await getPack(store, kernels.blake3, address, HEAD_PACK_BYTES_MAX);
    const { head, versionKey } = openHead(kernels.aead, viewKey, pack);
    return new VersionReader(options, head, versionKey, pack.length);
  }

  /**
   * The pages. What they add up to is compared with the head after the last one: until then a reader
   * knows of each page that it belongs to this version, and of none that it is the last.
   *
   * @throws {WarpError} E_INTEGRITY, E_UNSAFE_PATH and what the store throws
   */
  async *pages(): AsyncGenerator<StoredPage, void> {
    const { signal, sha256, kernels } = this.#o;
    const { pages, packs } = this.head;
    const order = new PageOrder();
    const root = new ManifestRoot(sha256());
    const state = sha256();
    const ahead: Promise<Uint8Array>[] = [];
    let next = 0;
    try {
      for (let i = 0; i < pages.length; i++) {
        signal.throwIfAborted();
        while (next < pages.length && ahead.length < PAGES_AHEAD) {
          const fetched = this.#fetch(pages[next++]!);
          fetched.catch(() => {});
          ahead.push(fetched);
        }
        const pack = await ahead.shift()!;
        this.bytesFetched += pack.length;
        const stored = openPage(kernels.aead, this.#key, i, pack, packs.length);
        check(order, stored);
        root.add(stored.page);
        state.update(stored.body);
        yield stored;
      }
    } finally {
      await Promise.allSettled(ahead);
    }
    const { files, bytes } = this.head;
    const isSame = equal(root.digest(), this.head.root) && root.files === files &&
      root.bytes === bytes && equal(new Uint8Array(state.digest()), this.head.state);
    if (!isSame) throw damaged();
  }

  close(): void {
    this.#key.fill(0);
  }

  #fetch(address: Bytes): Promise<Uint8Array> {
    return getPack(this.#o.store, this.#o.kernels.blake3, address, PAGE_PACK_BYTES_MAX);
  }
}

function check(order: PageOrder, { page }: StoredPage): void {
  try {
    order.check(page);
  } catch (error) {
    throw isWarpError(error, "E_PROTOCOL") ? damaged() : error;
  }
}
