/* ChaCha20 for AVX-512: 16 blocks at a time. With WARP_EMULATE_AVX512 compiled for AVX2, for tests. */
#if defined(__x86_64__)
#include <stdint.h>
#include <string.h>

#define LANES 16
#define CHACHA20_RUN chacha20_run_avx512
#define OPERATION static inline __attribute__((always_inline))
#define PICK __builtin_shufflevector
typedef uint32_t words __attribute__((vector_size(64)));

OPERATION words rotate(words x, const int count) { return x << count | x >> (32 - count); }

/* Within each 128 bits: interleaves the low, or high, words or pairs of words. */
#define LOW32(a, b) PICK(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH32(a, b) PICK(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW64(a, b) PICK(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH64(a, b) PICK(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
/* 128-bit parts 0 and 2, or 1 and 3, of both. */
#define EVEN128(a, b) PICK(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define ODD128(a, b) PICK(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)

OPERATION void mix_block(words block, const uint8_t *input, uint8_t *out) {
  words text;
  memcpy(&text, input, sizeof text);
  text ^= block;
  memcpy(out, &text, sizeof text);
}

OPERATION void mix(const words x[16], const uint8_t *input, uint8_t *out) {
  words part[4][4]; /* [k][quarter]: of block 4p + k in 128-bit part p */
  for (int i = 0; i < 4; i++) {
    const words *r = x + 4 * i;
    const words a = LOW32(r[0], r[1]), b = HIGH32(r[0], r[1]);
    const words c = LOW32(r[2], r[3]), d = HIGH32(r[2], r[3]);
    part[0][i] = LOW64(a, c);
    part[1][i] = HIGH64(a, c);
    part[2][i] = LOW64(b, d);
    part[3][i] = HIGH64(b, d);
  }
  for (int k = 0; k < 4; k++) {
    const words *p = part[k];
    const words even_low = EVEN128(p[0], p[1]), even_high = EVEN128(p[2], p[3]);
    const words odd_low = ODD128(p[0], p[1]), odd_high = ODD128(p[2], p[3]);
    const words block[4] = {EVEN128(even_low, even_high), EVEN128(odd_low, odd_high),
                            ODD128(even_low, even_high), ODD128(odd_low, odd_high)};
    for (int p4 = 0; p4 < 4; p4++) {
      const int at = 64 * (4 * p4 + k);
      mix_block(block[p4], input + at, out + at);
    }
  }
}

#include "chacha20_lanes.h"
#endif
