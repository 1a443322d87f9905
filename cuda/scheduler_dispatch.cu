/* Dispatch: admission, then what it admitted in order of (edge, bucket, slot). */
#include "scheduler_admission.cuh"

namespace kernels {

/* Packs admitted bids: their indices, in the order of slots. */
struct AdmittedBids {
  static constexpr uint32_t DIGITS = 1;
  Admission a;
  uint32_t *out;

  WARP_FN uint64_t size() const { return a.counts->bids; }
  WARP_FN uint32_t digit(uint64_t i) const { return a.states[i] == ADMITTED ? 0 : DROPPED; }
  WARP_FN void move(uint64_t i, uint32_t position) const { out[position] = (uint32_t)i; }
};

/* One pass of a sort by 18 bits: bucket, then the edge counted from the first. */
struct SortPass {
  static constexpr uint32_t DIGITS = 64;
  Admission a;
  uint32_t first_edge;
  uint32_t pass;
  const uint32_t *from;
  uint32_t *to;

  WARP_FN uint64_t size() const { return a.counts->admitted; }
  WARP_FN uint32_t digit(uint64_t i) const {
    const uint32_t bid = from[i];
    if (pass == 0) return digit_of(a.s.rank(a.slots[bid]), 0);
    const uint32_t edge = a.edges[bid];
    const uint32_t order = edge >= first_edge ? edge - first_edge : edge + a.s.edges - first_edge;
    return order >> 6 * (pass - 1) & 63;
  }
  WARP_FN void move(uint64_t i, uint32_t position) const { to[position] = from[i]; }
};

/* Gives out the first `limit` and sums sizes. */
struct GiveOut {
  static constexpr uint32_t THREADS = 256;
  using Shared = SumShared<THREADS>;
  Admission a;
  const uint32_t *order;
  uint32_t limit;
  uint64_t blocks;
  uint32_t *slots;
  uint16_t *edges;
  uint32_t *count;

  WARP_FN void run(Block<THREADS> &block, uint64_t index, Shared &shared) const {
    const uint32_t admitted = a.counts->admitted, given = admitted < limit ? admitted : limit;
    const uint64_t dispatched_kib = block_sum(block, shared, [&](uint32_t thread) {
      uint64_t sum = 0;
      for (uint64_t i = index * THREADS + thread; i < given; i += blocks * THREADS) {
        const uint32_t bid = order[i], slot = a.slots[bid];
        sum += a.s.at.sizes[slot];
        slots[i] = slot;
        edges[i] = a.edges[bid];
        a.s.assign(slot, a.edges[bid]);
        a.s.at.states[slot] = DISPATCHED;
      }
      return sum;
    });
    const uint64_t admitted_kib = block_sum(block, shared, [&](uint32_t thread) {
      uint64_t sum = 0;
      for (uint64_t i = index * THREADS + thread; i < admitted; i += blocks * THREADS)
        sum += a.s.at.sizes[a.slots[order[i]]];
      return sum;
    });
    block.once([&] {
      atomic_add64(&a.stats[WARP_STAT_ADMITTED_KIB], admitted_kib);
      atomic_add64(&a.stats[WARP_STAT_DISPATCHED_KIB], dispatched_kib);
      if (index != 0) return;
      *count = given;
      atomic_add64(&a.stats[WARP_STAT_ADMITTED], admitted);
      atomic_add64(&a.stats[WARP_STAT_DISPATCHED], given);
    });
  }
};

/* What is left: chunks by state, and sums over edges. */
struct Totals {
  static constexpr uint32_t THREADS = 256;
  static constexpr uint32_t TILE = 16 * THREADS;
  struct Shared {
    uint32_t pending;
    uint32_t in_flight;
    SumShared<THREADS> sum;
  };
  Scheduler s;
  uint64_t *stats;

  WARP_FN void run(Block<THREADS> &block, uint64_t tile, Shared &shared) const {
    block.each([&](uint32_t thread) {
      if (thread == 0) shared.pending = shared.in_flight = 0;
    });
    block.each([&](uint32_t thread) {
      const uint64_t from = tile * TILE, end = from + TILE < s.chunks ? from + TILE : s.chunks;
      uint32_t pending = 0, in_flight = 0;
      for (uint64_t i = from + thread; i < end; i += THREADS) {
        pending += s.at.states[i] == PENDING;
        in_flight += s.at.states[i] == DISPATCHED;
      }
      if (pending != 0) atomic_add(&shared.pending, pending);
      if (in_flight != 0) atomic_add(&shared.in_flight, in_flight);
    });
    block.once([&] {
      atomic_add64(&stats[WARP_STAT_PENDING], shared.pending);
      atomic_add64(&stats[WARP_STAT_IN_FLIGHT], shared.in_flight);
    });
    if (tile != 0) return;
    const uint64_t load = block_sum(
        block, shared.sum, [&](uint32_t thread) { return s.sum(s.at.loads, thread, THREADS); });
    const uint64_t capacity = block_sum(
        block, shared.sum, [&](uint32_t thread) { return s.sum(s.at.limits, thread, THREADS); });
    block.once([&] {
      atomic_add64(&stats[WARP_STAT_LOAD_KIB], load);
      atomic_add64(&stats[WARP_STAT_CAPACITY_KIB], capacity);
    });
  }
};

namespace {

struct DispatchScratch {
  Admission a;
  uint64_t sums;
  uint32_t *counts;
  uint32_t *order[2];
  uint32_t *total; /* of sort passes: known before */
  size_t bytes;

