/**
 * One view of a version in the making: its pages, and at the end its head.
 *
 * @module
 */
import type { Aead } from "../../../kernels/kernel.ts";
import type { Bytes } from "../../base/bytes.ts";
import { ManifestRoot, type Page, type RunningHash } from "../../transfer/manifest.ts";
import { versionKey } from "./content_keys.ts";
import type { StoredChunk } from "./chunk_table.ts";
import { type PackRef, sealHead } from "./head_codec.ts";
import { encodeBody, sealPage } from "./page_codec.ts";
import { showPage, type View } from "./views.ts";

export class ViewWriter {
  readonly view: View;
  readonly #aead: Aead;
  readonly #nonce: Bytes;
  readonly #key: Uint8Array;
  readonly #root: ManifestRoot;
  readonly #state: RunningHash;
  readonly #addresses: Uint8Array[] = [];
  /** Number of a pack in this view, by its number in the version. */
  readonly #numbers = new Map<number, number>();

  /** @param nonce 16 bytes, never used before with the key of the view */
  constructor(view: View, nonce: Bytes, aead: Aead, sha256: () => RunningHash) {
    this.view = view;
    this.#aead = aead;
    this.#nonce = nonce;
    this.#key = versionKey(view.key, nonce);
    this.#root = new ManifestRoot(sha256());
    this.#state = sha256();
  }

  /**
   * The sealed page that shows `page`, if anything of it is shown; `chunks` are those of `page`.
   *
   * @returns `cut`: hard links that lead out of the view and are left out
   */
  add(page: Page, chunks: readonly StoredChunk[]): {
    sealed: Uint8Array<ArrayBuffer> | undefined;
    cut: Bytes[];
  } {
    const shown = showPage(page, this.view, this.#pages);
    if (shown.page.entries.length === 0) return { sealed: undefined, cut: shown.cut };
    this.#root.add(shown.page);
    const body = encodeBody(shown.page);
    this.#state.update(body);
    const own = shown.chunks.map((i) => {
      const chunk = chunks[i]!;
      return { ...chunk, pack: this.#numberOf(chunk.pack) };
    });
    const sealed = sealPage(this.#aead, this.#key, this.#pages++, body, own);
    return { sealed, cut: shown.cut };
  }

  #pages = 0;

  /** The address of the page that was added last. */
  addAddress(address: Uint8Array): void {
    this.#addresses.push(address);
  }

  /** What this view shows, as its head will say. */
  finish(): { root: Uint8Array; state: Uint8Array; files: number; bytes: number } {
    const { files, bytes } = this.#root;
    return { root: this.#root.digest(), state: new Uint8Array(this.#state.digest()), files, bytes };
  }

  /**
   * The sealed head, and the addresses of everything that it leads to.
   *
   * @param packs of the version, by number
   */
  seal(
    sums: ReturnType<ViewWriter["finish"]>,
    packs: readonly PackRef[],
    table: Bytes,
    createdMs: number,
  ): { sealed: Uint8Array<ArrayBuffer>; addresses: Uint8Array[] } {
    const own = [...this.#numbers.keys()].map((number) => packs[number]!);
    const { isList, key } = this.view;
    const sealed = sealHead(this.#aead, key, this.#nonce, {
      ...sums,
      isList,
      pages: this.#addresses,
      packs: own,
      table: isList ? null : new Uint8Array(table),
      createdMs,
    });
    return { sealed, addresses: [...this.#addresses, ...own.map(({ address }) => address)] };
  }

  wipe(): void {
    this.#key.fill(0);
  }

  #numberOf(pack: number): number {
    const known = this.#numbers.get(pack);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(pack, number);
    return number;
  }
}
