/* Poly1305 (RFC 8439 section 2.5) as sums that warps compute in parallel.
 *
 * Numbers modulo p = 2^130 - 5 are five limbs of 26 bits. The hash of blocks m_0 .. m_(n-1) is
 *
 *     H = m_0 r^n + m_1 r^(n-1) + ... + m_(n-1) r
 *
 * A warp gives lane k every 32nd term. With zeros put before m_0 until n is a multiple of 32,
 * lane k's terms are m_k, m_(k+32), ..: a Horner scheme in r^32, and one last factor r^(32-k). */
#ifndef WARP_CUDA_POLY1305_CUH
#define WARP_CUDA_POLY1305_CUH
#include "memory.cuh"

namespace kernels {

constexpr uint32_t LIMBS = 5;
constexpr uint32_t LIMB_MASK = 0x3ffffff;

/* Limbs below 2^26, but for limb 1, which may be a little above: what poly_carry leaves. */
struct Poly {
  uint32_t limb[LIMBS];
};

WARP_FN Poly poly_zero() { return {{0, 0, 0, 0, 0}}; }

/* Brings sums of products, each below 2^63, back to limbs. */
WARP_FN Poly poly_carry(uint64_t d0, uint64_t d1, uint64_t d2, uint64_t d3, uint64_t d4) {
  d1 += d0 >> 26;
  d2 += d1 >> 26;
  d3 += d2 >> 26;
  d4 += d3 >> 26;
  const uint64_t low = (d0 & LIMB_MASK) + 5 * (d4 >> 26);
  return {{(uint32_t)(low & LIMB_MASK), (uint32_t)((d1 & LIMB_MASK) + (low >> 26)),
           (uint32_t)(d2 & LIMB_MASK), (uint32_t)(d3 & LIMB_MASK), (uint32_t)(d4 & LIMB_MASK)}};
}

/* a's limbs below 2^30, b's below 2^27: sums below 2^(30 + 27 + 5). */
WARP_FN Poly poly_multiply(const Poly &a, const Poly &b) {
  const uint64_t a0 = a.limb[0], a1 = a.limb[1], a2 = a.limb[2], a3 = a.limb[3], a4 = a.limb[4];
  const uint32_t b0 = b.limb[0], b1 = b.limb[1], b2 = b.limb[2], b3 = b.limb[3], b4 = b.limb[4];
  const uint32_t s1 = 5 * b1, s2 = 5 * b2, s3 = 5 * b3, s4 = 5 * b4;
  return poly_carry(a0 * b0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1,
                    a0 * b1 + a1 * b0 + a2 * s4 + a3 * s3 + a4 * s2,
                    a0 * b2 + a1 * b1 + a2 * b0 + a3 * s4 + a4 * s3,
                    a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + a4 * s4,
                    a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0);
}

/* Limb by limb, without a carry. */
WARP_FN Poly poly_add(const Poly &a, const Poly &b) {
  Poly sum;
#pragma unroll
  for (uint32_t i = 0; i < LIMBS; i++) sum.limb[i] = a.limb[i] + b.limb[i];
  return sum;
}

/* 16 bytes and, if `is_block`, the bit above them that every block of a message has. */
WARP_FN Poly poly_from_words(Word4 w, bool is_block) {
  return {{w.x & LIMB_MASK, funnel_right(w.x, w.y, 26) & LIMB_MASK,
           funnel_right(w.y, w.z, 20) & LIMB_MASK, funnel_right(w.z, w.w, 14) & LIMB_MASK,
           w.w >> 8 | (is_block ? 1u << 24 : 0)}};
}

/* r, from the first half of the one-time key. */
WARP_FN Poly poly_clamped(Word4 w) {
  return poly_from_words(
      {w.x & 0x0fffffff, w.y & 0x0ffffffc, w.z & 0x0ffffffc, w.w & 0x0ffffffc}, false);
}

/* r^exponent, exponent >= 1. */
WARP_FN Poly poly_power(const Poly &r, uint64_t exponent) {
  Poly power = r, square = r;
  bool is_started = false;
#pragma unroll 1
  for (;;) {
    if ((exponent & 1) != 0) {
      power = is_started ? poly_multiply(power, square) : square;
      is_started = true;
    }
    exponent >>= 1;
    if (exponent == 0) return power;
    square = poly_multiply(square, square);
  }
}

/* The tag: the smallest representative modulo p, plus s, modulo 2^128. */
WARP_FN Word4 poly_tag(const Poly &h, Word4 s) {
  uint32_t h0 = h.limb[0], h1 = h.limb[1], h2 = h.limb[2], h3 = h.limb[3], h4 = h.limb[4];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    h1 += h0 >> 26, h0 &= LIMB_MASK;
    h2 += h1 >> 26, h1 &= LIMB_MASK;
    h3 += h2 >> 26, h2 &= LIMB_MASK;
    h4 += h3 >> 26, h3 &= LIMB_MASK;
    h0 += 5 * (h4 >> 26), h4 &= LIMB_MASK;
  }
  h1 += h0 >> 26, h0 &= LIMB_MASK;
  /* h + 5 - 2^130 is h - p: taken where it is not negative. */
  uint32_t g0 = h0 + 5, g1 = h1 + (g0 >> 26);
  const uint32_t g2 = h2 + (g1 >> 26), g3 = h3 + (g2 >> 26), g4 = h4 + (g3 >> 26);
  const uint32_t take = 0u - (g4 >> 26), keep = ~take;
  g0 &= LIMB_MASK, g1 &= LIMB_MASK;
  h0 = (h0 & keep) | (g0 & take), h1 = (h1 & keep) | (g1 & take);
  h2 = (h2 & keep) | (g2 & LIMB_MASK & take), h3 = (h3 & keep) | (g3 & LIMB_MASK & take);
  h4 = (h4 & keep) | (g4 & LIMB_MASK & take);
  uint64_t sum = (uint64_t)(h0 | h1 << 26) + s.x;
  Word4 tag;
  tag.x = (uint32_t)sum;
  sum = (sum >> 32) + (h1 >> 6 | h2 << 20) + s.y;
  tag.y = (uint32_t)sum;
  sum = (sum >> 32) + (h2 >> 12 | h3 << 14) + s.z;
  tag.z = (uint32_t)sum;
  tag.w = (uint32_t)((sum >> 32) + (h3 >> 18 | h4 << 8) + s.w);
  return tag;
}

