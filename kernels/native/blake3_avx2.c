/* BLAKE3 for AVX2: 8 lanes. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define RUN blake3_run_avx2
#define OPERATION static inline __attribute__((always_inline))
typedef uint32_t words __attribute__((vector_size(32)));

/* By 8 and 16 with one byte shuffle, else with two shifts. */
OPERATION words rotate_right(words x, const int count) {
  const __m256i by8 = _mm256_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12,  //
                                       1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
  const __m256i by16 = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,  //
                                        2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  if (count == 8) return (words)_mm256_shuffle_epi8((__m256i)x, by8);
  if (count == 16) return (words)_mm256_shuffle_epi8((__m256i)x, by16);
  return x >> count | x << (32 - count);
}

/* 8 words of 8 lanes. */
OPERATION void transpose8(words m[8], const uint8_t *const from[LANES], int at) {
  __m256i r[8], t[8];
  for (int lane = 0; lane < 8; lane++)
    r[lane] = _mm256_loadu_si256((const __m256i *)(from[lane] + at));
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int j = 0; j < 4; j++) {
    m[j] = (words)_mm256_permute2x128_si256(r[j], r[4 + j], 0x20);
    m[4 + j] = (words)_mm256_permute2x128_si256(r[j], r[4 + j], 0x31);
  }
}

OPERATION void transpose(words m[16], const uint8_t *const from[LANES]) {
  transpose8(m, from, 0);
  transpose8(m + 8, from, 32);
}

#include "blake3_lanes.h"
#endif
