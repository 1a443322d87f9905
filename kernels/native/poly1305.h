/* Poly1305 (RFC 8439 §2.5), one message. */
#ifndef WARP_POLY1305_H
#define WARP_POLY1305_H
#include <stdint.h>

#define POLY1305_LANES_MAX 8

struct poly1305 {
  uint64_t r[3], s[2]; /* clamped r in limbs of 44, 44 and 42 bits; 20 times r[1], r[2] */
  uint64_t h[3];
  uint64_t pad[2];
  /* r^1 to r^powers in limbs of 26 bits: power k at power[k - 1]; and r^(2 * powers). */
  uint32_t powers;
  uint32_t power[POLY1305_LANES_MAX][5], power_twice[5];
};

/* Adds `groups` times LANES blocks of 16 bytes to `h`, in limbs of 26 bits; needs LANES powers. */
typedef void poly1305_run(const struct poly1305 *poly, uint32_t h[5], const uint8_t *input,
                          uint64_t groups);

poly1305_run poly1305_run_avx2, poly1305_run_avx512;

void poly1305_begin(struct poly1305 *poly, const uint8_t key[32]);
/* Whole blocks of 16 bytes; a shorter last one is padded with zeros, as the AEAD wants it. */
void poly1305_add(struct poly1305 *poly, const uint8_t *input, uint64_t length);
void poly1305_end(struct poly1305 *poly, uint8_t tag[16]);

#endif
