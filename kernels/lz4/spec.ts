/**
 * LZ4 blocks (no frame): https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 *
 * A block is a list of sequences: token (literal length 4 bits, match length - 4 in 4 bits), more
 * length bytes where a nibble is 15, literals, offset (u16 little-endian, 1..65535), more length
 * bytes. The last sequence has literals only.
 *
 * The last 5 bytes of a block are literals, a match may not start within the last 12 bytes of the
 * output, and an offset of 0 is forbidden. `portable` refuses what breaks these rules. liblz4 reads
 * an offset of 0 as zeros, and misses some blocks that end against the rules; no encoder writes
 * either, and what comes out depends on the block alone.
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

/** Below this, the TypeScript code copies in a loop: faster than a call of the typed array. */
export const SHORT_COPY_BYTES = 24;

/** LZ4_COMPRESSBOUND of lz4.h. */
export function bound(length: number): number {
  invariant(length <= INPUT_BYTES_MAX, "lz4: input is above 2 GB");
  return length + Math.floor(length / 255) + 16;
}