  DispatchScratch(const warp_scheduler_params *params, void *scratch) : a{} {
    Scratch parts{(uint8_t *)scratch};
    const uint64_t chunks = params->chunks, edges = params->edges;
    sums = SCHEDULER_LEVELS * SCHEDULER_BUCKETS * edges;
    a.counts = parts.take<AdmissionCounts>(1);
    a.sums = parts.take<uint64_t>(sums);
    a.threshold = parts.take<uint8_t>(edges);
    a.is_open = parts.take<uint8_t>(edges);
    a.left = parts.take<uint32_t>(edges);
    a.slots = parts.take<uint32_t>(chunks);
    a.edges = parts.take<uint16_t>(chunks);
    a.tried = parts.take<uint8_t>(chunks);
    a.states = parts.take<BidState>(chunks);
    order[0] = parts.take<uint32_t>(chunks);
    order[1] = parts.take<uint32_t>(chunks);
    counts = parts.take<uint32_t>(partition_counts(chunks, SortPass::DIGITS));
    total = parts.take<uint32_t>(1);
    bytes = parts.used;
  }
};

uint64_t blocks_for(uint64_t chunks, uint64_t threads) {
  const uint64_t most = Admission::BID_THREADS / threads, all = (chunks + threads - 1) / threads;
  return all < most ? all : most;
}

/* Who takes part. */
warp_status open_window(warp_stream stream, const DispatchScratch &parts) {
  const Admission &a = parts.a;
  const uint64_t all = parts.sums > a.s.edges ? parts.sums : a.s.edges;
  const uint64_t tiles = ((uint64_t)a.s.chunks + AdmissionDemand::TILE - 1) / AdmissionDemand::TILE;
  warp_status status = launch_threads(stream, AdmissionClear{a, parts.sums}, all);
  if (status == WARP_OK) status = launch_blocks(stream, AdmissionDemand{a}, tiles);
  if (status == WARP_OK) status = launch_threads(stream, AdmissionWindow{a}, a.s.edges);
  if (status != WARP_OK) return status;
  return partition(stream, AdmissionBidders{a}, a.s.chunks, parts.counts, &a.counts->bids);
}

warp_status run_rounds(warp_stream stream, const Admission &a, uint32_t rounds) {
  const uint64_t blocks = blocks_for(a.s.chunks, AdmissionStep::THREADS);
  warp_status status = WARP_OK;
  for (uint32_t round = 0; status == WARP_OK && round < rounds; round++) {
    status = launch_blocks(stream, AdmissionRound{a, round, 0}, 1);
    for (uint32_t step = 0; status == WARP_OK && step <= SCHEDULER_LEVELS; step++) {
      if (step > 0) status = launch_threads(stream, AdmissionThreshold{a, step - 1}, a.s.edges);
      if (status == WARP_OK)
        status = launch_blocks(stream, AdmissionStep{a, round, step, blocks}, blocks);
    }
  }
  return status == WARP_OK ? launch_blocks(stream, AdmissionRound{a, rounds, 1}, 1) : status;
}

/* The number of the buffer that has the sorted order goes to *sorted. */
warp_status sort_admitted(warp_stream stream, const DispatchScratch &parts, uint32_t first_edge,
                          uint32_t *sorted) {
  const Admission &a = parts.a;
  warp_status status = partition(stream, AdmittedBids{a, parts.order[0]}, a.s.chunks, parts.counts,
                                 &a.counts->admitted);
  const uint32_t passes = a.s.edges > SortPass::DIGITS ? 3 : 2;
  for (uint32_t pass = 0; status == WARP_OK && pass < passes; pass++) {
    const SortPass sort{a, first_edge, pass, parts.order[pass & 1], parts.order[~pass & 1]};
    status = partition(stream, sort, a.s.chunks, parts.counts, parts.total);
  }
  *sorted = passes & 1;
  return status;
}

} /* namespace */
} /* namespace kernels */

using namespace kernels;

size_t scheduler_scratch_bytes(const warp_scheduler_params *params) {
  return DispatchScratch(params, nullptr).bytes;
}

warp_status scheduler_dispatch_launch(warp_stream stream, const warp_scheduler_params *params,
                                      void *state, uint32_t rounds, uint32_t first_edge,
                                      uint32_t limit, uint32_t *slots, uint16_t *edges,
                                      uint32_t *count, uint64_t *stats, void *scratch) {
  DispatchScratch parts(params, scratch);
  parts.a.s = scheduler_view(params, state);
  parts.a.stats = stats;
  uint32_t sorted = 0;
  warp_status status = open_window(stream, parts);
  if (status == WARP_OK) status = run_rounds(stream, parts.a, rounds);
  if (status == WARP_OK) status = sort_admitted(stream, parts, first_edge, &sorted);
  if (status != WARP_OK) return status;
  const uint64_t blocks = blocks_for(params->chunks, GiveOut::THREADS);
  const GiveOut give{parts.a, parts.order[sorted], limit, blocks, slots, edges, count};
  status = launch_blocks(stream, give, blocks);
  if (status != WARP_OK) return status;
  const uint64_t tiles = ((uint64_t)params->chunks + Totals::TILE - 1) / Totals::TILE;
  return launch_blocks(stream, Totals{parts.a.s, stats}, tiles);
}
