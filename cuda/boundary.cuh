/* What the two kernels of boundary.cu share, and the launch that other kernels go on from. */
#ifndef WARP_CUDA_BOUNDARY_CUH
#define WARP_CUDA_BOUNDARY_CUH
#include "batch.cuh"

namespace kernels {

/* 32 positions of which at least one matches the loose mask. Strict matches are loose ones too. */
struct CandidateWord {
  uint32_t word; /* of positions 32 word .. 32 word + 31 */
  uint32_t loose;
  uint32_t strict;
};

constexpr uint32_t BOUNDARY_TILE_SHIFT = 14;
constexpr uint32_t BOUNDARY_TILE_BYTES = 1 << BOUNDARY_TILE_SHIFT;
constexpr uint32_t BOUNDARY_TILE_WORDS = BOUNDARY_TILE_BYTES / 32; /* most candidates of a tile */

/* Whether warp_boundary takes these parameters for an input of this length. */
bool boundary_accepts(const warp_boundary_params *params, uint64_t length);

} /* namespace kernels */
#endif
