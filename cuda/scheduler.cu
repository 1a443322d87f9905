/* The scheduler's passes over slots, but for dispatch (scheduler_dispatch.cu). */
#include "scheduler.cuh"

namespace kernels {

static_assert(sizeof(warp_edge) == 16, "read as four words");

struct SchedulerClear {
  static constexpr uint32_t THREADS = 256;
  Scheduler s;
  int32_t noise[SCHEDULER_NOISE];

  WARP_FN void run(uint64_t index) const {
    if (index < s.chunks) {
      const uint8_t *row = (const uint8_t *)(s.at.candidates + SCHEDULER_CANDIDATES * index);
      store_aligned16((uint8_t *)row, {~0u, ~0u, ~0u, ~0u});
      s.at.sizes[index] = 0;
      s.at.priorities[index] = 0;
      s.at.states[index] = ABSENT;
      s.at.assigned[index] = NO_EDGE;
      s.at.tries[index] = 0;
      s.at.dirty[index] = 0;
    }
    if (index < s.edges) {
      s.at.given[index] = {0, 0, 0, 0};
      s.at.prices[index] = 0;
      s.at.words[index] = WORD_NONE;
      s.at.limits[index] = 0;
      s.at.loads[index] = 0;
      s.at.gains[index] = s.eta;
      s.at.lasts[index] = 0;
    }
    if (index < SCHEDULER_NOISE) s.at.noise[index] = noise[index];
  }
};

struct SchedulerPut {
  static constexpr uint32_t THREADS = 256;
  Scheduler s;
  uint32_t first;
  const uint16_t *candidates;
  const uint16_t *sizes;
  const uint8_t *priorities;

  WARP_FN void run(uint64_t i) const {
    const uint32_t slot = first + (uint32_t)i;
    s.assign(slot, NO_EDGE);
    const Word4 row = load_aligned16((const uint8_t *)(candidates + SCHEDULER_CANDIDATES * i));
    store_aligned16((uint8_t *)(s.at.candidates + SCHEDULER_CANDIDATES * (size_t)slot), row);
    s.at.sizes[slot] = sizes[i];
    s.at.priorities[slot] = priorities[i];
    s.at.states[slot] = PENDING;
    s.at.tries[slot] = 0;
    s.at.dirty[slot] = 1;
  }
};

struct SchedulerEvents {
  static constexpr uint32_t THREADS = 256;
  Scheduler s;
  const uint32_t *slots;
  const uint8_t *kinds;
  uint64_t *applied;

  WARP_FN void run(uint64_t i) const {
    if (apply(slots[i], kinds[i])) atomic_add64(applied, 1);
  }

  WARP_FN bool apply(uint32_t slot, uint32_t kind) const {
    const uint32_t was = s.at.states[slot];
    uint16_t *row = s.at.candidates + SCHEDULER_CANDIDATES * (size_t)slot;
    if (kind == EVENT_DONE || kind == EVENT_CANCELLED) {
      if (was == ABSENT) return false;
      s.assign(slot, NO_EDGE);
      store_aligned16((uint8_t *)row, {~0u, ~0u, ~0u, ~0u});
      s.at.sizes[slot] = 0;
      s.at.priorities[slot] = 0;
      s.at.states[slot] = ABSENT;
      s.at.tries[slot] = 0;
      return true;
    }
    if (was != DISPATCHED) return false;
    if (kind == EVENT_LOST) {
      for (uint32_t k = 0; k < SCHEDULER_CANDIDATES; k++)
        if (row[k] == s.at.assigned[slot]) row[k] = NO_EDGE;
    }
    s.count_failure(slot);
    s.at.dirty[slot] = 1;
    return true;
  }
};

/* choose, chooseDirty and failover: a block takes a tile of slots. Changes of load are summed in
 * shared memory; a tile's fit in 32 bits, with sign. */
struct SchedulerChoose {
  enum Which : uint32_t { ALL, DIRTY, FAILED };
  static constexpr uint32_t THREADS = 512;
  static constexpr uint32_t TILE = 16 * THREADS;
  static_assert((uint64_t)TILE * 0xffff < 1u << 31, "changes of load must fit");
  struct Shared {
    uint32_t words[SCHEDULER_EDGES_MOST];
    uint32_t changes[SCHEDULER_EDGES_MOST];
    int32_t noise[SCHEDULER_NOISE];
    uint32_t count;
  };
  Scheduler s;
  Which which;
  uint32_t first;
  uint32_t n;
  uint64_t *count; /* null for ALL */

