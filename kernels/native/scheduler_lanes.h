/* Choosing and finding in SIMD, for LANES 32-bit lanes (8 or 16), a chunk in each.
 *
 * The including file defines LANES, CHOOSE and FIND (the functions' names), OPERATION (inline), the
 * vector types `words` (LANES of u32), `pairs` (u16), `bytes` (u8), `narrow` (u16, half as long),
 * and the operations on them:
 *
 *   columns(rows, out)     LANES rows of 8 u16 to 4 vectors of u32, column by column
 *   gather(table, index)   32-bit table look-up in memory
 *   noise(table, x)        four vectors: entry x >> 27 of 32 instead of x
 *   smaller_of(a, b)       minimum, below 2^31
 *   look_up(table, index)  byte shuffle within 128 bits; 0 where the index has its top bit
 *   top_bits(bytes)        LANES top bits
 *   hits(pairs)            the u16 lanes that are not 0: bits at (lane << HIT_SHIFT) */
#include "scheduler.h"

/* The smallest key of each lane's four candidates in two columns. */
OPERATION words least_key(const uint32_t *table, const noise_table *noises, words hash,
                          const words column[2]) {
  words word[4], noised[4];
  for (int i = 0; i < 4; i++) {
    word[i] = gather(table, i % 2 == 0 ? column[i / 2] & 0xffff : column[i / 2] >> 16);
    noised[i] = hash * (word[i] & 0x1fff);
  }
  noise(noises, noised);
  words least = {};
  for (int i = 0; i < 4; i++) {
    const words edge = i % 2 == 0 ? column[i / 2] & 0xffff : column[i / 2] >> 16;
    const words key = (((word[i] >> 13) + noised[i]) << 12) | edge;
    least = i == 0 ? key : smaller_of(least, key);
  }
  return least;
}

void CHOOSE(struct scheduler *s, size_t first, size_t count) {
  const noise_table noises = load_noise(scheduler_noise);
  const uint32_t *table = s->words;
  words hash;
  for (uint32_t lane = 0; lane < LANES; lane++) hash[lane] = scheduler_hash(s, first + lane);
  for (size_t at = first; at < first + count; at += LANES) {
    words column[4];
    columns(s->candidates + CANDIDATES * at, column);
    const words least = smaller_of(least_key(table, &noises, hash, column),
                                   least_key(table, &noises, hash, column + 2));
    hash += LANES * CHUNK_HASH;

    /* All ones where there is none: NO_EDGE. */
    const words none = (words)(least >= KEY_NONE);
    const narrow edge = __builtin_convertvector((least & 0xfff) | none, narrow);
    uint16_t chosen[LANES];
    memcpy(chosen, &edge, sizeof edge);
    /* ABSENT slots have no candidates; DISPATCHED ones stay. */
    for (uint32_t bits = top_bits(s->meta + at); bits != 0; bits &= bits - 1) {
      const uint32_t lane = (uint32_t)__builtin_ctz(bits);
      chosen[lane] = s->assigned[at + lane];
    }
    memcpy(s->assigned + at, chosen, sizeof chosen);
  }
}

OPERATION bytes repeat(const uint8_t *table) {
  bytes out;
  for (uint32_t i = 0; i < sizeof out; i++) out[i] = table[i & 15];
  return out;
}

uint32_t FIND(const uint16_t *assigned, uint32_t count, const struct edge_filter *filter,
              uint16_t *found) {
  const bytes low = repeat(filter->low), middle = repeat(filter->middle);
  const bytes high = repeat(filter->high);
  uint32_t n = 0;
  for (uint32_t at = 0; at < count; at += 2 * LANES) {
    pairs edge;
    memcpy(&edge, assigned + at, sizeof edge);
    /* The upper byte of a lane looks up entry 0, which the mask drops. NO_EDGE has 0xff as its
     * third digit and finds nothing there. */
    bytes common = look_up(low, (bytes)(edge & 15));
    common &= look_up(middle, (bytes)(edge >> 4 & 15));
    common &= look_up(high, (bytes)(edge >> 8));
    for (uint64_t bits = hits((pairs)common & 0xff); bits != 0; bits &= bits - 1)
      found[n++] = (uint16_t)(at + ((uint32_t)__builtin_ctzll(bits) >> HIT_SHIFT));
  }
  return n;
}
