/* BLAKE3 for AVX-512: 16 lanes. With WARP_EMULATE_AVX512 compiled for AVX2, for tests. */
#if defined(__x86_64__)
#include <stdint.h>
#include <string.h>

#define LANES 16
#define RUN blake3_run_avx512
#define OPERATION static inline __attribute__((always_inline))
#define PICK __builtin_shufflevector
typedef uint32_t words __attribute__((vector_size(64)));

OPERATION words rotate_right(words x, const int count) { return x >> count | x << (32 - count); }

/* Within each 128 bits: interleaves the low, or high, words or pairs of words. */
#define LOW32(a, b) PICK(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH32(a, b) PICK(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW64(a, b) PICK(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH64(a, b) PICK(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
/* 128-bit parts 0 and 2, or 1 and 3, of both. */
#define EVEN128(a, b) PICK(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define ODD128(a, b) PICK(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)

OPERATION void transpose(words m[16], const uint8_t *const from[LANES]) {
  words r[16], t[16];
  for (int lane = 0; lane < 16; lane++) memcpy(&r[lane], from[lane], 64);
  for (int i = 0; i < 16; i += 2) {
    t[i] = LOW32(r[i], r[i + 1]);
    t[i + 1] = HIGH32(r[i], r[i + 1]);
  }
  /* r[4g + j]: in its 128-bit part p, word 4p + j of lanes 4g to 4g + 3. */
  for (int i = 0; i < 16; i += 4) {
    r[i] = LOW64(t[i], t[i + 2]);
    r[i + 1] = HIGH64(t[i], t[i + 2]);
    r[i + 2] = LOW64(t[i + 1], t[i + 3]);
    r[i + 3] = HIGH64(t[i + 1], t[i + 3]);
  }
  for (int j = 0; j < 4; j++) {
    const words even_low = EVEN128(r[j], r[4 + j]), even_high = EVEN128(r[8 + j], r[12 + j]);
    const words odd_low = ODD128(r[j], r[4 + j]), odd_high = ODD128(r[8 + j], r[12 + j]);
    m[j] = EVEN128(even_low, even_high);
    m[4 + j] = EVEN128(odd_low, odd_high);
    m[8 + j] = ODD128(even_low, even_high);
    m[12 + j] = ODD128(odd_low, odd_high);
  }
}

#include "blake3_lanes.h"
#endif