  WARP_FN void run(Block<THREADS> &block, uint64_t tile, Shared &shared) const {
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < s.edges; e += THREADS) {
        shared.words[e] = s.at.words[e];
        shared.changes[e] = 0;
      }
      if (thread < SCHEDULER_NOISE) shared.noise[thread] = s.at.noise[thread];
      if (thread == 0) shared.count = 0;
    });
    block.each([&](uint32_t thread) {
      const uint64_t from = tile * TILE, end = from + TILE < n ? from + TILE : n;
      for (uint64_t i = from + thread; i < end; i += THREADS) visit(first + (uint32_t)i, shared);
    });
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < s.edges; e += THREADS) {
        const int32_t change = (int32_t)shared.changes[e];
        if (change != 0) atomic_add64(&s.at.loads[e], (uint64_t)(int64_t)change);
      }
      if (thread == 0 && count != nullptr && shared.count != 0) atomic_add64(count, shared.count);
    });
  }

  WARP_FN void visit(uint32_t slot, Shared &shared) const {
    if (!is_due(slot, shared)) return;
    const uint32_t before = s.at.assigned[slot], size = s.at.sizes[slot];
    const uint32_t edge = best_edge(s.edges, shared.words, shared.noise, s.row(slot),
                                    s.number(slot), [](uint32_t, uint32_t) { return true; });
    if (which != ALL) atomic_add(&shared.count, 1);
    if (edge == before) return;
    if (before != NO_EDGE) atomic_add(&shared.changes[before], 0 - size);
    if (edge != NO_EDGE) atomic_add(&shared.changes[edge], size);
    s.at.assigned[slot] = (uint16_t)edge;
  }

  WARP_FN bool is_due(uint32_t slot, const Shared &shared) const {
    if (which == ALL) return s.at.states[slot] == PENDING;
    if (which == DIRTY) {
      if (s.at.dirty[slot] == 0) return false;
      s.at.dirty[slot] = 0;
      return s.at.states[slot] == PENDING;
    }
    const uint32_t edge = s.at.assigned[slot];
    if (edge == NO_EDGE || shared.words[edge] != WORD_NONE) return false;
    if (s.at.states[slot] == DISPATCHED) s.count_failure(slot);
    return true;
  }
};

/* The three smallest different keys without noise. */
struct SchedulerBest {
  static constexpr uint32_t THREADS = 128;
  Scheduler s;
  const uint32_t *slots;
  uint16_t *out;

  WARP_FN void run(uint64_t i) const {
    const CandidateRow row = s.row(slots[i]);
    uint32_t a = ~0u, b = ~0u, c = ~0u;
#pragma unroll
    for (uint32_t k = 0; k < SCHEDULER_CANDIDATES; k++) {
      const uint32_t edge = row.edge(k);
      if (edge >= s.edges || s.at.words[edge] == WORD_NONE) continue;
      const uint32_t key = s.at.words[edge] >> 13 << 12 | edge;
      if (key == a || key == b || key == c) continue;
      if (key < a) {
        c = b, b = a, a = key;
      } else if (key < b) {
        c = b, b = key;
      } else if (key < c) {
        c = key;
      }
    }
    out[3 * i] = a == ~0u ? NO_EDGE : a & 0xfff;
    out[3 * i + 1] = b == ~0u ? NO_EDGE : b & 0xfff;
    out[3 * i + 2] = c == ~0u ? NO_EDGE : c & 0xfff;
  }
};

struct SchedulerDigest {
  static constexpr uint32_t THREADS = 256;
  static constexpr uint32_t TILE = 16 * THREADS;
  struct Shared {
    uint32_t words[2]; /* sum, XOR */
  };
  Scheduler s;
  uint32_t *digest;

  WARP_FN void run(Block<THREADS> &block, uint64_t tile, Shared &shared) const {
    block.each([&](uint32_t thread) {
      if (thread < 2) shared.words[thread] = 0;
    });
    block.each([&](uint32_t thread) {
      const uint64_t from = tile * TILE, end = from + TILE < s.chunks ? from + TILE : s.chunks;
      uint32_t sum = 0, parity = 0;
      for (uint64_t i = from + thread; i < end; i += THREADS) {
        const uint32_t slot = (uint32_t)i, content = (uint32_t)s.at.assigned[slot] |
                                                     (uint32_t)s.at.states[slot] << 16 |
                                                     (uint32_t)s.at.tries[slot] << 24;
        const uint32_t mixed = mix32(s.number(slot) * CHUNK_HASH ^ content);
        sum += mixed;
        parity ^= mixed;
      }
      atomic_add(&shared.words[0], sum);
      atomic_xor(&shared.words[1], parity);
    });
    block.once([&] {
      atomic_add(&digest[0], shared.words[0]);
      atomic_xor(&digest[1], shared.words[1]);
    });
  }
};

Scheduler scheduler_view(const warp_scheduler_params *params, const void *state) {
  Scheduler s{params->edges, params->chunks, params->first_chunk, params->eta, {}};
  scheduler_columns_at(params, (void *)state, &s.at);
  return s;
}

