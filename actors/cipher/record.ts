/**
 * Records: how every piece of an archive is framed, and sealed when the archive is encrypted
 * (docs/format.md §5).
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import type { Bytes } from "../base/bytes.ts";
import { constantTimeEqual } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";
import { BLOCK_RAW_BYTES_MAX, PAGE_RAW_BYTES_MAX, STORED_SLACK_BYTES } from "../base/limits.ts";
import { type ArchiveKeys, deriveArchiveKeys } from "./archive_keys.ts";

export const KIND = {
  block: 1,
  tablePage: 2,
  indexPage: 3,
  tableNode: 4,
  indexNode: 5,
  prologue: 6,
  root: 7,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

export const CODEC = { stored: 0, lz4: 1, zstd: 2 } as const;
export type CodecId = (typeof CODEC)[keyof typeof CODEC];

const HEAD_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_BYTES = 32;

/** Bytes a reader needs to know how long a record is. */
export const HEAD_BYTES_MAX = NONCE_BYTES + HEAD_BYTES;
/** Bytes a record is longer than its payload, at most. */
export const RECORD_OVERHEAD_MAX = HEAD_BYTES + DIGEST_BYTES;

/** What a codec of one archive's records is made from; plain data, may cross ports. */
export interface ArchiveSecrets {
  archiveId: Uint8Array;
  /** BLAKE3 of the header without its late fields. */
  binding: Uint8Array;
  /** Absent in a plain archive. */
  archiveKey?: Uint8Array;
  /** Key of chunk ids; absent in a plain archive and while the prologue is unread. */
  idKey?: Uint8Array;
}

export interface RecordHead {
  kind: Kind;
  codec: CodecId;
  rawLength: number;
  storedLength: number;
  ordinalLow: number;
  /** Length of the whole record. */
  recordLength: number;
}

/** What a payload is sealed with. */
export interface SealInput {
  key: Uint8Array;
  nonce: Uint8Array;
  aad: Uint8Array;
}

/** Encodes and decodes the records of one archive. Holds scratch buffers: one per Worker. */
export class RecordCodec {
  readonly #kernels: KernelSet;
  readonly #secrets: ArchiveSecrets;
  readonly #keys: ArchiveKeys | undefined;
  readonly #plainKey: Uint8Array | undefined;
  readonly #aad = new Uint8Array(32 + 9 + HEAD_BYTES);
  readonly #aadView = new DataView(this.#aad.buffer);
  readonly #nonceInput = new Uint8Array(9 + HEAD_BYTES + 32);
  readonly #digest = new Uint8Array(32);

  constructor(kernels: KernelSet, secrets: ArchiveSecrets) {
    this.#kernels = kernels;
    this.#secrets = secrets;
    if (secrets.archiveKey === undefined) {
      this.#plainKey = kernels.blake3.deriveKey("warp/archive/v1 plain record", new Uint8Array());
    } else {
      this.#keys = deriveArchiveKeys(secrets.archiveKey, secrets.archiveId);
    }
    this.#aad.set(secrets.binding, 0);
  }

  /** Bytes a record is longer than its payload. */
  get overhead(): number {
    return this.#keys === undefined
      ? HEAD_BYTES + DIGEST_BYTES
      : NONCE_BYTES + HEAD_BYTES + TAG_BYTES;
  }

  /** Bytes {@link readHead} needs. */
  get headLength(): number {
    return this.#keys === undefined ? HEAD_BYTES : NONCE_BYTES + HEAD_BYTES;
  }

  /**
   * Frames (and seals) `payload` into `out`, which it may already start in: a payload that stands at
   * `out[headLength ..)` is sealed in place.
   * @param digest what stands for the payload in the nonce of a stored block: see {@link blockDigest}.
   *   Default: a hash of the payload.
   * @returns the record's length, `payload.length + overhead`
   */
  write(
    head: { kind: Kind; codec: CodecId; rawLength: number },
    ordinal: number,
    payload: Bytes,
    out: Bytes,
    digest?: Bytes,
  ): number {
    const length = payload.length + this.overhead;
    invariant(out.length >= length, "record output too small");
    const headBytes = this.#setHead(head, ordinal, payload.length);
    if (this.#keys === undefined) {
      out.set(headBytes, 0);
      const body = out.subarray(HEAD_BYTES, HEAD_BYTES + payload.length);
      if (body.byteOffset !== payload.byteOffset || body.buffer !== payload.buffer) {
        body.set(payload);
      }
      this.#plainDigest(out.subarray(0, HEAD_BYTES + payload.length));
      out.set(this.#digest, HEAD_BYTES + payload.length);
      return length;
    }
    const { key, nonce, aad } = this.#seal(head.kind, ordinal, headBytes, payload, digest, out);
    this.#kernels.aead.seal(
      key,
      nonce,
      aad,
      payload,
      out.subarray(NONCE_BYTES + HEAD_BYTES, length),
    );
    return length;
  }

