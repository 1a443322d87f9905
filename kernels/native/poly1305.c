/* Poly1305 with limbs of 44 bits and products of 128 (after Andrew Moon's poly1305-donna); many blocks
 * side by side where the CPU can. */
#include "poly1305.h"

#include <string.h>

#include "dispatch.h"

#define MASK44 0xfffffffffffull
#define MASK42 0x3ffffffffffull
#define MASK26 0x3ffffffull

/* Below this, powers of r cost more than lanes save. */
#define LANES_BYTES_LEAST 512

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
  poly->powers = 0;
}

/* h = h * r; h[1] may be a little above 44 bits afterwards. */
static inline void multiply(uint64_t h[3], const uint64_t r[3], const uint64_t s[2]) {
  const wide d0 = (wide)h[0] * r[0] + (wide)h[1] * s[1] + (wide)h[2] * s[0];
  const wide d1 = (wide)h[0] * r[1] + (wide)h[1] * r[0] + (wide)h[2] * s[1] + (uint64_t)(d0 >> 44);
  const wide d2 = (wide)h[0] * r[2] + (wide)h[1] * r[1] + (wide)h[2] * r[0] + (uint64_t)(d1 >> 44);
  h[0] = ((uint64_t)d0 & MASK44) + (uint64_t)(d2 >> 42) * 5;
  h[1] = ((uint64_t)d1 & MASK44) + (h[0] >> 44);
  h[2] = (uint64_t)d2 & MASK42;
  h[0] &= MASK44;
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

static void add_blocks(struct poly1305 *poly, const uint8_t *input, uint64_t count) {
  const struct poly1305 key = *poly;
  uint64_t h[3] = {poly->h[0], poly->h[1], poly->h[2]};
  for (; count > 0; count--, input += 16) {
    const uint64_t low = load(input), high = load(input + 8);
    h[0] += low & MASK44;
    h[1] += (low >> 44 | high << 20) & MASK44;
    h[2] += high >> 24 | 1ull << 40;
    multiply(h, key.r, key.s);
  }
  memcpy(poly->h, h, sizeof h);
}

/* ---- lanes --------------------------------------------------------------------------------------- */

static void to_limbs26(const uint64_t h[3], uint32_t out[5]) {
  uint64_t x[3] = {h[0], h[1], h[2]};
  carry(x);
  const uint64_t low = x[0] | x[1] << 44, high = x[1] >> 20 | x[2] << 24;
  out[0] = (uint32_t)(low & MASK26);
  out[1] = (uint32_t)(low >> 26 & MASK26);
  out[2] = (uint32_t)((low >> 52 | high << 12) & MASK26);
  out[3] = (uint32_t)(high >> 14 & MASK26);
  out[4] = (uint32_t)(high >> 40 | x[2] >> 40 << 24);
}

static void from_limbs26(const uint32_t limbs[5], uint64_t h[3]) {
  const uint64_t low = limbs[0] + ((uint64_t)limbs[1] << 26);
  const uint64_t middle =
      (low >> 44) + ((uint64_t)limbs[2] << 8) + ((uint64_t)limbs[3] << 34);
  h[0] = low & MASK44;
  h[1] = middle & MASK44;
  h[2] = (middle >> 44) + ((uint64_t)limbs[4] << 16);
}

static void find_powers(struct poly1305 *poly, uint32_t wanted) {
  uint64_t power[3] = {poly->r[0], poly->r[1], poly->r[2]};
  if (poly->powers >= wanted) return;
  for (uint32_t k = 0; k < wanted; k++) {
    if (k > 0) multiply(power, poly->r, poly->s);
    to_limbs26(power, poly->power[k]);
  }
  carry(power);
  const uint64_t s[2] = {power[1] * 20, power[2] * 20}, r[3] = {power[0], power[1], power[2]};
  multiply(power, r, s);
  to_limbs26(power, poly->power_twice);
  poly->powers = wanted;
}

/* Bytes taken, from the start of the input. */
static uint64_t add_lanes(struct poly1305 *poly, const uint8_t *input, uint64_t length) {
#if defined(__x86_64__)
  const int isa = warp_isa();
  if (isa < WARP_ISA_AVX2 || length < LANES_BYTES_LEAST) return 0;
  const uint32_t lanes = isa >= WARP_ISA_AVX512 ? 8 : 4;
  const uint64_t groups = length / (16 * lanes);
  uint32_t h[5];
  find_powers(poly, lanes);
  to_limbs26(poly->h, h);
  if (lanes == 8)
    poly1305_run_avx512(poly, h, input, groups);
  else
    poly1305_run_avx2(poly, h, input, groups);
  from_limbs26(h, poly->h);
  return groups * lanes * 16;
#else
  (void)poly;
  (void)input;
  (void)length;
  return 0;
#endif
}

/* ---- message ------------------------------------------------------------------------------------- */

void poly1305_add(struct poly1305 *poly, const uint8_t *input, uint64_t length) {
  const uint64_t taken = add_lanes(poly, input, length);
  const uint64_t rest = length - taken;
  if (rest == 0) return;
  input += taken;
  add_blocks(poly, input, rest / 16);
  if (rest % 16 == 0) return;
  uint8_t last[16] = {0};
  memcpy(last, input + rest / 16 * 16, rest % 16);
  add_blocks(poly, last, 1);
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
