/* What the scheduler does once per edge: fold and prices. One block each: there are few edges. */
#include "scheduler.cuh"
#include "sum.cuh"

namespace kernels {

struct SchedulerFold {
  static constexpr uint32_t THREADS = 512;
  struct Shared {
    uint32_t least;
  };
  Scheduler s;

  WARP_FN static bool is_usable(const warp_edge &edge) {
    return edge.alive != 0 && edge.capacity != 0 && edge.cost <= COST_MOST;
  }
  /* Cost and price, moved so that it is not negative. */
  WARP_FN uint32_t total(uint32_t e) const {
    return s.at.given[e].cost + (uint32_t)(s.at.prices[e] - PRICE_LEAST);
  }

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &shared) const {
    block.each([&](uint32_t thread) {
      if (thread == 0) shared.least = ~0u;
    });
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < s.edges; e += THREADS)
        if (is_usable(s.at.given[e])) atomic_min(&shared.least, total(e));
    });
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < s.edges; e += THREADS) {
        const warp_edge given = s.at.given[e];
        const uint32_t above = total(e) - shared.least;
        const uint32_t value = above < VALUE_MOST ? above : VALUE_MOST;
        const bool is = is_usable(given);
        s.at.words[e] = is ? value << 13 | (given.hash & 0xfff) << 1 | 1 : WORD_NONE;
        s.at.limits[e] = is ? given.capacity : 0;
      }
    });
  }
};

struct SchedulerPrices {
  static constexpr uint32_t THREADS = 512;
  using Shared = SumShared<THREADS>;
  Scheduler s;
  const uint64_t *loads;

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &shared) const {
    const uint64_t load = block_sum(block, shared, [&](uint32_t thread) {
      uint64_t sum = 0;
      for (uint32_t e = thread; e < s.edges; e += THREADS)
        sum += s.at.words[e] == WORD_NONE ? 0 : loads[e];
      return sum;
    });
    const uint64_t capacity = block_sum(
        block, shared, [&](uint32_t thread) { return s.sum(s.at.limits, thread, THREADS); });
    if (load == 0) return;
    const int32_t above = log2_linear(load + 1) - log2_linear(capacity + 1);
    const int32_t shift = above > 0 ? above : 0;
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < s.edges; e += THREADS) {
        if (s.at.words[e] == WORD_NONE) continue;
        const int32_t excess =
            log2_linear(loads[e] + 1) - log2_linear((uint64_t)s.at.limits[e] + 1) - shift;
        const int32_t step = excess > STEP_LEAST ? excess : STEP_LEAST;
        const int32_t last = s.at.lasts[e];
        const bool is_turning = (step < 0 && last > 0) || (step > 0 && last < 0);
        const uint32_t gain = next_gain(s.at.gains[e], is_turning);
        int32_t price = s.at.prices[e] + step * (int32_t)gain / 256;
        price = price < PRICE_LEAST ? PRICE_LEAST : price;
        s.at.gains[e] = gain;
        s.at.lasts[e] = step;
        s.at.prices[e] = price > PRICE_MOST ? PRICE_MOST : price;
      }
    });
  }

  WARP_FN uint32_t next_gain(uint32_t gain, bool is_turning) const {
    const uint32_t half = gain >> 1 > GAIN_LEAST ? gain >> 1 : GAIN_LEAST;
    const uint32_t wanted = is_turning ? half : gain + (gain >> 3) + 1;
    return wanted < s.eta ? wanted : s.eta;
  }
};

struct SchedulerResetPrices {
  static constexpr uint32_t THREADS = 512;
  struct Shared {
    uint32_t most;
  };
  Scheduler s;

  WARP_FN int32_t capacity(uint32_t e) const {
    return log2_linear((uint64_t)s.at.limits[e] + 1);
  }

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &shared) const {
    block.each([&](uint32_t thread) {
      if (thread == 0) shared.most = 0;
    });
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < s.edges; e += THREADS)
        atomic_max(&shared.most, (uint32_t)capacity(e));
    });
    block.each([&](uint32_t thread) {
      for (uint32_t e = thread; e < s.edges; e += THREADS) {
        const int32_t below = (int32_t)shared.most - capacity(e);
        s.at.prices[e] = s.at.words[e] == WORD_NONE ? 0 : below * 177 >> 8;
        s.at.gains[e] = s.eta;
        s.at.lasts[e] = 0;
      }
    });
  }
};

} /* namespace kernels */

using namespace kernels;

warp_status scheduler_fold_launch(warp_stream stream, const warp_scheduler_params *params,
                                  void *state) {
  return launch_blocks(stream, SchedulerFold{scheduler_view(params, state)}, 1);
}

warp_status scheduler_prices_launch(warp_stream stream, const warp_scheduler_params *params,
                                    void *state, const uint64_t *loads) {
  const Scheduler s = scheduler_view(params, state);
  return launch_blocks(stream, SchedulerPrices{s, loads != nullptr ? loads : s.at.loads}, 1);
}

warp_status scheduler_reset_prices_launch(warp_stream stream, const warp_scheduler_params *params,
                                          void *state) {
  return launch_blocks(stream, SchedulerResetPrices{scheduler_view(params, state)}, 1);
}
