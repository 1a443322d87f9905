/* Hashes every position of the input and keeps those that match: kernels/boundary/spec.ts. */
#ifndef WARP_CUDA_BOUNDARY_SCAN_CUH
#define WARP_CUDA_BOUNDARY_SCAN_CUH
#include "boundary.cuh"
#include "memory.cuh"

namespace kernels {

/* A block takes a tile of 16 KiB and the 48 bytes before it into shared memory, and gives each
 * thread 64 bytes, before which it hashes the 48 that are in the window. Positions before 47 of
 * the input get hashes that mean nothing: no chunk ends there. */
struct BoundaryScan {
  static constexpr uint32_t THREADS = 256;
  static constexpr uint32_t WINDOW = 48;
  static constexpr uint32_t COPIES = 16; /* of the table: at most two lanes meet in a bank */
  static constexpr uint32_t OWN_WORDS = BOUNDARY_TILE_BYTES / 4 / THREADS;
  static constexpr uint32_t WINDOW_WORDS = WINDOW / 4;
  static constexpr uint32_t INPUT_WORDS = BOUNDARY_TILE_BYTES / 4 + WINDOW_WORDS;
  static constexpr uint32_t PARTS = OWN_WORDS * 4 / 32; /* candidate words of a thread */
  struct Shared {
    uint32_t table[256 * COPIES];
    uint32_t input[INPUT_WORDS + INPUT_WORDS / 16 + 1];
    uint32_t present[BOUNDARY_TILE_WORDS / 32];
  };
  /* One word of padding after 16, so that threads 64 bytes apart do not meet in a bank. */
  WARP_FN static uint32_t padded(uint32_t word) { return word + word / 16; }

  uint32_t table[32];
  uint32_t strict;
  uint32_t loose;
  const uint8_t *input;
  uint64_t length;
  CandidateWord *candidates;
  uint32_t *counts;

  WARP_FN void run(Block<THREADS> &block, uint64_t tile, Shared &shared) const {
    PerThread<uint32_t, THREADS> loose_bits[PARTS], strict_bits[PARTS];
    block.each([&](uint32_t thread) {
      load_table(shared, thread);
      load_input(shared, tile << BOUNDARY_TILE_SHIFT, thread);
      if (thread < BOUNDARY_TILE_WORDS / 32) shared.present[thread] = 0;
    });
    block.each([&](uint32_t thread) {
      uint32_t hash = 0, at = thread * OWN_WORDS;
#pragma unroll 4
      for (uint32_t k = 0; k < WINDOW_WORDS; k++, at++)
        hash = enter(shared, hash, shared.input[padded(at)], thread);
#pragma unroll
      for (uint32_t part = 0; part < PARTS; part++) {
        uint32_t is_loose = 0, is_strict = 0;
#pragma unroll 1
        for (uint32_t k = 0; k < 8; k++, at++)
          roll(shared, hash, at, thread, is_loose, is_strict);
        const uint64_t first = (tile << BOUNDARY_TILE_SHIFT) + 32 * (thread * PARTS + part);
        const uint32_t inside = length <= first        ? 0
                                : length - first >= 32 ? ~0u
                                                       : ~(~0u << (length - first));
        loose_bits[part][thread] = is_loose & inside;
        strict_bits[part][thread] = is_strict & inside;
        if ((is_loose & inside) != 0) mark(shared, thread * PARTS + part);
      }
    });
    block.each([&](uint32_t thread) {
#pragma unroll
      for (uint32_t part = 0; part < PARTS; part++) {
        const uint32_t word = thread * PARTS + part;
        if (loose_bits[part][thread] == 0) continue;
        candidates[tile * BOUNDARY_TILE_WORDS + rank(shared, word)] = {
            (uint32_t)(tile * BOUNDARY_TILE_WORDS) + word, loose_bits[part][thread],
            strict_bits[part][thread]};
      }
      if (thread == 0) counts[tile] = rank(shared, BOUNDARY_TILE_WORDS);
    });
  }

  /* Thread b writes all copies of T[b], each thread beginning with another copy (banks again). */
  WARP_FN void load_table(Shared &shared, uint32_t thread) const {
    const uint32_t entry = table[thread >> 4] ^ table[16 + (thread & 15)];
    for (uint32_t k = 0; k < COPIES; k++)
      shared.table[thread * COPIES + (k + thread) % COPIES] = entry;
  }

  /* Bytes outside the input are zeros. */
  WARP_FN void load_input(Shared &shared, uint64_t tile_at, uint32_t thread) const {
    for (uint32_t k = thread; k < INPUT_WORDS / 4; k += THREADS) {
      const uint64_t at = tile_at + 16 * k; /* WINDOW bytes too much, so that it is not negative */
      const bool is_inside = at >= WINDOW && at - WINDOW < length;
      const Word4 v = is_inside ? load_aligned16(input + (at - WINDOW)) : Word4{0, 0, 0, 0};
      shared.input[padded(4 * k)] = v.x;
      shared.input[padded(4 * k + 1)] = v.y;
      shared.input[padded(4 * k + 2)] = v.z;
      shared.input[padded(4 * k + 3)] = v.w;
    }
  }

  WARP_FN static uint32_t look_up(const Shared &shared, uint32_t byte, uint32_t thread) {
    return shared.table[byte * COPIES + thread % COPIES];
  }

  WARP_FN static uint32_t enter(const Shared &shared, uint32_t hash, uint32_t word,
                                uint32_t thread) {
#pragma unroll
    for (uint32_t k = 0; k < 4; k++)
      hash = rotl(hash, 1) ^ look_up(shared, word >> 8 * k & 255, thread);
    return hash;
  }

  /* Four positions; their bits come in from above. */
  WARP_FN void roll(const Shared &shared, uint32_t &hash, uint32_t at, uint32_t thread,
                    uint32_t &is_loose, uint32_t &is_strict) const {
    const uint32_t in = shared.input[padded(at)], gone = shared.input[padded(at - WINDOW_WORDS)];
#pragma unroll
    for (uint32_t k = 0; k < 4; k++) {
      const uint32_t old = look_up(shared, gone >> 8 * k & 255, thread);
      hash = rotl(hash, 1) ^ look_up(shared, in >> 8 * k & 255, thread) ^ rotl(old, WINDOW % 32);
      is_loose = is_loose >> 1 | ((hash & loose) == loose ? 0x80000000u : 0);
      is_strict = is_strict >> 1 | ((hash & strict) == strict ? 0x80000000u : 0);
    }
  }

  WARP_FN static void mark(Shared &shared, uint32_t word) {
    atomic_or(&shared.present[word / 32], 1u << word % 32);
  }

  /* How many marked words come before `word`. */
  WARP_FN static uint32_t rank(const Shared &shared, uint32_t word) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < word / 32; k++) count += popcount(shared.present[k]);
    return word % 32 == 0 ? count
                          : count + popcount(shared.present[word / 32] & ~(~0u << word % 32));
  }
};

} /* namespace kernels */
#endif
