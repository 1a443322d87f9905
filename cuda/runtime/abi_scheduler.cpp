/* The scheduler: arguments are checked here. */
#include "abi.h"
#include "schedulers.h"

using namespace warp;

namespace {

constexpr uint32_t EDGES_MOST = 4096, ETA_MOST = 1024;
constexpr uint32_t ROUNDS_MOST = 8, ITERATIONS_MOST = 64;
/* Sums of loads stay exact in every language. */
constexpr uint64_t LOADS_MOST = uint64_t{1} << 53;

/* Runs `call` alone on the scheduler: another call meanwhile gives WARP_EAGAIN. */
template <class Call>
warp_status with(warp_scheduler handle, Call &&call) {
  return guarded([&]() -> warp_status {
    const auto scheduler = find_scheduler(handle);
    if (scheduler == nullptr) return WARP_EINVAL;
    std::unique_lock<std::mutex> lock(scheduler->mutex(), std::try_to_lock);
    if (!lock.owns_lock()) return WARP_EAGAIN;
    /* Closed with its context since it was found, or the context is dead. */
    const warp_status status = scheduler->use();
    return status == WARP_OK ? call(*scheduler) : status;
  });
}

bool is_range(uint32_t first, uint32_t n, uint32_t limit) {
  return first <= limit && n <= limit - first;
}

bool is_queue(const SchedulerQueue &queue) {
  return queue.count != nullptr &&
         (queue.limit == 0 || (queue.slots != nullptr && queue.edges != nullptr));
}

bool are_events(Scheduler &on, uint32_t n, const uint32_t *slots, const uint8_t *kinds) {
  return n == 0 || (slots != nullptr && kinds != nullptr && on.are_events(n, slots, kinds));
}

bool are_loads(const uint64_t *loads, uint32_t edges) {
  uint64_t sum = 0;
  for (uint32_t e = 0; loads != nullptr && e < edges; e++) {
    if (loads[e] >= LOADS_MOST || (sum += loads[e]) >= LOADS_MOST) return false;
  }
  return true;
}

}  // namespace

extern "C" {

warp_status warp_scheduler_open(warp_context handle, const warp_scheduler_params *params,
                                warp_scheduler *scheduler) {
  return guarded([&]() -> warp_status {
    const auto context = find_context(handle);
    if (context == nullptr || params == nullptr || scheduler == nullptr ||
        params->size < sizeof *params || params->edges < 1 || params->edges > EDGES_MOST ||
        params->chunks < 1 || params->eta < 1 || params->eta > ETA_MOST) {
      return WARP_EINVAL;
    }
    *scheduler = 0;
    warp_status status = context->use();
    if (status != WARP_OK) return status;
    auto one = std::make_shared<Scheduler>(context, handle, *params);
    status = one->open();
    return status == WARP_OK ? enter_scheduler(std::move(one), scheduler) : status;
  });
}

warp_status warp_scheduler_close(warp_scheduler handle) {
  return guarded([&]() -> warp_status {
    const auto scheduler = find_scheduler(handle);
    if (scheduler == nullptr) return WARP_EINVAL;
    std::unique_lock<std::mutex> lock(scheduler->mutex(), std::try_to_lock);
    if (!lock.owns_lock()) return WARP_EAGAIN;
    if (!remove_scheduler(handle)) return WARP_EINVAL;
    scheduler->close();
    return WARP_OK;
  });
}

warp_status warp_scheduler_put(warp_scheduler scheduler, uint32_t first, uint32_t n,
                               const uint16_t *candidates, const uint16_t *sizes,
                               const uint8_t *priorities) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    const bool is_given = candidates != nullptr && sizes != nullptr && priorities != nullptr;
    if (!is_range(first, n, on.params().chunks) || (n != 0 && !is_given)) return WARP_EINVAL;
    return on.put(first, n, candidates, sizes, priorities);
  });
}

warp_status warp_scheduler_edges(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                 const warp_edge *edges) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    if (!is_range(first, n, on.params().edges) || (n != 0 && edges == nullptr)) return WARP_EINVAL;
    return on.set_edges(first, n, edges);
  });
}

