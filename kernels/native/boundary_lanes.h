/* The boundary scan in SIMD, for LANES 32-bit lanes (8 or 16) and 4 * LANES bytes per step.
 *
 * With S1(i) = T[byte(i)] and S2m(i) = Sm(i) ^ rotl(Sm(i - m), m), four doublings give S16, and
 *
 *     hash(i) = S16(i) ^ rotl(S16(i - 16), 16) ^ S16(i - 32)
 *
 * since rotl by 32 is none. Lanes are neighbouring positions; nothing rolls, so nothing waits.
 * T[b] = table[b >> 4] ^ table[16 + (b & 15)] is looked up with eight byte shuffles, one per byte of
 * the word and nibble. The first 47 positions after a start are void: not all their window is seen.
 *
 * The including file defines LANES, FIND (the function's name), OPERATION (inline), the vector types
 * `words` (LANES of u32), `pairs` (u16) and `bytes` (u8), and the operations shift_in, rotate, look_up,
 * spread, gather and matches on them. */
#include <string.h>

#include "boundary.h"

#define BLOCK (4 * LANES)

/* 16 bytes in every 128-bit part. */
OPERATION bytes shuffle_table(const uint32_t *table, int byte) {
  bytes out;
  for (int i = 0; i < BLOCK; i++) out[i] = (uint8_t)(table[i & 15] >> (8 * byte));
  return out;
}

/* What a step needs of the ones before: S1, S2, S4, S8 of the last vector, S16 of the last
 * 32 / LANES vectors, last first. */
struct history {
  words s1, s2, s4, s8, s16[32 / LANES];
};

/* Hash of LANES positions from their S1. */
OPERATION words doubling(struct history *before, words s1) {
  const words s2 = s1 ^ rotate(shift_in(s1, before->s1, 1), 1);
  const words s4 = s2 ^ rotate(shift_in(s2, before->s2, 2), 2);
  const words s8 = s4 ^ rotate(shift_in(s4, before->s4, 4), 4);
  const words s16 = s8 ^ rotate(shift_in(s8, before->s8, 8), 8);
  before->s1 = s1;
  before->s2 = s2;
  before->s4 = s4;
  before->s8 = s8;
  const words hash = s16 ^ rotate(before->s16[16 / LANES - 1], 16) ^ before->s16[32 / LANES - 1];
  for (int i = 32 / LANES - 1; i > 0; i--) before->s16[i] = before->s16[i - 1];
  before->s16[0] = s16;
  return hash;
}

size_t FIND(const struct boundary_scan *scan, size_t first, size_t turn, size_t limit) {
  const uint8_t *input = scan->input;
  bytes high[4], low[4];
  for (int byte = 0; byte < 4; byte++) {
    high[byte] = shuffle_table(scan->table, byte);
    low[byte] = shuffle_table(scan->table + 16, byte);
  }
  struct history before;
  memset(&before, 0, sizeof before);
  const size_t start = first + 1 - WINDOW;
  for (size_t at = start; at < limit; at += BLOCK) {
    bytes data;
    if (at + BLOCK <= scan->length) {
      memcpy(&data, input + at, BLOCK);
    } else {
      uint8_t padded[BLOCK] = {0};
      memcpy(padded, input + at, scan->length - at);
      memcpy(&data, padded, BLOCK);
    }
    data = spread(data);
    /* There is no shift of bytes: shift pairs and drop what came in. */
    const bytes low_nibble = data & 15, high_nibble = (bytes)((pairs)data >> 4) & 15;
    bytes plane[4];
    for (int byte = 0; byte < 4; byte++)
      plane[byte] = look_up(low[byte], low_nibble) ^ look_up(high[byte], high_nibble);
    words sums[4];
    gather(plane, sums);

    const words mask = (words){} + (at + BLOCK <= turn ? scan->strict : scan->loose);
    uint64_t hits = 0;
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++)
      hits |= (uint64_t)matches(doubling(&before, sums[q]), mask) << (LANES * q);
    if (__builtin_expect(hits == 0, 1)) continue;
    for (; hits != 0; hits &= hits - 1) {
      const size_t position = at + (size_t)__builtin_ctzll(hits);
      if (position < first) continue;
      if (position >= limit) return 0;
      /* The block around `turn` was tested with the loose mask. */
      if (position < turn &&
          (boundary_hash(scan, position) & scan->strict) != scan->strict)
        continue;
      return position + 1;
    }
  }
  return 0;
}
