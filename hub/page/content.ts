/**
 * Content of files, opened and checked chunk by chunk as their packs arrive.
 *
 * @module
 */
import { equal } from "../../actors/base/bytes.ts";
import { openChunk } from "../../actors/portal/content/open_reference.ts";
import type { PackReader } from "../../actors/portal/content/pack_reader.ts";
import { damaged } from "../../actors/portal/content/padded_seal.ts";
import { chunkDigest } from "../../actors/portal/content/open_reference.ts";
import type { Part, TreeFile } from "./file_tree.ts";

const ZEROES = new Uint8Array(64 * 1024);

/** Tells the reader which packs these files will need, in order: it fetches ahead. */
export function planFiles(files: Iterable<TreeFile>, packs: PackReader): void {
  for (const { parts } of files) {
    for (const part of parts) {
      if (part.kind !== "chunks") continue;
      for (let i = part.first; i < part.first + part.count; i++) {
        packs.plan(part.stored.chunks[i]!.pack);
      }
    }
  }
}

/**
 * A file from its beginning. What has been yielded was authenticated and had the BLAKE3 that the page says.
 *
 * @throws {WarpError} E_INTEGRITY, what the store throws, and the signal's reason
 */
export async function* contentOf(
  file: TreeFile,
  packs: PackReader,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const part of file.parts) {
    signal.throwIfAborted();
    if (part.kind === "chunks") yield* chunksOf(part, packs, signal);
    else if (part.kind === "inline") yield new Uint8Array(part.bytes);
    else {
      for (let left = part.length; left > 0; left -= ZEROES.length) {
        signal.throwIfAborted();
        yield left < ZEROES.length ? ZEROES.slice(0, left) : ZEROES.slice();
      }
    }
  }
}

async function* chunksOf(
  { stored: { page, chunks }, first, count }: Extract<Part, { kind: "chunks" }>,
  packs: PackReader,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let i = first; i < first + count; i++) {
    const { pack: number, offset, length: sealed, codec, key } = chunks[i]!;
    const pack = await packs.take(number);
    signal.throwIfAborted();
    if (offset + sealed > pack.length) throw damaged();
    const chunk = openChunk(
      { key, codec, length: page.lengths[i]!, digest: page.ids.subarray(32 * i, 32 * i + 32) },
      pack.subarray(offset, offset + sealed),
    );
    if (chunk === undefined) throw damaged();
    yield chunk;
  }
}

/** Whether `blob` has this file's content already: compared by the digests, without fetching anything. */
export async function isSameContent(
  file: TreeFile,
  blob: Blob,
  signal: AbortSignal,
): Promise<boolean> {
  if (blob.size !== file.size) return false;
  let at = 0;
  const read = async (length: number) => {
    signal.throwIfAborted();
    const bytes = new Uint8Array(await blob.slice(at, at + length).arrayBuffer());
    at += length;
    return bytes;
  };
  for (const part of file.parts) {
    if (part.kind === "inline") {
      if (!equal(await read(part.bytes.length), part.bytes)) return false;
    } else if (part.kind === "hole") {
      for (let left = part.length; left > 0; left -= ZEROES.length) {
        const some = await read(Math.min(left, ZEROES.length));
        if (some.some((byte) => byte !== 0)) return false;
      }
    } else {
      const { page } = part.stored;
      for (let i = part.first; i < part.first + part.count; i++) {
        const digest = page.ids.subarray(32 * i, 32 * i + 32);
        if (!equal(chunkDigest(await read(page.lengths[i]!)), digest)) return false;
      }
    }
  }
  return at === file.size;
}
