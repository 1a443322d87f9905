/**
 * THE definition of Warp's content-defined chunk boundaries. Every backend gives these cuts, byte
 * for byte.
 *
 * **Hash.** Buzhash, 32 bits, window w = 48 bytes. With a table of 32 words, a byte b stands for
 *
 *     T[b] = table[b >> 4] ^ table[16 + (b & 15)]
 *
 * and at position i of the stream, which must have 47 bytes before it,
 *
 *     hash(i) = XOR over k = 0..47 of rotl32(T[byte(i - k)], k)
 *
 * It depends on the last 48 bytes alone, hence cuts resynchronise after an edit. Rolling form:
 *
 *     hash(i) = rotl32(hash(i - 1), 1) ^ T[byte(i)] ^ rotl32(T[byte(i - 48)], 48)
 *
 * **Cut.** A chunk starts at s, the first byte after the last cut. Its end e (exclusive) is the
 * smallest that satisfies, with length L = e - s, one of
 *
 * - L >= min, L < avg and (hash(e - 1) & strict) == strict, strict = 2^(avgBits + 2) - 1;
 * - L >= min, L >= avg and (hash(e - 1) & loose) == loose, loose = 2^(avgBits - 2) - 1;
 * - L == max;
 * - the input ends at e.
 *
 * Here avg = 2^avgBits. The two masks pull lengths towards avg ("normalised chunking", FastCDC 2016
 * §3.4, level 2). All ones rather than all zeros are asked for, so that runs of equal bytes, whose
 * hash is 0 or nearly so, never match by accident.
 *
 * Since min >= 64 > 48 the window lies within the chunk: the hash need not be reset at cuts, and
 * the first min - 48 bytes of a chunk need not be hashed.
 *
 * The split of T into nibbles costs no measurable dedup against 256 random words and lets SIMD
 * backends look it up with byte shuffles.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant } from "../../actors/base/errors.ts";
import type { BoundaryParams } from "../kernel.ts";

export const WINDOW_BYTES = 48;
export const MIN_BYTES_LEAST = 64;
export const MAX_BYTES_MOST = 64 * 1024 * 1024;
export const AVG_BITS_LEAST = 8;
export const AVG_BITS_MOST = 24;
export const TABLE_WORDS = 32;

/**
 * The table of plain archives: the first 128 bytes of BLAKE3("warp/boundary/v1 default table") as
 * little-endian words.
 */
// deno-fmt-ignore
const DEFAULT_TABLE: readonly number[] = [
  0x88155e12, 0xb8b66313, 0xdf2f04bc, 0xb5079881, 0x484a885d, 0x78a641c5, 0x29d09fc9, 0x17a24259,
  0x3f49316d, 0xa1bfecc8, 0x1dcd2b3b, 0xc50758e8, 0xc108771a, 0x1e925d76, 0x825ee7ce, 0xc19ab09e,
  0x3ecff26c, 0xd45f45e1, 0xe966af17, 0x35d3aadb, 0x48b383ab, 0xb87f1694, 0xc3c3c1e9, 0xa89d4dcd,
  0xc0e657b3, 0xbaa4f66f, 0xa7ab6472, 0xf04d7845, 0x249d4e8d, 0x52805e46, 0x638db1f9, 0x1ff28450,
];

export function defaultTable(): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(DEFAULT_TABLE);
}

/** A table from 128 bytes of keyed material: 32 little-endian words. */
export function tableFromBytes(material: Bytes): Uint32Array<ArrayBuffer> {
  invariant(material.length === 4 * TABLE_WORDS, "boundary: table material must be 128 bytes");
  const view = new DataView(material.buffer, material.byteOffset, material.byteLength);
  return Uint32Array.from({ length: TABLE_WORDS }, (_, i) => view.getUint32(4 * i, true));
}

/** The inverse of {@link tableFromBytes}. */
export function tableToBytes(table: Uint32Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(4 * table.length);
  const view = new DataView(out.buffer);
  table.forEach((word, i) => view.setUint32(4 * i, word, true));
  return out;
}

/** Average in bytes and the two masks. Fails for parameters outside the definition. */
export function checkParams(
  params: BoundaryParams,
): { avg: number; strict: number; loose: number } {
  const { avgBits, min, max, table } = params;
  invariant(
    Number.isInteger(avgBits) && avgBits >= AVG_BITS_LEAST && avgBits <= AVG_BITS_MOST,
    "boundary: avgBits must be 8..24",
  );
  const avg = 2 ** avgBits;
  invariant(
    Number.isInteger(min) && Number.isInteger(max) && min >= MIN_BYTES_LEAST && min <= avg &&
      avg <= max && max <= MAX_BYTES_MOST,
    "boundary: 64 <= min <= avg <= max <= 64 MiB must hold",
  );
  invariant(table.length === TABLE_WORDS, "boundary: the table must have 32 words");
  return { avg, strict: 2 ** (avgBits + 2) - 1, loose: 2 ** (avgBits - 2) - 1 };
}
