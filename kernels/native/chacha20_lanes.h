/* ChaCha20 with LANES blocks side by side: lane j of vector w is word w of block j. Included by one file
 * for each width. */
#include <string.h>

#include "chacha20.h"

typedef uint32_t lanes_t __attribute__((vector_size(4 * LANES)));

static inline lanes_t rotl(lanes_t x, int k) { return x << k | x >> (32 - k); }

#define QUARTER(a, b, c, d) \
  a += b;                   \
  d = rotl(d ^ a, 16);      \
  c += d;                   \
  b = rotl(b ^ c, 12);      \
  a += b;                   \
  d = rotl(d ^ a, 8);       \
  c += d;                   \
  b = rotl(b ^ c, 7);

static inline void rounds(lanes_t x[16]) {
  for (int i = 0; i < 10; i++) {
    QUARTER(x[0], x[4], x[8], x[12])
    QUARTER(x[1], x[5], x[9], x[13])
    QUARTER(x[2], x[6], x[10], x[14])
    QUARTER(x[3], x[7], x[11], x[15])
    QUARTER(x[0], x[5], x[10], x[15])
    QUARTER(x[1], x[6], x[11], x[12])
    QUARTER(x[2], x[7], x[8], x[13])
    QUARTER(x[3], x[4], x[9], x[14])
  }
}

/* Four words of each block at a time: transposed through memory, which stays in the first cache. */
static inline void mix(const lanes_t x[16], const uint8_t *input, uint8_t *out) {
  uint32_t words[16][LANES];
  memcpy(words, x, sizeof words);
  for (int block = 0; block < LANES; block++) {
    uint32_t text[16];
    memcpy(text, input + 64 * block, 64);
    for (int w = 0; w < 16; w++) text[w] ^= words[w][block];
    memcpy(out + 64 * block, text, 64);
  }
}

void CHACHA20_RUN(const struct chacha20 *state, const uint8_t *input, uint8_t *out,
                  uint64_t groups) {
  lanes_t start[16];
  for (int w = 0; w < 16; w++) start[w] = (lanes_t){0} + state->words[w];
  for (int lane = 0; lane < LANES; lane++) start[12][lane] += (uint32_t)lane;
  for (uint64_t group = 0; group < groups; group++) {
    lanes_t x[16];
    memcpy(x, start, sizeof x);
    rounds(x);
    for (int w = 0; w < 16; w++) x[w] += start[w];
    mix(x, input, out);
    start[12] += LANES;
    input += 64 * LANES;
    out += 64 * LANES;
  }
}
