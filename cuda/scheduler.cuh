/* The scheduler's state as kernels see it, and what its passes share: kernels/scheduler/spec.ts. */
#ifndef WARP_CUDA_SCHEDULER_CUH
#define WARP_CUDA_SCHEDULER_CUH
#include "batch.cuh"
#include "memory.cuh"

namespace kernels {

constexpr uint32_t SCHEDULER_EDGES_MOST = 4096;
constexpr uint32_t SCHEDULER_CANDIDATES = 8;
constexpr uint32_t SCHEDULER_NOISE = 32;
constexpr uint32_t SCHEDULER_BUCKETS = 64;
constexpr uint32_t SCHEDULER_LEVELS = 3;
constexpr uint32_t OPEN_SHIFT = 5;
constexpr uint32_t NO_EDGE = 0xffff;
constexpr uint32_t WORD_NONE = 0xf0000001;
constexpr uint32_t KEY_NONE = 0x78000000;
constexpr uint32_t KEY_BIAS = 2048;
constexpr uint32_t CHUNK_HASH = 0x9e3779b1;
constexpr int32_t PRICE_LEAST = -2048;
constexpr int32_t PRICE_MOST = (1 << 18) - 1;
constexpr uint32_t COST_MOST = (1 << 18) - 1;
constexpr uint32_t VALUE_MOST = 0x6ffff;
constexpr uint32_t GAIN_LEAST = 8;
constexpr int32_t STEP_LEAST = -256;

enum : uint32_t { ABSENT = 0, PENDING = 1, DISPATCHED = 2 };
enum : uint32_t { EVENT_DONE = 1, EVENT_FAILED = 2, EVENT_CANCELLED = 3, EVENT_LOST = 4 };

WARP_FN uint32_t mix32(uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6b;
  x = (x ^ x >> 13) * 0xc2b2ae35;
  return x ^ x >> 16;
}

/* log2 with 8 fraction bits, linear in between; x >= 1. */
WARP_FN int32_t log2_linear(uint64_t x) {
  const uint32_t high = (uint32_t)(x >> 32);
  const uint32_t whole = high == 0 ? highest_bit((uint32_t)x) : 32 + highest_bit(high);
  const uint64_t scaled = whole >= 8 ? x >> (whole - 8) : x << (8 - whole);
  return (int32_t)(whole * 256 + (uint32_t)scaled - 256);
}

/* The candidates of a slot. */
struct CandidateRow {
  Word4 words;
  WARP_FN uint32_t edge(uint32_t i) const {
    const uint32_t pair = i < 2 ? words.x : i < 4 ? words.y : i < 6 ? words.z : words.w;
    return pair >> 16 * (i & 1) & 0xffff;
  }
};

struct Scheduler {
  uint32_t edges;
  uint32_t chunks;
  uint32_t first_chunk;
  uint32_t eta;
  scheduler_columns at;

  WARP_FN uint32_t number(uint32_t slot) const { return first_chunk + slot; }
  WARP_FN uint32_t rank(uint32_t slot) const {
    const uint32_t priority = at.priorities[slot];
    return (priority < 7 ? priority : 7) << 29 | mix32(number(slot)) >> 3;
  }
  WARP_FN CandidateRow row(uint32_t slot) const {
    return {load_aligned16((const uint8_t *)(at.candidates + SCHEDULER_CANDIDATES * (size_t)slot))};
  }
  WARP_FN bool is_usable(uint32_t edge) const {
    return edge != NO_EDGE && at.words[edge] != WORD_NONE;
  }
  WARP_FN void count_failure(uint32_t slot) const {
    at.states[slot] = PENDING;
    if (at.tries[slot] != 255) at.tries[slot]++;
  }
  /* A thread's part of the sum of a column of edges. */
  template <class T>
  WARP_FN uint64_t sum(const T *column, uint32_t thread, uint32_t threads) const {
    uint64_t sum = 0;
    for (uint32_t e = thread; e < edges; e += threads) sum += column[e];
    return sum;
  }
  /* Assigns a chunk and moves its load. */
  WARP_FN void assign(uint32_t slot, uint32_t edge) const {
    const uint32_t before = at.assigned[slot];
    const uint64_t size = at.sizes[slot];
    if (before != NO_EDGE) atomic_add64(&at.loads[before], 0 - size);
    if (edge != NO_EDGE) atomic_add64(&at.loads[edge], size);
    at.assigned[slot] = (uint16_t)edge;
  }
};

WARP_FN uint32_t digit_of(uint32_t rank, uint32_t level) { return rank >> (26 - 6 * level) & 63; }

/* The smallest key among candidates that are allowed: allowed(edge, i). Words and noise may be
 * copies in shared memory. */
template <class F>
WARP_FN uint32_t best_edge(uint32_t edges, const uint32_t *words, const int32_t *noise,
                           CandidateRow row, uint32_t number, F &&allowed) {
  const uint32_t hash = number * CHUNK_HASH;
  uint32_t least = KEY_NONE;
#pragma unroll
  for (uint32_t i = 0; i < SCHEDULER_CANDIDATES; i++) {
    const uint32_t edge = row.edge(i);
    if (edge >= edges || !allowed(edge, i)) continue;
    const uint32_t word = words[edge];
    const uint32_t offset = (uint32_t)noise[hash * (word & 0x1fff) >> 27];
    const uint32_t key = ((word >> 13) + KEY_BIAS - offset) << 12 | edge;
    least = key < least ? key : least;
  }
  return least < KEY_NONE ? least & 0xfff : NO_EDGE;
}

Scheduler scheduler_view(const warp_scheduler_params *params, const void *state);

} /* namespace kernels */
#endif
