/* Choosing and finding for AVX2: 8 chunks per step. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define CHOOSE scheduler_choose_avx2
#define FIND scheduler_find_avx2
#define HIT_SHIFT 1
typedef uint32_t words __attribute__((vector_size(32)));
typedef uint16_t pairs __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(32)));
typedef uint16_t narrow __attribute__((vector_size(16)));
#define OPERATION static inline __attribute__((always_inline))

#include "scheduler_avx2.h"

OPERATION void columns(const uint16_t *rows, words out[4]) { columns_of_8(rows, (__m256i *)out); }

OPERATION words gather(const uint32_t *table, words index) {
  return (words)_mm256_i32gather_epi32((const int *)table, (__m256i)index, 4);
}

OPERATION void noise(const noise_table *table, words x[4]) { noise_of_4x8(table, (__m256i *)x); }

OPERATION words smaller_of(words a, words b) {
  return (words)_mm256_min_epi32((__m256i)a, (__m256i)b);
}

OPERATION bytes look_up(bytes table, bytes index) {
  return (bytes)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
}

OPERATION uint32_t top_bits(const uint8_t *memory) {
  return (uint32_t)_mm_movemask_epi8(_mm_loadl_epi64((const __m128i *)memory));
}

OPERATION uint64_t hits(pairs x) {
  const __m256i is_hit = _mm256_cmpgt_epi16((__m256i)x, _mm256_setzero_si256());
  return (uint32_t)_mm256_movemask_epi8(is_hit) & 0x55555555u;
}

#include "scheduler_lanes.h"
#endif