namespace {

size_t lay_out(const warp_scheduler_params *params, void *state, scheduler_columns &at) {
  Scratch parts{(uint8_t *)state};
  const uint64_t chunks = params->chunks, edges = params->edges;
  at.candidates = parts.take<uint16_t>(SCHEDULER_CANDIDATES * chunks);
  at.sizes = parts.take<uint16_t>(chunks);
  at.priorities = parts.take<uint8_t>(chunks);
  at.states = parts.take<uint8_t>(chunks);
  at.assigned = parts.take<uint16_t>(chunks);
  at.tries = parts.take<uint8_t>(chunks);
  at.dirty = parts.take<uint8_t>(chunks);
  at.given = parts.take<warp_edge>(edges);
  at.prices = parts.take<int32_t>(edges);
  at.words = parts.take<uint32_t>(edges);
  at.limits = parts.take<uint32_t>(edges);
  at.loads = parts.take<uint64_t>(edges);
  at.gains = parts.take<uint32_t>(edges);
  at.lasts = parts.take<int32_t>(edges);
  at.noise = parts.take<int32_t>(SCHEDULER_NOISE);
  return parts.used;
}

warp_status choose(warp_stream stream, const warp_scheduler_params *params, void *state,
                   SchedulerChoose::Which which, uint32_t first, uint32_t n, uint64_t *count) {
  const SchedulerChoose pass{scheduler_view(params, state), which, first, n, count};
  return launch_blocks(stream, pass, ((uint64_t)n + pass.TILE - 1) / pass.TILE);
}

} /* namespace */
} /* namespace kernels */

using namespace kernels;

size_t scheduler_state_bytes(const warp_scheduler_params *params) {
  scheduler_columns columns;
  return lay_out(params, nullptr, columns);
}

void scheduler_columns_at(const warp_scheduler_params *params, void *state,
                          scheduler_columns *columns) {
  lay_out(params, state, *columns);
}

warp_status scheduler_clear_launch(warp_stream stream, const warp_scheduler_params *params,
                                   void *state) {
  const SchedulerClear clear{
      scheduler_view(params, state),
      {-365, -286, -240, -203, -172, -145, -119, -95, -72, -50, -28, -6,  16,  38,  60,  82,
       105,  129,  154,  180,  207,  236,  267,  301, 338, 380, 427, 483, 552, 642, 777, 1063}};
  uint64_t count = params->chunks > params->edges ? params->chunks : params->edges;
  if (count < SCHEDULER_NOISE) count = SCHEDULER_NOISE;
  return launch_threads(stream, clear, count);
}

warp_status scheduler_put_launch(warp_stream stream, const warp_scheduler_params *params,
                                 void *state, uint32_t first, uint32_t n,
                                 const uint16_t *candidates, const uint16_t *sizes,
                                 const uint8_t *priorities) {
  const SchedulerPut put{scheduler_view(params, state), first, candidates, sizes, priorities};
  return launch_threads(stream, put, n);
}

warp_status scheduler_events_launch(warp_stream stream, const warp_scheduler_params *params,
                                    void *state, uint32_t n, const uint32_t *slots,
                                    const uint8_t *kinds, uint64_t *applied) {
  const SchedulerEvents events{scheduler_view(params, state), slots, kinds, applied};
  return launch_threads(stream, events, n);
}

warp_status scheduler_choose_launch(warp_stream stream, const warp_scheduler_params *params,
                                    void *state, uint32_t first, uint32_t n) {
  return choose(stream, params, state, SchedulerChoose::ALL, first, n, nullptr);
}

warp_status scheduler_choose_dirty_launch(warp_stream stream, const warp_scheduler_params *params,
                                          void *state, uint64_t *count) {
  return choose(stream, params, state, SchedulerChoose::DIRTY, 0, params->chunks, count);
}

warp_status scheduler_failover_launch(warp_stream stream, const warp_scheduler_params *params,
                                      void *state, uint64_t *count) {
  return choose(stream, params, state, SchedulerChoose::FAILED, 0, params->chunks, count);
}

warp_status scheduler_best_launch(warp_stream stream, const warp_scheduler_params *params,
                                  const void *state, uint32_t n, const uint32_t *slots,
                                  uint16_t *out) {
  return launch_threads(stream, SchedulerBest{scheduler_view(params, state), slots, out}, n);
}

warp_status scheduler_digest_launch(warp_stream stream, const warp_scheduler_params *params,
                                    const void *state, uint64_t *digest) {
  const SchedulerDigest pass{scheduler_view(params, state), (uint32_t *)digest};
  return launch_blocks(stream, pass, ((uint64_t)params->chunks + pass.TILE - 1) / pass.TILE);
}
