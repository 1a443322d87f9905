/**
 * Chunks one by one, as plainly as they can be written (docs/crypto.md §2). The page in the browser
 * opens chunks with this, and the batch form of chunk_seal.ts is tested against it. It uses nothing
 * that a browser does not have.
 *
 * @module
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { decompress } from "fzstd";
import { checkFrame } from "../../../kernels/zstd/spec.ts";
import { type Bytes, concat, equal, utf8 } from "../../base/bytes.ts";

const NONCE = new Uint8Array(12);
const TAG_BYTES = 16;

export function chunkDigest(chunk: Bytes): Uint8Array {
  return blake3(chunk);
}

export function chunkId(domainSecret: Bytes, digest: Bytes): Uint8Array {
  return blake3(digest, { key: domainSecret });
}

/** The key of the chunk itself: codec 0. */
export function chunkKey(domainSecret: Bytes, id: Bytes): Uint8Array {
  return blake3(concat(utf8("portal/chunk/key/v1"), id), { key: domainSecret });
}

/** The key of one zstd frame of the chunk: codec 1. */
export function frameKey(domainSecret: Bytes, id: Bytes, frame: Bytes): Uint8Array {
  const message = concat(utf8("portal/chunk/zstd/v1"), id, blake3(frame));
  return blake3(message, { key: domainSecret });
}

/** Seals a chunk, as `frame` when there is one. */
export function sealChunk(
  domainSecret: Bytes,
  chunk: Bytes,
  frame?: Bytes,
): { key: Uint8Array; codec: number; sealed: Uint8Array } {
  const id = chunkId(domainSecret, chunkDigest(chunk));
  const codec = frame === undefined ? 0 : 1;
  const key = frame === undefined ? chunkKey(domainSecret, id) : frameKey(domainSecret, id, frame);
  const sealed = chacha20poly1305(key, NONCE, Uint8Array.of(codec)).encrypt(frame ?? chunk);
  return { key, codec, sealed };
}

/** What a page says of one chunk. */
export interface ChunkToOpen {
  /** 32 bytes. */
  key: Bytes;
  codec: number;
  /** Bytes of the chunk. */
  length: number;
  /** BLAKE3 of the chunk, 32 bytes. */
  digest: Bytes;
}

/** The chunk, or undefined when `sealed` is not what was stored. */
export function openChunk(
  { key, codec, length, digest }: ChunkToOpen,
  sealed: Bytes,
): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES || (codec !== 0 && codec !== 1)) return undefined;
  try {
    const form = chacha20poly1305(key, NONCE, Uint8Array.of(codec)).decrypt(sealed);
    if (codec === 1 && !checkFrame(form, length)) return undefined;
    const chunk = codec === 0 ? form : decompress(form, new Uint8Array(length));
    return chunk.length === length && equal(chunkDigest(chunk), digest) ? chunk : undefined;
  } catch {
    return undefined; // a wrong tag, or a frame that is none
  }
}

/** What fills a pack up: `length` bytes that depend on the tags (16 bytes each) of its chunks. */
export function packPadding(domainSecret: Bytes, tags: Bytes, length: number): Uint8Array {
  if (length === 0) return new Uint8Array();
  return blake3(concat(utf8("portal/pad/v1"), tags), { key: domainSecret, dkLen: length });
}
