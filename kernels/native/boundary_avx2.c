/* The boundary scan for AVX2: 8 lanes, 32 bytes per step. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define FIND boundary_find_avx2
typedef uint32_t words __attribute__((vector_size(32)));
typedef uint16_t pairs __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(32)));
#define OPERATION static inline __attribute__((always_inline))

/* `count` lanes of `before` and then those of `now`. */
OPERATION words shift_in(words now, words before, const int count) {
  const __m256i middle = _mm256_permute2x128_si256((__m256i)before, (__m256i)now, 0x21);
  switch (count) {
    case 1: return (words)_mm256_alignr_epi8((__m256i)now, middle, 12);
    case 2: return (words)_mm256_alignr_epi8((__m256i)now, middle, 8);
    case 4: return (words)middle;
    default: return before;
  }
}

/* By 8 and 16 with one byte shuffle, else with two shifts. */
OPERATION words rotate(words x, const int count) {
  const __m256i by8 = _mm256_setr_epi8(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,  //
                                       3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
  const __m256i by16 = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,  //
                                        2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  if (count == 8) return (words)_mm256_shuffle_epi8((__m256i)x, by8);
  if (count == 16) return (words)_mm256_shuffle_epi8((__m256i)x, by16);
  return x << count | x >> (32 - count);
}

OPERATION bytes look_up(bytes table, bytes index) {
  return (bytes)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
}

/* Orders groups of 4 bytes so that gather(), which works within 128 bits, gives them back in order:
 * even groups to the low half, odd ones to the high half. */
OPERATION bytes spread(bytes x) {
  const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  return (bytes)_mm256_permutevar8x32_epi32((__m256i)x, order);
}

/* Words from their four byte planes; sums[q] holds positions 8q to 8q + 7. */
OPERATION void gather(const bytes plane[4], words sums[4]) {
  const __m256i *p = (const __m256i *)plane;
  const __m256i a = _mm256_unpacklo_epi8(p[0], p[1]), b = _mm256_unpackhi_epi8(p[0], p[1]);
  const __m256i c = _mm256_unpacklo_epi8(p[2], p[3]), d = _mm256_unpackhi_epi8(p[2], p[3]);
  sums[0] = (words)_mm256_unpacklo_epi16(a, c);
  sums[1] = (words)_mm256_unpackhi_epi16(a, c);
  sums[2] = (words)_mm256_unpacklo_epi16(b, d);
  sums[3] = (words)_mm256_unpackhi_epi16(b, d);
}

/* One bit per lane where all bits of the mask are set. */
OPERATION uint32_t matches(words hash, words mask) {
  const __m256i equal = _mm256_cmpeq_epi32((__m256i)(hash & mask), (__m256i)mask);
  return (uint32_t)_mm256_movemask_ps((__m256)equal);
}

#include "boundary_lanes.h"
#endif
