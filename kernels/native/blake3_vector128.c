/* BLAKE3 for 128-bit vectors (SSE4.1, NEON): 4 lanes. */
#include <stdint.h>
#include <string.h>

#define LANES 4
#define RUN blake3_run_vector128
#define OPERATION static inline __attribute__((always_inline))
#define PICK __builtin_shufflevector
typedef uint32_t words __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(16)));

/* By 8 and 16 with one byte shuffle, else with two shifts. */
OPERATION words rotate_right(words x, const int count) {
  const bytes b = (bytes)x;
  if (count == 8) return (words)PICK(b, b, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
  if (count == 16) return (words)PICK(b, b, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  return x >> count | x << (32 - count);
}

OPERATION void transpose(words m[16], const uint8_t *const from[LANES]) {
  for (int part = 0; part < 4; part++) {
    words r[4];
    for (int lane = 0; lane < 4; lane++) memcpy(&r[lane], from[lane] + 16 * part, 16);
    const words a = PICK(r[0], r[1], 0, 4, 1, 5), b = PICK(r[0], r[1], 2, 6, 3, 7);
    const words c = PICK(r[2], r[3], 0, 4, 1, 5), d = PICK(r[2], r[3], 2, 6, 3, 7);
    m[4 * part] = PICK(a, c, 0, 1, 4, 5);
    m[4 * part + 1] = PICK(a, c, 2, 3, 6, 7);
    m[4 * part + 2] = PICK(b, d, 0, 1, 4, 5);
    m[4 * part + 3] = PICK(b, d, 2, 3, 6, 7);
  }
}

#include "blake3_lanes.h"
