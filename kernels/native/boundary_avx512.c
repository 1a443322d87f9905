/* The boundary scan for AVX-512 (F and BW): 16 lanes, 64 bytes per step.
 *
 * With WARP_EMULATE_AVX512 the same steps are compiled for AVX2, so that they can be tested on a
 * machine without AVX-512. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define FIND boundary_find_avx512
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint8_t bytes __attribute__((vector_size(64)));
typedef uint16_t pairs __attribute__((vector_size(64)));
#define OPERATION static inline __attribute__((always_inline))
#define PICK __builtin_shufflevector

/* `count` lanes of `before` and then those of `now`. */
OPERATION words shift_in(words now, words before, const int count) {
  switch (count) {
    case 1: return PICK(before, now, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
    case 2: return PICK(before, now, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
    case 4: return PICK(before, now, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27);
    default: return PICK(before, now, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
  }
}

OPERATION words rotate(words x, const int count) { return x << count | x >> (32 - count); }

OPERATION bytes look_up(bytes table, bytes index) {
#if defined(WARP_EMULATE_AVX512)
  const __m256i *t = (const __m256i *)&table, *i = (const __m256i *)&index;
  __m256i out[2] = {_mm256_shuffle_epi8(t[0], i[0]), _mm256_shuffle_epi8(t[1], i[1])};
  return *(bytes *)out;
#else
  return (bytes)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
#endif
}

/* Orders groups of 4 bytes so that gather(), which works within 128 bits, gives them back in order. */
OPERATION bytes spread(bytes x) {
  const words w = (words)x;
  return (bytes)PICK(w, w, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

/* Interleaves the low, or high, halves of each 128 bits. */
#define LOW8(a, b)                                                                                \
  PICK(a, b, 0, 64, 1, 65, 2, 66, 3, 67, 4, 68, 5, 69, 6, 70, 7, 71, 16, 80, 17, 81, 18, 82, 19,  \
       83, 20, 84, 21, 85, 22, 86, 23, 87, 32, 96, 33, 97, 34, 98, 35, 99, 36, 100, 37, 101, 38,  \
       102, 39, 103, 48, 112, 49, 113, 50, 114, 51, 115, 52, 116, 53, 117, 54, 118, 55, 119)
#define HIGH8(a, b)                                                                               \
  PICK(a, b, 8, 72, 9, 73, 10, 74, 11, 75, 12, 76, 13, 77, 14, 78, 15, 79, 24, 88, 25, 89, 26,    \
       90, 27, 91, 28, 92, 29, 93, 30, 94, 31, 95, 40, 104, 41, 105, 42, 106, 43, 107, 44, 108,   \
       45, 109, 46, 110, 47, 111, 56, 120, 57, 121, 58, 122, 59, 123, 60, 124, 61, 125, 62, 126,  \
       63, 127)
#define LOW16(a, b)                                                                               \
  PICK(a, b, 0, 32, 1, 33, 2, 34, 3, 35, 8, 40, 9, 41, 10, 42, 11, 43, 16, 48, 17, 49, 18, 50,    \
       19, 51, 24, 56, 25, 57, 26, 58, 27, 59)
#define HIGH16(a, b)                                                                              \
  PICK(a, b, 4, 36, 5, 37, 6, 38, 7, 39, 12, 44, 13, 45, 14, 46, 15, 47, 20, 52, 21, 53, 22, 54,  \
       23, 55, 28, 60, 29, 61, 30, 62, 31, 63)

/* Words from their four byte planes; sums[q] holds positions 16q to 16q + 15. */
OPERATION void gather(const bytes plane[4], words sums[4]) {
  const pairs a = (pairs)LOW8(plane[0], plane[1]), b = (pairs)HIGH8(plane[0], plane[1]);
  const pairs c = (pairs)LOW8(plane[2], plane[3]), d = (pairs)HIGH8(plane[2], plane[3]);
  sums[0] = (words)LOW16(a, c);
  sums[1] = (words)HIGH16(a, c);
  sums[2] = (words)LOW16(b, d);
  sums[3] = (words)HIGH16(b, d);
}

/* One bit per lane where all bits of the mask are set. */
OPERATION uint32_t matches(words hash, words mask) {
#if defined(WARP_EMULATE_AVX512)
  const words equal = (words)((hash & mask) == mask);
  const __m256 *half = (const __m256 *)&equal;
  return (uint32_t)_mm256_movemask_ps(half[0]) | (uint32_t)_mm256_movemask_ps(half[1]) << 8;
#else
  return _mm512_cmpeq_epi32_mask((__m512i)(hash & mask), (__m512i)mask);
#endif
}

#include "boundary_lanes.h"
#endif
