/* Poly1305 with limbs of 44 bits and products of 128 (after Andrew Moon's poly1305-donna). */
#include "poly1305.h"

#include <string.h>

#define MASK44 0xfffffffffffull
#define MASK42 0x3ffffffffffull

typedef unsigned __int128 wide;

static uint64_t load(const uint8_t *bytes) {
  uint64_t x;
  memcpy(&x, bytes, 8);
  return x;
}

void poly1305_begin(struct poly1305 *poly, const uint8_t key[32]) {
  const uint64_t low = load(key), high = load(key + 8);
  poly->r[0] = low & 0xffc0fffffffull;
  poly->r[1] = (low >> 44 | high << 20) & 0xfffffc0ffffull;
  poly->r[2] = high >> 24 & 0x00ffffffc0full;
  poly->s[0] = poly->r[1] * 20;
  poly->s[1] = poly->r[2] * 20;
  poly->h[0] = poly->h[1] = poly->h[2] = 0;
  poly->pad[0] = load(key + 16);
  poly->pad[1] = load(key + 24);
}

static void add_blocks(struct poly1305 *poly, const uint8_t *input, uint64_t count) {
  const uint64_t r0 = poly->r[0], r1 = poly->r[1], r2 = poly->r[2];
  const uint64_t s1 = poly->s[0], s2 = poly->s[1];
  uint64_t h0 = poly->h[0], h1 = poly->h[1], h2 = poly->h[2];
  for (; count > 0; count--, input += 16) {
    const uint64_t low = load(input), high = load(input + 8);
    h0 += low & MASK44;
    h1 += (low >> 44 | high << 20) & MASK44;
    h2 += high >> 24 | 1ull << 40;
    wide d0 = (wide)h0 * r0 + (wide)h1 * s2 + (wide)h2 * s1;
    wide d1 = (wide)h0 * r1 + (wide)h1 * r0 + (wide)h2 * s2;
    wide d2 = (wide)h0 * r2 + (wide)h1 * r1 + (wide)h2 * r0;
    h0 = (uint64_t)d0 & MASK44;
    d1 += (uint64_t)(d0 >> 44);
    h1 = (uint64_t)d1 & MASK44;
    d2 += (uint64_t)(d1 >> 44);
    h2 = (uint64_t)d2 & MASK42;
    h0 += (uint64_t)(d2 >> 42) * 5;
    h1 += h0 >> 44;
    h0 &= MASK44;
  }
  poly->h[0] = h0;
  poly->h[1] = h1;
  poly->h[2] = h2;
}

void poly1305_add(struct poly1305 *poly, const uint8_t *input, uint64_t length) {
  add_blocks(poly, input, length / 16);
  if (length % 16 == 0) return;
  uint8_t last[16] = {0};
  memcpy(last, input + length / 16 * 16, length % 16);
  add_blocks(poly, last, 1);
}

/* Fully carried: below 2^130. */
static void carry(uint64_t h[3]) {
  for (int round = 0; round < 2; round++) {
    h[1] += h[0] >> 44;
    h[0] &= MASK44;
    h[2] += h[1] >> 44;
    h[1] &= MASK44;
    h[0] += (h[2] >> 42) * 5;
    h[2] &= MASK42;
  }
  h[1] += h[0] >> 44;
  h[0] &= MASK44;
}

void poly1305_end(struct poly1305 *poly, uint8_t tag[16]) {
  uint64_t *h = poly->h;
  carry(h);
  /* h - p, taken instead of h unless negative; without a branch. */
  uint64_t g0 = h[0] + 5, g1 = h[1] + (g0 >> 44), g2 = h[2] + (g1 >> 44) - (1ull << 42);
  g0 &= MASK44;
  g1 &= MASK44;
  const uint64_t keep = (uint64_t)0 - (g2 >> 63);
  const uint64_t a = (h[0] & keep) | (g0 & ~keep), b = (h[1] & keep) | (g1 & ~keep),
                 c = (h[2] & keep) | (g2 & ~keep);
  const uint64_t low = a | b << 44, high = b >> 20 | c << 24;
  const wide sum = (wide)low + poly->pad[0];
  const uint64_t out[2] = {(uint64_t)sum, high + poly->pad[1] + (uint64_t)(sum >> 64)};
  memcpy(tag, out, 16);
}
