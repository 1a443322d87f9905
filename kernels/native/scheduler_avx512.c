/* Choosing and finding for AVX-512 (F and BW): 16 chunks per step.
 *
 * With WARP_EMULATE_AVX512 the same steps are compiled for AVX2, in halves where there is an
 * instruction of its own, so that they can be tested on a machine without AVX-512. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define CHOOSE scheduler_choose_avx512
#define FIND scheduler_find_avx512
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint16_t pairs __attribute__((vector_size(64)));
typedef uint8_t bytes __attribute__((vector_size(64)));
typedef uint16_t narrow __attribute__((vector_size(32)));
#define OPERATION static inline __attribute__((always_inline))
#define PICK __builtin_shufflevector

/* Rows of 4 words to 4 columns: pairs of rows are interleaved twice. */
OPERATION void columns(const uint16_t *rows, words out[4]) {
  words r[4];
  __builtin_memcpy(r, rows, sizeof r);
  /* Each r[i] has rows 4i to 4i + 3; these have columns 0 and 1, 2 and 3 of rows 0-7 and 8-15. */
  const words a = PICK(r[0], r[1], 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
  const words b = PICK(r[2], r[3], 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
  const words c = PICK(r[0], r[1], 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
  const words d = PICK(r[2], r[3], 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
  out[0] = PICK(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  out[1] = PICK(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  out[2] = PICK(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  out[3] = PICK(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}

#if defined(WARP_EMULATE_AVX512)
#define HIT_SHIFT 1
#include "scheduler_avx2.h"

/* One operation on each half. */
#define HALVES(type, x, y, expression)                                          \
  type out;                                                                     \
  for (int half = 0; half < 2; half++) {                                        \
    const __m256i p = ((const __m256i *)&x)[half], q = ((const __m256i *)&y)[half]; \
    ((__m256i *)&out)[half] = expression;                                       \
    (void)p, (void)q;                                                           \
  }                                                                             \
  return out

OPERATION words gather(const uint32_t *table, words index) {
  HALVES(words, index, index, _mm256_i32gather_epi32((const int *)table, p, 4));
}

OPERATION void noise(const noise_table *table, words x[4]) {
  for (int half = 0; half < 2; half++) {
    __m256i y[4];
    for (int i = 0; i < 4; i++) y[i] = ((const __m256i *)&x[i])[half];
    noise_of_4x8(table, y);
    for (int i = 0; i < 4; i++) ((__m256i *)&x[i])[half] = y[i];
  }
}

OPERATION words smaller_of(words a, words b) { HALVES(words, a, b, _mm256_min_epi32(p, q)); }

OPERATION bytes look_up(bytes table, bytes index) {
  HALVES(bytes, table, index, _mm256_shuffle_epi8(p, q));
}

OPERATION uint64_t hits(pairs x) {
  uint64_t bits = 0;
  for (int half = 0; half < 2; half++) {
    const __m256i is_hit = _mm256_cmpgt_epi16(((const __m256i *)&x)[half], _mm256_setzero_si256());
    bits |= (uint64_t)((uint32_t)_mm256_movemask_epi8(is_hit) & 0x55555555u) << (32 * half);
  }
  return bits;
}

#else
#define HIT_SHIFT 0

/* 32 entries in two registers. */
typedef struct {
  __m512i low, high;
} noise_table;

OPERATION noise_table load_noise(const uint32_t *entries) {
  return (noise_table){_mm512_loadu_si512(entries), _mm512_loadu_si512(entries + 16)};
}

OPERATION void noise(const noise_table *table, words x[4]) {
  for (int i = 0; i < 4; i++)
    x[i] = (words)_mm512_permutex2var_epi32(table->low, (__m512i)(x[i] >> 27), table->high);
}

OPERATION words gather(const uint32_t *table, words index) {
  return (words)_mm512_i32gather_epi32((__m512i)index, table, 4);
}

OPERATION words smaller_of(words a, words b) {
  return (words)_mm512_min_epi32((__m512i)a, (__m512i)b);
}

OPERATION bytes look_up(bytes table, bytes index) {
  return (bytes)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
}

OPERATION uint64_t hits(pairs x) { return _mm512_test_epi16_mask((__m512i)x, (__m512i)x); }
#endif

OPERATION uint32_t top_bits(const uint8_t *memory) {
  return (uint32_t)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)memory));
}

#include "scheduler_lanes.h"
#endif
