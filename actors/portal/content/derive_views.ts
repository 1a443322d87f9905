/**
 * Views of a version that is there already: for a grant that came after it. Nothing but pages and heads is
 * written anew.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import { WarpError } from "../../base/errors.ts";
import { addressOf, sortedSet } from "./pack_store.ts";
import type { PutHead } from "./put_job.ts";
import { Uploader } from "./uploader.ts";
import { type ReaderOptions, VersionReader } from "./version_reader.ts";
import { ViewWriter } from "./view_writer.ts";
import type { View } from "./views.ts";

export interface DeriveOptions extends ReaderOptions {
  /** Parts and lists, not the whole tree. */
  views: readonly View[];
  /** 16 random bytes for each call. */
  nonce(): Bytes;
  createdMs: number;
}

/**
 * @returns heads of the whole tree, as it was, and of each view
 * @throws {WarpError} E_INTEGRITY, E_ACCESS (a list has no chunks) and what the store throws
 */
export async function deriveViews(
  options: DeriveOptions,
): Promise<Pick<PutHead, "view" | "address" | "packs">[]> {
  const { kernels, store, signal, sha256, createdMs } = options;
  const reader = await VersionReader.open(options);
  const uploader = new Uploader(store, signal);
  const writers = options.views.map((view) =>
    new ViewWriter(view, options.nonce(), kernels.aead, sha256)
  );
  const upload = async (sealed: Uint8Array<ArrayBuffer>): Promise<Uint8Array> => {
    const address = addressOf(kernels.blake3, sealed);
    await uploader.add({ address, bytes: sealed });
    return address;
  };
  try {
    const { head } = reader;
    if (head.table === null) {
      throw new WarpError("E_ACCESS", "this grant shows names and sizes alone");
    }
    for await (const { page, chunks } of reader.pages()) {
      for (const writer of writers) {
        const { sealed } = writer.add(page, chunks);
        if (sealed === undefined) continue;
        writer.addAddress(await upload(sealed));
      }
    }
    const own = [...head.pages, ...head.packs.map(({ address }) => address), options.head];
    const whole: View = { id: null, key: options.viewKey, path: null, isList: false };
    const heads: Pick<PutHead, "view" | "address" | "packs">[] = [{
      view: whole,
      address: new Uint8Array(options.head),
      packs: sortedSet(own.map((one) => new Uint8Array(one))),
    }];
    for (const writer of writers) {
      const shown = writer.finish();
      const { sealed, addresses } = writer.seal(shown, head.packs, head.table, createdMs);
      const address = await upload(sealed);
      heads.push({
        view: writer.view,
        address,
        packs: sortedSet([address, ...addresses]),
      });
    }
    await uploader.finish();
    return heads;
  } finally {
    await uploader.settled();
    for (const writer of writers) writer.wipe();
    reader.close();
  }
}
