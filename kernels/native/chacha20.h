/* The ChaCha20 block function (RFC 8439 §2.3), several blocks at once. */
#ifndef WARP_CHACHA20_H
#define WARP_CHACHA20_H
#include <stdint.h>

/* Words 0..11 of the state and 13..15: constants, key, nonce. Word 12 counts blocks. */
struct chacha20 {
  uint32_t words[16];
};

/* XORs `groups` times LANES whole blocks from `input` to `out` (may be the same), counting from
 * state->words[12], which is not changed. */
typedef void chacha20_run(const struct chacha20 *state, const uint8_t *input, uint8_t *out,
                          uint64_t groups);

chacha20_run chacha20_run_vector128, chacha20_run_avx2, chacha20_run_avx512;

#endif
