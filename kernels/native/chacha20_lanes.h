/* ChaCha20 with LANES blocks side by side: lane j of vector w is word w of block j.
 *
 * The including file defines LANES, CHACHA20_RUN (the function's name), OPERATION (inline), the vector
 * type `words` (LANES of u32), rotate(x, n) and mix(x, input, out), which turns 16 vectors into LANES
 * blocks and XORs them to the input. */
#include <string.h>

#include "chacha20.h"

#define QUARTER(a, b, c, d)   \
  a += b;                     \
  d = rotate(d ^ a, 16);      \
  c += d;                     \
  b = rotate(b ^ c, 12);      \
  a += b;                     \
  d = rotate(d ^ a, 8);       \
  c += d;                     \
  b = rotate(b ^ c, 7);

/* In an order that lets four quarters run side by side. */
OPERATION void rounds(words x[16]) {
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

void CHACHA20_RUN(const struct chacha20 *state, const uint8_t *input, uint8_t *out,
                  uint64_t groups) {
  words start[16];
  for (int w = 0; w < 16; w++) start[w] = state->words[w] - (words){};
  for (int lane = 0; lane < LANES; lane++) start[12][lane] += (uint32_t)lane;
  for (uint64_t group = 0; group < groups; group++) {
    words x[16];
    memcpy(x, start, sizeof x);
    rounds(x);
    for (int w = 0; w < 16; w++) x[w] += start[w];
    mix(x, input, out);
    start[12] += LANES;
    input += 64 * LANES;
    out += 64 * LANES;
  }
}
