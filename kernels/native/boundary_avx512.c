/* The boundary scan for AVX-512 (F, BW and DQ): four parts, 64 positions per step.
 *
 * With WARP_EMULATE_AVX512 the same steps are compiled for AVX2, so that they can be tested on a
 * machine without AVX-512. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PARTS 4
#define FIND boundary_find_avx512
typedef uint8_t bytes __attribute__((vector_size(64)));
typedef uint16_t pairs __attribute__((vector_size(64)));
#define OPERATION static inline __attribute__((always_inline))

/* Defines name(x, y) by an intrinsic, which works within 128 bits, and its arguments. */
#if defined(WARP_EMULATE_AVX512)
#define BY_INTRINSIC(name, intrinsic, ...)                                          \
  OPERATION __m256i name##_half(__m256i x, __m256i y) {                             \
    return _mm256_##intrinsic(__VA_ARGS__);                                         \
  }                                                                                 \
  OPERATION bytes name(bytes x, bytes y) {                                          \
    const __m256i *a = (const __m256i *)&x, *b = (const __m256i *)&y;               \
    const __m256i both[2] = {name##_half(a[0], b[0]), name##_half(a[1], b[1])};     \
    bytes out;                                                                      \
    memcpy(&out, both, sizeof out);                                                 \
    return out;                                                                     \
  }
#else
#define BY_INTRINSIC(name, intrinsic, ...)               \
  OPERATION bytes name(bytes a, bytes b) {               \
    const __m512i x = (__m512i)a, y = (__m512i)b;        \
    return (bytes)_mm512_##intrinsic(__VA_ARGS__);       \
  }
#endif

BY_INTRINSIC(look_up, shuffle_epi8, x, y)
BY_INTRINSIC(shift_in_2, alignr_epi8, x, y, 14)
BY_INTRINSIC(shift_in_4, alignr_epi8, x, y, 12)
BY_INTRINSIC(shift_in_8, alignr_epi8, x, y, 8)
BY_INTRINSIC(interleave_low, unpacklo_epi8, x, y)
BY_INTRINSIC(interleave_high, unpackhi_epi8, x, y)
BY_INTRINSIC(pack, packs_epi16, x, y)

/* 16 bytes from each of PARTS stretches. */
OPERATION bytes load_parts(const uint8_t *from, size_t stretch) {
#if defined(WARP_EMULATE_AVX512)
  bytes out;
  for (size_t i = 0; i < PARTS; i++) memcpy((uint8_t *)&out + 16 * i, from + stretch * i, 16);
  return out;
#else
  const __m128i *part[PARTS];
  for (size_t i = 0; i < PARTS; i++) part[i] = (const __m128i *)(from + stretch * i);
  __m512i out = _mm512_castsi128_si512(_mm_loadu_si128(part[0]));
  out = _mm512_inserti64x2(out, _mm_loadu_si128(part[1]), 1);
  out = _mm512_inserti64x2(out, _mm_loadu_si128(part[2]), 2);
  return (bytes)_mm512_inserti64x2(out, _mm_loadu_si128(part[3]), 3);
#endif
}

/* In each part, the last `count` bytes of `before` and then those of `now`. */
OPERATION bytes shift_in(bytes now, bytes before, const int count) {
  switch (count) {
    case 2: return shift_in_2(now, before);
    case 4: return shift_in_4(now, before);
    default: return shift_in_8(now, before);
  }
}

/* One bit per lane of all ones; packing with saturation gives a byte of ones for no other. */
OPERATION void store_hits(bytes a, bytes b, uint16_t *hits, size_t stride) {
  const bytes packed = pack(a, b);
#if defined(WARP_EMULATE_AVX512)
  const __m256i *half = (const __m256i *)&packed, ones = _mm256_set1_epi8(-1);
  const uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(half[0], ones));
  const uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(half[1], ones));
  const uint64_t bits = (uint64_t)high << 32 | low;
#else
  const uint64_t bits = _mm512_cmpeq_epi8_mask((__m512i)packed, _mm512_set1_epi8(-1));
#endif
  for (size_t i = 0; i < PARTS; i++) hits[stride * i] = (uint16_t)(bits >> (16 * i));
}

#include "boundary_lanes.h"
#endif
