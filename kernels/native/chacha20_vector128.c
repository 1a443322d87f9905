/* ChaCha20, 4 blocks at a time: SSE4.1 or NEON. */
#include <stdint.h>
#include <string.h>

#define LANES 4
#define CHACHA20_RUN chacha20_run_vector128
#define OPERATION static inline __attribute__((always_inline))
#define PICK __builtin_shufflevector
typedef uint32_t words __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(16)));

/* By 8 and 16 with one byte shuffle, else with two shifts. */
OPERATION words rotate(words x, const int count) {
  const bytes b = (bytes)x;
  if (count == 8) return (words)PICK(b, b, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
  if (count == 16) return (words)PICK(b, b, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  return x << count | x >> (32 - count);
}

OPERATION void mix_part(words part, const uint8_t *input, uint8_t *out) {
  words text;
  memcpy(&text, input, sizeof text);
  text ^= part;
  memcpy(out, &text, sizeof text);
}

OPERATION void mix(const words x[16], const uint8_t *input, uint8_t *out) {
  words part[4][4]; /* [block][quarter] */
  for (int i = 0; i < 4; i++) {
    const words *r = x + 4 * i;
    const words a = PICK(r[0], r[1], 0, 4, 1, 5), b = PICK(r[0], r[1], 2, 6, 3, 7);
    const words c = PICK(r[2], r[3], 0, 4, 1, 5), d = PICK(r[2], r[3], 2, 6, 3, 7);
    part[0][i] = PICK(a, c, 0, 1, 4, 5);
    part[1][i] = PICK(a, c, 2, 3, 6, 7);
    part[2][i] = PICK(b, d, 0, 1, 4, 5);
    part[3][i] = PICK(b, d, 2, 3, 6, 7);
  }
  for (int at = 0; at < 16; at++) mix_part(part[at / 4][at % 4], input + 16 * at, out + 16 * at);
}

#include "chacha20_lanes.h"
