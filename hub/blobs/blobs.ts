/**
 * Where packs lie: bytes under the BLAKE3 of their content, written whole or not at all.
 *
 * A blob has an address and the number of a copy. The number is drawn anew each time that the hub begins to
 * hold an address, and never used again, so that a deletion that comes late, from a process that was thought
 * dead, finds an old copy and not the one that was uploaded meanwhile.
 *
 * @module
 */
import { type Bytes, equal, toHex } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import type { Blake3 } from "../../kernels/kernel.ts";

export const ADDRESS_BYTES = 32;
/** Numbers of copies are below this: six random bytes. */
export const COPY_LIMIT = 2 ** 48;

export interface BlobName {
  /** BLAKE3 of the content, 32 bytes. */
  address: Bytes;
  /** From 0, below 2^48. */
  copy: number;
}

/** From `start` to before `end`, in bytes; what lies beyond the blob is left out. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface BlobEntry {
  address: Uint8Array<ArrayBuffer>;
  copy: number;
  bytes: number;
}

export interface Blobs {
  /**
   * Stores a blob of at most `bytesMax` bytes; when this returns it survives a power cut. Idempotent, and two
   * at once may write the same (then both may find it new). It is read to its end even when it is here
   * already: who uploads shows that they have it.
   *
   * @throws {WarpError} E_INTEGRITY (not what the address says), E_LIMIT, E_DISK_FULL, E_STORE, what the
   * stream throws; in each case nothing is left
   */
  put(
    name: BlobName,
    content: Bytes | ReadableStream<Uint8Array>,
    limits: { bytesMax: number },
  ): Promise<{ bytes: number; isNew: boolean }>;
  /**
   * The blob, or a range of it, in a buffer of its own; undefined when it is not here. `bytes` is the size of
   * the whole.
   *
   * @throws {WarpError} E_STORE, E_INTEGRITY (it was damaged; only a store that looks says so)
   */
  get(
    name: BlobName,
    range?: ByteRange,
  ): Promise<{ bytes: number; body: Uint8Array<ArrayBuffer> } | undefined>;
  /**
   * The whole blob as a stream that is read as fast as it is taken: it needs no memory of its size. Only of
   * stores that need not read all of a blob to know that it is good; it fails when the blob does.
   *
   * @throws {WarpError} E_STORE
   */
  stream?(
    name: BlobName,
  ): Promise<{ bytes: number; body: ReadableStream<Uint8Array<ArrayBuffer>> } | undefined>;
  /** @throws {WarpError} E_STORE */
  has(name: BlobName): Promise<boolean>;
  /** Whether it was here (some stores say yes always). @throws {WarpError} E_STORE */
  delete(name: BlobName): Promise<boolean>;
  /** All blobs, in no order; those that come and go meanwhile may be among them. @throws {WarpError} E_STORE */
  list(): AsyncIterable<BlobEntry>;
  /** Counts by listing: slow. @throws {WarpError} E_STORE */
  usage(): Promise<{ blobs: number; bytes: number }>;
  /** Waits for nothing; what runs may fail. */
  close(): Promise<void>;
}

/** The name of a blob in folders and buckets: 64 hex digits, a dash, 12 hex digits. */
export function nameOf({ address, copy }: BlobName): string {
  if (address.length !== ADDRESS_BYTES) throw new Error(`an address of ${address.length} bytes`);
  if (!Number.isInteger(copy) || copy < 0 || copy >= COPY_LIMIT) throw new Error(`copy ${copy}`);
  return `${toHex(address)}-${copy.toString(16).padStart(12, "0")}`;
}

/** What `nameOf` made; undefined for anything else. */
export function parseName(
  name: string,
): { address: Uint8Array<ArrayBuffer>; copy: number } | undefined {
  const match = /^([0-9a-f]{64})-([0-9a-f]{12})$/.exec(name);
  if (match === null) return undefined;
  return { address: Uint8Array.fromHex(match[1]!), copy: parseInt(match[2]!, 16) };
}

/** What a stream gets at first: many uploads at once must not take room for what has yet to come. */
const FIRST_BYTES = 1 << 16;

/**
 * All of the content in one buffer that is nobody else's to change.
 *
 * @throws {WarpError} E_LIMIT, after which the stream is cancelled; what the stream throws
 */
export async function readContent(
  content: Bytes | AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Bytes> {
  const tooLong = () => new WarpError("E_LIMIT", `more than ${bytesMax} bytes`);
  if (content instanceof Uint8Array) {
    if (content.length > bytesMax) throw tooLong();
    return content;
  }
  // Not a list of parts: they may be of one byte each.
  let whole = new Uint8Array(Math.min(bytesMax, FIRST_BYTES)), bytes = 0;
  // Leaving the loop by an exception cancels the stream.
  for await (const part of content) {
    if (bytes + part.length > bytesMax) throw tooLong();
    if (bytes + part.length > whole.length) {
      const larger = new Uint8Array(
        Math.min(bytesMax, Math.max(4 * whole.length, bytes + part.length)),
      );
      larger.set(whole.subarray(0, bytes));
      whole = larger;
    }
    whole.set(part, bytes);
    bytes += part.length;
  }
  return bytes === whole.length ? whole : whole.slice(0, bytes);
}

/** Whether these are the bytes of the address; large ones are hashed in another thread where one is there. */
export async function isContentOf(
  address: Bytes,
  content: Bytes,
  blake3: Blake3,
): Promise<boolean> {
  const hash = new Uint8Array(ADDRESS_BYTES);
  if (blake3.hashManyLater !== undefined && content.length >= 1 << 16) {
    await blake3.hashManyLater(content, [0, content.length], hash);
  } else {
    blake3.hash(content, hash);
  }
  return equal(hash, address);
}

/** @throws {WarpError} E_INTEGRITY */
export async function checkContent(
  address: Bytes,
  content: Bytes,
  blake3: Blake3,
): Promise<void> {
  if (await isContentOf(address, content, blake3)) return;
  throw new WarpError("E_INTEGRITY", "the bytes are not those of their address");
}

/** The range as it lies in a blob of so many bytes. */
export function clip(range: ByteRange, bytes: number): ByteRange {
  const start = Math.min(Math.max(0, range.start), bytes);
  return { start, end: Math.min(Math.max(start, range.end), bytes) };
}

export async function countBlobs(
  entries: AsyncIterable<BlobEntry>,
): Promise<{ blobs: number; bytes: number }> {
  const total = { blobs: 0, bytes: 0 };
  for await (const entry of entries) {
    total.blobs++;
    total.bytes += entry.bytes;
  }
  return total;
}