/* ---- sums over a warp ------------------------------------------------------------------------ */

struct PolyShared {
  uint32_t powers[LIMBS][LANES + 1]; /* [i][k]: limb i of x^(k+1) */
  uint32_t parts[LIMBS][LANES + 1];
  uint64_t sums[LIMBS];
};

WARP_FN Poly poly_column(const uint32_t table[LIMBS][LANES + 1], uint32_t column) {
  Poly p;
#pragma unroll
  for (uint32_t i = 0; i < LIMBS; i++) p.limb[i] = table[i][column];
  return p;
}

WARP_FN void poly_set_column(uint32_t table[LIMBS][LANES + 1], uint32_t column, const Poly &p) {
#pragma unroll
  for (uint32_t i = 0; i < LIMBS; i++) table[i][column] = p.limb[i];
}

/* powers = x^1 .. x^32. */
WARP_FN void poly_powers(Warp &warp, PolyShared &shared, const Poly &x) {
  warp.each([&](uint32_t lane) {
    if (lane == 0) poly_set_column(shared.powers, 0, x);
  });
#pragma unroll 1
  for (uint32_t have = 1; have < LANES; have *= 2) {
    warp.each([&](uint32_t lane) {
      if (lane >= have) return;
      const Poly top = poly_column(shared.powers, have - 1);
      poly_set_column(shared.powers, have + lane,
                      poly_multiply(poly_column(shared.powers, lane), top));
    });
  }
}

/* Sum of term(q) x^(count - q) for q = 0 .. count - 1, x of poly_powers; count >= 1. In all
 * lanes. */
template <class F>
WARP_FN Poly poly_sum(Warp &warp, PolyShared &shared, uint32_t count, F &&term) {
  const uint32_t rounds = (count + LANES - 1) / LANES, padding = rounds * LANES - count;
  warp.each([&](uint32_t lane) {
    const Poly step = poly_column(shared.powers, LANES - 1);
    Poly sum = lane < padding ? poly_zero() : term(lane - padding);
#pragma unroll 1
    for (uint32_t at = lane + LANES - padding; at < count; at += LANES)
      sum = poly_add(poly_multiply(sum, step), term(at));
    const Poly last = poly_column(shared.powers, LANES - 1 - lane);
    poly_set_column(shared.parts, lane, poly_multiply(sum, last));
  });
  warp.each([&](uint32_t lane) {
    if (lane >= LIMBS) return;
    uint64_t sum = 0;
    for (uint32_t k = 0; k < LANES; k++) sum += shared.parts[lane][k];
    shared.sums[lane] = sum;
  });
  const uint64_t d0 = shared.sums[0], d1 = shared.sums[1], d2 = shared.sums[2],
                 d3 = shared.sums[3], d4 = warp.take(shared.sums[4]);
  return poly_carry(d0, d1, d2, d3, d4);
}

} /* namespace kernels */
#endif
