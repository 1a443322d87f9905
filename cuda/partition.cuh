/* Stable partition by digit: elements of digit 0 first, then those of digit 1, .., each digit's
 * in the order they had. With one digit it packs those that are kept; digit by digit from the
 * lowest it sorts.
 *
 *   PartitionCount    how many of each digit there are in each tile
 *   PartitionSum      from counts to first positions: digit by digit, tile by tile
 *   PartitionMove     every element to its place
 *
 * A Source says how many elements there are (`size`), an element's digit or DROPPED, and where
 * it goes: move(i, position). Positions come from sums alone, not from who is first, and are
 * always the same. */
#ifndef WARP_CUDA_PARTITION_CUH
#define WARP_CUDA_PARTITION_CUH
#include "batch.cuh"

namespace kernels {

constexpr uint32_t DROPPED = ~0u;
constexpr uint32_t PARTITION_THREADS = 128;
constexpr uint32_t PARTITION_OWN = 16; /* elements of a thread, one after the other */
constexpr uint32_t PARTITION_TILE = PARTITION_THREADS * PARTITION_OWN;
constexpr uint64_t PARTITION_BLOCKS_MOST = 2048; /* more tiles: several for each block */

WARP_FN uint64_t partition_tiles(uint64_t size) {
  return (size + PARTITION_TILE - 1) / PARTITION_TILE;
}

/* How many elements of each digit each thread of a tile has. */
template <uint32_t DIGITS>
struct PartitionShared {
  uint16_t counts[DIGITS][PARTITION_THREADS + 2];
};

template <class Source>
WARP_FN void partition_count(Block<PARTITION_THREADS> &block, const Source &source, uint64_t tile,
                             PartitionShared<Source::DIGITS> &shared) {
  const uint64_t size = source.size();
  block.each([&](uint32_t thread) {
    for (uint32_t digit = 0; digit < Source::DIGITS; digit++) shared.counts[digit][thread] = 0;
    const uint64_t from = tile * PARTITION_TILE + thread * PARTITION_OWN;
    for (uint64_t i = from; i < from + PARTITION_OWN && i < size; i++) {
      const uint32_t digit = source.digit(i);
      if (digit != DROPPED) shared.counts[digit][thread]++;
    }
  });
}

template <class Source>
struct PartitionCount {
  static constexpr uint32_t THREADS = PARTITION_THREADS;
  using Shared = PartitionShared<Source::DIGITS>;
  Source source;
  uint64_t blocks;
  uint32_t *counts;

  WARP_FN void run(Block<THREADS> &block, uint64_t index, Shared &shared) const {
    const uint64_t tiles = partition_tiles(source.size());
#pragma unroll 1
    for (uint64_t tile = index; tile < tiles; tile += blocks) {
      partition_count(block, source, tile, shared);
      block.each([&](uint32_t digit) {
        if (digit >= Source::DIGITS) return;
        uint32_t count = 0;
        for (uint32_t k = 0; k < THREADS; k++) count += shared.counts[digit][k];
        counts[digit * tiles + tile] = count;
      });
    }
  }
};

/* Sums of all before, in place; the sum of all to *total. */
template <class Source>
struct PartitionSum {
  static constexpr uint32_t THREADS = 512;
  static constexpr uint32_t OWN = 4;
  struct Shared {
    uint32_t sums[2][THREADS];
  };
  Source source;
  uint32_t *counts;
  uint32_t *total;

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &shared) const {
    const uint64_t length = Source::DIGITS * partition_tiles(source.size());
    uint32_t sum = 0;
#pragma unroll 1
    for (uint64_t first = 0; first < length; first += THREADS * OWN) {
      uint32_t side = 0;
      block.each([&](uint32_t thread) {
        const uint64_t from = first + thread * OWN;
        uint32_t own = 0;
        for (uint64_t k = from; k < from + OWN && k < length; k++) own += counts[k];
        shared.sums[0][thread] = own;
      });
#pragma unroll 1
      for (uint32_t step = 1; step < THREADS; step *= 2, side ^= 1) {
        block.each([&](uint32_t thread) {
          const uint32_t before = thread < step ? 0 : shared.sums[side][thread - step];
          shared.sums[side ^ 1][thread] = shared.sums[side][thread] + before;
        });
      }
      block.each([&](uint32_t thread) {
        const uint64_t from = first + thread * OWN;
        uint32_t before = sum + (thread == 0 ? 0 : shared.sums[side][thread - 1]);
        for (uint64_t k = from; k < from + OWN && k < length; k++) {
          const uint32_t count = counts[k];
          counts[k] = before;
          before += count;
        }
      });
      sum += block.take(shared.sums[side][THREADS - 1]);
    }
    block.once([&] { *total = sum; });
  }
};

template <class Source>
struct PartitionMove {
  static constexpr uint32_t THREADS = PARTITION_THREADS;
  using Shared = PartitionShared<Source::DIGITS>;
  Source source;
  uint64_t blocks;
  const uint32_t *starts;

  WARP_FN void run(Block<THREADS> &block, uint64_t index, Shared &shared) const {
    const uint64_t size = source.size(), tiles = partition_tiles(size);
#pragma unroll 1
    for (uint64_t tile = index; tile < tiles; tile += blocks) {
      partition_count(block, source, tile, shared);
      block.each([&](uint32_t digit) {
        if (digit >= Source::DIGITS) return;
        uint32_t before = 0;
        for (uint32_t k = 0; k < THREADS; k++) {
          const uint32_t count = shared.counts[digit][k];
          shared.counts[digit][k] = (uint16_t)before;
          before += count;
        }
      });
      block.each([&](uint32_t thread) {
        const uint64_t from = tile * PARTITION_TILE + thread * PARTITION_OWN;
        for (uint64_t i = from; i < from + PARTITION_OWN && i < size; i++) {
          const uint32_t digit = source.digit(i);
          if (digit == DROPPED) continue;
          source.move(i, starts[digit * tiles + tile] + shared.counts[digit][thread]++);
        }
      });
    }
  }
};

/* `most`: the most elements there can be. counts has room for partition_counts(most, digits). */
template <class Source>
warp_status partition(warp_stream stream, const Source &source, uint64_t most, uint32_t *counts,
                      uint32_t *total) {
  const uint64_t tiles = (most + PARTITION_TILE - 1) / PARTITION_TILE;
  const uint64_t blocks = tiles < PARTITION_BLOCKS_MOST ? tiles : PARTITION_BLOCKS_MOST;
  const PartitionCount<Source> count{source, blocks, counts};
  warp_status status = launch_blocks(stream, count, blocks);
  if (status == WARP_OK)
    status = launch_blocks(stream, PartitionSum<Source>{source, counts, total}, 1);
  if (status == WARP_OK)
    status = launch_blocks(stream, PartitionMove<Source>{source, blocks, counts}, blocks);
  return status;
}

inline uint64_t partition_counts(uint64_t most, uint32_t digits) {
  return (most + PARTITION_TILE - 1) / PARTITION_TILE * digits;
}

} /* namespace kernels */
#endif