  /**
   * As {@link write}, but for the payload: whoever calls seals it with what is returned (and keeps; the
   * record's tag comes last). Encrypted archives only.
   */
  frame(
    head: { kind: Kind; codec: CodecId; rawLength: number },
    ordinal: number,
    payload: Bytes,
    out: Bytes,
    digest?: Bytes,
  ): SealInput {
    invariant(this.#keys !== undefined, "a plain archive is not sealed");
    const headBytes = this.#setHead(head, ordinal, payload.length);
    const { key, nonce, aad } = this.#seal(head.kind, ordinal, headBytes, payload, digest, out);
    return { key, nonce: nonce.slice(), aad: aad.slice() };
  }

  /** Writes nonce and masked head; what is returned is valid until the next call. */
  #seal(
    kind: Kind,
    ordinal: number,
    headBytes: Bytes,
    payload: Bytes,
    digest: Bytes | undefined,
    out: Bytes,
  ): SealInput {
    const nonce = this.#nonce(kind, headBytes, payload, digest);
    const mask = this.#mask(nonce);
    for (let i = 0; i < HEAD_BYTES; i++) out[NONCE_BYTES + i] = headBytes[i]! ^ mask[i]!;
    out.set(nonce, 0);
    const key = this.#keys!.sealKey(kind, Math.floor(ordinal / 65536));
    return { key, nonce, aad: this.#aad };
  }

  #setHead(
    head: { kind: Kind; codec: CodecId; rawLength: number },
    ordinal: number,
    storedLength: number,
  ): Bytes {
    this.#setPosition(head.kind, ordinal);
    const headAt = 32 + 9;
    const view = this.#aadView;
    this.#aad[headAt] = head.kind;
    this.#aad[headAt + 1] = head.codec;
    view.setUint16(headAt + 2, 0, true);
    view.setUint32(headAt + 4, head.rawLength, true);
    view.setUint32(headAt + 8, storedLength, true);
    view.setUint32(headAt + 12, ordinal >>> 0, true);
    return this.#aad.subarray(headAt);
  }

  /**
   * Reads the head at the start of `bytes` (at least `headLength` bytes). Its fields are checked
   * against the format's limits but not yet authenticated. Undefined when they cannot be a head.
   */
  readHead(bytes: Bytes): RecordHead | undefined {
    if (bytes.length < this.headLength) return undefined;
    let head = bytes.subarray(0, HEAD_BYTES);
    if (this.#keys !== undefined) {
      const mask = this.#mask(bytes.subarray(0, NONCE_BYTES));
      head = new Uint8Array(HEAD_BYTES);
      for (let i = 0; i < HEAD_BYTES; i++) head[i] = bytes[NONCE_BYTES + i]! ^ mask[i]!;
    }
    const view = new DataView(head.buffer, head.byteOffset, HEAD_BYTES);
    const kind = head[0]! as Kind;
    const codec = head[1]! as CodecId;
    const rawLength = view.getUint32(4, true);
    const storedLength = view.getUint32(8, true);
    if (kind < KIND.block || kind > KIND.root || codec > CODEC.zstd) return undefined;
    if (view.getUint16(2, true) !== 0) return undefined;
    if (rawLength > (kind === KIND.block ? BLOCK_RAW_BYTES_MAX : PAGE_RAW_BYTES_MAX)) {
      return undefined;
    }
    if (storedLength > rawLength + STORED_SLACK_BYTES) return undefined;
    if (codec === CODEC.stored && storedLength !== rawLength) return undefined;
    const recordLength = storedLength + this.overhead;
    return {
      kind,
      codec,
      rawLength,
      storedLength,
      ordinalLow: view.getUint32(12, true),
      recordLength,
    };
  }

