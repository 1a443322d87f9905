/* One chunk of a boundary scan: what every instruction set implements. */
#ifndef WARP_BOUNDARY_H
#define WARP_BOUNDARY_H
#include <stddef.h>
#include <stdint.h>

#include "../../cuda/warp_kernels.h"

#define WINDOW 48

struct boundary_scan {
  const uint8_t *input;
  size_t length;           /* of the input; nothing beyond is read */
  const uint32_t *table;   /* 32 words */
  const uint32_t *enter;   /* T[b], 256 words */
  const uint32_t *leave;   /* rotl32(T[b], 48) */
  uint32_t strict, loose;  /* masks; the loose bits are among the strict ones */
};

/* Looks at positions first..limit-1, of which each has 47 bytes before it in the input; those below
 * `turn` need the strict mask. Returns one more than the first match, or 0. */
typedef size_t boundary_find(const struct boundary_scan *scan, size_t first, size_t turn,
                             size_t limit);

boundary_find boundary_find_scalar, boundary_find_avx2, boundary_find_avx512;

static inline uint32_t boundary_rotl(uint32_t x, int k) { return x << k | x >> (32 - k); }

/* hash(at), from its definition. */
static inline uint32_t boundary_hash(const struct boundary_scan *scan, size_t at) {
  uint32_t hash = 0;
  for (size_t i = at + 1 - WINDOW; i <= at; i++)
    hash = boundary_rotl(hash, 1) ^ scan->enter[scan->input[i]];
  return hash;
}

int boundary_are_valid(const warp_boundary_params *params);

/* warp_boundary without its checks. */
warp_status boundary_cut(const warp_boundary_params *params, const uint8_t *input, uint64_t length,
                         uint32_t is_last, int is_parallel, uint32_t *cuts, uint32_t capacity,
                         uint32_t *count);

#endif
