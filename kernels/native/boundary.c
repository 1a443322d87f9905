/* Chunk boundaries: kernels/boundary/spec.ts is the definition.
 *
 * Chunk after chunk, the first min - 48 bytes are skipped and the rest is scanned for a match. The
 * scan is rolling (scalar) or by doubling (SIMD, boundary_lanes.h); both give the same hashes. */
#include "boundary.h"

#include "dispatch.h"

/* Rolls the hash; leaves no dependency but one rotate and one xor per byte. */
static size_t roll(const struct boundary_scan *scan, size_t from, size_t to, uint32_t mask,
                   uint32_t *state) {
  const uint8_t *input = scan->input;
  const uint32_t *enter = scan->enter, *leave = scan->leave;
  uint32_t hash = *state;
  for (size_t i = from; i < to; i++) {
    hash = boundary_rotl(hash, 1) ^ (enter[input[i]] ^ leave[input[i - WINDOW]]);
    if ((hash & mask) == mask) return i + 1;
  }
  *state = hash;
  return 0;
}

size_t boundary_find_scalar(const struct boundary_scan *scan, size_t first, size_t turn,
                            size_t limit) {
  if (first >= limit) return 0;
  uint32_t hash = boundary_hash(scan, first);
  uint32_t mask = first < turn ? scan->strict : scan->loose;
  if ((hash & mask) == mask) return first + 1;
  size_t at = first + 1, end = 0;
  if (at < turn) {
    size_t to = turn < limit ? turn : limit;
    end = roll(scan, at, to, scan->strict, &hash);
    at = to;
  }
  return end != 0 ? end : roll(scan, at, limit, scan->loose, &hash);
}

static boundary_find *best_find(void) {
#if defined(__x86_64__)
  int isa = warp_isa();
  if (isa >= WARP_ISA_AVX512) return boundary_find_avx512;
  if (isa >= WARP_ISA_AVX2) return boundary_find_avx2;
#endif
  return boundary_find_scalar;
}

int32_t warp_boundary_cuts(const uint8_t *input, uint64_t length, const uint32_t *table,
                           uint32_t avg_bits, uint32_t min, uint32_t max, uint32_t is_last,
                           uint32_t *cuts, uint32_t capacity) {
  if (table == NULL || cuts == NULL || (input == NULL && length != 0)) return WARP_EINVAL;
  if (length > UINT32_MAX || avg_bits < 8 || avg_bits > 24) return WARP_EINVAL;
  const size_t avg = (size_t)1 << avg_bits;
  if (min < 64 || min > avg || max < avg || max > 1u << 26) return WARP_EINVAL;

  uint32_t enter[256], leave[256];
  for (int byte = 0; byte < 256; byte++) {
    enter[byte] = table[byte >> 4] ^ table[16 + (byte & 15)];
    leave[byte] = boundary_rotl(enter[byte], WINDOW % 32);
  }
  const struct boundary_scan scan = {
      input, length, table, enter, leave, (1u << (avg_bits + 2)) - 1, (1u << (avg_bits - 2)) - 1};
  boundary_find *find = best_find();

  uint32_t count = 0;
  size_t start = 0;
  while (length - start >= min) {
    const size_t most = start + max, limit = most < length ? most : length;
    size_t end = find(&scan, start + min - 1, start + avg - 1, limit);
    if (end == 0 && most <= length) end = most;
    if (end == 0) break;
    if (count == capacity) return WARP_ENOSPC;
    cuts[count++] = (uint32_t)end;
    start = end;
  }
  if (is_last != 0 && start < length) {
    if (count == capacity) return WARP_ENOSPC;
    cuts[count++] = (uint32_t)length;
  }
  return (int32_t)count;
}
