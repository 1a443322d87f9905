/* Poly1305 (RFC 8439 §2.5), one message. */
#ifndef WARP_POLY1305_H
#define WARP_POLY1305_H
#include <stdint.h>

struct poly1305 {
  uint64_t r[3], s[2]; /* clamped r in limbs of 44, 44 and 42 bits; 20 times r[1], r[2] */
  uint64_t h[3];
  uint64_t pad[2];
};

void poly1305_begin(struct poly1305 *poly, const uint8_t key[32]);
/* Whole blocks of 16 bytes; a shorter last one is padded with zeros, as the AEAD wants it. */
void poly1305_add(struct poly1305 *poly, const uint8_t *input, uint64_t length);
void poly1305_end(struct poly1305 *poly, uint8_t tag[16]);

#endif
