/**
 * Blobs in a map, for tests of what stands above them.
 *
 * @module
 */
import { equal } from "../../../actors/base/bytes.ts";
import {
  type BlobEntry,
  type BlobName,
  type Blobs,
  countBlobs,
  nameOf,
  parseName,
  readContent,
} from "../../../hub/blobs/blobs.ts";
import { addressOf } from "../blobs/blobs_contract.ts";

export class MemoryBlobs implements Blobs {
  readonly blobs = new Map<string, Uint8Array<ArrayBuffer>>();

  async put(
    name: BlobName,
    content: Uint8Array | ReadableStream<Uint8Array>,
    { bytesMax }: { bytesMax: number },
  ): Promise<{ bytes: number; isNew: boolean }> {
    const bytes = new Uint8Array(await readContent(content, bytesMax));
    if (!equal(addressOf(bytes), name.address)) throw new Error("not its address");
    const isNew = !this.blobs.has(nameOf(name));
    this.blobs.set(nameOf(name), bytes);
    return { bytes: bytes.length, isNew };
  }

  get(name: BlobName) {
    const body = this.blobs.get(nameOf(name));
    return Promise.resolve(body && { bytes: body.length, body: body.slice() });
  }

  has(name: BlobName) {
    return Promise.resolve(this.blobs.has(nameOf(name)));
  }

  delete(name: BlobName) {
    return Promise.resolve(this.blobs.delete(nameOf(name)));
  }

  async *list(): AsyncGenerator<BlobEntry> {
    for (const [name, { length }] of [...this.blobs]) {
      await Promise.resolve();
      yield { ...parseName(name)!, bytes: length };
    }
  }

  usage() {
    return countBlobs(this.list());
  }

  close() {
    return Promise.resolve();
  }
}
