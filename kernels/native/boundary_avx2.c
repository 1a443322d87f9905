/* The boundary scan for AVX2: two parts, 32 positions per step. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define PARTS 2
#define FIND boundary_find_avx2
typedef uint8_t bytes __attribute__((vector_size(32)));
typedef uint16_t pairs __attribute__((vector_size(32)));
#define OPERATION static inline __attribute__((always_inline))

/* 16 bytes from each of PARTS stretches. */
OPERATION bytes load_parts(const uint8_t *from, size_t stretch) {
  return (bytes)_mm256_loadu2_m128i((const __m128i *)(from + stretch), (const __m128i *)from);
}

OPERATION bytes look_up(bytes table, bytes index) {
  return (bytes)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
}

/* In each part, the last `count` bytes of `before` and then those of `now`. */
OPERATION bytes shift_in(bytes now, bytes before, const int count) {
  switch (count) {
    case 2: return (bytes)_mm256_alignr_epi8((__m256i)now, (__m256i)before, 14);
    case 4: return (bytes)_mm256_alignr_epi8((__m256i)now, (__m256i)before, 12);
    default: return (bytes)_mm256_alignr_epi8((__m256i)now, (__m256i)before, 8);
  }
}

OPERATION bytes interleave_low(bytes a, bytes b) {
  return (bytes)_mm256_unpacklo_epi8((__m256i)a, (__m256i)b);
}

OPERATION bytes interleave_high(bytes a, bytes b) {
  return (bytes)_mm256_unpackhi_epi8((__m256i)a, (__m256i)b);
}

/* One bit per lane of all ones; packing with saturation gives a byte of ones for no other. */
OPERATION void store_hits(bytes a, bytes b, uint16_t *hits, size_t stride) {
  const __m256i packed = _mm256_packs_epi16((__m256i)a, (__m256i)b);
  const __m256i is_hit = _mm256_cmpeq_epi8(packed, _mm256_set1_epi8(-1));
  const uint32_t bits = (uint32_t)_mm256_movemask_epi8(is_hit);
  hits[0] = (uint16_t)bits;
  hits[stride] = (uint16_t)(bits >> 16);
}

#include "boundary_lanes.h"
#endif
