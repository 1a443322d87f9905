/* Sums of 64 bits over a block. Not by atomic_add64, which shared memory has no instruction for. */
#ifndef WARP_CUDA_SUM_CUH
#define WARP_CUDA_SUM_CUH
#include "portable.h"

namespace kernels {

template <uint32_t THREADS>
struct SumShared {
  uint64_t parts[THREADS];
  uint64_t rows[LANES];
  uint64_t sum;
};

/* Sum of part(thread) over all threads, in all threads. */
template <uint32_t THREADS, class F>
WARP_FN uint64_t block_sum(Block<THREADS> &block, SumShared<THREADS> &shared, F &&part) {
  block.each([&](uint32_t thread) { shared.parts[thread] = part(thread); });
  block.each([&](uint32_t row) {
    if (row >= LANES) return;
    uint64_t sum = 0;
    for (uint32_t k = row; k < THREADS; k += LANES) sum += shared.parts[k];
    shared.rows[row] = sum;
  });
  block.each([&](uint32_t thread) {
    if (thread != 0) return;
    uint64_t sum = 0;
    for (uint32_t row = 0; row < LANES; row++) sum += shared.rows[row];
    shared.sum = sum;
  });
  return block.take(shared.sum);
}

} /* namespace kernels */
#endif
