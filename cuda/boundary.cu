/* Content-defined chunk boundaries: kernels/boundary/spec.ts. */
#include "boundary_scan.cuh"
#include "boundary_select.cuh"

namespace kernels {

bool boundary_accepts(const warp_boundary_params *params, uint64_t length) {
  if (params == nullptr || length > UINT32_MAX) return false;
  if (params->avg_bits < 8 || params->avg_bits > 24) return false;
  const uint32_t avg = 1u << params->avg_bits;
  return params->min >= 64 && params->min <= avg && avg <= params->max && params->max <= 1u << 26;
}

namespace {

struct BoundaryScratch {
  uint64_t tiles;
  CandidateWord *candidates;
  uint32_t *counts;
  size_t bytes;

  BoundaryScratch(void *scratch, uint64_t length) {
    Scratch parts{(uint8_t *)scratch};
    tiles = (length + BOUNDARY_TILE_BYTES - 1) >> BOUNDARY_TILE_SHIFT;
    candidates = parts.take<CandidateWord>(tiles * BOUNDARY_TILE_WORDS);
    counts = parts.take<uint32_t>(tiles);
    bytes = parts.used;
  }
};

} /* namespace */
} /* namespace kernels */

using namespace kernels;

size_t boundary_scratch_bytes(uint64_t length) { return BoundaryScratch(nullptr, length).bytes; }

warp_status boundary_launch(warp_stream stream, const warp_boundary_params *params,
                            const uint8_t *input, uint64_t length, uint32_t is_last, uint32_t *cuts,
                            uint32_t capacity, uint32_t *count, void *scratch) {
  if (!boundary_accepts(params, length)) return WARP_EINVAL;
  const BoundaryScratch parts(scratch, length);
  BoundaryScan scan{};
  memcpy(scan.table, params->table, sizeof scan.table);
  scan.strict = (1u << (params->avg_bits + 2)) - 1;
  scan.loose = (1u << (params->avg_bits - 2)) - 1;
  scan.input = input;
  scan.length = length;
  scan.candidates = parts.candidates;
  scan.counts = parts.counts;
  const warp_status status = launch_blocks(stream, scan, parts.tiles);
  if (status != WARP_OK) return status;
  const BoundarySelect select{1u << params->avg_bits, params->min, params->max, is_last,
                              length, parts.tiles, parts.candidates, parts.counts,
                              cuts, capacity, count};
  return launch_blocks(stream, select, 1);
}
