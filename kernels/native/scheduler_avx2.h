/* Operations on 8 lanes of the AVX2 code, and of the 512-bit code where it is compiled for AVX2. */
#ifndef WARP_SCHEDULER_AVX2_H
#define WARP_SCHEDULER_AVX2_H
#include <immintrin.h>
#include <stdint.h>

/* 8 rows of 4 words to 4 columns. */
static inline __attribute__((always_inline)) void columns_of_8(const uint16_t *rows,
                                                               __m256i out[4]) {
  __m256i pair[4];
  for (int i = 0; i < 4; i++) {
    const __m128i low = _mm_loadu_si128((const __m128i *)(rows + 8 * i));
    const __m128i high = _mm_loadu_si128((const __m128i *)(rows + 8 * (i + 4)));
    pair[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  const __m256i a = _mm256_unpacklo_epi32(pair[0], pair[1]);
  const __m256i b = _mm256_unpackhi_epi32(pair[0], pair[1]);
  const __m256i c = _mm256_unpacklo_epi32(pair[2], pair[3]);
  const __m256i d = _mm256_unpackhi_epi32(pair[2], pair[3]);
  out[0] = _mm256_unpacklo_epi64(a, c);
  out[1] = _mm256_unpackhi_epi64(a, c);
  out[2] = _mm256_unpacklo_epi64(b, d);
  out[3] = _mm256_unpackhi_epi64(b, d);
}

/* 32 entries: bytes 0 and 1 of entries 0-15 and 16-31, the same in both halves. */
typedef struct {
  __m256i low[2], high[2];
} noise_table;

static inline __attribute__((always_inline)) noise_table load_noise(const uint32_t *entries) {
  noise_table table;
  for (int part = 0; part < 2; part++) {
    uint8_t low[32], high[32];
    for (int i = 0; i < 32; i++) {
      low[i] = (uint8_t)entries[16 * part + i % 16];
      high[i] = (uint8_t)(entries[16 * part + i % 16] >> 8);
    }
    table.low[part] = _mm256_loadu_si256((const __m256i *)low);
    table.high[part] = _mm256_loadu_si256((const __m256i *)high);
  }
  return table;
}

/* Entry x >> 27 of each lane of four vectors, by byte shuffles on the top bytes of all of them: a
 * permutation of words would need eight for each vector. */
static inline __attribute__((always_inline)) void noise_of_4x8(const noise_table *table,
                                                               __m256i x[4]) {
  for (int i = 0; i < 4; i++) x[i] = _mm256_srli_epi32(x[i], 24);
  const __m256i top = _mm256_packus_epi16(_mm256_packus_epi32(x[0], x[1]),
                                          _mm256_packus_epi32(x[2], x[3]));
  /* The upper bit of the index is the top bit, by which the blend picks. */
  const __m256i index = _mm256_and_si256(_mm256_srli_epi16(top, 3), _mm256_set1_epi8(15));
  const __m256i low = _mm256_blendv_epi8(_mm256_shuffle_epi8(table->low[0], index),
                                         _mm256_shuffle_epi8(table->low[1], index), top);
  const __m256i high = _mm256_blendv_epi8(_mm256_shuffle_epi8(table->high[0], index),
                                          _mm256_shuffle_epi8(table->high[1], index), top);
  /* Unpacking undoes packing: both work within halves. */
  const __m256i zero = _mm256_setzero_si256();
  const __m256i first = _mm256_unpacklo_epi8(low, high), second = _mm256_unpackhi_epi8(low, high);
  x[0] = _mm256_unpacklo_epi16(first, zero);
  x[1] = _mm256_unpackhi_epi16(first, zero);
  x[2] = _mm256_unpacklo_epi16(second, zero);
  x[3] = _mm256_unpackhi_epi16(second, zero);
}

#endif