warp_status warp_scheduler_set_prices(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                      const int32_t *prices) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    if (!is_range(first, n, on.params().edges) || (n != 0 && prices == nullptr)) return WARP_EINVAL;
    return on.set_prices(first, n, prices);
  });
}

warp_status warp_scheduler_reset_prices(warp_scheduler scheduler) {
  return with(scheduler, [](Scheduler &on) { return on.reset_prices(); });
}

warp_status warp_scheduler_events(warp_scheduler scheduler, uint32_t n, const uint32_t *slots,
                                  const uint8_t *kinds, uint64_t *applied) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    if (!are_events(on, n, slots, kinds)) return WARP_EINVAL;
    return on.apply(n, slots, kinds, applied);
  });
}

warp_status warp_scheduler_fold(warp_scheduler scheduler) {
  return with(scheduler, [](Scheduler &on) { return on.fold(); });
}

warp_status warp_scheduler_choose(warp_scheduler scheduler, uint32_t first, uint32_t n) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    return is_range(first, n, on.params().chunks) ? on.choose(first, n) : WARP_EINVAL;
  });
}

warp_status warp_scheduler_choose_dirty(warp_scheduler scheduler, uint64_t *count) {
  return with(scheduler, [&](Scheduler &on) { return on.choose_dirty(count); });
}

warp_status warp_scheduler_failover(warp_scheduler scheduler, uint64_t *count) {
  return with(scheduler, [&](Scheduler &on) { return on.failover(count); });
}

warp_status warp_scheduler_prices(warp_scheduler scheduler, const uint64_t *loads) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    return are_loads(loads, on.params().edges) ? on.update_prices(loads) : WARP_EINVAL;
  });
}

warp_status warp_scheduler_dispatch(warp_scheduler scheduler, uint32_t rounds, uint32_t first_edge,
                                    uint32_t limit, uint32_t *slots, uint16_t *edges,
                                    uint32_t *count, uint64_t *stats) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    const SchedulerQueue queue = {limit, slots, edges, count};
    if (rounds < 1 || rounds > ROUNDS_MOST || first_edge >= on.params().edges || !is_queue(queue)) {
      return WARP_EINVAL;
    }
    return on.dispatch(rounds, first_edge, queue, stats);
  });
}

warp_status warp_scheduler_tick(warp_scheduler scheduler, const warp_scheduler_tick_params *params,
                                uint32_t events, const uint32_t *event_slots,
                                const uint8_t *event_kinds, uint32_t limit, uint32_t *slots,
                                uint16_t *edges, uint32_t *count, uint64_t *stats) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    const SchedulerQueue queue = {limit, slots, edges, count};
    if (params == nullptr || params->size < sizeof *params ||
        params->iterations > ITERATIONS_MOST || params->rounds < 1 ||
        params->rounds > ROUNDS_MOST || stats == nullptr || !is_queue(queue) ||
        !are_events(on, events, event_slots, event_kinds)) {
      return WARP_EINVAL;
    }
    return on.tick(*params, events, event_slots, event_kinds, queue, stats);
  });
}

warp_status warp_scheduler_best(warp_scheduler scheduler, uint32_t n, const uint32_t *slots,
                                uint16_t *out) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    if (n != 0 && (slots == nullptr || out == nullptr)) return WARP_EINVAL;
    for (uint32_t i = 0; i < n; i++) {
      if (slots[i] >= on.params().chunks) return WARP_EINVAL;
    }
    return on.best(n, slots, out);
  });
}

warp_status warp_scheduler_read(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                uint16_t *assigned, uint8_t *states, uint8_t *tries) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    if (!is_range(first, n, on.params().chunks)) return WARP_EINVAL;
    return on.read(first, n, assigned, states, tries);
  });
}

warp_status warp_scheduler_read_edges(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                      uint32_t *words, int32_t *prices, uint64_t *loads) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    if (!is_range(first, n, on.params().edges)) return WARP_EINVAL;
    return on.read_edges(first, n, words, prices, loads);
  });
}

warp_status warp_scheduler_digest(warp_scheduler scheduler, uint64_t *digest) {
  return with(scheduler, [&](Scheduler &on) -> warp_status {
    return digest == nullptr ? WARP_EINVAL : on.digest(digest);
  });
}

}  // extern "C"
