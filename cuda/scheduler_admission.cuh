/* Admission: which chunks go out now, so that no edge gets more than its capacity.
 *
 * Nothing waits for the host: all rounds are queued, and those behind the last do nothing. Bids are
 * packed in the order of slots; each pass over them runs at most BID_THREADS threads. */
#ifndef WARP_CUDA_SCHEDULER_ADMISSION_CUH
#define WARP_CUDA_SCHEDULER_ADMISSION_CUH
#include "partition.cuh"
#include "scheduler.cuh"
#include "sum.cuh"

namespace kernels {

enum BidState : uint8_t { WAITING, UNDECIDED, ADMITTED, REJECTED, OUT };

/* Numbers that passes leave for later ones. */
struct AdmissionCounts {
  uint32_t bids;
  uint32_t admitted;
  uint32_t is_over;
  uint32_t bidding; /* of the round under way, as the next two */
  uint32_t chosen;
  uint32_t rejected;
};

struct Admission {
  static constexpr uint64_t BID_THREADS = 1 << 18;
  Scheduler s;
  AdmissionCounts *counts;
  uint64_t *stats;
  uint64_t *sums;     /* [level][digit][edge]: KiB; 0 between uses */
  uint8_t *threshold; /* of each edge: the last bucket of its window, then digits */
  uint8_t *is_open;
  uint32_t *left;
  uint32_t *slots; /* of each bid */
  uint16_t *edges; /* where it bids */
  uint8_t *tried;  /* bit i: the edge of candidate i has rejected it */
  BidState *states;

  WARP_FN uint64_t *sum(uint32_t level, uint32_t digit, uint32_t edge) const {
    return sums + ((size_t)level * SCHEDULER_BUCKETS + digit) * s.edges + edge;
  }
};

/* ---- window ---------------------------------------------------------------------------------- */

struct AdmissionClear {
  static constexpr uint32_t THREADS = 256;
  Admission a;
  uint64_t sums;

  WARP_FN void run(uint64_t index) const {
    if (index < sums) a.sums[index] = 0;
    if (index < a.s.edges) a.left[index] = a.s.at.limits[index];
    if (index == 0) *a.counts = {0, 0, 0, 0, 0, 0};
  }
};

/* Sums of what is bid at each edge, by bucket. */
struct AdmissionDemand {
  static constexpr uint32_t THREADS = 256;
  static constexpr uint32_t TILE = 16 * THREADS;
  struct Shared {
    uint32_t unplaced;
  };
  Admission a;

  WARP_FN void run(Block<THREADS> &block, uint64_t tile, Shared &shared) const {
    const Scheduler &s = a.s;
    block.each([&](uint32_t thread) {
      if (thread == 0) shared.unplaced = 0;
    });
    block.each([&](uint32_t thread) {
      const uint64_t from = tile * TILE, end = from + TILE < s.chunks ? from + TILE : s.chunks;
      for (uint64_t i = from + thread; i < end; i += THREADS) {
        const uint32_t slot = (uint32_t)i, edge = s.at.assigned[slot];
        if (s.at.states[slot] != PENDING) continue;
        if (s.is_usable(edge)) {
          atomic_add64(a.sum(0, digit_of(s.rank(slot), 0), edge), s.at.sizes[slot]);
        } else {
          atomic_add(&shared.unplaced, 1);
        }
      }
    });
    block.once([&] {
      if (shared.unplaced != 0) atomic_add64(&a.stats[WARP_STAT_UNPLACED], shared.unplaced);
    });
  }
};

/* The last bucket of each window: where twice the capacity is reached. */
struct AdmissionWindow {
  static constexpr uint32_t THREADS = 128;
  Admission a;

  WARP_FN void run(uint64_t edge) const {
    const uint64_t enough = 2 * (uint64_t)a.s.at.limits[edge];
    uint64_t sum = 0;
    uint32_t last = SCHEDULER_BUCKETS - 1;
    for (uint32_t bucket = 0; bucket < SCHEDULER_BUCKETS; bucket++) {
      uint64_t *at = a.sum(0, bucket, (uint32_t)edge);
      sum += *at;
      *at = 0;
      if (sum >= enough && last > bucket) last = bucket;
    }
    a.threshold[edge] = (uint8_t)last;
  }
};

/* Packs the slots that take part. */
struct AdmissionBidders {
  static constexpr uint32_t DIGITS = 1;
  Admission a;

  WARP_FN uint64_t size() const { return a.s.chunks; }
  WARP_FN uint32_t digit(uint64_t i) const {
    const uint32_t slot = (uint32_t)i, edge = a.s.at.assigned[slot];
    const bool is_in = a.s.at.states[slot] == PENDING && a.s.is_usable(edge) &&
                       digit_of(a.s.rank(slot), 0) <= a.threshold[edge];
    return is_in ? 0 : DROPPED;
  }
  WARP_FN void move(uint64_t i, uint32_t position) const {
    a.slots[position] = (uint32_t)i;
    a.edges[position] = a.s.at.assigned[i];
    a.tried[position] = 0;
    a.states[position] = WAITING;
  }
};

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Ends the round before, if there was one, and begins the next, unless it is over. */
struct AdmissionRound {
  static constexpr uint32_t THREADS = 512;
  using Shared = SumShared<THREADS>;
  Admission a;
  uint32_t round;
  uint32_t is_end; /* no round follows */

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &shared) const {
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < a.s.edges; e += THREADS)
        a.is_open[e] = a.left[e] > a.s.at.limits[e] >> OPEN_SHIFT ? 1 : 0;
    });
    const uint64_t left = block_sum(
        block, shared, [&](uint32_t thread) { return a.s.sum(a.left, thread, THREADS); });
    const uint64_t capacity = block_sum(
        block, shared, [&](uint32_t thread) { return a.s.sum(a.s.at.limits, thread, THREADS); });
    block.once([&] {
      AdmissionCounts &c = *a.counts;
      if (c.is_over != 0) return;
      if (round > 0) {
        if (c.bidding != 0) a.stats[WARP_STAT_ROUNDS]++;
        c.is_over = c.bidding == 0 || c.rejected == 0 || (round > 1 && c.chosen == 0) ||
                    left <= capacity >> OPEN_SHIFT;
      } else {
        a.stats[WARP_STAT_WINDOW] += c.bids;
      }
      if (is_end != 0) c.is_over = 1;
      c.bidding = c.chosen = c.rejected = 0;
    });
  }
};

