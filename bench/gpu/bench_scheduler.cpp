#include <algorithm>

#include "bench.h"

namespace {

constexpr uint32_t EDGES = 1024;
constexpr uint32_t LIMIT = 65536;
/* One block of random chunks fills all slots, again and again. */
constexpr uint32_t BLOCK = 1 << 18;
constexpr int TICKS = 20;
/* Chunks of the targets. */
constexpr uint64_t TARGET_CHUNKS = 10000000;

struct Swarm {
  std::vector<warp_edge> edges;
  std::vector<uint16_t> candidates, sizes;
  Bytes priorities;

  Swarm() : edges(EDGES), candidates(8 * BLOCK), sizes(BLOCK), priorities(BLOCK) {
    Random random = {9};
    for (warp_edge &edge : edges) {
      edge.cost = static_cast<uint32_t>(random.below(5000));
      edge.hash = static_cast<uint32_t>(random.next());
      edge.capacity = static_cast<uint32_t>(1000 + random.below(100000));
      edge.alive = 1;
    }
    for (uint16_t &one : candidates) one = static_cast<uint16_t>(random.below(EDGES));
    for (uint16_t &one : sizes) one = static_cast<uint16_t>(16 + random.below(128));
    for (uint8_t &one : priorities) one = static_cast<uint8_t>(random.below(8));
  }
};

double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

template <class Pass>
double milliseconds(warp_context context, const char *name, Pass pass) {
  const double start = seconds();
  require(context, pass(), name);
  return 1e3 * (seconds() - start);
}

/* Ticks as in use: what was dispatched is done by the next one, a tenth of it failed. */
std::vector<double> ticks(warp_context context, warp_scheduler scheduler) {
  warp_scheduler_tick_params params = {sizeof params, 10, 1, 4};
  std::vector<uint32_t> slots(LIMIT), events;
  std::vector<uint16_t> edges(LIMIT);
  Bytes kinds;
  uint64_t stats[WARP_STATS];
  std::vector<double> times;
  for (int i = 0; i < TICKS; i++) {
    uint32_t count = 0;
    times.push_back(milliseconds(context, "warp_scheduler_tick", [&] {
      return warp_scheduler_tick(scheduler, &params, static_cast<uint32_t>(events.size()),
                                 events.data(), kinds.data(), LIMIT, slots.data(), edges.data(),
                                 &count, stats);
    }));
    events.assign(slots.begin(), slots.begin() + count);
    kinds.assign(count, 1);
    for (uint32_t at = 0; at < count; at += 10) kinds[at] = 2;
  }
  /* The first one sets up its memory. */
  times.erase(times.begin());
  return times;
}

double failover(warp_context context, warp_scheduler scheduler, Swarm swarm, uint64_t *count) {
  for (uint32_t e = 0; e < EDGES; e += 100) swarm.edges[e].alive = 0;
  return milliseconds(context, "warp_scheduler_failover", [&] {
    warp_status status = warp_scheduler_edges(scheduler, 0, EDGES, swarm.edges.data());
    if (status == WARP_OK) status = warp_scheduler_fold(scheduler);
    return status == WARP_OK ? warp_scheduler_failover(scheduler, count) : status;
  });
}

void fill(warp_context context, warp_scheduler scheduler, const Swarm &swarm, uint64_t chunks) {
  for (uint64_t at = 0; at < chunks; at += BLOCK) {
    const uint32_t some = static_cast<uint32_t>(std::min<uint64_t>(BLOCK, chunks - at));
    require(context,
            warp_scheduler_put(scheduler, static_cast<uint32_t>(at), some, swarm.candidates.data(),
                               swarm.sizes.data(), swarm.priorities.data()),
            "warp_scheduler_put");
  }
  require(context, warp_scheduler_edges(scheduler, 0, EDGES, swarm.edges.data()), "edges");
  require(context, warp_scheduler_reset_prices(scheduler), "reset_prices");
  require(context, warp_scheduler_fold(scheduler), "fold");
}

}  // namespace

void bench_scheduler(warp_context context, const Sizes &sizes, Targets &targets) {
  const Swarm swarm;
  for (const uint64_t chunks : sizes.chunks) {
    warp_scheduler_params params = {sizeof params, EDGES, static_cast<uint32_t>(chunks), 0, 179};
    warp_scheduler scheduler = 0;
    const warp_status status = warp_scheduler_open(context, &params, &scheduler);
    if (status == WARP_ENOMEM) {
      printf("scheduler        %10llu chunks: SKIP, not enough device memory\n",
             static_cast<unsigned long long>(chunks));
      continue;
    }
    require(context, status, "warp_scheduler_open");
    fill(context, scheduler, swarm, chunks);
    std::vector<double> choosing, ticking = {0};
    for (int i = 0; i < 5; i++) {
      choosing.push_back(milliseconds(context, "warp_scheduler_choose", [&] {
        return warp_scheduler_choose(scheduler, 0, params.chunks);
      }));
    }
    uint64_t moved = 0;
    const double failing = failover(context, scheduler, swarm, &moved);
    /* Dispatch needs as much memory again. */
    if (chunks <= 100000000) ticking = ticks(context, scheduler);
    const double tick = median(ticking), worst = *std::max_element(ticking.begin(), ticking.end());
    printf("scheduler        %10llu chunks   choose %9.3f ms   failover %9.3f ms (%llu chunks)   "
           "tick %9.3f ms, worst %9.3f\n",
           static_cast<unsigned long long>(chunks), median(choosing), failing,
           static_cast<unsigned long long>(moved), tick, worst);
    if (chunks == TARGET_CHUNKS || sizes.chunks.size() == 1) {
      targets.push_back({"scheduler tick, 10 M chunks", tick, 10, false, "ms"});
      targets.push_back({"scheduler failover, 10 M chunks", failing, 50, false, "ms"});
    }
    require(context, warp_scheduler_close(scheduler), "warp_scheduler_close");
  }
}
