/* ChaCha20 for AVX2: 8 blocks at a time. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define CHACHA20_RUN chacha20_run_avx2
#define OPERATION static inline __attribute__((always_inline))
typedef uint32_t words __attribute__((vector_size(32)));

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

/* The same half of both. */
OPERATION void mix_half(__m256i low, __m256i high, const int half, const uint8_t *input,
                        uint8_t *out) {
  const __m256i part = half == 0 ? _mm256_permute2x128_si256(low, high, 0x20)
                                 : _mm256_permute2x128_si256(low, high, 0x31);
  const __m256i text = _mm256_loadu_si256((const __m256i *)input);
  _mm256_storeu_si256((__m256i *)out, _mm256_xor_si256(text, part));
}

OPERATION void mix(const words x[16], const uint8_t *input, uint8_t *out) {
  __m256i part[4][4]; /* [k][quarter]: of blocks k and 4 + k, in the low and the high half */
  for (int i = 0; i < 4; i++) {
    const __m256i *r = (const __m256i *)x + 4 * i;
    const __m256i a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpackhi_epi32(r[0], r[1]);
    const __m256i c = _mm256_unpacklo_epi32(r[2], r[3]), d = _mm256_unpackhi_epi32(r[2], r[3]);
    part[0][i] = _mm256_unpacklo_epi64(a, c);
    part[1][i] = _mm256_unpackhi_epi64(a, c);
    part[2][i] = _mm256_unpacklo_epi64(b, d);
    part[3][i] = _mm256_unpackhi_epi64(b, d);
  }
  for (int k = 0; k < 4; k++) {
    const __m256i *p = part[k];
    for (int half = 0; half < 2; half++) {
      const int at = 64 * (4 * half + k);
      mix_half(p[0], p[1], half, input + at, out + at);
      mix_half(p[2], p[3], half, input + at + 32, out + at + 32);
    }
  }
}

#include "chacha20_lanes.h"
#endif
