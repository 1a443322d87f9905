/* Poly1305 for AVX2: 4 blocks at a time. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define LANES 4
#define RUN poly1305_run_avx2
#define ORDER {0, 2, 1, 3}
#define OPERATION static inline __attribute__((always_inline))
typedef uint64_t lanes __attribute__((vector_size(32)));

OPERATION lanes times(lanes a, lanes b) {
  return (lanes)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}

OPERATION void load(const uint8_t *input, lanes *low, lanes *high) {
  const __m256i a = _mm256_loadu_si256((const __m256i *)input);
  const __m256i b = _mm256_loadu_si256((const __m256i *)(input + 32));
  *low = (lanes)_mm256_unpacklo_epi64(a, b);
  *high = (lanes)_mm256_unpackhi_epi64(a, b);
}

#include "poly1305_lanes.h"
#endif
