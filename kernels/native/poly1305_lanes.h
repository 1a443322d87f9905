/* Poly1305 with LANES blocks side by side, in limbs of 26 bits of which each has 64 bits of room.
 *
 * Lane j takes every LANES-th block: its sum is multiplied by r^LANES for each, and at the end by the
 * power of r that its last block is away from the end (after Goll and Gueron, "Vectorization of Poly1305
 * message authentication code", 2015).
 *
 * The including file defines LANES, RUN (the function's name), OPERATION (inline), the vector type
 * `lanes` (LANES of u64), times(a, b), the product of the low 32 bits, load(input, low, high), which
 * gives both halves of LANES blocks in some order, and ORDER, the block that each lane gets. */
#include <string.h>

#include "poly1305.h"

#define MASK26 0x3ffffffull

OPERATION lanes all(uint64_t x) { return x - (lanes){}; }

/* The next LANES blocks, each with the bit above its 128. */
OPERATION void load_limbs(const uint8_t *input, lanes m[5]) {
  lanes low, high;
  load(input, &low, &high);
  m[0] = low & MASK26;
  m[1] = low >> 26 & MASK26;
  m[2] = (low >> 52 | high << 12) & MASK26;
  m[3] = high >> 14 & MASK26;
  m[4] = high >> 40 | 1ull << 24;
}

/* h * r, the limbs still above 26 bits. s is 5 * r: what leaves at 2^130 comes back as 5. */
OPERATION void multiply(const lanes h[5], const lanes r[5], const lanes s[5], lanes d[5]) {
  for (int i = 0; i < 5; i++) d[i] = times(h[0], r[i]);
  for (int j = 1; j < 5; j++)
    for (int i = 0; i < 5; i++) d[i] += times(h[j], i < j ? s[i + 5 - j] : r[i - j]);
}

/* Down to 26 bits and a little. In two chains: neither waits for the other. */
OPERATION void carry(lanes d[5]) {
  d[1] += d[0] >> 26;
  d[4] += d[3] >> 26;
  d[0] &= MASK26;
  d[3] &= MASK26;
  const lanes over = d[4] >> 26;
  d[2] += d[1] >> 26;
  d[0] += over + (over << 2);
  d[1] &= MASK26;
  d[4] &= MASK26;
  d[3] += d[2] >> 26;
  d[1] += d[0] >> 26;
  d[2] &= MASK26;
  d[0] &= MASK26;
  d[4] += d[3] >> 26;
  d[3] &= MASK26;
}

OPERATION void spread_power(const uint32_t power[5], lanes r[5], lanes s[5]) {
  for (int i = 0; i < 5; i++) {
    r[i] = all(power[i]);
    s[i] = r[i] + (r[i] << 2);
  }
}

/* Multiplies each lane by what it is away from the end, and adds the lanes up. */
OPERATION void add_up(const struct poly1305 *poly, const lanes sum[5], uint32_t h[5]) {
  static const uint8_t order[LANES] = ORDER;
  lanes r[5], s[5], d[5];
  for (int i = 0; i < 5; i++) {
    for (int lane = 0; lane < LANES; lane++)
      r[i][lane] = poly->power[LANES - 1 - order[lane]][i];
    s[i] = r[i] + (r[i] << 2);
  }
  multiply(sum, r, s, d);
  carry(d);
  uint64_t total[5] = {0};
  for (int i = 0; i < 5; i++)
    for (int lane = 0; lane < LANES; lane++) total[i] += d[i][lane];
  uint64_t over = 0;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 5; i++) {
      total[i] += over;
      over = total[i] >> 26;
      total[i] &= MASK26;
    }
    over *= 5;
  }
  total[0] += over;
  for (int i = 0; i < 5; i++) h[i] = (uint32_t)total[i];
}

/* Two groups a step: (sum * r^LANES + first) * r^LANES + second, of which only the product of the sum has
 * to wait for the step before. */
OPERATION void add_pairs(const struct poly1305 *poly, lanes sum[5], const uint8_t *input,
                         uint64_t pairs) {
  lanes r[5], s[5], r2[5], s2[5];
  spread_power(poly->power[LANES - 1], r, s);
  spread_power(poly->power_twice, r2, s2);
  for (; pairs > 0; pairs--, input += 32 * LANES) {
    lanes d[5], e[5], first[5], second[5];
    load_limbs(input, first);
    load_limbs(input + 16 * LANES, second);
    multiply(first, r, s, e);
    multiply(sum, r2, s2, d);
    for (int i = 0; i < 5; i++) d[i] += e[i] + second[i];
    carry(d);
    memcpy(sum, d, sizeof d);
  }
}

OPERATION void add_group(const struct poly1305 *poly, lanes sum[5], const uint8_t *input) {
  lanes r[5], s[5], d[5], m[5];
  spread_power(poly->power[LANES - 1], r, s);
  load_limbs(input, m);
  multiply(sum, r, s, d);
  for (int i = 0; i < 5; i++) d[i] += m[i];
  carry(d);
  memcpy(sum, d, sizeof d);
}

void RUN(const struct poly1305 *poly, uint32_t h[5], const uint8_t *input, uint64_t groups) {
  if (groups == 0) return;
  lanes sum[5];
  load_limbs(input, sum);
  /* Lane 0 has the first block, whatever the order. */
  for (int i = 0; i < 5; i++) sum[i][0] += h[i];
  input += 16 * LANES;
  if (groups % 2 == 0) {
    add_group(poly, sum, input);
    input += 16 * LANES;
  }
  add_pairs(poly, sum, input, (groups - 1) / 2);
  add_up(poly, sum, h);
}