  /**
   * Authenticates the whole record in `bytes` and writes its raw content (`head.rawLength` bytes) to
   * `out`. `head` must come from {@link readHead} of the same bytes. False when it is not authentic
   * at this kind and ordinal, or does not decode.
   */
  open(head: RecordHead, ordinal: number, bytes: Bytes, out: Bytes): boolean {
    if (head.ordinalLow !== ordinal >>> 0 || bytes.length < head.recordLength) return false;
    this.#setPosition(head.kind, ordinal);
    if (this.#keys === undefined) {
      const end = HEAD_BYTES + head.storedLength;
      this.#plainDigest(bytes.subarray(0, end));
      if (!constantTimeEqual(this.#digest, bytes.subarray(end, end + DIGEST_BYTES))) return false;
      return this.#decode(head, bytes.subarray(HEAD_BYTES, end), out);
    }
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const mask = this.#mask(nonce);
    for (let i = 0; i < HEAD_BYTES; i++) this.#aad[41 + i] = bytes[NONCE_BYTES + i]! ^ mask[i]!;
    const sealed = bytes.subarray(NONCE_BYTES + HEAD_BYTES, head.recordLength);
    const key = this.#keys.sealKey(head.kind, Math.floor(ordinal / 65536));
    if (head.codec === CODEC.stored) {
      return this.#kernels.aead.open(
        key,
        nonce,
        this.#aad,
        sealed,
        out.subarray(0, head.rawLength),
      );
    }
    const payload = this.#scratchOf(head.storedLength);
    if (!this.#kernels.aead.open(key, nonce, this.#aad, sealed, payload)) return false;
    return this.#decode(head, payload, out);
  }

  /**
   * Digest of a stored block from the ids of its chunks (`32 * n` bytes): the ids fix the bytes, so
   * the block need not be hashed a second time. Undefined in a plain archive, which has no nonces.
   */
  blockDigest(ids: Bytes): Uint8Array | undefined {
    if (this.#secrets.idKey === undefined) return undefined;
    const out = new Uint8Array(32);
    this.#kernels.blake3.hash(ids, out, this.#secrets.idKey);
    return out;
  }

  #scratch = new Uint8Array(0);

  #scratchOf(length: number): Uint8Array {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length);
    return this.#scratch.subarray(0, length);
  }

  #decode(head: RecordHead, payload: Bytes, out: Bytes): boolean {
    const raw = out.subarray(0, head.rawLength);
    if (head.codec === CODEC.stored) {
      raw.set(payload);
      return true;
    }
    const codec = head.codec === CODEC.zstd ? this.#kernels.zstd : this.#kernels.lz4;
    return codec.decompress(payload, raw);
  }

  #setPosition(kind: Kind, ordinal: number): void {
    this.#aad[32] = kind;
    this.#aadView.setUint32(33, ordinal >>> 0, true);
    this.#aadView.setUint32(37, Math.floor(ordinal / 4294967296), true);
  }

  /** Digest of a plain record: keyed by a public constant, over position, binding and content. */
  #plainDigest(framed: Bytes): void {
    const input = new Uint8Array(41 + 32);
    input.set(this.#aad.subarray(32, 41), 0);
    input.set(this.#aad.subarray(0, 32), 9);
    // Two-step: the content first, so that no copy of it is needed to put the position in front.
    this.#kernels.blake3.hash(framed, input.subarray(41), this.#plainKey);
    this.#kernels.blake3.hash(input, this.#digest, this.#plainKey);
  }

  #nonce(kind: Kind, head: Bytes, payload: Bytes, known: Bytes | undefined): Uint8Array {
    const keys = this.#keys!;
    const digest = this.#nonceInput.subarray(9 + HEAD_BYTES);
    if (known !== undefined) digest.set(known);
    else {
      const key = kind === KIND.prologue ? keys.nonceKey : this.#secrets.idKey;
      invariant(key !== undefined, "the id key is unknown");
      this.#kernels.blake3.hash(payload, digest, key);
    }
    this.#nonceInput.set(this.#aad.subarray(32, 41), 0);
    this.#nonceInput.set(head, 9);
    this.#kernels.blake3.hash(this.#nonceInput, this.#digest, keys.nonceKey);
    return this.#digest.slice(0, NONCE_BYTES);
  }

  #mask(nonce: Bytes): Uint8Array {
    this.#kernels.blake3.hash(nonce, this.#digest, this.#keys!.headKey);
    return this.#digest;
  }
}

/** BLAKE3 of the header without its late fields: authenticated by every record and the root. */
export function bindingOf(kernels: KernelSet, header: Bytes): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(32);
  kernels.blake3.hash(header, out);
  return out;
}