/* Step 0: bids; then, for each level, decides by the thresholds of the one before. Sums what is
 * still undecided for the next. */
struct AdmissionStep {
  static constexpr uint32_t THREADS = 256;
  struct Shared {
    AdmissionCounts counts;
  };
  Admission a;
  uint32_t round;
  uint32_t step; /* 0..3 */
  uint64_t blocks;

  WARP_FN void run(Block<THREADS> &block, uint64_t index, Shared &shared) const {
    if (a.counts->is_over != 0) return;
    const uint64_t bids = a.counts->bids;
    block.each([&](uint32_t thread) {
      if (thread == 0) shared.counts = {0, 0, 0, 0, 0, 0};
    });
    block.each([&](uint32_t thread) {
      for (uint64_t i = index * THREADS + thread; i < bids; i += blocks * THREADS) visit(i, shared);
    });
    block.once([&] {
      if (shared.counts.bidding != 0) atomic_add(&a.counts->bidding, shared.counts.bidding);
      if (shared.counts.chosen != 0) atomic_add(&a.counts->chosen, shared.counts.chosen);
      if (shared.counts.rejected != 0) atomic_add(&a.counts->rejected, shared.counts.rejected);
    });
  }

  WARP_FN void visit(uint64_t i, Shared &shared) const {
    const uint32_t slot = a.slots[i], rank = a.s.rank(slot);
    BidState state = a.states[i];
    if (state != (step == 0 ? WAITING : UNDECIDED)) return;
    state = step == 0 ? bid(i, slot) : decide(i, rank);
    if (state == UNDECIDED) {
      if (step == 0) atomic_add(&shared.counts.bidding, 1);
      atomic_add64(a.sum(step, digit_of(rank, step), a.edges[i]), a.s.at.sizes[slot]);
    } else if (state == ADMITTED) {
      atomic_add(&shared.counts.chosen, 1);
    } else if (state == REJECTED) {
      atomic_add(&shared.counts.rejected, 1);
      a.tried[i] |= same_edge(slot, a.edges[i]);
      state = WAITING;
    }
    a.states[i] = state;
  }

  WARP_FN BidState bid(uint64_t i, uint32_t slot) const {
    if (round == 0) return UNDECIDED;
    const uint32_t tried = a.tried[i];
    const uint32_t edge =
        best_edge(a.s.edges, a.s.at.words, a.s.at.noise, a.s.row(slot), a.s.number(slot),
                  [&](uint32_t e, uint32_t k) {
                    return a.is_open[e] != 0 && (tried >> k & 1) == 0 && a.s.is_usable(e);
                  });
    if (edge == NO_EDGE) return OUT;
    a.edges[i] = (uint16_t)edge;
    return UNDECIDED;
  }

  WARP_FN BidState decide(uint64_t i, uint32_t rank) const {
    const uint32_t digit = digit_of(rank, step - 1), threshold = a.threshold[a.edges[i]];
    if (digit < threshold) return ADMITTED;
    return digit == threshold && step < SCHEDULER_LEVELS ? UNDECIDED : REJECTED;
  }

  /* Bits of the candidates that are this edge. */
  WARP_FN uint8_t same_edge(uint32_t slot, uint32_t edge) const {
    const CandidateRow row = a.s.row(slot);
    uint32_t bits = 0;
#pragma unroll
    for (uint32_t k = 0; k < SCHEDULER_CANDIDATES; k++) bits |= (row.edge(k) == edge ? 1u : 0) << k;
    return (uint8_t)bits;
  }
};

/* Each edge takes whole digits while they fit; clears their sums. */
struct AdmissionThreshold {
  static constexpr uint32_t THREADS = 128;
  Admission a;
  uint32_t level;

  WARP_FN void run(uint64_t edge) const {
    if (a.counts->is_over != 0) return;
    uint32_t left = a.left[edge], threshold = SCHEDULER_BUCKETS;
    for (uint32_t digit = 0; digit < SCHEDULER_BUCKETS; digit++) {
      uint64_t *at = a.sum(level, digit, (uint32_t)edge);
      const uint64_t sum = *at;
      *at = 0;
      if (threshold != SCHEDULER_BUCKETS) continue;
      if (sum > left) {
        threshold = digit;
      } else {
        left -= (uint32_t)sum;
      }
    }
    a.left[edge] = left;
    a.threshold[edge] = (uint8_t)threshold;
  }
};

} /* namespace kernels */
#endif
