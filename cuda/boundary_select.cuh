/* From candidates to cuts: chunk after chunk, the first candidate that ends it. One block, since
 * each chunk starts where the last one ended; candidates are few. */
#ifndef WARP_CUDA_BOUNDARY_SELECT_CUH
#define WARP_CUDA_BOUNDARY_SELECT_CUH
#include "boundary.cuh"

namespace kernels {

/* Reads the candidates of up to 256 tiles at a time into shared memory, packed. */
struct BoundarySelect {
  static constexpr uint32_t THREADS = 256;
  static constexpr uint32_t STAGED_MOST = 2048; /* at least one full tile */
  static constexpr uint32_t NOTHING = 0xffffffff;
  struct Shared {
    CandidateWord staged[STAGED_MOST];
    uint32_t sums[2][THREADS];
    uint32_t taken;
    uint32_t total;
    uint32_t found;
  };
  uint32_t avg;
  uint32_t min;
  uint32_t max;
  uint32_t is_last;
  uint64_t length;
  uint64_t tiles;
  const CandidateWord *candidates;
  const uint32_t *counts;
  uint32_t *cuts;
  uint32_t capacity;
  uint32_t *count;

  /* What is uniform over the block. `tile`: the first that is not staged. */
  struct State {
    uint64_t start;
    uint64_t tile;
    uint32_t staged;
    uint32_t head;
    uint32_t cuts;
  };

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &shared) const {
    State s{0, 0, 0, 0, 0};
#pragma unroll 1
    while (length - s.start >= min) {
      const uint64_t most = s.start + max, limit = most < length ? most : length;
      const uint32_t found = find(block, shared, s, limit);
      if (found != NOTHING) {
        cut(block, s, (uint64_t)found + 1);
      } else if (s.tile < tiles && s.tile << BOUNDARY_TILE_SHIFT < limit) {
        stage(block, shared, s);
      } else if (most <= length) {
        cut(block, s, most);
      } else {
        break;
      }
    }
    if (is_last != 0 && s.start < length) cut(block, s, length);
    block.once([&] { *count = s.cuts; });
  }

  WARP_FN void cut(Block<THREADS> &block, State &s, uint64_t end) const {
    block.once([&] {
      if (s.cuts < capacity) cuts[s.cuts] = (uint32_t)end;
    });
    s.cuts++;
    s.start = end;
  }

  /* The first position among the staged ones where a chunk from s.start ends; none at or after
   * `limit`. */
  WARP_FN uint32_t find(Block<THREADS> &block, Shared &shared, State &s, uint64_t limit) const {
#pragma unroll 1
    for (; s.head < s.staged; s.head += THREADS) {
      block.each([&](uint32_t thread) {
        if (thread == 0) shared.found = NOTHING;
      });
      block.each([&](uint32_t thread) {
        if (s.head + thread >= s.staged) return;
        const CandidateWord candidate = shared.staged[s.head + thread];
        const uint32_t bits = matches(candidate, s.start, limit);
        if (bits != 0) atomic_min(&shared.found, 32 * candidate.word + lowest_bit(bits));
      });
      const uint32_t found = block.take(shared.found);
      if (found != NOTHING) return found;
      const uint32_t last = s.head + THREADS < s.staged ? s.head + THREADS : s.staged;
      if ((uint64_t)block.take(shared.staged[last - 1].word) * 32 + 32 > limit) return NOTHING;
    }
    return NOTHING;
  }

  /* Bits for positions p with start + min <= p + 1, p < limit: strict ones below the average
   * length, loose ones from there on. */
  WARP_FN uint32_t matches(CandidateWord candidate, uint64_t start, uint64_t limit) const {
    const uint64_t first = 32 * (uint64_t)candidate.word;
    const uint32_t loose = from(first, start + avg - 1);
    const uint32_t bits = (candidate.loose & loose) | (candidate.strict & ~loose);
    return bits & from(first, start + min - 1) & ~from(first, limit);
  }

  /* The bits of the word of positions first .. first + 31 that are at or after `position`. */
  WARP_FN static uint32_t from(uint64_t first, uint64_t position) {
    if (position <= first) return ~0u;
    return position - first >= 32 ? 0 : ~0u << (position - first);
  }

  WARP_FN void stage(Block<THREADS> &block, Shared &shared, State &s) const {
    uint32_t side = 0;
    block.each([&](uint32_t thread) {
      shared.sums[0][thread] = s.tile + thread < tiles ? counts[s.tile + thread] : 0;
    });
#pragma unroll 1
    for (uint32_t step = 1; step < THREADS; step *= 2, side ^= 1) {
      block.each([&](uint32_t thread) {
        const uint32_t before = thread < step ? 0 : shared.sums[side][thread - step];
        shared.sums[side ^ 1][thread] = shared.sums[side][thread] + before;
      });
    }
    block.each([&](uint32_t thread) {
      const uint32_t *sums = shared.sums[side];
      const uint32_t end = sums[thread], begin = thread == 0 ? 0 : sums[thread - 1];
      if (end > STAGED_MOST) return;
      const CandidateWord *own = candidates + (s.tile + thread) * BOUNDARY_TILE_WORDS;
      for (uint32_t k = begin; k < end; k++) shared.staged[k] = own[k - begin];
      if (thread == THREADS - 1 || sums[thread + 1] > STAGED_MOST) {
        shared.taken = thread + 1;
        shared.total = end;
      }
    });
    s.tile += block.take(shared.taken);
    s.staged = block.take(shared.total);
    s.head = 0;
  }
};

} /* namespace kernels */
#endif
