/**
 * LZ4 blocks (no frame): https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 *
 * A block is a list of sequences: token (literal length 4 bits, match length - 4 in 4 bits), more
 * length bytes where a nibble is 15, literals, offset (u16 little-endian, 1..65535), more length
 * bytes. The last sequence has literals only.
 *
 * The decoder is as strict as liblz4's LZ4_decompress_safe: the last 5 bytes are literals, and a
 * match may not start within the last 12 bytes of the output. An offset of 0 is forbidden and
 * `portable` refuses it; liblz4 up to 1.10 does not look, and copies what the output held before.
 * No encoder writes it; chunk ids are checked after decompression.
 *
 * @module
 */
import { invariant } from "../../actors/base/errors.ts";

export const MATCH_BYTES_LEAST = 4;
/** A block ends with this many literals at least. */
export const LAST_LITERALS = 5;
/** No match starts within this many bytes of the end. */
export const MATCH_FIND_LIMIT = 12;
export const OFFSET_MOST = 65535;
/** LZ4_MAX_INPUT_SIZE. */
export const INPUT_BYTES_MAX = 0x7e000000;

/** LZ4_COMPRESSBOUND of lz4.h. */
export function bound(length: number): number {
  invariant(length <= INPUT_BYTES_MAX, "lz4: input is above 2 GB");
  return length + Math.floor(length / 255) + 16;
}
