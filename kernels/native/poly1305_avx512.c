/* Poly1305 for AVX-512: 8 blocks at a time. With WARP_EMULATE_AVX512 compiled for AVX2, for tests. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define RUN poly1305_run_avx512
#define ORDER {0, 4, 1, 5, 2, 6, 3, 7}
#define OPERATION static inline __attribute__((always_inline))
#define PICK __builtin_shufflevector
typedef uint64_t lanes __attribute__((vector_size(64)));

OPERATION lanes times(lanes a, lanes b) {
#if defined(WARP_EMULATE_AVX512)
  return (a & 0xffffffff) * (b & 0xffffffff);
#else
  return (lanes)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#endif
}

OPERATION void load(const uint8_t *input, lanes *low, lanes *high) {
  lanes a, b;
  memcpy(&a, input, 64);
  memcpy(&b, input + 64, 64);
  *low = PICK(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
  *high = PICK(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
}

#include "poly1305_lanes.h"
#endif
