/* Loads of 16 and 4 bytes from any address by aligned loads: a GPU has no others. They touch only
 * aligned groups of which at least one byte was asked for (kernels.h: those are readable). */
#ifndef WARP_CUDA_MEMORY_CUH
#define WARP_CUDA_MEMORY_CUH
#include "portable.h"

namespace kernels {

struct alignas(16) Word4 {
  uint32_t x, y, z, w;
};

/* `at` is aligned to 16 bytes. */
WARP_FN Word4 load_aligned16(const uint8_t *at) {
#ifdef __CUDACC__
  const uint4 v = *(const uint4 *)at;
  return {v.x, v.y, v.z, v.w};
#else
  Word4 v;
  memcpy(&v, __builtin_assume_aligned(at, 16), 16);
  return v;
#endif
}

WARP_FN void store_aligned16(uint8_t *at, Word4 v) {
#ifdef __CUDACC__
  *(uint4 *)at = make_uint4(v.x, v.y, v.z, v.w);
#else
  memcpy(__builtin_assume_aligned(at, 16), &v, 16);
#endif
}

/* `at` is aligned to 4 bytes. */
WARP_FN uint32_t load_aligned4(const uint8_t *at) {
#ifdef __CUDACC__
  return *(const uint32_t *)at;
#else
  uint32_t v;
  memcpy(&v, at, 4);
  return v;
#endif
}

WARP_FN void store_aligned4(uint8_t *at, uint32_t v) {
#ifdef __CUDACC__
  *(uint32_t *)at = v;
#else
  memcpy(at, &v, 4);
#endif
}

/* How far `at` is above a multiple of `of`, a power of two. */
WARP_FN uint32_t misalignment(const void *at, uint32_t of) {
  return (uint32_t)(uintptr_t)at & (of - 1);
}

/* 4 bytes at any address. */
WARP_FN uint32_t load4(const uint8_t *at) {
  const uint32_t off = misalignment(at, 4);
  const uint32_t low = load_aligned4(at - off);
  return off == 0 ? low : funnel_right(low, load_aligned4(at - off + 4), 8 * off);
}

/* The lowest `count` bytes of a word, count 0..4 or more. */
WARP_FN uint32_t keep_bytes(uint32_t word, uint32_t count) {
  if (count == 0) return 0;
  return count >= 4 ? word : word & (0xffffffffu >> (32 - 8 * count));
}

/* Words [off / 4 ..) of the 8 words in low, high, shifted by off % 4 bytes: off 0..15. Selects
 * instead of indexing, which would move the words to slow local memory. */
WARP_FN Word4 shift_bytes(Word4 low, Word4 high, uint32_t off) {
  uint32_t a = low.x, b = low.y, c = low.z, d = low.w, e = high.x, f = high.y, g = high.z;
  const bool by2 = (off & 8) != 0, by1 = (off & 4) != 0;
  a = by2 ? c : a, b = by2 ? d : b, c = by2 ? e : c, d = by2 ? f : d, e = by2 ? g : e;
  const uint32_t h = by2 ? high.w : f;
  a = by1 ? b : a, b = by1 ? c : b, c = by1 ? d : c, d = by1 ? e : d, e = by1 ? h : e;
  const uint32_t bits = 8 * (off & 3);
  return {funnel_right(a, b, bits), funnel_right(b, c, bits), funnel_right(c, d, bits),
          funnel_right(d, e, bits)};
}

/* `count` (1..16) bytes at any address, the rest zeros. */
WARP_FN Word4 load16(const uint8_t *at, uint32_t count) {
  const uint32_t off = misalignment(at, 16);
  const uint8_t *group = at - off;
  Word4 v = load_aligned16(group);
  if (off != 0) {
    Word4 next = {0, 0, 0, 0};
    if (off + count > 16) next = load_aligned16(group + 16);
    v = shift_bytes(v, next, off);
  }
  if (count < 16) {
    v.x = keep_bytes(v.x, count);
    v.y = keep_bytes(v.y, count > 4 ? count - 4 : 0);
    v.z = keep_bytes(v.z, count > 8 ? count - 8 : 0);
    v.w = keep_bytes(v.w, count > 12 ? count - 12 : 0);
  }
  return v;
}

} /* namespace kernels */
#endif
